//! `offhook compare` and `offhook replay --to-test` as people and pipelines use them: what is printed, what is written,
//! and the exit code.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Command, Output};

use offhook_journal::bundle::Keep;
use offhook_simulation::{Kind, Scenario, Simulation};

const BOT: &str = include_str!("../../../bots/after-sales.yaml");

fn bundle(kind: Kind, number: u64) -> Vec<u8> {
    let (_, recording) = Simulation::new(Scenario::new(kind, number)).with_bundle(Keep::Header).run();
    recording.into_bundle().unwrap().unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn offhook(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_offhook"))
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("OFFHOOK_BUNDLE_KEY")
            .output()
            .unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }
}

/// Two calls by voice, one of them in a folder below, and one by keys.
fn calls() -> Folder {
    let folder = Folder::new();
    folder.file("calls/day/one.call", &bundle(Kind::Voice, 1));
    folder.file("calls/two.call", &bundle(Kind::Voice, 2));
    folder.file("calls/three.call", &bundle(Kind::Keys, 3));
    folder
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn rules_fail_a_comparison_and_name_the_calls() {
    let folder = calls();
    let rules = ["--fail-on", "turn_p50 > recorded + 100ms", "--fail-on", "outcome != recorded"];
    let compare = ["compare", "calls", "--set", "end_of_speech=900ms", "--html", "report.html"];

    let (code, out, err) = folder.offhook(&[&compare[..], &rules].concat());

    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    for part in [
        "3 calls: a = recorded, b = end_of_speech=900ms\n",
        "FAIL turn_p50 > recorded + 100ms: turn_p50 is ",
        "calls/day/one.call: turn ",
        "ok   outcome != recorded: 0 of 3 calls",
        "outcome order_",
        "left their recording: 2; not played to their end: 0; not compared: 0",
        "report: report.html",
    ] {
        assert!(out.contains(part), "{part}:\n{out}");
    }
    let html = std::fs::read_to_string(folder.path("report.html")).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("end_of_speech=900ms"));
    assert!(html.contains("voice-1"), "the calls are in it");
}

#[test]
fn json_is_one_line_of_the_documented_version_and_nothing_changed_is_0() {
    let folder = calls();

    let (code, out, _) =
        folder.offhook(&["compare", "calls", "--json", "--threads", "1", "--fail-on", "changed > 0"]);

    assert_eq!((code, out.lines().count()), (0, 1));
    let told = json(&out);
    assert_eq!((&told["version"], &told["b"]["label"]), (&1.into(), &"played again".into()));
    assert_eq!((&told["totals"]["calls"], &told["totals"]["departed"]), (&3.into(), &0.into()));
    let files: Vec<&str> =
        told["calls"].as_array().unwrap().iter().map(|call| call["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["calls/day/one.call", "calls/three.call", "calls/two.call"]);
    assert_eq!(told["calls"][0]["a"]["outcome"], told["calls"][0]["b"]["outcome"]);
    assert_eq!(told["calls"][0]["a"]["sound"], serde_json::Value::Null);
    serde_json::from_str::<offhook_replay::compare::Comparison>(&out).unwrap();
}

#[test]
fn another_bot_is_compared_as_far_as_the_recordings_know_it_and_against_a_third() {
    let folder = calls();
    folder.file("new.yaml", BOT.replace("One moment, please.", "Let me see.").as_bytes());
    folder.file("old.yaml", BOT.as_bytes());
    let rules = ["--fail-on", "outcome != recorded", "--json"];

    let (code, out, _) =
        folder.offhook(&[&["compare", "calls/day", "--bot", "new.yaml"][..], &rules].concat());
    let (same, against, _) = folder.offhook(
        &[&["compare", "calls/day", "--against", "old.yaml", "--bot", "old.yaml"][..], &rules].concat(),
    );

    assert_eq!((code, same), (1, 0));
    let call = &json(&out)["calls"][0];
    assert!(call["b"]["unfinished"].as_str().unwrap().contains("Let me see."), "{call}");
    assert_eq!(call["first_difference"]["b"], "bot: Let me see.");
    let parts =
        call["transcript"].as_array().unwrap().iter().flat_map(|row| row["parts"].as_array().unwrap());
    assert!(parts.clone().any(|part| part["kind"] == "removed" && part["text"] == "One moment, please"));
    assert_eq!(
        (&json(&against)["a"]["is_recorded"], &json(&against)["a"]["label"]),
        (&false.into(), &"old.yaml".into())
    );
}

#[test]
fn with_a_modelled_voice_another_bot_is_compared_to_the_end_of_the_call() {
    let folder = calls();
    folder.file("new.yaml", BOT.replace("One moment, please.", "Let me see.").as_bytes());
    let compare =
        ["compare", "calls/day", "calls/two.call", "--bot", "new.yaml", "--engine", "none", "--json"];
    let rules = [
        "--fail-on",
        "outcome != recorded",
        "--fail-on",
        "unfinished > 0",
        "--fail-on",
        "transcript != recorded",
    ];

    let (code, out, err) = folder.offhook(&[&compare[..], &rules].concat());
    let (scripted, _, why) = folder.offhook(&["compare", "calls", "--engine", "scripted"]);

    assert_eq!(code, 1, "{err}");
    let told = json(&out);
    let fired: Vec<_> = told["rules"].as_array().unwrap().iter().map(|rule| &rule["fired"]).collect();
    assert_eq!(fired, [false, false, true], "{}", told["rules"]);
    assert_eq!(told["calls"][0]["changed"][0], "transcript", "{}", told["calls"][0]["changed"]);
    assert_eq!(told["totals"]["words"]["replaced"], 6);
    assert_eq!(scripted, 2);
    assert!(why.contains("--engine scripted is for transcripts"), "{why}");
}

#[test]
fn the_same_calls_of_two_servers_find_each_other() {
    let folder = calls();
    folder.file("other/a.call", &bundle(Kind::Voice, 1));
    folder.file("other/b.call", &bundle(Kind::Keys, 3));
    folder.file("other/c.call", &bundle(Kind::Keys, 4));

    let (code, out, _) =
        folder.offhook(&["compare", "calls", "--with", "other", "--json", "--fail-on", "failed > 1"]);
    let (by_order, ordered, _) =
        folder.offhook(&["compare", "calls", "--with", "other", "--pair", "order", "--json"]);

    assert_eq!((code, by_order), (1, 0));
    let told = json(&out);
    let pairs: Vec<_> = told["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| (call["file"].as_str().unwrap(), call["file_b"].as_str().unwrap()))
        .collect();
    assert_eq!(pairs, [("calls/day/one.call", "other/a.call"), ("calls/three.call", "other/b.call")]);
    let alone: Vec<&str> =
        told["not_compared"].as_array().unwrap().iter().map(|call| call["file"].as_str().unwrap()).collect();
    assert_eq!(alone, ["calls/two.call", "other/c.call"]);
    assert!(told["not_compared"][0]["reason"].as_str().unwrap().contains("--pair order"));
    assert_eq!(told["totals"]["changed"], 0);
    assert_eq!(json(&ordered)["totals"]["calls"], 3);
}

#[test]
fn what_cannot_be_compared_is_told_with_its_reason_and_can_fail() {
    let folder = calls();
    folder.file("calls/broken.call", b"no bundle at all");

    let (code, out, _) = folder.offhook(&["compare", "calls", "--fail-on", "failed > 0"]);

    assert_eq!(code, 1, "{out}");
    assert!(out.contains("not compared: 1") && out.contains("FAIL failed > 0: failed is 1"), "{out}");
    assert!(out.contains("calls/broken.call: calls/broken.call is no call bundle"), "{out}");
}

#[test]
fn mistakes_exit_with_2_and_say_what_would_be_right() {
    let folder = calls();
    std::fs::create_dir(folder.path("empty")).unwrap();
    folder.file("broken.call", b"no bundle at all");

    for (arguments, told) in [
        (
            &["compare", "calls", "--fail-on", "turn_p59 > 900ms"][..],
            "column 1: there is no metric 'turn_p59' (did you mean",
        ),
        (&["compare", "calls", "--fail-on", "turn_p95 > 900"][..], "column 15: the unit is wrong here"),
        (&["compare", "calls", "--set", "end_of_speach=1s"][..], "end_of_speech"),
        (&["compare", "calls", "--bot", "nowhere.yaml"][..], "--bot nowhere.yaml"),
        (&["compare", "nowhere"][..], "nowhere: there is no such folder or file"),
        (&["compare", "empty"][..], "there is no bundle (CALL.call) there"),
        (&["compare", "broken.call"][..], "no call could be compared"),
        (&["compare", "calls", "--with", "calls", "--bot", "x.yaml"][..], "cannot be used with"),
        (&["compare"][..], "required"),
    ] {
        let (code, out, err) = folder.offhook(arguments);

        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(told), "{arguments:?}: {err}");
    }
    let (_, help, _) = folder.offhook(&["compare", "--help"]);
    assert!(
        help.contains("no_match_rate") && help.contains("recorded + 100ms") && help.contains("end_of_speech"),
        "{help}"
    );
}

#[test]
fn a_call_becomes_a_test_beside_the_bot_file_that_passes_and_fails_after_a_change() {
    let folder = calls();
    folder.file("bots/after-sales.yaml", BOT.as_bytes());
    let tests = "bots/after-sales.tests.yaml";
    let own = played(&folder.offhook(&["bot", "test", "bots/after-sales.yaml"]).1);

    for call in ["calls/day/one.call", "calls/three.call"] {
        let (code, out, err) = folder.offhook(&["replay", call, "--to-test", "-o", tests]);
        assert_eq!(code, 0, "{err}");
        assert!(
            out.contains(
                "it passes with the bot that took the call\nand with bots/after-sales.yaml as it is"
            ),
            "{out}"
        );
    }
    folder.file("offhook.toml", b"version = 1\n[bots]\nfolder = \"bots\"\n");
    let (serves, _, err) = folder.offhook(&["config", "check", "offhook.toml"]);
    let (passes, out, _) = folder.offhook(&["bot", "test", "bots/after-sales.yaml"]);
    let (again, _, twice) = folder.offhook(&["replay", "calls/three.call", "--to-test", "-o", tests]);
    folder.file("bots/after-sales.yaml", BOT.replace("Is that right?", "Is this right?").as_bytes());
    let (fails, failed, _) = folder.offhook(&["bot", "test", "bots/after-sales.yaml"]);

    assert_eq!(serves, 0, "tests in the folder of bots are no bot: {err}");
    assert_eq!((passes, played(&out)), (0, own + 2), "{out}");
    assert!(out.contains("ok    call voice-1\n") && out.contains("ok    call keys-3\n"), "{out}");
    assert_eq!(again, 2);
    assert!(twice.contains("'call keys-3' is in it already"), "{twice}");
    assert_eq!(fails, 1);
    assert!(
        failed.contains("FAIL  call voice-1\n") && failed.contains(&format!("      {tests}:")),
        "{failed}"
    );
}

#[test]
fn a_test_can_be_printed_and_stand_in_the_bot_file_itself() {
    let folder = calls();
    folder.file("bot.yaml", BOT.as_bytes());
    folder.file("other.yaml", BOT.replace("Is that right?", "Is this right?").as_bytes());
    folder.file("odd.yaml", format!("tests: []\n{}", BOT.split("tests:\n").next().unwrap()).as_bytes());
    let to_test = ["replay", "calls/two.call", "--to-test"];

    let (printed, out, _) = folder.offhook(&to_test);
    let (added, _, err) = folder.offhook(&[&to_test[..], &["-o", "bot.yaml"]].concat());
    let (differs, told, _) = folder.offhook(&[&to_test[..], &["-o", "other.yaml"]].concat());
    let (refused, _, why) = folder.offhook(&[&to_test[..], &["-o", "odd.yaml"]].concat());

    assert_eq!(printed, 0);
    assert!(
        out.contains("\ntests:\n  - name: \"call voice-2\"\n") && out.contains("      - caller: \""),
        "{out}"
    );
    assert_eq!(added, 0, "{err}");
    assert_eq!(folder.offhook(&["bot", "test", "bot.yaml"]).0, 0);
    assert_eq!(differs, 1);
    assert!(told.contains("and fails with other.yaml as it is now: line "), "{told}");
    assert_eq!(refused, 2);
    assert!(why.contains("write it to a file of its own, BOT.tests.yaml"), "{why}");
    assert!(
        !std::fs::read_to_string(folder.path("odd.yaml")).unwrap().contains("voice-2"),
        "nothing is written"
    );
}

/// How many tests passed.
fn played(out: &str) -> usize {
    let last = out.lines().last().unwrap();
    let passed = last.split(": ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    passed.parse().unwrap()
}
