//! CMU Flite in child processes.

use std::sync::Arc;

use offhook_engine_api::{EngineError, EventSink, Synthesizer, SynthesizerEngine, SynthesizerEvent, Voice};

use crate::host::HostPool;

/// Speaks English with the voices `slt`, `rms`, `awb` and `kal16`.
#[derive(Debug)]
pub struct FliteSynthesizer {
    _pool: Arc<HostPool>,
}

impl FliteSynthesizer {
    /// A synthesizer over the children of `pool` (of `NativeEngine::Flite`).
    pub fn new(pool: Arc<HostPool>) -> Self {
        FliteSynthesizer { _pool: pool }
    }
}

impl SynthesizerEngine for FliteSynthesizer {
    fn open(
        &self,
        _voice: &Voice,
        _events: EventSink<SynthesizerEvent>,
    ) -> Result<Box<dyn Synthesizer>, EngineError> {
        unimplemented!()
    }

    fn name(&self) -> &str {
        "flite"
    }
}
