//! eSpeak NG: a program of its own (GPL, never linked), one run per sentence.

use std::path::PathBuf;

use offhook_engine_api::{EngineError, EventSink, Synthesizer, SynthesizerEngine, SynthesizerEvent, Voice};

/// Which program and how many at once.
#[derive(Clone, Debug)]
pub struct EspeakConfig {
    /// The program.
    pub program: PathBuf,
    /// How many run at the same time at most.
    pub processes: usize,
}

impl Default for EspeakConfig {
    fn default() -> Self {
        EspeakConfig { program: "espeak-ng".into(), processes: 2 }
    }
}

/// Speaks many languages, Mandarin among them.
#[derive(Debug)]
pub struct EspeakSynthesizer {
    _config: EspeakConfig,
}

impl EspeakSynthesizer {
    /// Looks for the program; `Missing` where it is not installed.
    pub fn new(config: EspeakConfig) -> Result<Self, EngineError> {
        Ok(EspeakSynthesizer { _config: config })
    }
}

impl SynthesizerEngine for EspeakSynthesizer {
    fn open(
        &self,
        _voice: &Voice,
        _events: EventSink<SynthesizerEvent>,
    ) -> Result<Box<dyn Synthesizer>, EngineError> {
        unimplemented!()
    }

    fn name(&self) -> &str {
        "espeak"
    }
}
