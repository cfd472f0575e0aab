//! CMU Pocketsphinx in child processes.

use std::sync::Arc;

use offhook_engine_api::{EngineError, EventSink, Recognizer, RecognizerEngine, RecognizerEvent};

use crate::host::HostPool;

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
    fn open(
        &self,
        _sample_rate: u32,
        _events: EventSink<RecognizerEvent>,
    ) -> Result<Box<dyn Recognizer>, EngineError> {
        let _ = &self.pool;
        unimplemented!()
    }

    fn name(&self) -> &str {
        "pocketsphinx"
    }
}
