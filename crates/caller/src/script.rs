//! Scripts: what the caller does, one line after the other.
//!
//! ```text
//! # Orders, by voice and by keypad.
//! wait-quiet                      # the far side has talked and is quiet (or its patience ends)
//! say check-my-order.wav          # plays the file, then goes on
//! wait-quiet 20s                  # with a limit of its own
//! dtmf 12345678#                  # RFC 4733 digits
//! wait 1.5s
//! interrupt after 1s say no.wav   # waits until the far side talks, then talks into it
//! expect-hangup 10s               # the far side hangs up within this time, or the report says "unmet"
//! hangup
//! ```
//!
//! A `#` at the beginning of a line or between blanks begins a comment; anywhere else it is a key or part of a name.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::CallerError;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {message}", file.display())]
pub struct ScriptError {
    /// The script.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// One line of a script.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Plays these samples (8 kHz), then goes on.
    Say(Speech),
    /// Presses these keys, then goes on.
    Dtmf(String),
    /// Does nothing for this long.
    Wait(Duration),
    /// Waits until the far side has talked and been quiet; at most this long where given.
    WaitQuiet(Option<Duration>),
    /// Waits until the far side talks, lets it talk for this long, then does this.
    Interrupt {
        /// How long it may talk.
        after: Duration,
        /// What we do then.
        action: Action,
    },
    /// The far side hangs up within this time (where given), or the report says so.
    ExpectHangup(Option<Duration>),
    /// We hang up.
    Hangup,
}

/// What we interrupt with.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Speech.
    Say(Speech),
    /// Keys.
    Dtmf(String),
}

/// Something to say and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Speech {
    /// The file, for people.
    pub name: String,
    /// 8 kHz mono.
    pub samples: Arc<[i16]>,
}

/// A numbered step, so that the report can name the line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// From 1; 0 where there is no file.
    pub number: usize,
    /// What to do.
    pub step: Step,
}

/// Reads a script and the WAVs it names (looked up beside it).
pub fn read(path: &Path) -> Result<Vec<Line>, CallerError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CallerError::ScriptFile { path: path.to_owned(), source })?;
    let beside = path.parent().unwrap_or(Path::new(""));
    Ok(parse(&text, path, &mut |name| {
        crate::wav::read(&beside.join(name)).map_err(|error| error.to_string())
    })?)
}

/// Parses a script; `load` fetches what `say` names.
pub fn parse(
    text: &str,
    file: &Path,
    load: &mut dyn FnMut(&str) -> Result<Vec<i16>, String>,
) -> Result<Vec<Line>, ScriptError> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = without_comment(line).trim();
        if line.is_empty() {
            continue;
        }
        let number = index + 1;
        let step = step(line, load).map_err(|message| ScriptError {
            file: file.to_owned(),
            line: number,
            message,
        })?;
        lines.push(Line { number, step });
    }
    Ok(lines)
}

/// A lone `#` at the end of a line is the key: `dtmf #`.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    [" # ", "\t# ", " #\t", "\t#\t"]
        .iter()
        .filter_map(|mark| line.find(mark))
        .min()
        .map_or(line, |at| &line[..at])
}

fn step(line: &str, load: &mut dyn FnMut(&str) -> Result<Vec<i16>, String>) -> Result<Step, String> {
    let (word, rest) = split_word(line);
    match word {
        "say" | "dtmf" => Ok(match action(line, load)? {
            Action::Say(speech) => Step::Say(speech),
            Action::Dtmf(digits) => Step::Dtmf(digits),
        }),
        "wait" if rest.is_empty() => Err("wait needs a time, such as 1.5s or 300ms".to_owned()),
        "wait" => Ok(Step::Wait(duration(rest)?)),
        "wait-quiet" => Ok(Step::WaitQuiet(optional_duration(rest)?)),
        "expect-hangup" => Ok(Step::ExpectHangup(optional_duration(rest)?)),
        "hangup" if rest.is_empty() => Ok(Step::Hangup),
        "hangup" => Err(format!("hangup takes nothing, found `{rest}`")),
        "interrupt" => interrupt(rest, load),
        _ => {
            Err(format!("`{word}` is none of say, dtmf, wait, wait-quiet, interrupt, expect-hangup, hangup"))
        }
    }
}

fn interrupt(rest: &str, load: &mut dyn FnMut(&str) -> Result<Vec<i16>, String>) -> Result<Step, String> {
    let usage = "interrupt is written `interrupt after 1s say FILE` or `interrupt after 1s dtmf DIGITS`";
    let ("after", rest) = split_word(rest) else { return Err(usage.to_owned()) };
    let (after, rest) = split_word(rest);
    if rest.is_empty() {
        return Err(usage.to_owned());
    }
    Ok(Step::Interrupt { after: duration(after)?, action: action(rest, load)? })
}

fn action(text: &str, load: &mut dyn FnMut(&str) -> Result<Vec<i16>, String>) -> Result<Action, String> {
    match split_word(text) {
        ("say", "") => Err("say needs a WAV file".to_owned()),
        ("say", name) => Ok(Action::Say(Speech { name: name.to_owned(), samples: load(name)?.into() })),
        ("dtmf", "") => Err("dtmf needs digits".to_owned()),
        ("dtmf", digits) => match digits.chars().find(|digit| !"0123456789*#ABCD".contains(*digit)) {
            Some(other) => Err(format!("`{other}` is not on a keypad: 0-9, *, #, A-D")),
            None => Ok(Action::Dtmf(digits.to_owned())),
        },
        (other, _) => Err(format!("`{other}` is neither say nor dtmf")),
    }
}

fn optional_duration(text: &str) -> Result<Option<Duration>, String> {
    if text.is_empty() { Ok(None) } else { duration(text).map(Some) }
}

/// `1.5s` or `300ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time such as 1.5s or 300ms");
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) => return Err(wrong()),
    };
    let value: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(value * unit).map_err(|_| wrong())
}

fn split_word(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Line>, String> {
        let mut load = |name: &str| {
            if name == "missing.wav" { Err("missing.wav: no such file".into()) } else { Ok(vec![1, 2]) }
        };
        parse(text, Path::new("calls/order.script"), &mut load).map_err(|error| error.to_string())
    }

    fn speech(name: &str) -> Speech {
        Speech { name: name.into(), samples: vec![1, 2].into() }
    }

    #[test]
    fn every_kind_of_line_is_understood() {
        let lines = parsed(
            "# A comment\n\nwait-quiet\nsay hello there.wav\n  dtmf 12345678#\nwait 1.5s\nwait-quiet 20s\n\
             interrupt after 300ms say no.wav\ninterrupt after 1s dtmf *\nexpect-hangup 5s\nexpect-hangup\nhangup\n",
        )
        .unwrap();

        let steps: Vec<_> = lines.iter().map(|line| line.step.clone()).collect();
        assert_eq!(
            steps,
            [
                Step::WaitQuiet(None),
                Step::Say(speech("hello there.wav")),
                Step::Dtmf("12345678#".into()),
                Step::Wait(Duration::from_millis(1500)),
                Step::WaitQuiet(Some(Duration::from_secs(20))),
                Step::Interrupt { after: Duration::from_millis(300), action: Action::Say(speech("no.wav")) },
                Step::Interrupt { after: Duration::from_secs(1), action: Action::Dtmf("*".into()) },
                Step::ExpectHangup(Some(Duration::from_secs(5))),
                Step::ExpectHangup(None),
                Step::Hangup,
            ]
        );
        assert_eq!((lines[0].number, lines[2].number), (3, 5));
    }

    #[test]
    fn a_comment_may_follow_a_line_and_a_key_is_no_comment() {
        let lines = parsed(
            "wait-quiet   # it is quiet\ndtmf 1#\t# two keys\ndtmf #\n \t# nothing\nsay a #1.wav # one\n",
        );

        let steps: Vec<_> = lines.unwrap().into_iter().map(|line| line.step).collect();
        let keys = |keys: &str| Step::Dtmf(keys.into());
        assert_eq!(steps, [Step::WaitQuiet(None), keys("1#"), keys("#"), Step::Say(speech("a #1.wav"))]);
    }

    #[test]
    fn the_script_of_the_readme_is_one() {
        let readme = include_str!("../../../README.md");
        let from = readme.find("```\nwait-quiet").unwrap() + 4;
        let script = &readme[from..from + readme[from..].find("```").unwrap()];

        assert_eq!(parsed(script).unwrap().len(), script.lines().count());
    }

    #[test]
    fn an_error_names_file_line_and_what_would_be_right() {
        let cases = [
            ("hangup\nsing song.wav", "calls/order.script:2: `sing` is none of say, dtmf"),
            ("\n\ndtmf 12x", "calls/order.script:3: `x` is not on a keypad"),
            ("wait", "calls/order.script:1: wait needs a time"),
            ("wait 5", "calls/order.script:1: `5` is not a time"),
            ("wait -1s", "calls/order.script:1: `-1s` is not a time"),
            ("say", "calls/order.script:1: say needs a WAV file"),
            ("say missing.wav", "calls/order.script:1: missing.wav: no such file"),
            ("interrupt say x.wav", "calls/order.script:1: interrupt is written"),
            ("interrupt after 1s hangup now", "calls/order.script:1: `hangup` is neither say nor dtmf"),
            ("hangup now", "calls/order.script:1: hangup takes nothing"),
        ];
        for (text, expected) in cases {
            let error = parsed(text).unwrap_err();
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
    }
}
