//! Surroundings that know what to answer, and the speech of a sample.

use std::path::PathBuf;
use std::time::Duration;

use offhook_audio::AudioChunk;
use offhook_call_control::{SpeakRequest, SpeechContent};
use offhook_conversation::{Bot, ToolAnswer, ToolCall, ToolFailure};
use offhook_engine_api::{EngineError, RecognizerEvent};
use offhook_journal::bundle::Bundle;
use offhook_replay::encounter::Setup;
use offhook_replay::{Answer, Heard, Surroundings, verify};
use offhook_time::Seed;

/// 2026-11-21 09:00:00 UTC.
pub const MORNING: i64 = 1_795_251_600_000;

/// Gives the words of the caller, or those of a list; hums for the bot; knows one order.
#[derive(Default)]
pub struct Around {
    pub words: Vec<String>,
    pub heard: Vec<usize>,
    pub asked: Vec<String>,
    pub voice: Vec<i16>,
    pub fails: bool,
}

impl Around {
    pub fn new() -> Around {
        Around { voice: sample("order-status-slt", 0), ..Around::default() }
    }
}

impl Surroundings for Around {
    fn recognize(&mut self, heard: &Heard<'_>) -> Answer<RecognizerEvent> {
        self.heard.push(heard.frames.len());
        let listed = (!self.words.is_empty()).then(|| self.words.remove(0));
        let what = match heard.said.map(str::to_owned).or(listed) {
            Some(text) => RecognizerEvent::Final { text, confidence: Some(1.0) },
            None => RecognizerEvent::NoMatch,
        };
        answer(what, 100)
    }

    fn speak(&mut self, request: &SpeakRequest) -> Answer<Result<Vec<AudioChunk>, EngineError>> {
        let (SpeechContent::Text(text) | SpeechContent::Recording(text)) = &request.content;
        let samples: Vec<i16> =
            (0..text.chars().count() * 16 * 60).map(|n| if n % 40 < 20 { 4_000 } else { -4_000 }).collect();
        let chunks = samples.chunks(1_600);
        answer(
            Ok(chunks.map(|chunk| AudioChunk { sample_rate: 16_000, samples: chunk.into() }).collect()),
            40,
        )
    }

    fn call_tool(&mut self, call: &ToolCall) -> Answer<Result<ToolAnswer, ToolFailure>> {
        self.asked.push(call.url.clone());
        let body = r#"{"state":"shipped","delivery":"2026-11-24"}"#.to_owned();
        let what = if self.fails {
            Err(ToolFailure::Unreachable("nobody is there".to_owned()))
        } else {
            Ok(ToolAnswer { status: 200, body })
        };
        answer(what, 30)
    }

    fn voice_of_caller(&mut self, _text: &str) -> Vec<i16> {
        self.voice.clone()
    }
}

fn answer<T>(what: T, millis: u64) -> Answer<T> {
    Answer { what, took: Duration::from_millis(millis), by: "the test".to_owned() }
}

/// A bot of the repository.
pub fn bot(name: &str) -> Bot {
    let file = repository().join("bots").join(name);
    Bot::parse(&std::fs::read_to_string(file).unwrap(), name).unwrap()
}

pub fn setup(bot: Bot) -> Setup {
    let mut setup = Setup::new("met".to_owned(), Seed::from_number(7), MORNING, bot);
    setup.origin.build = "test".to_owned();
    setup
}

/// The bundle is like any other: it does the same again, byte for byte.
pub fn replays(bundle: &[u8]) {
    let bundle = Bundle::open(bundle).unwrap();
    let report = verify(&bundle).unwrap();
    assert!(report.is_equal(), "{report:#?}");
    assert!(report.media.packets > 100, "{report:#?}");
    assert!(report.notes.is_empty(), "{report:#?}");
}

/// All of a sample.
pub fn call(name: &str) -> Vec<i16> {
    let bytes = std::fs::read(repository().join("audio-samples").join(name).with_extension("wav")).unwrap();
    let data = bytes.windows(4).position(|four| four == b"data").unwrap() + 8;
    bytes[data..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// One utterance of a sample.
pub fn sample(name: &str, utterance: usize) -> Vec<i16> {
    let text = std::fs::read_to_string(repository().join("audio-samples").join(name).with_extension("json"))
        .unwrap();
    let label: serde_json::Value = serde_json::from_str(&text).unwrap();
    let span = &label["utterances"][utterance];
    let at = |name: &str| span[name].as_u64().unwrap() as usize;
    call(name)[at("start")..at("end")].to_vec()
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
