//! A caller who is a program: a child process, a service, or a language model behind a chat endpoint.
//!
//! Whenever it is the caller's turn, the conversation so far is handed over as JSON and what the caller does comes back:
//!
//! ```json
//! {"call": {"bot": "after-sales", "language": "en-US"}, "persona": "…", "turn": 2,
//!  "conversation": [{"at": 0.1, "who": "bot", "text": "Hello."}, {"at": 3.2, "who": "caller", "text": "hi"}]}
//! ```
//!
//! The answer is one of `{"say": "…"}`, `{"press": "1234"}`, `{"wait_ms": 2000}` and `{"hang_up": true}`. A child process
//! gets one such line on its standard input for each turn and writes one line; a service gets it by POST. A URL that ends
//! with `/chat/completions` is asked as an OpenAI-compatible model: see [`super::chat`].

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, bail};
use offhook_conversation::Bot;
use offhook_replay::{Act, Line, Talker};
use serde::{Deserialize, Serialize};

use super::chat;

/// How long a caller may think, on the clock on the wall.
const PATIENCE: Duration = Duration::from_secs(60);

/// No caller of a test has more to say.
const MOST_TURNS: usize = 60;

/// Longest answer of a service.
const LONGEST: usize = 64 * 1024;

/// What a caller program is told.
#[derive(Debug, Serialize)]
struct Question<'a> {
    call: CallWords<'a>,
    persona: &'a str,
    turn: usize,
    conversation: &'a [Line],
}

#[derive(Debug, Serialize)]
struct CallWords<'a> {
    bot: &'a str,
    language: &'a str,
}

/// What it answers.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    say: Option<String>,
    press: Option<String>,
    wait_ms: Option<u64>,
    hang_up: Option<bool>,
}

enum Place {
    Process(Process),
    Service { client: Client, url: String },
    Chat { client: Client, url: String, model: String },
}

/// A caller who decides by itself what to say.
pub struct CallerModel {
    place: Place,
    name: String,
    persona: String,
    bot: String,
    language: String,
    turns: usize,
    failed: Option<String>,
}

impl CallerModel {
    /// `cmd:PROGRAM ARGUMENTS`, or a URL. `persona` tells a model who it is; `model` names one of a chat endpoint.
    ///
    /// # Errors
    /// The program cannot be started, or it is none of these.
    pub fn start(place: &str, persona: &str, model: &str, bot: &Bot) -> anyhow::Result<CallerModel> {
        let is_chat = place.trim_end_matches('/').ends_with("/chat/completions");
        let opened = if let Some(command) = place.strip_prefix("cmd:") {
            Place::Process(Process::start(command)?)
        } else if !place.starts_with("http://") && !place.starts_with("https://") {
            bail!("--caller {place}: write cmd:PROGRAM, or a URL");
        } else if is_chat {
            Place::Chat { client: Client::new()?, url: place.to_owned(), model: model.to_owned() }
        } else {
            Place::Service { client: Client::new()?, url: place.to_owned() }
        };
        Ok(CallerModel {
            place: opened,
            name: if is_chat { format!("the model {model}") } else { place.to_owned() },
            persona: persona.to_owned(),
            bot: bot.name().to_owned(),
            language: bot.language().to_owned(),
            turns: 0,
            failed: None,
        })
    }

    fn ask(&mut self, so_far: &[Line]) -> anyhow::Result<Act> {
        let CallerModel { persona, bot, language, turns, .. } = self;
        let call = CallWords { bot, language };
        let question = Question { call, persona, turn: *turns, conversation: so_far };
        let text = match &mut self.place {
            Place::Process(process) => process.ask(&serde_json::to_string(&question)?)?,
            Place::Service { client, url } => client.post(url, &serde_json::to_string(&question)?, None)?,
            Place::Chat { client, url, model } => {
                let body = chat::request(model, persona, language, so_far);
                let key = std::env::var("OFFHOOK_MODEL_KEY").ok();
                return chat::act(&client.post(url, &body, key.as_deref())?);
            }
        };
        act(&text)
    }
}

impl Talker for CallerModel {
    fn turn(&mut self, so_far: &[Line]) -> Act {
        self.turns += 1;
        if self.turns > MOST_TURNS {
            self.failed.get_or_insert(format!("{} had {MOST_TURNS} turns: it is hung up for it", self.name));
            return Act::HangUp;
        }
        match self.ask(so_far) {
            Ok(act) => act,
            Err(error) => {
                let what = format!("{} failed in its turn {}: {error:#}; it hangs up", self.name, self.turns);
                self.failed.get_or_insert(what);
                Act::HangUp
            }
        }
    }

    fn notes(&mut self) -> Vec<String> {
        self.failed.iter().cloned().collect()
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

fn act(text: &str) -> anyhow::Result<Act> {
    let shape = || {
        let text: String = text.chars().take(200).collect();
        format!(
            "'{text}' is no answer: one of {{\"say\": …}}, {{\"press\": …}}, {{\"wait_ms\": …}}, {{\"hang_up\": true}} is expected"
        )
    };
    let reply: Reply = serde_json::from_str(text).with_context(shape)?;
    match (reply.say, reply.press, reply.wait_ms, reply.hang_up) {
        (Some(text), None, None, None) if !text.trim().is_empty() => Ok(Act::Say(text.trim().to_owned())),
        (None, Some(keys), None, None) if !keys.is_empty() => Ok(Act::Press(keys)),
        (None, None, Some(millis), None) => Ok(Act::Wait(Duration::from_millis(millis.clamp(100, 600_000)))),
        (None, None, None, Some(true)) => Ok(Act::HangUp),
        _ => bail!(shape()),
    }
}

/// A program that answers line by line.
struct Process {
    child: Child,
    input: ChildStdin,
    lines: Receiver<std::io::Result<String>>,
}

impl Process {
    fn start(command: &str) -> anyhow::Result<Process> {
        let mut child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("--caller cmd:{command}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("a child without pipes");
        };
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Process { child, input, lines })
    }

    fn ask(&mut self, question: &str) -> anyhow::Result<String> {
        writeln!(self.input, "{question}").context("it does not listen")?;
        self.input.flush()?;
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Ok(line?),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                bail!("it said nothing for {} s", PATIENCE.as_secs())
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => bail!("it ended"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that waits.
struct Client {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl Client {
    fn new() -> anyhow::Result<Client> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .user_agent(concat!("offhook/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Client { runtime, client })
    }

    fn post(&self, url: &str, body: &str, key: Option<&str>) -> anyhow::Result<String> {
        let mut request =
            self.client.post(url).header("content-type", "application/json").body(body.to_owned());
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        self.runtime.block_on(async {
            let mut response = request.send().await?;
            let status = response.status();
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > LONGEST {
                    bail!("its answer is longer than {LONGEST} bytes");
                }
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if !status.is_success() {
                bail!("it answered {status}: {}", text.chars().take(200).collect::<String>());
            }
            Ok(text)
        })
    }
}

#[cfg(test)]
mod tests {
    use offhook_replay::Who;

    use super::*;

    fn bot() -> Bot {
        let yaml = "bot: hello\nstart: greet\nstates:\n  greet: { say: Hello., hang_up: true }\n";
        Bot::parse(yaml, "hello.yaml").unwrap()
    }

    fn line(text: &str) -> Line {
        Line { at: 1.0, who: Who::Bot, text: text.to_owned() }
    }

    #[test]
    fn a_child_process_is_told_the_conversation_and_says_what_the_caller_does() {
        // It says what the bot said last, then presses a key, then hangs up.
        let script = r#"cmd:while read -r line; do n=$((n+1)); case $n in
            1) printf '%s\n' "$line" | sed 's/.*"text":"\([^"]*\)".*/{"say": "you said \1"}/' ;;
            2) echo '{"press": "12#"}' ;;
            *) echo '{"hang_up": true}' ;; esac; done"#;
        let mut model = CallerModel::start(script, "a tester", "", &bot()).unwrap();

        assert_eq!(model.turn(&[line("Hello.")]), Act::Say("you said Hello.".to_owned()));
        assert_eq!(model.turn(&[line("Hello.")]), Act::Press("12#".to_owned()));
        assert_eq!(model.turn(&[line("Hello.")]), Act::HangUp);
        assert!(model.notes().is_empty());
    }

    #[test]
    fn a_caller_that_fails_hangs_up_and_says_why() {
        for (script, told) in [
            ("cmd:exit 1", "failed in its turn 1"),
            ("cmd:read -r line; echo nonsense", "'nonsense' is no answer"),
            (r#"cmd:read -r line; echo '{"say": ""}'"#, "is expected"),
        ] {
            let mut model = CallerModel::start(script, "", "", &bot()).unwrap();

            assert_eq!(model.turn(&[]), Act::HangUp, "{script}");
            let notes = model.notes().join(" ");
            assert!(notes.contains(told), "{script}: {notes}");
        }
        assert!(CallerModel::start("ftp://x", "", "", &bot()).is_err());
    }
}
