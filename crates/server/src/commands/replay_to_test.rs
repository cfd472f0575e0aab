//! `offhook replay --to-test`: a recorded call becomes a test of its bot.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use offhook_conversation::{Bot, TestReport, run_tests, run_tests_beside};
use offhook_journal::bundle::Bundle;
use offhook_replay::{MadeTest, TESTS_FILE_HEAD, to_test};

use super::bundle::print;
use crate::bots::{bot_beside, read_bot};
use crate::cli::ReplayArgs;

pub(super) fn run(args: &ReplayArgs, bundle: &Bundle) -> anyhow::Result<ExitCode> {
    let test = to_test(bundle).with_context(|| args.file.display().to_string())?;
    let now = args.machine.out.as_deref().map(|file| add(file, &test)).transpose()?;
    if args.json {
        let MadeTest { name, item, expectations, notes } = &test;
        let passes = now.as_ref().and_then(|added| added.passes);
        print(serde_json::json!({
            "file": args.machine.out, "name": name, "expectations": expectations, "notes": notes, "item": item,
            "passes_with_bot_beside": passes,
        }));
    } else {
        test.notes.iter().for_each(|note| eprintln!("note: {note}"));
        match (&args.machine.out, &now) {
            (Some(file), Some(added)) => tell(file, &test, added),
            (Some(_), None) | (None, _) => print(format!("{TESTS_FILE_HEAD}{}", test.item).trim_end()),
        }
    }
    let fails_now = now.is_some_and(|added| added.passes == Some(false));
    Ok(if fails_now { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What came of adding a test to a file.
struct Added {
    /// The bot whose tests stand in the file, where there is one.
    bot: Option<PathBuf>,
    /// Whether it passes with that bot as it is now.
    passes: Option<bool>,
    /// Why it does not.
    failure: Option<String>,
}

fn tell(file: &Path, test: &MadeTest, added: &Added) {
    print(format_args!(
        "{}: '{}' added, {} expectations; it passes with the bot that took the call",
        file.display(),
        test.name,
        test.expectations
    ));
    let Some(bot) = &added.bot else {
        return print(
            "(name the file BOT.tests.yaml beside BOT.yaml, and `offhook bot test BOT.yaml` plays it)",
        );
    };
    match &added.failure {
        None => print(format_args!("and with {} as it is now; `offhook bot test` plays it", bot.display())),
        Some(why) => print(format_args!("and fails with {} as it is now: {why}", bot.display())),
    }
}

/// Adds the test behind those that are there: at the end of a bot file, or of a file of tests.
fn add(file: &Path, test: &MadeTest) -> anyhow::Result<Added> {
    let before = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    let name = serde_json::Value::from(test.name.as_str());
    if before.contains(&format!("name: {name}")) {
        bail!("{}: '{}' is in it already", file.display(), test.name);
    }
    let after = appended(&before, &test.item);
    let beside = if is_bot(&before) { None } else { bot_beside(file) };
    let report = played(file, &before, &after, beside.as_deref()).map_err(|error| {
        anyhow::anyhow!(
            "{}: the test cannot stand at its end ({error:#}); write it to a file of its own, BOT.tests.yaml beside BOT.yaml",
            file.display()
        )
    })?;
    std::fs::write(file, after).with_context(|| file.display().to_string())?;
    let bot = if is_bot(&before) { Some(file.to_owned()) } else { beside };
    let outcome =
        report.as_ref().and_then(|report| report.tests.iter().find(|played| played.name == test.name));
    let failure = outcome.and_then(|played| played.failure.as_ref());
    Ok(Added {
        bot,
        passes: outcome.map(|played| played.passed),
        failure: failure.map(|failure| {
            format!("line {}: expected {}, got {}", failure.line, failure.expected, failure.actual)
        }),
    })
}

/// Whether this is the text of a bot, however wrong.
fn is_bot(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("bot:"))
}

/// How all tests go with the new one among them; `None` where there is no bot to ask.
fn played(
    file: &Path,
    before: &str,
    after: &str,
    beside: Option<&Path>,
) -> anyhow::Result<Option<TestReport>> {
    let name = file.display().to_string();
    if is_bot(before) {
        let bot = Bot::parse(after, &name).map_err(|errors| anyhow::anyhow!("{errors}"))?;
        return Ok(Some(run_tests(&Arc::new(bot))));
    }
    let Some(beside) = beside else { return Ok(None) };
    let bot = Arc::new(read_bot(beside)?);
    let report = run_tests_beside(&bot, after, &name).map_err(|errors| anyhow::anyhow!("{errors}"))?;
    Ok(Some(report))
}

/// The text with the entry behind it, indented as those before it.
fn appended(before: &str, item: &str) -> String {
    if before.trim().is_empty() {
        return format!("{TESTS_FILE_HEAD}{item}");
    }
    let mut text = before.trim_end().to_owned();
    text.push('\n');
    let mut behind_tests = text.lines().skip_while(|line| !line.starts_with("tests:"));
    if behind_tests.next().is_none() {
        text.push_str(&format!("\ntests:\n{item}"));
        return text;
    }
    let entry = behind_tests.find(|line| line.trim_start().starts_with("- "));
    let indent = entry.map_or(2, |line| line.len() - line.trim_start().len());
    text.push('\n');
    for line in item.lines() {
        let line = line.strip_prefix("  ").unwrap_or(line);
        text.push_str(&format!("{}{line}\n", " ".repeat(indent)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &str = "  - name: \"new\"\n    dialogue:\n      - silence\n";

    #[test]
    fn an_entry_is_indented_as_those_before_it() {
        let after = appended("bot: tea\ntests:\n- name: old\n  dialogue: []\n\n", ITEM);

        assert_eq!(
            after,
            "bot: tea\ntests:\n- name: old\n  dialogue: []\n\n- name: \"new\"\n  dialogue:\n    - silence\n"
        );
        assert!(
            appended("bot: tea\n", ITEM)
                .ends_with("\n\ntests:\n  - name: \"new\"\n    dialogue:\n      - silence\n")
        );
        assert!(appended("", ITEM).starts_with("# Recorded calls"));
    }
}
