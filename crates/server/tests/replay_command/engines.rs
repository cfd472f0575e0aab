//! The embedded engines, in virtual time.

use crate::{Folder, is_a_bundle, replay, repository, sample_bot};

/// Whether the engines are there; in the gate they have to be.
fn are_missing(notes: &serde_json::Value) -> bool {
    let missing = notes.to_string().contains("is missing");
    let is_gate = std::env::var_os("OFFHOOK_GATE").is_some_and(|value| value == "1");
    assert!(!(missing && is_gate), "an engine is missing: {notes}");
    missing
}

/// A caller on the left whose utterances stand where the sample bot listens, and on the right a bot of then.
fn recorder(folder: &Folder) -> std::path::PathBuf {
    let label = std::fs::read(repository("audio-samples/order-status-slt.json")).unwrap();
    let label: serde_json::Value = serde_json::from_slice(&label).unwrap();
    let samples = offhook_caller::wav::read(&repository("audio-samples/order-status-slt.wav")).unwrap();
    let mut left = vec![0; 8_000 * 9];
    for (utterance, pause_ms) in
        label["utterances"].as_array().unwrap().iter().zip([6_500, 8_000, 12_000, 3_000])
    {
        let at = |name: &str| utterance[name].as_u64().unwrap() as usize;
        left.extend(&samples[at("start")..at("end")]);
        left.extend(vec![0; 8 * pause_ms]);
    }
    let right: Vec<i16> = (0..left.len()).map(|at| if at % 32 < 16 { 6_000 } else { -6_000 }).collect();
    let file = folder.path("recorder.wav");
    offhook_caller::wav::write(&file, &[&left, &right]).unwrap();
    file
}

#[test]
fn the_caller_of_a_recorder_s_wav_is_heard_by_the_live_recognizer_and_served() {
    let folder = Folder::new();
    let file = recorder(&folder);
    let tools = folder.file("tools.json", r#"[{"body": {"state": "shipped", "delivery": "2026-11-27"}}]"#);
    let bundle = folder.path("met.call");

    let options = [
        "--bot",
        &sample_bot(),
        "--json",
        "--tools",
        tools.to_str().unwrap(),
        "-o",
        bundle.to_str().unwrap(),
    ];
    let ran = replay(&file, &options);

    let told = ran.json();
    if are_missing(&told["notes"]) {
        eprintln!("SKIPPED: {}", told["notes"]);
        return;
    }
    let call = &told["calls"][0];
    assert_eq!(ran.code, Some(0), "{told}");
    assert_eq!(call["report"]["record"]["outcome"], "order_status_told", "{told}");
    let heard = call["report"]["record"]["transcript"].to_string();
    assert!(heard.contains("four six nine zero three one nine two"), "{heard}");
    assert!(call["answered_by"]["recognizer: pocketsphinx"].as_u64() >= Some(3), "{told}");
    assert!(call["answered_by"]["synthesizer: flite"].as_u64() >= Some(5), "{told}");
    is_a_bundle(&bundle);
}

#[test]
fn a_transcript_is_spoken_and_heard_by_live_engines() {
    let folder = Folder::new();
    let file = folder.file("tea.txt", "caller: a tea please\n");
    let bot = repository("bots/hello.yaml").display().to_string();

    let told = replay(&file, &["--bot", &bot, "--engine", "live", "--delay", "measured", "--json"]).json();

    if are_missing(&told["notes"]) {
        eprintln!("SKIPPED: {}", told["notes"]);
        return;
    }
    let said = told["calls"][0]["report"]["record"]["transcript"].to_string();
    assert!(said.contains("a tea please") && said.contains("One tea"), "{told}");
    assert!(told["timing"].as_str().unwrap().contains("that they took on this machine"), "{told}");
}
