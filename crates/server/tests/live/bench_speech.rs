//! `bench turns` and `bench bargein` against the server: what they measure from the audio alone is what stands in the
//! server's own records.

use offhook_caller::bench::frame::BenchReport;
use offhook_caller::bench::{bargein, turns};
use offhook_caller::call::Stop;
use offhook_caller::talk::{Utterance, read_speech, read_voiced};
use serde_json::Value;

use crate::common::{Noise, Server, Setup, alone, repository, until};

/// One frame.
const FRAME_MS: f64 = 20.0;

/// Says little where turns are counted, and talks for long where it is to be interrupted.
const BOT: &str = r#"
bot: answers
start: greet
turn: { end_of_speech: 600ms, no_input_after: 30s, max_turns: 100 }
intents: { yes: ["yes [please]", "[yes] that is right"] }
states:
  greet: { say: "Please say yes or no.", listen: { intents: { yes: more }, no_match: [{ goto: more }] } }
  more: { say: "Go on.", listen: { intents: { yes: again }, no_match: [{ goto: again }] } }
  again: { say: "And then?", listen: { intents: { yes: more }, no_match: [{ goto: more }] } }
"#;
const TALKER: &str = r#"
bot: talker
start: greet
turn: { end_of_speech: 600ms, no_input_after: 30s, max_turns: 100 }
intents: { yes: ["yes [please]", "[yes] that is right"] }
states:
  greet:
    say: "Welcome to the house of many words where nobody ever stops talking unless somebody else begins to talk"
    listen: { intents: { yes: more }, no_match: [{ goto: more }] }
  more: { say: "Go on.", listen: { intents: { yes: again }, no_match: [{ goto: again }] } }
  again: { say: "And then?", listen: { intents: { yes: more }, no_match: [{ goto: more }] } }
"#;

#[test]
fn bench_turns_measures_the_silences_that_stand_in_the_records() {
    let _turn = alone();
    let (server, _bots) = serving();
    let noise = Noise::watch();
    let speech = vec![said("order-status-slt.wav", 2), said("return-awb.wav", 2)];
    let options = turns::TurnsOptions {
        calls: 3,
        at_once: 3,
        quiet_after: std::time::Duration::from_millis(500),
        // A recognizer that has to share the machine answers late; that it answers is what counts here.
        answer_within: Some(std::time::Duration::from_secs(11)),
        reflector: false,
        ..turns::TurnsOptions::to(server.uri("answers"), speech)
    };

    let report = turns::run(&options, &Stop::default()).unwrap();

    assert_eq!((report.answered, report.turns, report.answer_ms.count), (3, 6, 6), "{report:#?}");
    assert_eq!(report.broken(), None, "{report:#?}");
    let texts: Vec<_> = report.each_utterance.iter().map(|utterance| utterance.text.as_str()).collect();
    assert_eq!(texts, ["yes that is right", "yes"]);
    let records = ended(&server, 3);
    let ledgers = of_turns(&records, |ledger| {
        let ms = |name: &str| ledger[name].as_u64().unwrap() as f64 / 1e6;
        Some(ms("ended_at") - ms("began_at"))
    });
    assert_eq!(ledgers.len(), 6, "{records:#?}");
    let measured = report.answer_ms;
    eprintln!("measured {measured:?}, records {ledgers:?}");
    for (measured, ledger) in
        [(measured.min, ledgers[0]), (measured.p50, ledgers[2]), (measured.max, ledgers[5])]
    {
        assert!((measured - ledger).abs() <= allowed(&noise), "{measured} measured, {ledger} in the record");
    }
}

#[test]
fn bench_bargein_measures_the_stops_that_stand_in_the_records_and_a_cough_is_no_stop() {
    let _turn = alone();
    let (server, _bots) = serving();
    let noise = Noise::watch();
    let cough = read_voiced(&repository("audio-samples/coughs/tuning/cough-01.wav")).unwrap();
    let options = bargein::BargeInOptions {
        noises: vec![cough],
        calls: 3,
        at_once: 3,
        listen: std::time::Duration::from_millis(2200),
        stop_within: Some(std::time::Duration::from_secs(2)),
        reflector: false,
        ..bargein::BargeInOptions::to(server.uri("talker"), vec![said("order-status-slt.wav", 2)])
    };

    let report = bargein::run(&options, &Stop::default()).unwrap();

    let found = &report.speech;
    assert!(report.prompt_repeats, "{report:#?}");
    assert_eq!((found.tried, found.stopped, found.talked_on), (3, 3, 0), "{report:#?}");
    assert_eq!(report.broken(), None, "{report:#?}");
    let coughed = report.noise.as_ref().unwrap();
    assert_eq!((coughed.tried, coughed.stops), (3, 0), "{report:#?}");
    // Two calls only listened, three coughed.
    let records = ended(&server, 8);
    let mut ledgers =
        of_turns(&records, |ledger| ledger["barge_in_micros"].as_u64().map(|micros| micros as f64 / 1e3));
    ledgers.dedup();
    eprintln!("measured {:?}, records {ledgers:?}, coughs {coughed:?}", found.stop_ms);
    for measured in [found.stop_ms.min, found.stop_ms.p50, found.stop_ms.max] {
        let nearest = ledgers.iter().map(|ledger| (ledger - measured).abs()).fold(f64::INFINITY, f64::min);
        assert!(nearest <= allowed(&noise), "{measured} measured, {ledgers:?} in the records");
    }
}

/// A frame, and what the machine overslept beyond a few milliseconds: then a packet left later than its time.
fn allowed(noise: &Noise) -> f64 {
    FRAME_MS + (noise.worst().as_secs_f64() * 1e3 - 5.0).max(0.0)
}

fn serving() -> (Server, tempfile::TempDir) {
    let bots = tempfile::tempdir().unwrap();
    std::fs::write(bots.path().join("answers.yaml"), BOT).unwrap();
    std::fs::write(bots.path().join("talker.yaml"), TALKER).unwrap();
    let config = format!("[bots]\nfolder = \"{}\"\n", bots.path().display());
    (Setup::new().config(&config).start(), bots)
}

fn said(file: &str, number: usize) -> Utterance {
    read_speech(&repository("audio-samples").join(file)).unwrap().swap_remove(number)
}

/// The records of this many calls that are over.
fn ended(server: &Server, calls: usize) -> Vec<Value> {
    until("the records of all calls", || {
        let list = server.api.get("/v1/calls?state=ended&limit=100").body;
        let records = list["calls"].as_array()?.clone();
        (records.len() >= calls).then_some(records)
    })
}

/// A figure of every turn of these records, in order of size.
fn of_turns(records: &[Value], figure: impl Fn(&Value) -> Option<f64>) -> Vec<f64> {
    let turns = records.iter().flat_map(|record| record["turns"].as_array().unwrap());
    let mut figures: Vec<f64> = turns.filter_map(|turn| figure(&turn["ledger"])).collect();
    figures.sort_by(f64::total_cmp);
    figures
}
