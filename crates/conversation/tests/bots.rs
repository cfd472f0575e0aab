//! The bots that ship with offhook: each passes its check and its own dialogues.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use offhook_conversation::{Bot, TestReport, run_tests};

#[test]
fn every_bot_passes_its_check_and_its_tests() {
    let mut bots = 0;
    for file in bot_files() {
        let report = play(&file);

        assert!(report.passed(), "{report}");
        bots += 1;
    }
    assert!(bots >= 3);
}

#[test]
fn the_sample_bots_are_tested_well() {
    assert!(play(&folder().join("after-sales.yaml")).tests.len() >= 12);
    assert!(play(&folder().join("after-sales-zh.yaml")).tests.len() >= 8);
    assert!(!play(&folder().join("hello.yaml")).tests.is_empty());
}

#[test]
fn a_wrong_expectation_makes_a_test_fail_with_its_line() {
    let hello = fs::read_to_string(folder().join("hello.yaml")).unwrap();
    let wrong = hello.replace("bot: One tea", "bot: One coffee");
    assert_ne!(hello, wrong);

    let report = run_tests(&Arc::new(Bot::parse(&wrong, "hello.yaml").unwrap()));

    assert!(!report.passed());
    let text = report.to_string();
    let line = 1 + wrong
        .lines()
        .position(|line| line.contains("One coffee\"") || line.contains("bot: One coffee"))
        .unwrap();
    assert!(text.contains("FAIL  tea\n") && text.contains(&format!("hello.yaml:{line}:")), "{text}");
    assert!(
        text.contains("expected: bot: …One coffee…\n      got:      bot: One tea is on its way."),
        "{text}"
    );
    assert!(text.ends_with("0 passed, 1 failed"), "{text}");
    let failure = report.tests[0].failure.as_ref().unwrap();
    assert!(failure.source.contains("bot: One coffee") && failure.column > 1, "{failure:?}");
}

fn play(file: &Path) -> TestReport {
    let yaml = fs::read_to_string(file).expect("a readable file");
    let bot = Bot::parse(&yaml, &file.display().to_string()).unwrap_or_else(|errors| panic!("{errors}"));
    run_tests(&Arc::new(bot))
}

fn bot_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder()).expect("the bots").flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bots")
}

#[test]
fn the_schema_describes_every_key_and_allows_no_other() {
    let schema = Bot::json_schema();

    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["required"], serde_json::json!(["bot", "start", "states"]));
    for (key, property) in schema["properties"].as_object().unwrap() {
        assert!(property.to_string().contains("description"), "`{key}` is not described");
    }
}

#[test]
fn the_version_of_a_bot_is_its_content() {
    let hello = fs::read_to_string(folder().join("hello.yaml")).unwrap();
    let version = |yaml: &str| Bot::parse(yaml, "hello.yaml").unwrap().version().to_owned();

    assert_eq!(version(&hello).len(), 16);
    assert_eq!(version(&hello), version(&hello));
    assert_ne!(version(&hello), version(&hello.replace("Hello!", "Hi!")));
}

#[test]
fn a_bot_is_shared_between_threads_and_a_conversation_moves_to_one() {
    fn shared<T: Send + Sync>() {}
    fn moved<T: Send>() {}

    shared::<Bot>();
    moved::<offhook_conversation::Conversation>();
}
