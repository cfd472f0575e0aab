//! `offhook bundle` and `offhook replay` as people and pipelines use them: what is printed where, and the exit code.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use offhook_journal::bundle::seal::SealedWriter;
use offhook_journal::bundle::{Keep, pack};
use offhook_simulation::{Kind, Scenario, Simulation};

const KEY: [u8; 32] = [7; 32];

/// A call by voice through the sample bot: four turns and a tool.
fn bundle(keep: Keep) -> Vec<u8> {
    let (_, recording) = Simulation::new(Scenario::new(Kind::Voice, 1)).with_bundle(keep).run();
    recording.into_bundle().unwrap().unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn offhook(arguments: &[&str], file: &Path) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_offhook"))
        .args(arguments)
        .arg(file)
        .env_remove("OFFHOOK_BUNDLE_KEY")
        .output()
        .unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_bundle_is_listed_shown_and_verified() {
    let folder = Folder::new();
    let file = folder.file("one.call", &bundle(Keep::Header));

    let (listed, list, _) = offhook(&["bundle", "list"], folder.0.path());
    let (shown, show, _) = offhook(&["bundle", "show"], &file);
    let (rungs, ladder, _) = offhook(&["bundle", "show", "--ladder"], &file);
    let (verified, sound, _) = offhook(&["bundle", "verify", "--json"], &file);

    assert_eq!((listed, shown, rungs, verified), (0, 0, 0, 0));
    assert!(list.contains("complete") && list.contains("bot_hung_up"), "{list}");
    let parts = ["trace     ", "caller: no thank you", "turn_completed: ", "tool_finished status=200"];
    for part in parts.into_iter().chain(["KB for each minute", "RTP streams", "PCMA"]) {
        assert!(show.contains(part), "{part}: {show}");
    }
    let (_, told, _) = offhook(&["bundle", "show", "--json"], &file);
    let wire = &json(&told)["wire"];
    assert_eq!(wire["sip_calls"].as_array().map(Vec::len), Some(1), "{wire}");
    // Our first packets go where its description says, the others to where its packets come from.
    let senders: Vec<&str> =
        wire["streams"].as_array().unwrap().iter().filter_map(|stream| stream["sender"].as_str()).collect();
    assert_eq!(senders, ["caller", "callee", "callee"], "{wire}");
    assert!(wire["streams"][0]["statistics"]["packets"].as_u64() > Some(500), "{wire}");
    let methods: Vec<&str> = ladder.lines().map(|line| line.split("offhook  ").nth(1).unwrap()).collect();
    assert!(
        methods[0].starts_with("INVITE sip:bot@") && methods[0].ends_with("[application/sdp]"),
        "{ladder}"
    );
    assert!(methods.iter().any(|method| method.starts_with("200 OK (BYE)")), "{ladder}");
    assert_eq!(json(&sound)["sound"], true);
}

#[test]
fn a_changed_or_cut_bundle_is_not_sound_and_says_where() {
    let folder = Folder::new();
    let mut bytes = bundle(Keep::Header);
    let cut = folder.file("cut.call", &bytes[..bytes.len() / 2]);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    let changed = folder.file("changed.call", &bytes);

    let (of_cut, told_cut, _) = offhook(&["bundle", "verify"], &cut);
    let (of_changed, _, _) = offhook(&["bundle", "verify"], &changed);

    assert_eq!((of_cut, of_changed), (1, 1));
    assert!(told_cut.contains("cut after "), "{told_cut}");
}

#[test]
fn a_bundle_replays_byte_for_byte_whether_packed_or_encrypted() {
    let folder = Folder::new();
    let plain = bundle(Keep::Header);
    let mut packed = Vec::new();
    pack::pack(plain.as_slice(), &mut packed).unwrap();
    let mut sealed = SealedWriter::begin(Vec::new(), &KEY, [1; 16]).unwrap();
    pack::pack(plain.as_slice(), &mut sealed).unwrap();
    let sealed = sealed.finish().unwrap();
    let key = "07".repeat(32);

    for (name, bytes) in [("plain.call", &plain), ("packed.call", &packed), ("sealed.call", &sealed)] {
        let file = folder.file(name, bytes);
        let (code, out, err) = offhook(&["replay", "--json", "--key", &key], &file);

        assert_eq!(code, 0, "{name}: {out}{err}");
        let told = json(&out);
        assert_eq!((&told["equal"], &told["passed"]), (&true.into(), &true.into()), "{name}");
        assert!(told["report"]["media"]["packets"].as_u64().unwrap() > 500, "{name}");
    }
    let (code, _, err) = offhook(&["replay"], &folder.file("sealed.call", &sealed));
    assert_eq!(code, 2);
    assert!(err.contains("needs --key, or OFFHOOK_BUNDLE_KEY"), "{err}");
}

#[test]
fn a_changed_setting_is_told_with_the_point_of_departure_and_the_turns() {
    let folder = Folder::new();
    let file = folder.file("one.call", &bundle(Keep::Header));

    let (code, out, _) = offhook(&["replay", "--set", "end_of_speech=900ms"], &file);
    let (same, unmoved, _) = offhook(&["replay", "--set", "ring_time=50s"], &file);

    assert_eq!((code, same), (0, 0));
    for part in
        ["leaves the recording at 3.1", "state menu", "turns that changed by more than 5 ms: 1, 2, 3, 4"]
    {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(unmoved.contains("never leaves the recording"), "{unmoved}");
}

#[test]
fn another_bot_is_played_until_the_recording_knows_no_more() {
    let folder = Folder::new();
    let file = folder.file("one.call", &bundle(Keep::Header));
    let bot = include_str!("../../../bots/after-sales.yaml").replace("One moment, please.", "Let me see.");
    let bot = folder.file("other.yaml", bot.as_bytes()).display().to_string();

    let (code, out, _) = offhook(&["replay", "--json", "--bot", &bot], &file);

    assert_eq!(code, 1);
    let report = &json(&out)["report"];
    assert!(report["stopped"].as_str().unwrap().contains("Let me see."), "{report}");
    assert!(report["departure"]["got"].as_str().unwrap().contains("Let me see."), "{report}");
    assert_eq!(report["played"]["transcript"][6][1], "yes that is right");
}

#[test]
fn both_sides_are_exported_whether_the_bundle_has_our_audio_or_its_hashes() {
    let folder = Folder::new();
    let [hashes, whole] = [("hashes", Keep::Header), ("whole", Keep::Whole)].map(|(name, keep)| {
        let file = folder.file(&format!("{name}.call"), &bundle(keep));
        let (code, out, err) = offhook(&["bundle", "export-wav", "--json"], &file);
        assert_eq!(code, 0, "{err}");
        (json(&out), std::fs::read(file.with_extension("wav")).unwrap())
    });

    assert_eq!(hashes.1, whole.1);
    assert!(hashes.0["note"].as_str().unwrap().contains("every packet has its hash"));
    assert_eq!(whole.0["note"], serde_json::Value::Null);
    assert!(whole.0["seconds"].as_f64().unwrap() > 13.0);
    assert!(whole.0["bot_packets"].as_u64().unwrap() > 500);
}

#[test]
fn mistakes_are_told_with_a_remedy_and_exit_with_2() {
    let folder = Folder::new();
    let file = folder.file("one.call", &bundle(Keep::Header));
    let other = folder.file("other.txt", b"nothing of the kind");
    let wrong_bot = folder.file("wrong.yaml", b"bot: tea\nstart: nowhere\n").display().to_string();
    let missing = folder.0.path().join("missing");

    for (arguments, file, told) in [
        (&["replay", "--set", "end_of_speach=1s"][..], &file, "end_of_speech"),
        (&["replay", "--set", "silence=long"][..], &file, "it takes 700ms, 2s, 1m"),
        (&["replay", "--bot", &wrong_bot][..], &file, "wrong.yaml"),
        (&["replay", "--set", "silence=1s"][..], &other, "this is no call bundle"),
        (&["bundle", "show"][..], &other, "is no call bundle"),
        (&["bundle", "show"][..], &folder.0.path().to_owned(), "bundle list"),
        (&["bundle", "verify", "--key", "abc"][..], &file, "64 hexadecimal digits"),
        (&["bundle", "list"][..], &missing, "offhook serve"),
    ] {
        let (code, out, err) = offhook(arguments, file);

        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(told), "{arguments:?}: {err}");
    }
}
