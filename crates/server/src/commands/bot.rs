//! `offhook bot`.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use offhook_conversation::{Bot, BotErrors, run_tests, run_tests_beside};

use crate::bots::tests_beside;
use crate::cli::BotCommand;

/// What `bot test` answers where no test could be played: the file is wrong.
const WRONG_FILE: u8 = 2;

pub(super) fn run(command: BotCommand) -> anyhow::Result<ExitCode> {
    match command {
        BotCommand::Check { file, json } => check(&file, json),
        BotCommand::Test { file, json } => test(&file, json),
        BotCommand::Schema => {
            print(&serde_json::to_string_pretty(&Bot::json_schema())?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    match read(file)? {
        Ok(bot) if json => {
            let version = bot.version();
            print(&serde_json::json!({ "bot": bot.name(), "version": version, "errors": [] }));
        }
        Ok(bot) => print(&format_args!(
            "{}: fine ({}, {}, version {})",
            file.display(),
            bot.name(),
            bot.language(),
            bot.version()
        )),
        Err(errors) => {
            tell(&errors, json);
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn test(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let bot = match read(file)? {
        Ok(bot) => bot,
        Err(errors) => {
            tell(&errors, json);
            return Ok(ExitCode::from(WRONG_FILE));
        }
    };
    let bot = Arc::new(bot);
    let mut report = run_tests(&bot);
    if let Some(beside) = tests_beside(file) {
        let text = std::fs::read_to_string(&beside).with_context(|| beside.display().to_string())?;
        match run_tests_beside(&bot, &text, &beside.display().to_string()) {
            Ok(more) => report.tests.extend(more.tests),
            Err(errors) => {
                tell(&errors, json);
                return Ok(ExitCode::from(WRONG_FILE));
            }
        }
    }
    if json {
        print(&serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path) -> anyhow::Result<Result<Bot, BotErrors>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(Bot::parse(&text, &file.display().to_string()))
}

/// Prints a line. Who reads only the first ones (`| head`) closes the pipe, and that is no mistake of ours.
fn print(line: &dyn Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Each mistake begins its own line with file, line and column, as editors look for it.
fn tell(errors: &BotErrors, json: bool) {
    if json {
        print(&serde_json::json!({ "errors": errors }));
        return;
    }
    let count = errors.0.len();
    eprintln!("{errors}\n\n{count} mistake{}", if count == 1 { "" } else { "s" });
}
