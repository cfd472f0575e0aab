//! Judges the embedded recognizer on voices over a telephone, with the grammars of `bots/after-sales.yaml`.
//!
//!     cargo run --release -p offhook-engines --example judge-recognition [-- EVIDENCE.tsv]
//!
//! Needs flite, espeak-ng and pocketsphinx-en-us. It runs the code of the child process itself, without process and
//! pipe. Per voice it prints how many texts were understood as they were meant and accepted; of sentences outside the
//! grammar how many were taken for something. `held out` are voices that the table was not trained on; but rms, kal16 and
//! en-us+f3 chose the limits of the verdict, and six of them chose the kind of table: their figures flatter.
//! EVIDENCE.tsv gets a line for each text: what the verdict was made of.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool that engineers run")]
#![allow(dead_code, reason = "it shares files with the product and the trainer")]

#[path = "../train-telephone/chance.rs"]
mod chance;
#[path = "../train-telephone/corpus.rs"]
mod corpus;
#[path = "../../src/recognizers/decoders.rs"]
mod decoders;
#[path = "../../src/recognizers/dictionary.rs"]
mod dictionary;
#[path = "../../src/recognizers/features/mod.rs"]
mod features;
#[path = "../../src/recognizers/jsgf.rs"]
mod jsgf;
#[path = "../train-telephone/line.rs"]
mod line;
mod meaning;
#[path = "../../src/recognizers/verdict.rs"]
mod verdict;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use chance::Chance;
use corpus::{VOICES, Voice, espeak, flite, speak};
use decoders::{Hearing, Pair};
use dictionary::Dictionary;
use features::{Heard, Telephone};
use jsgf::Jsgf;
use meaning::{Meanings, bot_intents, number};
use offhook_engine_api::{Grammar, SlotKind};
use offhook_pocketsphinx_ffi::{Library, MODEL_DIRECTORY};

/// Voices that taught nothing.
const HELD_OUT: [(&str, Voice); 11] = [
    ("rms", flite("rms", 1.0, 0, 1.0)),
    ("rms higher", flite("rms", 0.95, 160, 1.1)),
    ("kal", flite("kal", 1.0, 0, 1.0)),
    ("kal16", flite("kal16", 1.0, 0, 1.0)),
    ("kal16 higher", flite("kal16", 1.0, 140, 1.08)),
    ("en-gb", espeak("en-gb", 155.0, 50, 1.0)),
    ("en-us+f3", espeak("en-us+f3", 155.0, 50, 1.0)),
    ("en-us+m3", espeak("en-us+m3", 165.0, 45, 1.0)),
    ("en-gb-scotland", espeak("en-gb-scotland", 150.0, 55, 1.0)),
    ("en-gb+f4", espeak("en-gb+f4", 150.0, 60, 1.0)),
    ("en-us+m5", espeak("en-us+m5", 140.0, 50, 1.0)),
];
/// Of the voices that taught, those that limits are chosen on.
const TUNING: [usize; 8] = [0, 1, 6, 7, 11, 12, 14, 15];
const NUMBERS: usize = 20;
const ANSWERS: &str = include_str!("answers.txt");
const WISHES: &str = include_str!("wishes.txt");
const OUTSIDE: &str = include_str!("outside.txt");
const DIGITS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

#[derive(Default)]
struct Count {
    all: usize,
    right: usize,
    accepted: usize,
    taken: usize,
}

struct Judge {
    pair: Pair,
    telephone: Telephone,
    dictionary: Dictionary,
    meanings: Meanings,
    evidence: String,
    busy: Duration,
    audio: f64,
    slowest: Duration,
}

fn main() {
    let library = Library::load().unwrap();
    let telephone = Telephone::load().unwrap();
    let intents = bot_intents();
    let mut judge = Judge {
        pair: Pair::new(&library, &telephone).unwrap(),
        dictionary: Dictionary::load(&Path::new(MODEL_DIRECTORY).join("cmudict-en-us.dict")).unwrap(),
        telephone,
        meanings: Meanings::new(&intents),
        evidence: String::new(),
        busy: Duration::ZERO,
        audio: 0.0,
        slowest: Duration::ZERO,
    };
    let anywhere: Vec<_> = intents
        .iter()
        .filter(|one| ["agent", "goodbye", "repeat"].contains(&one.intent.as_str()))
        .cloned()
        .collect();
    let eight = SlotKind::Digits { min: 8, max: 8 };
    let grammar = |intents: &[_], slots: &[SlotKind]| Grammar {
        language: "en".into(),
        intents: intents.to_vec(),
        slots: slots.to_vec(),
    };
    let more = judge.compiled(&grammar(&intents, &[SlotKind::YesNo]));
    let number_of_order = judge.compiled(&grammar(&anywhere, std::slice::from_ref(&eight)));
    let confirmation = judge.compiled(&grammar(&anywhere, &[SlotKind::YesNo, eight]));
    let one_digit = judge.compiled(&grammar(&[], &[SlotKind::Digits { min: 1, max: 1 }]));

    let scratch = std::env::temp_dir().join(format!("offhook-judge-{}.wav", std::process::id()));
    let tuning = TUNING.iter().map(|n| (format!("voice {n}"), &VOICES[*n], "tuning"));
    let held_out = HELD_OUT.iter().map(|(name, voice)| ((*name).to_owned(), voice, "held out"));
    let mut sums: BTreeMap<(&str, &str), Count> = BTreeMap::new();
    for (seed, (name, voice, group)) in tuning.chain(held_out).enumerate() {
        let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
        let mut chance = Chance::new(90_000 + seed as u64);
        let numbers: Vec<String> = (0..NUMBERS)
            .map(|_| (0..8).map(|_| DIGITS[chance.below(10)]).collect::<Vec<_>>().join(" "))
            .collect();
        let mut say = |kind: &'static str, text: &str, jsgf: &[&Jsgf]| {
            let speech = speak(voice, text, &scratch);
            for jsgf in jsgf {
                let heard = line::telephone(&speech, &mut chance);
                let count = counts.entry(kind).or_default();
                judge.judge(&format!("{group}\t{name}\t{kind}"), text, &heard, jsgf, count);
            }
        };
        ANSWERS.lines().for_each(|text| say("answers", text, &[&confirmation]));
        WISHES.lines().for_each(|text| say("wishes", text, &[&more]));
        DIGITS.iter().for_each(|text| say("digits", text, &[&one_digit]));
        numbers.iter().for_each(|text| say("numbers", text, &[&number_of_order]));
        OUTSIDE.lines().for_each(|text| say("outside", text, &[&more, &number_of_order, &confirmation]));
        println!("{group:9}{name:16}{}", line_of(counts.iter().map(|(kind, count)| (*kind, count))));
        for (kind, count) in counts {
            let sum = sums.entry((group, kind)).or_default();
            sum.all += count.all;
            sum.right += count.right;
            sum.accepted += count.accepted;
            sum.taken += count.taken;
        }
    }
    let _ = std::fs::remove_file(&scratch);
    for group in ["tuning", "held out"] {
        let of_group = sums.iter().filter(|((of, _), _)| *of == group);
        println!("{group:9}{:16}{}", "all", line_of(of_group.map(|((_, kind), count)| (*kind, count))));
    }
    println!(
        "decoding: real-time factor {:.3}, slowest {} ms",
        judge.busy.as_secs_f64() / judge.audio,
        judge.slowest.as_millis()
    );
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(path, judge.evidence).unwrap();
    }
}

impl Judge {
    fn compiled(&self, grammar: &Grammar) -> Jsgf {
        jsgf::compile(grammar, |word| self.dictionary.contains(word)).unwrap()
    }

    fn judge(&mut self, who: &str, text: &str, samples: &[i16], jsgf: &Jsgf, count: &mut Count) {
        self.pair.select(jsgf, &self.dictionary).unwrap();
        let began = Instant::now();
        let mut heard = Heard::new();
        heard.push(samples);
        let cepstra = self.telephone.cepstra(&heard, &self.telephone.unknown_line());
        let hearing = self.pair.hear(&cepstra).unwrap();
        let took = began.elapsed();
        self.busy += took;
        self.slowest = self.slowest.max(took);
        self.audio += samples.len() as f64 / 16_000.0;
        count.all += 1;
        let Hearing::Words { text: words, evidence } = hearing else { return };
        let right = self.meanings.same(&words, text);
        count.right += usize::from(right);
        count.accepted += usize::from(right && evidence.accepts());
        count.taken += usize::from(!right && evidence.accepts());
        let _ = writeln!(
            self.evidence,
            "{who}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{text}\t{words}",
            u8::from(right),
            evidence.words,
            evidence.worst_word,
            evidence.whole,
            evidence.unexplained,
            evidence.count,
            u8::from(evidence.digits),
        );
    }
}

/// Per kind: understood and accepted of all (understood before the verdict; others that were taken).
fn line_of<'a>(counts: impl Iterator<Item = (&'static str, &'a Count)>) -> String {
    counts
        .map(|(kind, count)| {
            let percent = |part: usize| number(100.0 * part as f64 / count.all as f64);
            match kind {
                "outside" => format!("  {kind} taken {} %", percent(count.taken)),
                _ => format!(
                    "  {kind} {} % ({} %, wrong {})",
                    percent(count.accepted),
                    percent(count.right),
                    count.taken
                ),
            }
        })
        .collect()
}
