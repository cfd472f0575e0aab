//! A recognizer that hears what its script says.

use std::time::Duration;

use offhook_engine_api::{EngineError, EventSink, Recognizer, RecognizerEngine, RecognizerEvent};

/// What is heard in one utterance.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// This text.
    Text(String),
    /// Nothing that the grammar knows.
    NoMatch,
    /// The engine fails.
    Fails(EngineError),
    /// This, but that much later.
    After(Duration, Box<Heard>),
    /// The engine never answers.
    Hangs,
}

/// Hears its script, one entry per utterance and call; after the last entry `NoMatch`.
#[derive(Clone, Debug)]
pub struct ScriptedRecognizer {
    _script: Vec<Heard>,
}

impl ScriptedRecognizer {
    /// A recognizer that hears `script` in every call.
    pub fn new(script: Vec<Heard>) -> Self {
        ScriptedRecognizer { _script: script }
    }
}

impl RecognizerEngine for ScriptedRecognizer {
    fn open(
        &self,
        _sample_rate: u32,
        _events: EventSink<RecognizerEvent>,
    ) -> Result<Box<dyn Recognizer>, EngineError> {
        unimplemented!()
    }

    fn name(&self) -> &str {
        "scripted"
    }
}
