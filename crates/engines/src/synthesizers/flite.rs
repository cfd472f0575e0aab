//! CMU Flite in child processes.

use std::sync::Arc;

use offhook_engine_api::{EngineError, EventSink, Synthesizer, SynthesizerEngine, SynthesizerEvent, Voice};
use offhook_flite_ffi::VOICES;

use crate::host::HostPool;

const NAME: &str = "flite";

/// Speaks English with the voices `slt` (the default), `rms`, `awb` and `kal16`.
#[derive(Debug)]
pub struct FliteSynthesizer {
    pool: Arc<HostPool>,
}

impl FliteSynthesizer {
    /// A synthesizer over the children of `pool` (of `NativeEngine::Flite`).
    pub fn new(pool: Arc<HostPool>) -> Self {
        FliteSynthesizer { pool }
    }
}

impl SynthesizerEngine for FliteSynthesizer {
    fn open(
        &self,
        voice: &Voice,
        events: EventSink<SynthesizerEvent>,
    ) -> Result<Box<dyn Synthesizer>, EngineError> {
        let known = voice.name.is_empty() || VOICES.iter().any(|(name, _)| *name == voice.name);
        let english = voice.language.is_empty() || voice.language.to_ascii_lowercase().starts_with("en");
        if !known || !english {
            let why = format!("it has no voice {:?} for language {:?}", voice.name, voice.language);
            return Err(EngineError::Refused { engine: NAME.to_owned(), why });
        }
        Ok(Box::new(self.pool.open_synthesizer(voice.name.clone(), events)?))
    }

    fn name(&self) -> &str {
        NAME
    }
}
