//! A synthesizer that speaks a tone.

use std::time::Duration;

use offhook_engine_api::{EngineError, EventSink, Synthesizer, SynthesizerEngine, SynthesizerEvent, Voice};

/// How texts are spoken.
#[derive(Clone, Debug)]
pub struct SpeechScript {
    /// Samples per second.
    pub sample_rate: u32,
    /// How long each character sounds.
    pub per_character: Duration,
    /// How long until the first audio.
    pub delay: Duration,
}

impl Default for SpeechScript {
    fn default() -> Self {
        SpeechScript { sample_rate: 16_000, per_character: Duration::from_millis(60), delay: Duration::ZERO }
    }
}

/// Speaks every text as a 440 Hz tone of a length that the text decides.
#[derive(Clone, Debug)]
pub struct ScriptedSynthesizer {
    _script: SpeechScript,
}

impl ScriptedSynthesizer {
    /// A synthesizer that follows `script`.
    pub fn new(script: SpeechScript) -> Self {
        ScriptedSynthesizer { _script: script }
    }
}

impl SynthesizerEngine for ScriptedSynthesizer {
    fn open(
        &self,
        _voice: &Voice,
        _events: EventSink<SynthesizerEvent>,
    ) -> Result<Box<dyn Synthesizer>, EngineError> {
        unimplemented!()
    }

    fn name(&self) -> &str {
        "scripted"
    }
}
