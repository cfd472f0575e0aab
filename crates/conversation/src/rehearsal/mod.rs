//! The dialogues inside a bot file, played in virtual time.

mod stage;

pub(crate) use stage::wall_clock;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::bot::file::{TestFile, TestStep};
use crate::bot::{At, Place, read_tests};
use crate::{Bot, BotErrors};
use stage::Stage;

/// How the tests of a bot file went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TestReport {
    /// Name of the bot.
    pub bot: String,
    /// Its file.
    pub file: String,
    /// Its version.
    pub version: String,
    /// One entry per test, in file order.
    pub tests: Vec<TestOutcome>,
}

/// How one test went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestOutcome {
    /// The file it stands in: the bot's, or one beside it.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Line in that file where it begins, from 1.
    pub line: usize,
    /// Whether all that was expected was seen.
    pub passed: bool,
    /// What was said, line by line: `bot: …`, `caller: …`.
    pub transcript: Vec<String>,
    /// `None` = passed.
    pub failure: Option<TestFailure>,
}

/// Where a test went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestFailure {
    /// Line in its file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What stands there.
    pub source: String,
    /// What was expected.
    pub expected: String,
    /// What happened instead.
    pub actual: String,
}

/// Plays the dialogues under `tests:` of a bot file.
pub fn run_tests(bot: &Arc<Bot>) -> TestReport {
    let (file, source) = (bot.file_name(), bot.source());
    TestReport {
        bot: bot.name().to_owned(),
        file: file.to_owned(),
        version: bot.version().to_owned(),
        tests: bot.file().tests.iter().map(|test| play(bot, test, file, source)).collect(),
    }
}

/// Plays the dialogues of a file that holds nothing but `tests:`, as they stand in a bot file. `file_name` is only used in
/// messages.
///
/// # Errors
/// It cannot be read, or names what the bot does not have.
pub fn run_tests_beside(bot: &Arc<Bot>, yaml: &str, file_name: &str) -> Result<TestReport, BotErrors> {
    let tests = read_tests(bot, yaml, file_name)?;
    Ok(TestReport {
        bot: bot.name().to_owned(),
        file: file_name.to_owned(),
        version: bot.version().to_owned(),
        tests: tests.iter().map(|test| play(bot, test, file_name, yaml)).collect(),
    })
}

impl TestReport {
    /// Whether every test passed.
    pub fn passed(&self) -> bool {
        self.tests.iter().all(|test| test.passed)
    }
}

impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for test in &self.tests {
            match &test.failure {
                None => writeln!(f, "ok    {}", test.name)?,
                Some(failure) => {
                    writeln!(f, "FAIL  {}", test.name)?;
                    for line in &test.transcript {
                        writeln!(f, "      | {line}")?;
                    }
                    let TestFailure { line, column, source, expected, actual } = failure;
                    writeln!(f, "      {}:{line}:{column}: {source}", test.file)?;
                    writeln!(f, "      expected: {expected}")?;
                    writeln!(f, "      got:      {actual}")?;
                }
            }
        }
        let passed = self.tests.iter().filter(|test| test.passed).count();
        let failed = self.tests.len() - passed;
        write!(f, "{} ({}): {passed} passed, {failed} failed", self.bot, self.version)?;
        if self.tests.is_empty() {
            write!(f, "; the file has no `tests:` yet")?;
        }
        Ok(())
    }
}

fn play(bot: &Arc<Bot>, test: &At<TestFile>, file: &str, source: &str) -> TestOutcome {
    let mut stage = Stage::open(bot, test);
    let failure = test.dialogue.iter().find_map(|step| {
        let (expected, actual) = stage_step(&mut stage, step).err()?;
        let Place { line, column } = step.place;
        let source = source.lines().nth(line.saturating_sub(1)).unwrap_or("").trim().to_owned();
        Some(TestFailure { line, column, source, expected, actual })
    });
    TestOutcome {
        file: file.to_owned(),
        name: test.name.clone(),
        line: test.place.line,
        passed: failure.is_none(),
        transcript: stage.into_transcript(),
        failure,
    }
}

/// What was expected, and what was seen instead.
type Missed = (String, String);

/// Plays one line of a dialogue.
fn stage_step(stage: &mut Stage<'_>, step: &TestStep) -> Result<(), Missed> {
    let fail = |expected: String, actual: String| Err((expected, actual));
    match step {
        TestStep::Caller(text) => {
            stage.settle();
            stage.caller_says(text);
            Ok(())
        }
        TestStep::Interrupts(text) => {
            if !stage.is_bot_speaking() {
                return fail("the bot still speaks".to_owned(), "it has finished".to_owned());
            }
            stage.caller_says(text);
            Ok(())
        }
        TestStep::Keys(keys) => {
            stage.settle();
            stage.caller_presses(keys);
            Ok(())
        }
        TestStep::Silence => {
            stage.settle();
            match stage.caller_is_silent() {
                true => Ok(()),
                false => fail("the bot waits for the caller".to_owned(), "nothing is awaited".to_owned()),
            }
        }
        TestStep::Unclear => {
            stage.settle();
            stage.caller_is_unclear();
            Ok(())
        }
        TestStep::HangsUp => {
            stage.settle();
            stage.caller_hangs_up();
            Ok(())
        }
        TestStep::Bot(text) => {
            let text = tidy(text);
            match stage.until(|stage| stage.said().contains(&text)) {
                true => Ok(()),
                false => fail(format!("bot: …{text}…"), format!("bot: {}", stage.said())),
            }
        }
        TestStep::BotNever(text) => {
            stage.settle();
            match stage.said().contains(&tidy(text)) {
                false => Ok(()),
                true => fail(format!("bot says nothing of: {text}"), format!("bot: {}", stage.said())),
            }
        }
        TestStep::State(state) => match stage.until(|stage| stage.state() == state) {
            true => Ok(()),
            false => fail(format!("state: {state}"), format!("state: {}", stage.state())),
        },
        TestStep::Variables(values) => values.iter().try_for_each(|(name, value)| {
            match stage.until(|stage| stage.variable(name) == Some(value)) {
                true => Ok(()),
                false => {
                    let actual =
                        stage.variable(name).map_or_else(|| "nothing".to_owned(), |value| value.to_string());
                    fail(format!("{name} is {value}"), format!("{name} is {actual}"))
                }
            }
        }),
        TestStep::Called(calls) => {
            calls.iter().try_for_each(|(tool, url)| match stage.until(|s| s.called(tool, url)) {
                true => Ok(()),
                false => {
                    fail(format!("{tool} is called with …{url}…"), format!("called were: {}", stage.calls()))
                }
            })
        }
        TestStep::TransferredTo(target) => match stage.until(|stage| stage.transferred_to(target)) {
            true => Ok(()),
            false => fail(format!("a transfer to {target}"), format!("state: {}", stage.state())),
        },
        TestStep::Outcome(outcome) => match stage.until(|stage| stage.outcome() == Some(outcome.as_str())) {
            true => Ok(()),
            false => {
                fail(format!("outcome: {outcome}"), format!("outcome: {}", stage.outcome().unwrap_or("none")))
            }
        },
        TestStep::Ended(ended) => {
            stage.settle();
            match stage.has_ended() == *ended {
                true => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;

    const BOT: &str = "bot: tea\nstart: ask\nintents: { tea: [tea] }\nstates:\n  \
        ask: { say: Tea?, listen: { intents: { tea: bye } } }\n  bye: { say: Bye., hang_up: true }\n";

    fn beside(yaml: &str) -> Result<TestReport, BotErrors> {
        run_tests_beside(&Arc::new(Bot::parse(BOT, "tea.yaml").unwrap()), yaml, "tea.tests.yaml")
    }

    #[test]
    fn tests_beside_a_bot_file_are_played_and_fail_with_their_own_place() {
        let passed =
            beside("tests:\n  - { name: tea, dialogue: [{ caller: tea }, { bot: Bye }] }\n").unwrap();
        let failed = beside("tests:\n  - name: tea\n    dialogue:\n      - bot: Coffee\n").unwrap();

        assert!(passed.passed() && passed.tests.len() == 1);
        let told = failed.to_string();
        assert!(told.contains("tea.tests.yaml:4:9: - bot: Coffee"), "{told}");
    }

    #[test]
    fn what_the_bot_does_not_have_is_told_with_its_place_in_the_file_beside_it() {
        let wrong =
            beside("tests:\n  - name: tea\n    dialogue:\n      - state: asc\n").unwrap_err().to_string();
        let more = beside("bot: tea\ntests: []\n").unwrap_err().to_string();

        assert!(wrong.starts_with("tea.tests.yaml:4:16: there is no state `asc`"), "{wrong}");
        assert!(more.contains("`bot` is not known here"), "{more}");
    }
}
