//! What the recognizer understands, and what it does not pretend to understand.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use offhook_audio::Frame;
use offhook_engine_api::{Grammar, IntentPhrases, Recognizer, RecognizerEngine, RecognizerEvent, SlotKind};
use offhook_engines::host::NativeEngine;
use offhook_engines::recognizers::PocketsphinxRecognizer;
use offhook_testkit::conformance::{RecognizerProbe, check_recognizer};

use super::audio::{sample, spoken};
use super::{Ran, WAIT, events, pool};

const VOICES: [&str; 3] = ["slt", "rms", "kal16"];
const PHRASES: [&str; 11] = [
    "[(i want|i would like|i'd like) to] (check|track) (my|an) order",
    "where is my (order|package|parcel)",
    "order status",
    "[(i want|i would like|i'd like) to] return (something|an item|my order)",
    "return",
    "[i want] a refund",
    "[(i want|i would like) to] (talk|speak) to (a person|an agent|someone)",
    "operator",
    "(goodbye|good bye)",
    "that is all [thank you]",
    "what did you say",
];

pub(crate) fn conforms() -> Ran {
    let engine = match engine() {
        Ok(engine) => engine,
        Err(ran) => return ran,
    };
    let probe = RecognizerProbe {
        grammar: commands(),
        speech: spoken("rms", "where is my order"),
        text: Some("where is my order".into()),
        other: Some((spoken("rms", "goodbye"), "goodbye".into())),
        patience: WAIT,
    };
    check_recognizer(&engine, &probe);
    Ran::Yes
}

pub(crate) fn phrases_are_recognized_over_a_telephone_band() -> Ran {
    let said = [
        "i want to check my order",
        "where is my order",
        "return",
        "i would like to return something",
        "talk to a person",
        "i would like to talk to a person",
        "goodbye",
        "order status",
    ];
    at_least(95, &commands(), &said)
}

pub(crate) fn digits_and_answers_are_recognized() -> Ran {
    let answers = Grammar { slots: vec![SlotKind::YesNo], ..english() };
    let digits = Grammar { slots: vec![SlotKind::Digits { min: 8, max: 8 }], ..english() };
    let one = Grammar { slots: vec![SlotKind::Digits { min: 1, max: 1 }], ..english() };
    let said =
        ["yes", "yes please", "yes that is right", "that is right", "no", "no thank you", "that is wrong"];
    let ran = at_least(95, &answers, &said);
    if ran != Ran::Yes {
        return ran;
    }
    let each = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    at_least(90, &one, &each);
    at_least(
        75,
        &digits,
        &[
            "one two three four five six seven eight",
            "four six nine zero three one nine two",
            "eight zero five six four nine one seven",
            "two four one eight one three five seven",
        ],
    )
}

pub(crate) fn what_is_outside_the_grammar_is_a_no_match() -> Ran {
    rejected("out-of-grammar", 10)
}

/// Twenty sentences that no limit was chosen on. Their total had been seen once before the limits were last chosen.
pub(crate) fn held_out_sentences_are_no_matches() -> Ran {
    rejected("out-of-grammar-test", 20)
}

pub(crate) fn the_onset_before_the_start_counts() -> Ran {
    let engine = match engine() {
        Ok(engine) => engine,
        Err(ran) => return ran,
    };
    let (mut call, heard) = open(&engine, &commands());
    let speech = spoken("rms", "where is my order");

    // The detector is sure 240 ms after the first sound: 12 frames of speech were pushed before the start.
    for (n, frame) in speech.iter().enumerate() {
        if n == 27 {
            call.start_utterance();
        }
        call.push_audio(frame);
        std::thread::sleep(Duration::from_millis(6));
    }
    call.finish_utterance();

    assert_eq!(result(&heard), Some("where is my order".into()));
    Ran::Yes
}

pub(crate) fn a_result_comes_at_once_and_is_cheap() -> Ran {
    let engine = match engine() {
        Ok(engine) => engine,
        Err(ran) => return ran,
    };
    let (mut call, heard) = open(&engine, &commands());
    let speech = spoken("rms", "i would like to check my order");
    let mut delays = Vec::new();
    let before = children_cpu();

    for _ in 0..5 {
        call.start_utterance();
        for frame in &speech {
            call.push_audio(frame);
            std::thread::sleep(Duration::from_millis(10));
        }
        let finished = Instant::now();
        call.finish_utterance();
        assert_eq!(result(&heard), Some("i would like to check my order".into()));
        delays.push(finished.elapsed());
    }

    delays.sort();
    let cpu = children_cpu().saturating_sub(before).as_secs_f64();
    let factor = cpu / (5.0 * speech.len() as f64 * 0.02);
    println!("  result after {:?} (median), real-time factor {factor:.3}", delays[2]);
    assert!(delays[2] < Duration::from_millis(100), "{delays:?}");
    if !cfg!(debug_assertions) {
        assert!(factor <= 0.1, "real-time factor {factor}");
    }
    Ran::Yes
}

fn at_least(percent: usize, grammar: &Grammar, said: &[&str]) -> Ran {
    let engine = match engine() {
        Ok(engine) => engine,
        Err(ran) => return ran,
    };
    let (mut right, mut wrong) = (0, Vec::new());
    for voice in VOICES {
        let (mut call, heard) = open(&engine, grammar);
        for text in said {
            let text_heard = hear(&mut call, &heard, &spoken(voice, text));
            if text_heard.as_ref().is_some_and(|heard| same(heard, text)) {
                right += 1;
            } else {
                wrong.push(format!("{voice}: {text:?} as {text_heard:?}"));
            }
        }
    }
    let all = right + wrong.len();
    println!("  {right} of {all} right; {wrong:?}");
    assert!(right * 100 >= all * percent, "less than {percent} %");
    Ran::Yes
}

fn rejected(folder: &str, at_least_files: usize) -> Ran {
    let engine = match engine() {
        Ok(engine) => engine,
        Err(ran) => return ran,
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../audio-samples").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wav"))
        .collect();
    files.sort();
    assert!(files.len() >= at_least_files, "{} files", files.len());
    let mut taken = Vec::new();
    for file in &files {
        let (mut call, heard) = open(&engine, &commands());
        if let Some(text) = hear(&mut call, &heard, &sample(file)) {
            taken.push((file.file_name().unwrap().to_owned(), text));
        }
    }
    println!("  {} of {} are no-matches; {taken:?}", files.len() - taken.len(), files.len());
    assert!(taken.len() * 10 <= files.len(), "more than one in ten was taken for a phrase");
    Ran::Yes
}

fn engine() -> Result<PocketsphinxRecognizer, Ran> {
    pool(NativeEngine::Pocketsphinx, 1).map(PocketsphinxRecognizer::new)
}

fn english() -> Grammar {
    Grammar { language: "en-US".into(), ..Grammar::default() }
}

fn commands() -> Grammar {
    let phrases = PHRASES.map(str::to_owned).to_vec();
    Grammar { intents: vec![IntentPhrases { intent: "any".into(), phrases }], ..english() }
}

fn open(
    engine: &PocketsphinxRecognizer,
    grammar: &Grammar,
) -> (Box<dyn Recognizer>, Receiver<RecognizerEvent>) {
    let (sink, events) = events();
    let mut call = engine.open(16_000, sink).unwrap();
    call.set_grammar(grammar);
    (call, events)
}

/// Speaks three times as fast as a caller.
fn hear(
    call: &mut Box<dyn Recognizer>,
    heard: &Receiver<RecognizerEvent>,
    speech: &[Frame],
) -> Option<String> {
    call.start_utterance();
    for frame in speech {
        call.push_audio(frame);
        std::thread::sleep(Duration::from_millis(6));
    }
    call.finish_utterance();
    result(heard)
}

fn result(heard: &Receiver<RecognizerEvent>) -> Option<String> {
    loop {
        match heard.recv_timeout(WAIT).unwrap() {
            RecognizerEvent::Final { text, confidence } => {
                assert!(confidence.is_some_and(|confidence| (0.0..=1.0).contains(&confidence)));
                return Some(text);
            }
            RecognizerEvent::NoMatch => return None,
            RecognizerEvent::Ready => {}
            other => panic!("{other:?}"),
        }
    }
}

/// "double two" is "two two", "oh" is "zero": one meaning, several wordings.
fn same(heard: &str, said: &str) -> bool {
    let plain = |text: &str| {
        let text = text.replace("that's", "that is").replace("good bye", "goodbye").replace("oh", "zero");
        let mut words: Vec<String> = Vec::new();
        let mut double = false;
        for word in text.split(' ') {
            if word == "double" {
                double = true;
            } else {
                words.extend(std::iter::repeat_n(
                    word.to_owned(),
                    1 + usize::from(std::mem::take(&mut double)),
                ));
            }
        }
        words
    };
    plain(heard) == plain(said)
}

/// CPU time of the children of this process, running ones included.
fn children_cpu() -> Duration {
    let parent = std::process::id();
    let mut ticks = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((_, fields)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = fields.split(' ').collect();
        if fields[1].parse() == Ok(parent) {
            ticks += fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
    }
    Duration::from_millis(ticks * 10)
}
