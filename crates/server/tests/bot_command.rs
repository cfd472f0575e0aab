//! `offhook bot` as people and pipelines use it: what is printed where, and the exit code.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Command, Output};

const BOT: &str = "bot: tea\nstart: ask\nintents: { tea: [tea] }\nstates:\n  \
    ask: { say: \"Tea?\", listen: { intents: { tea: bye } } }\n  bye: { say: Bye., hang_up: true }\ntests:\n  \
    - name: tea\n    dialogue:\n      - caller: tea\n      - bot: Bye\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn bot(&self, text: &str) -> PathBuf {
        let file = self.0.path().join("tea.yaml");
        std::fs::write(&file, text).unwrap();
        file
    }
}

/// Runs `offhook bot` with `arguments` on a file of this content.
fn bot(arguments: &[&str], text: &str) -> (i32, String, String) {
    let folder = Folder(tempfile::tempdir().unwrap());
    let file = folder.bot(text);
    let offhook = env!("CARGO_BIN_EXE_offhook");
    let Output { status, stdout, stderr } =
        Command::new(offhook).arg("bot").args(arguments).arg(&file).output().unwrap();
    let text =
        |octets: Vec<u8>| String::from_utf8(octets).unwrap().replace(&file.display().to_string(), "tea.yaml");
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn a_bot_that_passes_exits_with_0() {
    assert_eq!(bot(&["check"], BOT).0, 0);

    let (code, stdout, stderr) = bot(&["test"], BOT);

    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(
        stdout.starts_with("ok    tea\n") && stdout.trim_end().ends_with("1 passed, 0 failed"),
        "{stdout}"
    );
}

#[test]
fn a_failing_test_exits_with_1_and_shows_what_was_expected_what_was_seen_and_where() {
    let wrong = BOT.replace("- bot: Bye", "- bot: Good night");

    let (code, stdout, _) = bot(&["test"], &wrong);

    assert_eq!(code, 1);
    for part in [
        "FAIL  tea\n",
        "      | caller: tea\n",
        "      tea.yaml:11:9: - bot: Good night\n",
        "      expected: bot: …Good night…\n",
        "      got:      bot: Bye.\n",
        "0 passed, 1 failed",
    ] {
        assert!(stdout.contains(part), "{part} is not in:\n{stdout}");
    }
}

#[test]
fn json_says_the_same_in_one_line() {
    let wrong = BOT.replace("- bot: Bye", "- bot: Good night");

    let (code, stdout, _) = bot(&["test", "--json"], &wrong);

    assert_eq!((code, stdout.lines().count()), (1, 1));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let test = &report["tests"][0];
    assert_eq!((test["name"].as_str(), test["passed"].as_bool()), (Some("tea"), Some(false)));
    let failure = &test["failure"];
    assert_eq!((failure["line"].as_u64(), failure["column"].as_u64()), (Some(11), Some(9)));
    assert_eq!(failure["actual"], "bot: Bye.");
}

#[test]
fn a_wrong_file_exits_with_1_when_checked_and_with_2_when_tested_and_begins_with_its_place() {
    let wrong = BOT.replace("start: ask", "start: aks");

    for (command, expected) in [("check", 1), ("test", 2)] {
        let (code, stdout, stderr) = bot(&[command], &wrong);
        assert_eq!((code, stdout.as_str()), (expected, ""), "{command}");
        assert!(stderr.starts_with("tea.yaml:2:8: ") && stderr.contains("did you mean `ask`?"), "{stderr}");
        assert!(stderr.trim_end().ends_with("1 mistake"), "{stderr}");
    }
    let (code, stdout, _) = bot(&["check", "--json"], &wrong);
    let errors: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, errors["errors"][0]["line"].as_u64()), (1, Some(2)));
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);

    let output =
        Command::new(env!("CARGO_BIN_EXE_offhook")).args(["bot", "schema"]).stdout(writer).output().unwrap();

    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(!output.status.success());
}
