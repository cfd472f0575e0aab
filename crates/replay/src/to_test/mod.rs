//! A recorded call as a test of its bot: a dialogue that `offhook bot test` plays, without audio and without engines.
//!
//! [`to_test`] writes what the caller said and keyed, what the bot answered, and what business systems and transfers gave
//! back, then plays it against the very bot that took the call, and leaves out what cannot be seen without audio. So a new
//! test always passes with that bot, and fails with one that answers otherwise.

mod lines;

use std::collections::BTreeMap;
use std::sync::Arc;

use offhook_call_control::Role;
use offhook_conversation::{Bot, BotErrors, ToolAnswer, ToolFailure, run_tests_beside};
use offhook_journal::bundle::Bundle;
use serde_json::{Value, json};

use crate::{CallHead, ControlHead, HeadError};
use lines::{Line, Told, told};

/// A call that became a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeTest {
    /// Its name in the file.
    pub name: String,
    /// An entry of `tests:`, in YAML, indented by two.
    pub item: String,
    /// How many of its lines expect something of the bot.
    pub expectations: usize,
    /// What of the call did not become part of it, and why.
    pub notes: Vec<String>,
}

/// Why a call cannot be a test.
#[derive(Debug, thiserror::Error)]
pub enum ToTestError {
    /// The bundle does not say what the call was run with.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Nothing with a file took it.
    #[error("the call was taken by the built-in bot '{0}': only bots with a file have tests")]
    NotABot(String),
    /// The caller did nothing and the bot said nothing.
    #[error("nothing was said, keyed or done in the call: there is nothing to test")]
    Nothing,
    /// Not one line passes.
    #[error("nothing that the bot did can be seen again without audio: {0}")]
    NothingPasses(String),
    /// What was written is no test; a mistake of ours.
    #[error("the test that was written cannot be read: {0}")]
    Unreadable(BotErrors),
}

/// The head of a file of tests.
pub const TESTS_FILE_HEAD: &str =
    "# Recorded calls as tests: `offhook bot test` plays them with those in the bot's own file.\ntests:\n";

/// Makes a test of a call.
///
/// # Errors
/// No bot with a file took it, or nothing in it can be tested.
pub fn to_test(bundle: &Bundle) -> Result<MadeTest, ToTestError> {
    let head = CallHead::from_meta(&bundle.meta)?;
    let settings = head.settings().map_err(HeadError::from)?;
    let Role::Bot(bot) = &settings.role else { return Err(ToTestError::NotABot(settings.bot_name)) };
    let told = told(bundle, bot);
    if told.lines.is_empty() {
        return Err(ToTestError::Nothing);
    }
    let name = format!("call {}", head.control.call_id);
    // The less a test needs to know of the call the better: who called and what was configured come in last.
    let mut best: Option<Attempt> = None;
    for surroundings in surroundings(&head.control, &told) {
        let attempt = Attempt::play(bot, &name, surroundings, &told)?;
        if best.as_ref().is_none_or(|best| attempt.left_out.len() < best.left_out.len()) {
            best = Some(attempt);
        }
        if best.as_ref().is_some_and(|best| best.left_out.is_empty()) {
            break;
        }
    }
    let Some(best) = best else { return Err(ToTestError::Nothing) };
    let expectations = best.lines.iter().filter(|line| line.expects).count();
    if expectations == 0 {
        return Err(ToTestError::NothingPasses(best.left_out.join("; ")));
    }
    let item = item(&name, &best.surroundings, &best.lines);
    let notes = told.notes.into_iter().chain(best.left_out).collect();
    Ok(MadeTest { name, item, expectations, notes })
}

/// The lines above the dialogue, cheapest first.
fn surroundings(control: &ControlHead, told: &Told) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    if !told.tools.is_empty() {
        lines.push(format!("tools: {}", json!(told.tools)));
    }
    if !told.transfers.is_empty() {
        lines.push(format!("transfers: {}", json!(told.transfers)));
    }
    let mut all = vec![lines.clone()];
    let mut more = |line: String| {
        lines.push(line);
        all.push(lines.clone());
    };
    more(format!("time: {}", json!(clock(control, told.started_unix_ms))));
    if !told.caller.is_empty() {
        more(format!("caller: {}", json!(told.caller)));
    }
    if !control.bot_config.is_empty() {
        more(format!("config: {}", json!(control.bot_config)));
    }
    all
}

/// One way to write the test, played until it passes.
struct Attempt {
    surroundings: Vec<String>,
    lines: Vec<Line>,
    left_out: Vec<String>,
}

impl Attempt {
    fn play(
        bot: &Arc<Bot>,
        name: &str,
        surroundings: Vec<String>,
        told: &Told,
    ) -> Result<Attempt, ToTestError> {
        let mut attempt = Attempt { surroundings, lines: told.lines.clone(), left_out: Vec::new() };
        loop {
            let item = item(name, &attempt.surroundings, &attempt.lines);
            let file = format!("{TESTS_FILE_HEAD}{item}");
            let report = run_tests_beside(bot, &file, name).map_err(ToTestError::Unreadable)?;
            let Some(failure) = report.tests.first().and_then(|test| test.failure.as_ref()) else {
                return Ok(attempt);
            };
            let first = file.lines().count() - attempt.lines.len();
            let Some(at) = failure.line.checked_sub(first + 1).filter(|at| *at < attempt.lines.len()) else {
                return Err(ToTestError::NothingPasses(failure.actual.clone()));
            };
            attempt.correct(at, &failure.actual);
        }
    }

    /// Each correction makes the test shorter or a line simpler: there is an end to it.
    fn correct(&mut self, at: usize, actual: &str) {
        if let Some(instead) = self.lines[at].instead.take() {
            self.lines[at].yaml = instead;
            return;
        }
        let line = self.lines.remove(at);
        self.left_out.push(format!("left out: {} (without audio: {actual})", line.yaml));
    }
}

fn item(name: &str, surroundings: &[String], lines: &[Line]) -> String {
    let mut text = format!("  - name: {}\n", json!(name));
    for line in surroundings {
        text.push_str(&format!("    {line}\n"));
    }
    text.push_str("    dialogue:\n");
    for line in lines {
        text.push_str(&format!("      - {}\n", line.yaml));
    }
    text
}

/// The answer of a business system as tests write it.
fn stub(outcome: &Result<ToolAnswer, ToolFailure>) -> Value {
    match outcome {
        Ok(ToolAnswer { status, body }) => match serde_json::from_str::<Value>(body) {
            Ok(body) => json!({ "status": status, "body": body }),
            Err(_) => json!({ "status": status }),
        },
        Err(ToolFailure::TimedOut) => json!({ "timeout": true }),
        Err(ToolFailure::Unreachable(_) | ToolFailure::Refused(_)) => json!({ "unreachable": true }),
    }
}

type Stubs = BTreeMap<String, Vec<Value>>;

/// When the call began where the bot stands, as tests write it.
fn clock(control: &ControlHead, started_unix_ms: i64) -> String {
    let minutes = (started_unix_ms / 1000 + i64::from(control.wall.utc_offset_seconds)).div_euclid(60);
    let (days, minute) = (minutes.div_euclid(1440), minutes.rem_euclid(1440));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", minute / 60, minute % 60)
}

/// A day since 1 January 1970 as year, month, day. Counted in years that begin in March, so that the leap day comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + later, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_778), (2026, 11, 21));
    }
}
