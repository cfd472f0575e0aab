//! What was said in a call, as text: a line each, or JSON.
//!
//! ```text
//! # a comment
//! bot: What can I do for you?
//! caller: where is my order
//! dtmf: 24691357#
//! wait 2s
//! hangup
//! ```
//!
//! The same as JSON: an array of `{"caller": "…"}`, `{"bot": "…"}`, `{"dtmf": "1234"}`, `{"wait": "2s"}` and
//! `{"hangup": true}`, or of `["caller", "…"]`; or an object that has such an array as its `transcript`, as the records
//! of the API do. Chinese words for the speakers, and `：`, are understood.

use std::time::Duration;

use serde::Deserialize;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TranscriptLine {
    /// The caller said this.
    Caller(String),
    /// The bot of then said this. Nobody says it again: the bot of now is compared with it.
    Bot(String),
    /// The caller pressed these keys.
    Keys(String),
    /// The caller waited before what follows.
    Wait(Duration),
    /// The caller hung up.
    HangUp,
}

/// A call as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// In order.
    pub lines: Vec<TranscriptLine>,
}

/// What is wrong with a transcript.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TranscriptError {
    /// A line, counted from 1.
    #[error("line {number}: {why}")]
    Line {
        /// Its number; in JSON that of the entry.
        number: usize,
        /// What is wrong and what would be right.
        why: String,
    },
    /// It is no JSON of this kind.
    #[error("{0}")]
    Json(String),
    /// Nothing is in it.
    #[error("there is no line in it: write `caller: …`, `bot: …`, `dtmf: 1234`, `wait 2s` or `hangup`")]
    Empty,
}

impl Transcript {
    /// Reads text or JSON.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &str) -> Result<Transcript, TranscriptError> {
        let text = text.trim_start_matches('\u{feff}');
        let lines = if text.trim_start().starts_with(['[', '{']) { of_json(text)? } else { of_text(text)? };
        if lines.is_empty() { Err(TranscriptError::Empty) } else { Ok(Transcript { lines }) }
    }

    /// Whether the first line that says anything looks like one of these: how a transcript is told from other files.
    pub fn is_one(text: &str) -> bool {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with(['[', '{']) {
            return true;
        }
        let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        first.is_some_and(|line| line_of(line).is_ok())
    }
}

fn of_text(text: &str) -> Result<Vec<TranscriptLine>, TranscriptError> {
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        lines.push(line_of(line).map_err(|why| TranscriptError::Line { number: at + 1, why })?);
    }
    Ok(lines)
}

fn line_of(line: &str) -> Result<TranscriptLine, String> {
    let unknown = || {
        format!(
            "'{}' is no line of a transcript: write `caller: …`, `bot: …`, `dtmf: 1234`, `wait 2s` or `hangup`",
            line.chars().take(40).collect::<String>()
        )
    };
    if let Some((word, rest)) = line.split_once([':', '：']) {
        let rest = rest.trim();
        return match word.trim().to_lowercase().as_str() {
            "caller" | "customer" | "user" | "来电者" | "客户" | "主叫" | "用户" => {
                said(rest).map(TranscriptLine::Caller)
            }
            "bot" | "agent" | "assistant" | "机器人" | "客服" => said(rest).map(TranscriptLine::Bot),
            "dtmf" | "keys" | "按键" => keys(rest),
            "wait" | "等待" => wait(rest),
            _ => Err(unknown()),
        };
    }
    match line.split_once(char::is_whitespace) {
        Some((word, time)) if matches!(word.to_lowercase().as_str(), "wait" | "等待") => wait(time),
        None if matches!(line.to_lowercase().as_str(), "hangup" | "hang_up" | "挂断") => {
            Ok(TranscriptLine::HangUp)
        }
        Some(_) | None => Err(unknown()),
    }
}

fn said(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("nobody says anything in it".to_owned()) } else { Ok(text.to_owned()) }
}

fn keys(text: &str) -> Result<TranscriptLine, String> {
    let keys: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_uppercase();
    let is_key = |c: char| matches!(c, '0'..='9' | 'A'..='D' | '*' | '#');
    match keys.chars().find(|c| !is_key(*c)) {
        Some(wrong) => Err(format!("'{wrong}' is no key: keys are 0-9, *, # and A-D")),
        None if keys.is_empty() => Err("there is no key in it".to_owned()),
        None => Ok(TranscriptLine::Keys(keys)),
    }
}

fn wait(time: &str) -> Result<TranscriptLine, String> {
    let time = time.trim();
    let wrong = || format!("'{time}' is no time: write 500ms, 2s or 1m, at most an hour");
    let (number, seconds) = if let Some(number) = time.strip_suffix("ms") {
        (number, 0.001)
    } else if let Some(number) = time.strip_suffix(['s', '秒']) {
        (number, 1.0)
    } else {
        (time.strip_suffix('m').ok_or_else(wrong)?, 60.0)
    };
    let seconds = number.trim().parse::<f64>().map_err(|_| wrong())? * seconds;
    if (0.0..=3600.0).contains(&seconds) {
        Ok(TranscriptLine::Wait(Duration::from_secs_f64(seconds)))
    } else {
        Err(wrong())
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Json {
    Lines(Vec<JsonLine>),
    Record { transcript: Vec<JsonLine> },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonLine {
    Pair(String, String),
    Named(JsonNamed),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonNamed {
    caller: Option<String>,
    bot: Option<String>,
    dtmf: Option<String>,
    wait: Option<String>,
    hangup: Option<bool>,
}

fn of_json(text: &str) -> Result<Vec<TranscriptLine>, TranscriptError> {
    let shape = "an array of {\"caller\": …}, {\"bot\": …}, {\"dtmf\": …}, {\"wait\": …}, {\"hangup\": true} or [who, what] is expected, or an object with such a \"transcript\"";
    // Untagged types swallow where a syntax error is: that is looked for first.
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| TranscriptError::Json(error.to_string()))?;
    let (Json::Lines(lines) | Json::Record { transcript: lines }) =
        serde_json::from_value(value).map_err(|_| TranscriptError::Json(shape.to_owned()))?;
    let line = |line: JsonLine| match line {
        JsonLine::Pair(who, what) => line_of(&format!("{who}: {}", what.replace(['\n', '\r'], " "))),
        JsonLine::Named(JsonNamed { caller, bot, dtmf, wait: time, hangup }) => {
            match (caller, bot, dtmf, time, hangup) {
                (Some(text), None, None, None, None) => said(text.trim()).map(TranscriptLine::Caller),
                (None, Some(text), None, None, None) => said(text.trim()).map(TranscriptLine::Bot),
                (None, None, Some(text), None, None) => keys(&text),
                (None, None, None, Some(text), None) => wait(&text),
                (None, None, None, None, Some(true)) => Ok(TranscriptLine::HangUp),
                _ => Err("exactly one of caller, bot, dtmf, wait and hangup stands in an entry".to_owned()),
            }
        }
    };
    let numbered = lines.into_iter().enumerate();
    numbered.map(|(at, one)| line(one).map_err(|why| TranscriptError::Line { number: at + 1, why })).collect()
}

#[cfg(test)]
mod tests {
    use super::TranscriptLine::*;
    use super::*;

    fn lines(text: &str) -> Vec<TranscriptLine> {
        Transcript::parse(text).unwrap().lines
    }

    #[test]
    fn a_transcript_is_read_line_by_line() {
        let text = "# then\nbot: Hello: who is it?\n\nCaller: it is me\ndtmf: 12 34#\nwait 1.5s\nhangup\n";

        let expected = [
            Bot("Hello: who is it?".to_owned()),
            Caller("it is me".to_owned()),
            Keys("1234#".to_owned()),
            Wait(Duration::from_millis(1_500)),
            HangUp,
        ];
        assert_eq!(lines(text), expected);
        assert!(Transcript::is_one(text));
    }

    #[test]
    fn chinese_speakers_and_punctuation_are_understood() {
        let text = "机器人：您好\n客户：我要查话费\n按键：1\n等待 2秒\n挂断";

        let expected = [
            Bot("您好".to_owned()),
            Caller("我要查话费".to_owned()),
            Keys("1".to_owned()),
            Wait(Duration::from_secs(2)),
            HangUp,
        ];
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn json_says_the_same_in_its_three_forms() {
        let expected = [Bot("Hi.".to_owned()), Caller("a tea: please".to_owned())];

        for text in [
            r#"[{"bot": "Hi."}, {"caller": "a tea: please"}]"#,
            r#"[["bot", "Hi."], ["caller", "a tea: please"]]"#,
            r#"{"call_id": "x", "transcript": [["bot", "Hi."], ["caller", "a tea: please"]]}"#,
        ] {
            assert_eq!(lines(text), expected, "{text}");
        }
        let more = r#"[{"dtmf": "1"}, {"wait": "2s"}, {"hangup": true}]"#;
        assert_eq!(lines(more), [Keys("1".to_owned()), Wait(Duration::from_secs(2)), HangUp]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, told) in [
            ("caller: a\ncallr: b", "line 2: 'callr: b'"),
            ("dtmf: 12x", "'X' is no key"),
            ("caller: a\nwait 2", "line 2: '2' is no time"),
            ("caller:", "nobody says anything"),
            ("# nothing\n", "there is no line in it"),
            (r#"[{"caller": "a", "bot": "b"}]"#, "exactly one of"),
            (r#"[{"caler": "a"}]"#, "an array of"),
            (r#"[{"caller": }]"#, "line 1 column"),
        ] {
            let error = Transcript::parse(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
        assert!(!Transcript::is_one("RIFF....WAVE"));
        assert!(!Transcript::is_one("<html>\n<p>caller: x"));
    }
}
