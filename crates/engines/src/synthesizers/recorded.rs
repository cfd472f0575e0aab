//! Prompts recorded as WAV files.

use std::path::Path;

use offhook_engine_api::{EngineError, EventSink, Synthesizer, SynthesizerEngine, SynthesizerEvent, Voice};

/// Plays the WAV file whose name (without `.wav`) is the text to speak.
#[derive(Debug)]
pub struct RecordedPrompts {}

impl RecordedPrompts {
    /// Reads every `.wav` file under `directory` once.
    pub fn load(directory: &Path) -> Result<Self, EngineError> {
        let _ = directory;
        Ok(RecordedPrompts {})
    }

    /// Whether a prompt of this name is there.
    pub fn contains(&self, name: &str) -> bool {
        let _ = name;
        false
    }
}

impl SynthesizerEngine for RecordedPrompts {
    fn open(
        &self,
        _voice: &Voice,
        _events: EventSink<SynthesizerEvent>,
    ) -> Result<Box<dyn Synthesizer>, EngineError> {
        unimplemented!()
    }

    fn name(&self) -> &str {
        "recorded"
    }
}
