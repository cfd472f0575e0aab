//! A synthesizer that speaks a tone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use offhook_audio::AudioChunk;
use offhook_engine_api::{
    EngineError, EventSink, Synthesizer, SynthesizerEngine, SynthesizerEvent, UtteranceId, Voice,
};

use super::later::{LateSink, Later};

/// What the tone sounds like.
const TONE_HZ: f64 = 440.0;
const AMPLITUDE: f64 = 8_000.0;
/// A chunk as a streaming engine would send it.
const CHUNK: Duration = Duration::from_millis(100);

/// How texts are spoken.
#[derive(Clone, Debug)]
pub struct SpeechScript {
    /// Samples per second.
    pub sample_rate: u32,
    /// How long each character sounds.
    pub per_character: Duration,
    /// How long until the first audio.
    pub delay: Duration,
    /// Texts that sound like this instead of a tone.
    pub recordings: BTreeMap<String, AudioChunk>,
    /// Texts that fail, and how.
    pub failures: BTreeMap<String, EngineError>,
    /// Texts of which nothing is ever heard.
    pub hangs: Vec<String>,
}

impl Default for SpeechScript {
    fn default() -> Self {
        SpeechScript {
            sample_rate: 16_000,
            per_character: Duration::from_millis(60),
            delay: Duration::ZERO,
            recordings: BTreeMap::new(),
            failures: BTreeMap::new(),
            hangs: Vec::new(),
        }
    }
}

/// Speaks every text as a 440 Hz tone of a length that the text decides.
#[derive(Clone, Debug)]
pub struct ScriptedSynthesizer {
    script: Arc<SpeechScript>,
    later: Later,
}

impl ScriptedSynthesizer {
    /// A synthesizer that follows `script`.
    pub fn new(script: SpeechScript) -> Self {
        ScriptedSynthesizer { script: Arc::new(script), later: Later::default() }
    }
}

impl SynthesizerEngine for ScriptedSynthesizer {
    fn open(
        &self,
        _voice: &Voice,
        events: EventSink<SynthesizerEvent>,
    ) -> Result<Box<dyn Synthesizer>, EngineError> {
        let events = self.later.sink(events);
        Ok(Box::new(Session { script: Arc::clone(&self.script), events, cancelled: BTreeMap::new() }))
    }

    fn name(&self) -> &str {
        "scripted"
    }
}

struct Session {
    script: Arc<SpeechScript>,
    events: LateSink<SynthesizerEvent>,
    cancelled: BTreeMap<UtteranceId, Arc<AtomicBool>>,
}

impl Synthesizer for Session {
    fn speak(&mut self, utterance: UtteranceId, text: &str) {
        let delay = self.script.delay;
        let cancelled = Arc::new(AtomicBool::new(false));
        self.cancelled.insert(utterance, Arc::clone(&cancelled));
        if self.script.hangs.iter().any(|hang| hang == text) {
            return;
        }
        if let Some(error) = self.script.failures.get(text) {
            let event = SynthesizerEvent::Failed { utterance, error: error.clone() };
            self.events.send_unless(delay, event, &cancelled);
            return;
        }
        for chunk in self.script.sound(text) {
            self.events.send_unless(delay, SynthesizerEvent::Audio { utterance, chunk }, &cancelled);
        }
        self.events.send_unless(delay, SynthesizerEvent::SpeakComplete { utterance }, &cancelled);
    }

    fn cancel(&mut self, utterance: UtteranceId) {
        if let Some(cancelled) = self.cancelled.remove(&utterance) {
            cancelled.store(true, Ordering::Release);
        }
    }
}

impl SpeechScript {
    fn sound(&self, text: &str) -> Vec<AudioChunk> {
        if let Some(recording) = self.recordings.get(text) {
            return vec![recording.clone()];
        }
        let rate = f64::from(self.sample_rate);
        let length = (self.per_character.as_secs_f64() * rate) as usize * text.chars().count();
        let sample =
            |n: usize| ((n as f64 * TONE_HZ / rate * std::f64::consts::TAU).sin() * AMPLITUDE) as i16;
        let samples: Vec<i16> = (0..length).map(sample).collect();
        samples
            .chunks(((CHUNK.as_secs_f64() * rate) as usize).max(1))
            .map(|piece| AudioChunk { sample_rate: self.sample_rate, samples: piece.into() })
            .collect()
    }
}
