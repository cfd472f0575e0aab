//! A language model as the caller, behind an OpenAI-compatible chat endpoint.
//!
//! The model plays the caller: the bot's lines are the `user`'s messages to it, the caller's its own. What it answers is
//! said; `[press 1234]` presses keys, `[wait]` waits five seconds, `[hang up]` ends the call, each alone in an answer. The
//! key, where one is needed, stands in the environment as `OFFHOOK_MODEL_KEY`.

use std::time::Duration;

use anyhow::{Context, bail};
use offhook_replay::{Act, Line, Who};
use serde::Deserialize;
use serde_json::json;

/// What it is told where nobody says who it is.
const PERSONA: &str =
    "You have an ordinary wish for which one calls this number. Follow what the bot asks of you.";

/// How long `[wait]` waits.
const WAIT: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

/// The body of a request.
pub(super) fn request(model: &str, persona: &str, language: &str, so_far: &[Line]) -> String {
    let persona = if persona.is_empty() { PERSONA } else { persona };
    let system = format!(
        "You are a person on the telephone who has called a voice bot; you are not the bot and not an assistant. {persona} \
         Answer with the words that you say and nothing else: one short sentence, in the language {language}, numbers as words. \
         To press keys answer [press 1234] alone, to say nothing for a while [wait], and when your wish is fulfilled or cannot be, [hang up]."
    );
    let mut messages = vec![json!({ "role": "system", "content": system })];
    for line in so_far {
        let (role, content) = match line.who {
            Who::Bot => ("user", line.text.clone()),
            Who::Caller => ("assistant", line.text.clone()),
            Who::Keys => ("assistant", format!("[press {}]", line.text)),
        };
        messages.push(json!({ "role": role, "content": content }));
    }
    json!({ "model": model, "messages": messages, "temperature": 0 }).to_string()
}

/// What the model does.
pub(super) fn act(text: &str) -> anyhow::Result<Act> {
    let completion: Completion = serde_json::from_str(text).context("its answer is no chat completion")?;
    let content = completion.choices.into_iter().next().and_then(|choice| choice.message.content);
    let content = content.unwrap_or_default();
    let said = content.trim().trim_matches('"').trim();
    let word = said.trim_matches(['[', ']']).trim().to_lowercase();
    let is_act = said.starts_with('[') && said.ends_with(']');
    if is_act && matches!(word.as_str(), "hang up" | "hangup" | "hang_up") {
        return Ok(Act::HangUp);
    }
    if is_act && word == "wait" {
        return Ok(Act::Wait(WAIT));
    }
    if is_act && let Some(keys) = word.strip_prefix("press ") {
        let keys: String = keys.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_uppercase();
        return Ok(Act::Press(keys));
    }
    if said.is_empty() {
        bail!("the model said nothing");
    }
    Ok(Act::Say(said.replace(['\n', '\r'], " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(content: &str) -> String {
        json!({ "choices": [{ "message": { "role": "assistant", "content": content } }] }).to_string()
    }

    #[test]
    fn the_model_plays_the_caller() {
        let line = |who, text: &str| Line { at: 0.0, who, text: text.to_owned() };
        let so_far = [line(Who::Bot, "Hello."), line(Who::Caller, "hi"), line(Who::Keys, "12")];

        let body: serde_json::Value =
            serde_json::from_str(&request("small", "You want tea.", "en-US", &so_far)).unwrap();

        assert_eq!(body["model"], "small");
        let roles: Vec<&str> =
            body["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "assistant"]);
        assert!(body["messages"][0]["content"].as_str().unwrap().contains("You want tea."));
        assert_eq!(body["messages"][3]["content"], "[press 12]");
    }

    #[test]
    fn what_it_answers_is_said_unless_it_is_an_act() {
        for (content, expected) in [
            ("\"A tea, please.\"", Act::Say("A tea, please.".to_owned())),
            ("[press 12 #]", Act::Press("12#".to_owned())),
            ("[wait]", Act::Wait(WAIT)),
            (" [Hang up] ", Act::HangUp),
        ] {
            assert_eq!(act(&answer(content)).unwrap(), expected, "{content}");
        }
        assert!(act(&answer("")).is_err());
        assert!(act("{}").is_err());
    }
}
