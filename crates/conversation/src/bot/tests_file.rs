//! Tests that stand in a file of their own beside the bot's.

use serde::Deserialize;

use super::file::TestFile;
use super::{At, Bot, BotErrors, check, syntax};

/// The shape of such a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestsFile {
    tests: Vec<At<TestFile>>,
}

/// Reads and checks tests of `bot`. `file_name` is only used in messages.
pub(crate) fn read_tests(bot: &Bot, yaml: &str, file_name: &str) -> Result<Vec<At<TestFile>>, BotErrors> {
    let TestsFile { tests } = syntax::read(yaml, file_name)?;
    check::check_tests(&tests, bot.file(), yaml, file_name)?;
    Ok(tests)
}
