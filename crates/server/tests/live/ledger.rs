//! The server's turn ledger against what the caller measured by itself: turn by turn, moment by moment.
//!
//! Server and caller run on one machine and count on one clock, so not only the silence is compared but both its ends.

use offhook_caller::impair::Impairment;
use offhook_caller::listen::Turn;
use serde_json::Value;

use crate::common::{Calling, Noise, OnTheLine, Server, Setup, alone, repository};

/// One frame.
const FRAME_MS: f64 = 20.0;

/// Answers whatever it hears, each time with another first sound: a vowel, plosives, soft and hissed consonants.
const BOT: &str = r#"
bot: listener
start: greet
turn: { end_of_speech: 1000ms, no_input_after: 30s, max_turns: 100 }
intents: { yes: ["yes [please]", "[yes] that is right"], bye: ["goodbye"] }
states:
  greet: { say: "Hello. What would you like to say?", goto: one }
  one:
    listen: { intents: { yes: two, bye: two }, keys: { "1": two }, no_match: [{ goto: two }] }
  two:
    say: "She sells shells on the shore of the sea and has been doing so for a very long time now."
    listen: { intents: { yes: three, bye: three }, keys: { "1": three }, no_match: [{ goto: three }] }
  three:
    say: "Four things remain to be said before we come to the end of this long story."
    listen: { intents: { yes: four, bye: four }, keys: { "1": four }, no_match: [{ goto: four }] }
  four:
    say: "Please go on because I am listening to every single word that you have to say to me."
    listen: { intents: { yes: five, bye: five }, keys: { "1": five }, no_match: [{ goto: five }] }
  five:
    say: "Have you said all of it or is there anything else that you would like to add?"
    listen: { intents: { yes: two, bye: two }, keys: { "1": two }, no_match: [{ goto: two }] }
"#;

#[test]
fn the_ledger_of_every_turn_is_what_the_caller_measured_to_the_frame() {
    let _turn = alone();
    let (server, _bots) = listening();
    let noise = Noise::watch();
    let jitter = Impairment { jitter_ms: 12.0, ..Impairment::default() };
    let bad =
        Impairment { jitter_ms: 8.0, loss_percent: 1.0, duplicate_percent: 1.0, ..Impairment::default() };
    let calls: Vec<(&str, OnTheLine)> = vec![
        ("order-status-slt", call(&server, "slt", "order-status-slt").start()),
        ("order-status-rms-mulaw", call(&server, "mulaw", "order-status-rms-mulaw").start()),
        ("return-awb, A-law", call(&server, "awb", "return-awb").a_law().start()),
        ("person-kal16", call(&server, "kal", "person-kal16").start()),
        ("order-status-espeak", call(&server, "espeak", "order-status-espeak").start()),
        ("awkward-slt-noise", call(&server, "noisy", "awkward-slt-noise").start()),
        ("rms, jitter of 12 ms", call(&server, "jitter", "order-status-rms-mulaw").impaired(jitter).start()),
        ("espeak, loss too", call(&server, "bad", "order-status-espeak").impaired(bad).start()),
    ];
    let users = ["slt", "mulaw", "awb", "kal", "espeak", "noisy", "jitter", "bad"];

    let mut compared = Vec::new();
    for ((line, call), user) in calls.into_iter().zip(users) {
        let ended = call.finish();
        assert!(ended.report.is_success(), "{line}: {}", ended.said);
        let record = server.api.ended_call_from(user);
        let joined = join(line, &record, &ended.report);
        let utterances = labels(sample_of(user)).len();
        assert_eq!(joined.len(), utterances, "{line}: one turn for each utterance\n{}", ended.said);
        compared.extend(joined);
    }

    judge(&compared, &noise);
    assert!(compared.len() >= 30, "{}", compared.len());
}

#[test]
fn a_barge_in_took_as_long_as_the_caller_measured() {
    let _turn = alone();
    let (server, _bots) = listening();
    let noise = Noise::watch();
    let yes = utterance("return-awb", 1);
    let right = utterance("order-status-slt", 2);
    let script = "wait-quiet\nsay yes.wav\ninterrupt after 800ms say right.wav\ninterrupt after 800ms say yes.wav\n\
                  interrupt after 650ms dtmf 1\nwait-quiet\nhangup";

    let ended = Calling::to(&server, "listener")
        .from("barging")
        .wav("yes.wav", &yes)
        .wav("right.wav", &right)
        .script(script)
        .place();

    assert!(ended.report.is_success(), "{}", ended.said);
    let record = server.api.ended_call_from("barging");
    let joined = join("barge-in", &record, &ended.report);
    judge(&joined, &noise);
    let mut stops = 0;
    for turn in &joined {
        // Who talks into a pause between two of the bot's words stops nothing that can be heard.
        let (measured, ledger) =
            (turn.caller_stopped_ms.unwrap_or(0.0), turn.server_stopped_ms.unwrap_or(0.0));
        eprintln!("{}: the bot fell silent after {measured:.1} ms, {ledger:.1} in the record", turn.name);
        assert!((measured - ledger).abs() <= allowed(&noise), "{}", turn.name);
        assert!(measured < 300.0, "{measured}");
        stops += usize::from(measured > 0.0);
    }
    assert_eq!(joined.len(), 4, "{}", ended.said);
    assert!(stops >= 2, "{stops}: {}", ended.said);
}

/// One turn as both sides saw it, in milliseconds.
struct Compared {
    name: String,
    /// The server's less the caller's: the silence, its beginning, its end.
    silence: f64,
    began: f64,
    ended: f64,
    caller_ms: f64,
    segments: String,
    caller_stopped_ms: Option<f64>,
    server_stopped_ms: Option<f64>,
}

/// Joins what the caller measured with the record by the moment at which the bot began.
fn join(line: &str, record: &Value, report: &offhook_caller::call::CallReport) -> Vec<Compared> {
    let answered = report.answered_monotonic_ns.unwrap() as f64 / 1e6;
    let ledgers = record["turns"].as_array().unwrap();
    let answers: Vec<&Turn> = report.turns.turns.iter().filter(|turn| turn.bot_start_ms.is_some()).collect();
    assert_eq!(answers.len(), ledgers.len(), "{line}: {}\n{record:#}", report.turns);
    let compare = |(turn, ledger): (&&Turn, &Value)| {
        let ledger = &ledger["ledger"];
        let ms = |name: &str| ledger[name].as_u64().unwrap() as f64 / 1e6;
        let segments = ledger["segments"].as_array().unwrap();
        let micros = |segment: &Value| segment["micros"].as_u64().unwrap();
        let sum = segments.iter().map(micros).sum::<u64>() as f64 / 1e3;
        assert!((sum - (ms("ended_at") - ms("began_at"))).abs() < 0.002, "the segments sum to the silence");
        let words = segments
            .iter()
            .map(|segment| format!("{} {}", segment["name"].as_str().unwrap(), micros(segment) / 1_000));
        let caller_ms = turn.response_ms.unwrap();
        Compared {
            name: format!("{line}: {}", turn.said),
            silence: sum - caller_ms,
            began: ms("began_at") - answered - turn.caller_end_ms,
            ended: ms("ended_at") - answered - turn.bot_start_ms.unwrap(),
            caller_ms,
            segments: words.collect::<Vec<_>>().join(" + "),
            caller_stopped_ms: turn.barge_in.map(|barge_in| barge_in.stopped_after_ms),
            server_stopped_ms: ledger["barge_in_micros"].as_u64().map(|micros| micros as f64 / 1e3),
        }
    };
    answers.iter().zip(ledgers).map(compare).collect()
}

fn judge(turns: &[Compared], noise: &Noise) {
    for turn in turns {
        eprintln!(
            "{:<34} waited {:6.1} ms; the ledger {:+.1} (begin {:+.1}, end {:+.1}): {}",
            turn.name, turn.caller_ms, turn.silence, turn.began, turn.ended, turn.segments
        );
    }
    let worst = |of: fn(&Compared) -> f64| turns.iter().map(|turn| of(turn).abs()).fold(0.0, f64::max);
    eprintln!(
        "{} turns; at most {:.1} ms apart (begin {:.1}, end {:.1}); the machine overslept {:.1} ms",
        turns.len(),
        worst(|turn| turn.silence),
        worst(|turn| turn.began),
        worst(|turn| turn.ended),
        noise.worst().as_secs_f64() * 1e3
    );
    for turn in turns {
        for (what, off) in [("silence", turn.silence), ("begin", turn.began), ("end", turn.ended)] {
            assert!(off.abs() <= allowed(noise), "{}: {what} {off:+.1} ms apart", turn.name);
        }
    }
}

/// A frame, and what the machine overslept beyond a few milliseconds: then a packet left later than its time.
fn allowed(noise: &Noise) -> f64 {
    FRAME_MS + (noise.worst().as_secs_f64() * 1e3 - 5.0).max(0.0)
}

fn listening() -> (Server, tempfile::TempDir) {
    let bots = tempfile::tempdir().unwrap();
    std::fs::write(bots.path().join("listener.yaml"), BOT).unwrap();
    let config = format!("[bots]\nfolder = \"{}\"\n", bots.path().display());
    (Setup::new().config(&config).start(), bots)
}

/// A caller who says the utterances of a sample one by one, each with the noise around it.
fn call(server: &Server, user: &str, sample: &str) -> Calling {
    let mut calling = Calling::to(server, "listener").from(user);
    let mut script = String::new();
    for number in 0..labels(sample).len() {
        calling = calling.wav(&format!("{number}.wav"), &utterance(sample, number));
        script += &format!("wait-quiet\nsay {number}.wav\n");
    }
    calling.script(&format!("{script}wait-quiet\nhangup"))
}

fn sample_of(user: &str) -> &'static str {
    match user {
        "slt" => "order-status-slt",
        "mulaw" | "jitter" => "order-status-rms-mulaw",
        "awb" => "return-awb",
        "kal" => "person-kal16",
        "noisy" => "awkward-slt-noise",
        _ => "order-status-espeak",
    }
}

/// An utterance as it is played (see audio-samples/README.md).
fn utterance(sample: &str, number: usize) -> Vec<i16> {
    let samples =
        offhook_caller::wav::read(&repository("audio-samples").join(format!("{sample}.wav"))).unwrap();
    let label = &labels(sample)[number];
    let at = |name: &str| label[name].as_u64().unwrap() as usize;
    samples[at("from")..at("to")].to_vec()
}

fn labels(sample: &str) -> Vec<Value> {
    let text = std::fs::read(repository("audio-samples").join(format!("{sample}.json"))).unwrap();
    let facts: Value = serde_json::from_slice(&text).unwrap();
    facts["utterances"].as_array().unwrap().clone()
}
