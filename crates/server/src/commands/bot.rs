//! `offhook bot`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use offhook_conversation::{Bot, TestReport, run_tests};

use crate::bots::read_bot;
use crate::cli::BotCommand;

pub(super) fn run(command: BotCommand) -> anyhow::Result<ExitCode> {
    match command {
        BotCommand::Check { file } => {
            let bot = read_bot(&file)?;
            println!(
                "{}: fine ({}, {}, version {})",
                file.display(),
                bot.name(),
                bot.language(),
                bot.version()
            );
            Ok(ExitCode::SUCCESS)
        }
        BotCommand::Test { file, json } => test(&file, json),
        BotCommand::Schema => {
            println!("{}", serde_json::to_string_pretty(&Bot::json_schema())?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn test(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let report = run_tests(&Arc::new(read_bot(file)?));
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print_report(&report);
    }
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_report(report: &TestReport) {
    for test in &report.tests {
        match &test.failure {
            None => println!("ok      {}", test.name),
            Some(failure) => {
                println!("FAILED  {}", test.name);
                for line in &test.transcript {
                    println!("          {line}");
                }
                println!("        line {}: expected {}", failure.line, failure.expected);
                println!("                but got  {}", failure.actual);
            }
        }
    }
    let failed = report.tests.iter().filter(|test| test.failure.is_some()).count();
    println!("{}: {} passed, {failed} failed", report.bot, report.tests.len() - failed);
}
