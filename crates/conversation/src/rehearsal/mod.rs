//! The dialogues inside a bot file, played in virtual time.

mod stage;

pub(crate) use stage::wall_clock;

use std::fmt;

use serde::Serialize;

use crate::Bot;
use crate::bot::At;
use crate::bot::file::{TestFile, TestStep};
use stage::Stage;

/// How the tests of a bot file went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TestReport {
    /// Name of the bot.
    pub bot: String,
    /// Its version.
    pub version: String,
    /// One entry per test, in file order.
    pub tests: Vec<TestOutcome>,
}

/// How one test went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestOutcome {
    /// Its name.
    pub name: String,
    /// What was said, line by line: `bot: …`, `caller: …`.
    pub transcript: Vec<String>,
    /// `None` = passed.
    pub failure: Option<TestFailure>,
}

/// Where a test went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestFailure {
    /// Line in the bot file, from 1.
    pub line: usize,
    /// What was expected.
    pub expected: String,
    /// What happened instead.
    pub actual: String,
}

/// Plays the dialogues under `tests:` of a bot file.
pub fn run_tests(bot: &std::sync::Arc<Bot>) -> TestReport {
    TestReport {
        bot: bot.name().to_owned(),
        version: bot.version().to_owned(),
        tests: bot.file().tests.iter().map(|test| play(bot, test)).collect(),
    }
}

impl TestReport {
    /// Whether every test passed.
    pub fn passed(&self) -> bool {
        self.tests.iter().all(|test| test.failure.is_none())
    }
}

impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.tests.iter().filter(|test| test.failure.is_none()).count();
        write!(f, "{} ({}): {passed} of {} tests passed", self.bot, self.version, self.tests.len())?;
        for test in &self.tests {
            match &test.failure {
                None => write!(f, "\n  ok    {}", test.name)?,
                Some(failure) => {
                    write!(f, "\n  FAIL  {} (line {})", test.name, failure.line)?;
                    write!(f, "\n        expected: {}", failure.expected)?;
                    write!(f, "\n        actual:   {}", failure.actual)?;
                    for line in &test.transcript {
                        write!(f, "\n        | {line}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn play(bot: &std::sync::Arc<Bot>, test: &TestFile) -> TestOutcome {
    let mut stage = Stage::open(bot, test);
    let failure = test.dialogue.iter().find_map(|step| stage_step(&mut stage, step));
    TestOutcome { name: test.name.clone(), transcript: stage.into_transcript(), failure }
}

/// Plays one line of a dialogue; what failed, if anything.
fn stage_step(stage: &mut Stage<'_>, step: &At<TestStep>) -> Option<TestFailure> {
    let fail =
        |expected: String, actual: String| Some(TestFailure { line: step.place.line, expected, actual });
    match &step.value {
        TestStep::Caller(text) => {
            stage.settle();
            stage.caller_says(text);
            None
        }
        TestStep::Interrupts(text) => {
            if !stage.is_bot_speaking() {
                return fail("the bot still speaks".to_owned(), "it has finished".to_owned());
            }
            stage.caller_says(text);
            None
        }
        TestStep::Keys(keys) => {
            stage.settle();
            stage.caller_presses(keys);
            None
        }
        TestStep::Silence => {
            stage.settle();
            match stage.caller_is_silent() {
                true => None,
                false => fail("the bot waits for the caller".to_owned(), "nothing is awaited".to_owned()),
            }
        }
        TestStep::Unclear => {
            stage.settle();
            stage.caller_is_unclear();
            None
        }
        TestStep::HangsUp => {
            stage.settle();
            stage.caller_hangs_up();
            None
        }
        TestStep::Bot(text) => {
            let text = tidy(text);
            match stage.until(|stage| stage.said().contains(&text)) {
                true => None,
                false => fail(format!("bot: …{text}…"), format!("bot: {}", stage.said())),
            }
        }
        TestStep::BotNever(text) => {
            stage.settle();
            match stage.said().contains(&tidy(text)) {
                false => None,
                true => fail(format!("bot says nothing of: {text}"), format!("bot: {}", stage.said())),
            }
        }
        TestStep::State(state) => match stage.until(|stage| stage.state() == state) {
            true => None,
            false => fail(format!("state: {state}"), format!("state: {}", stage.state())),
        },
        TestStep::Variables(values) => values.iter().find_map(|(name, value)| {
            match stage.until(|stage| stage.variable(name) == Some(value)) {
                true => None,
                false => {
                    let actual =
                        stage.variable(name).map_or_else(|| "nothing".to_owned(), |value| value.to_string());
                    fail(format!("{name} is {value}"), format!("{name} is {actual}"))
                }
            }
        }),
        TestStep::Called(calls) => {
            calls.iter().find_map(|(tool, url)| match stage.until(|s| s.called(tool, url)) {
                true => None,
                false => {
                    fail(format!("{tool} is called with …{url}…"), format!("called were: {}", stage.calls()))
                }
            })
        }
        TestStep::TransferredTo(target) => match stage.until(|stage| stage.transferred_to(target)) {
            true => None,
            false => fail(format!("a transfer to {target}"), format!("state: {}", stage.state())),
        },
        TestStep::Outcome(outcome) => match stage.until(|stage| stage.outcome() == Some(outcome.as_str())) {
            true => None,
            false => {
                fail(format!("outcome: {outcome}"), format!("outcome: {}", stage.outcome().unwrap_or("none")))
            }
        },
        TestStep::Ended(ended) => {
            stage.settle();
            match stage.has_ended() == *ended {
                true => None,
                false => {
                    fail(format!("ended: {ended}"), format!("ended: {}, state: {}", !ended, stage.state()))
                }
            }
        }
    }
}

fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
