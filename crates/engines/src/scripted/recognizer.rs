//! A recognizer that hears what its script says.

use std::sync::Arc;
use std::time::Duration;

use offhook_audio::Frame;
use offhook_engine_api::{EngineError, EventSink, Grammar, Recognizer, RecognizerEngine, RecognizerEvent};

use super::later::Later;

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
    script: Arc<[Heard]>,
    refuse: Option<EngineError>,
    later: Later,
}

impl ScriptedRecognizer {
    /// A recognizer that hears `script` in every call.
    pub fn new(script: Vec<Heard>) -> Self {
        ScriptedRecognizer { script: script.into(), refuse: None, later: Later::default() }
    }

    /// A recognizer that no call can open.
    pub fn refusing(error: EngineError) -> Self {
        ScriptedRecognizer { refuse: Some(error), ..ScriptedRecognizer::new(Vec::new()) }
    }
}

impl RecognizerEngine for ScriptedRecognizer {
    fn open(
        &self,
        _sample_rate: u32,
        events: EventSink<RecognizerEvent>,
    ) -> Result<Box<dyn Recognizer>, EngineError> {
        if let Some(error) = &self.refuse {
            return Err(error.clone());
        }
        events.send(RecognizerEvent::Ready);
        Ok(Box::new(Session { script: Arc::clone(&self.script), at: 0, events: self.later.sink(events) }))
    }

    fn name(&self) -> &str {
        "scripted"
    }
}

struct Session {
    script: Arc<[Heard]>,
    at: usize,
    events: super::later::LateSink<RecognizerEvent>,
}

impl Recognizer for Session {
    fn set_grammar(&mut self, _grammar: &Grammar) {}

    fn push_audio(&mut self, _frame: &Frame) {}

    fn finish_utterance(&mut self) {
        let mut heard = self.script.get(self.at).unwrap_or(&Heard::NoMatch);
        self.at += 1;
        let mut delay = Duration::ZERO;
        let event = loop {
            match heard {
                Heard::Text(text) => {
                    break RecognizerEvent::Final { text: text.clone(), confidence: Some(1.0) };
                }
                Heard::NoMatch => break RecognizerEvent::NoMatch,
                Heard::Fails(error) => break RecognizerEvent::Failed(error.clone()),
                Heard::Hangs => return,
                Heard::After(more, then) => {
                    delay += *more;
                    heard = then;
                }
            }
        };
        self.events.send(delay, event);
    }
}
