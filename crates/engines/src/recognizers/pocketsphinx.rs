//! CMU Pocketsphinx in child processes.

use std::sync::Arc;

use offhook_engine_api::{EngineError, EventSink, Recognizer, RecognizerEngine, RecognizerEvent};

use crate::host::HostPool;

const NAME: &str = "pocketsphinx";

/// Recognizes English phrases of a grammar. Everything outside the grammar is a no-match.
#[derive(Debug)]
pub struct PocketsphinxRecognizer {
    pool: Arc<HostPool>,
}

impl PocketsphinxRecognizer {
    /// A recognizer over the children of `pool` (of `NativeEngine::Pocketsphinx`).
    pub fn new(pool: Arc<HostPool>) -> Self {
        PocketsphinxRecognizer { pool }
    }
}

impl RecognizerEngine for PocketsphinxRecognizer {
    /// Takes audio at 16 kHz.
    fn open(
        &self,
        sample_rate: u32,
        events: EventSink<RecognizerEvent>,
    ) -> Result<Box<dyn Recognizer>, EngineError> {
        if sample_rate != 16_000 {
            let why = format!("its model needs 16000 Hz, not {sample_rate}");
            return Err(EngineError::Refused { engine: NAME.to_owned(), why });
        }
        Ok(Box::new(self.pool.open_recognizer(events)?))
    }

    fn name(&self) -> &str {
        NAME
    }
}
