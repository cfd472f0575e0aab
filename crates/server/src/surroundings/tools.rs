//! Business systems of a call that is run in virtual time: a file of answers, a service, or the real ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use offhook_conversation::{ToolAnswer, ToolCall, ToolFailure};
use offhook_replay::Answer;
use serde::Deserialize;

use super::Delay;
use crate::tools::Tools;

/// Where answers come from; several are asked one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolSource {
    /// Whatever address the bot names.
    Live,
    /// The bot's path and query, at this address.
    At(String),
    /// Answers in a file.
    File(PathBuf),
}

impl ToolSource {
    /// `live`, a URL, or a file.
    pub fn parse(text: &str) -> ToolSource {
        if text == "live" {
            ToolSource::Live
        } else if text.starts_with("http://") || text.starts_with("https://") {
            ToolSource::At(text.trim_end_matches('/').to_owned())
        } else {
            ToolSource::File(PathBuf::from(text))
        }
    }
}

/// One answer in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The tool's name in the bot file; any where absent.
    tool: Option<String>,
    /// A part of its URL; any where absent.
    url: Option<String>,
    /// The method; any where absent.
    method: Option<String>,
    /// HTTP status.
    #[serde(default = "ok")]
    status: u16,
    /// The body: JSON, or text as it is.
    #[serde(default)]
    body: serde_json::Value,
    /// What goes wrong instead: `timeout` or `unreachable`.
    fails: Option<Failing>,
    /// How long it takes.
    after_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Failing {
    Timeout,
    Unreachable,
}

fn ok() -> u16 {
    200
}

enum Source {
    Live(Http, Option<String>),
    File(String, Vec<Written>),
}

/// All of them.
pub struct Toolbox {
    sources: Vec<Source>,
    /// How many requests each answered.
    counts: BTreeMap<String, u64>,
    unanswered: u64,
}

/// A client with a thread of its own.
struct Http {
    _runtime: tokio::runtime::Runtime,
    tools: Tools,
}

impl Toolbox {
    /// Reads the files.
    ///
    /// # Errors
    /// A file that cannot be read, or is no list of answers.
    pub fn new(sources: Vec<ToolSource>) -> anyhow::Result<Toolbox> {
        let source = |source| {
            Ok::<_, anyhow::Error>(match source {
                ToolSource::Live => Source::Live(Http::start()?, None),
                ToolSource::At(address) => Source::Live(Http::start()?, Some(address)),
                ToolSource::File(path) => Source::File(path.display().to_string(), answers(&path)?),
            })
        };
        let sources = sources.into_iter().map(source).collect::<Result<_, _>>()?;
        Ok(Toolbox { sources, counts: BTreeMap::new(), unanswered: 0 })
    }

    /// Whether anybody is asked at all.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The first answer of a source that has one; a source that cannot be reached is passed over.
    pub fn call(&mut self, call: &ToolCall, delay: Delay) -> Answer<Result<ToolAnswer, ToolFailure>> {
        let mut last = None;
        for source in &self.sources {
            let Some(answer) = source.ask(call, delay) else { continue };
            if let Err(ToolFailure::Unreachable(_)) = &answer.what {
                last.get_or_insert(answer);
                continue;
            }
            *self.counts.entry(answer.by.clone()).or_default() += 1;
            return answer;
        }
        self.unanswered += 1;
        last.unwrap_or_else(|| Answer {
            what: Err(ToolFailure::Unreachable("no --tools answers it".to_owned())),
            took: Duration::ZERO,
            by: "nobody".to_owned(),
        })
    }

    /// Who answered how many requests.
    pub fn take_notes(&mut self) -> Vec<String> {
        let counts = std::mem::take(&mut self.counts);
        let told = counts.into_iter().map(|(by, count)| format!("tools: {by} answered {count} requests"));
        let mut notes: Vec<String> = told.collect();
        let unanswered = std::mem::take(&mut self.unanswered);
        if unanswered > 0 {
            let remedy = if self.sources.is_empty() { "; --tools says who may" } else { "" };
            notes.push(format!("tools: nobody answered {unanswered} requests{remedy}"));
        }
        notes
    }
}

impl Source {
    fn ask(&self, call: &ToolCall, delay: Delay) -> Option<Answer<Result<ToolAnswer, ToolFailure>>> {
        match self {
            Source::Live(http, address) => {
                let mut call = call.clone();
                let by = match address {
                    Some(address) => {
                        call.url = moved(&call.url, address);
                        address.clone()
                    }
                    None => "the live system".to_owned(),
                };
                let (what, really) = http.ask(call);
                Some(Answer { what, took: delay.of(really), by })
            }
            Source::File(name, answers) => {
                let written = answers.iter().find(|written| written.fits(call))?;
                let took = written.after_ms.map_or(delay.of(Duration::ZERO), Duration::from_millis);
                let (what, took) = match written.fails {
                    Some(Failing::Timeout) => (Err(ToolFailure::TimedOut), call.timeout),
                    Some(Failing::Unreachable) => {
                        (Err(ToolFailure::Refused(format!("{name} says that it fails"))), took)
                    }
                    None => (Ok(ToolAnswer { status: written.status, body: written.text() }), took),
                };
                Some(Answer { what, took, by: name.clone() })
            }
        }
    }
}

impl Written {
    fn fits(&self, call: &ToolCall) -> bool {
        let is = |wanted: &Option<String>, fits: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(fits);
        is(&self.tool, &|tool| tool == call.name)
            && is(&self.method, &|method| method.eq_ignore_ascii_case(&call.method))
            && is(&self.url, &|part| call.url.contains(part))
    }

    fn text(&self) -> String {
        if self.body.is_null() {
            return String::new();
        }
        self.body.as_str().map_or_else(|| self.body.to_string(), str::to_owned)
    }
}

impl Http {
    fn start() -> anyhow::Result<Http> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build()?;
        let tools = Tools::new(runtime.handle().clone())?;
        Ok(Http { _runtime: runtime, tools })
    }

    fn ask(&self, call: ToolCall) -> (Result<ToolAnswer, ToolFailure>, Duration) {
        let (tell, told) = channel();
        let began = Instant::now();
        // Its own time-out ends it.
        self.tools.run(0, call, move |outcome| drop(tell.send(outcome)));
        let outcome = told.recv().unwrap_or(Err(ToolFailure::TimedOut));
        (outcome, began.elapsed())
    }
}

/// The path and query of `url` at another address.
fn moved(url: &str, address: &str) -> String {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.find(['/', '?']).map_or("", |at| &after_scheme[at..]);
    format!("{address}{path}")
}

fn answers(path: &Path) -> anyhow::Result<Vec<Written>> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("--tools {name}"))?;
    let answers: Vec<Written> = serde_json::from_str(&text).with_context(|| {
        format!(
            "--tools {name}: a JSON array of {{\"tool\", \"url\", \"method\", \"status\", \"body\", \"fails\", \"after_ms\"}} is expected"
        )
    })?;
    if answers.is_empty() {
        bail!("--tools {name}: there is no answer in it");
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use offhook_conversation::ToolId;

    use super::*;

    fn call(name: &str, url: &str) -> ToolCall {
        ToolCall {
            id: ToolId(1),
            name: name.to_owned(),
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: None,
            timeout: Duration::from_secs(3),
            secret: Default::default(),
        }
    }

    fn file(text: &str) -> (tempfile::TempDir, ToolSource) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tools.json");
        std::fs::write(&path, text).unwrap();
        (folder, ToolSource::parse(path.to_str().unwrap()))
    }

    #[test]
    fn the_first_answer_that_fits_is_given_and_what_nobody_answers_is_counted() {
        let text = r#"[{"tool": "order", "url": "/42", "body": {"state": "shipped"}},
            {"tool": "order", "status": 404}, {"tool": "slow", "fails": "timeout"}]"#;
        let (_folder, source) = file(text);
        let mut tools = Toolbox::new(vec![source]).unwrap();
        let delay = Delay::Modelled(Duration::from_millis(70));

        let known = tools.call(&call("order", "http://a/orders/42"), delay);
        let unknown = tools.call(&call("order", "http://a/orders/43"), delay);
        let slow = tools.call(&call("slow", "http://a/"), delay);
        let nobody = tools.call(&call("other", "http://a/"), delay);

        let body = r#"{"state":"shipped"}"#.to_owned();
        assert_eq!(known.what, Ok(ToolAnswer { status: 200, body }));
        assert_eq!(known.took, Duration::from_millis(70));
        assert_eq!(unknown.what, Ok(ToolAnswer { status: 404, body: String::new() }));
        assert_eq!((slow.what, slow.took), (Err(ToolFailure::TimedOut), Duration::from_secs(3)));
        assert!(matches!(nobody.what, Err(ToolFailure::Unreachable(_))));
        let notes = tools.take_notes().join("; ");
        assert!(notes.contains("answered 3 requests") && notes.contains("nobody answered 1"), "{notes}");
    }

    #[test]
    fn a_file_that_is_no_list_of_answers_is_refused() {
        for wrong in ["{}", "[]", r#"[{"tols": "x"}]"#] {
            assert!(Toolbox::new(vec![file(wrong).1]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_path_goes_to_another_address() {
        assert_eq!(
            moved("http://a:8090/orders/1?x=2", "http://127.0.0.1:1"),
            "http://127.0.0.1:1/orders/1?x=2"
        );
        assert_eq!(moved("https://a", "http://b"), "http://b");
    }
}
