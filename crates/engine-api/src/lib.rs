//! What offhook asks of a recognizer and a synthesizer: traits and events, no engine.
//!
//! A factory ([`RecognizerEngine`], [`SynthesizerEngine`]) opens one small object per call. Input never blocks;
//! output comes through an [`EventSink`] from whatever thread the engine likes. Words follow RFC 6787 (MRCPv2).
//! It must not know calls, sockets or async. Start with [`SpeechProvider`].

mod grammar;
mod recognizer;
mod sink;
mod synthesizer;

pub use grammar::{Grammar, IntentPhrases, SlotKind};
pub use recognizer::{Recognizer, RecognizerEngine, RecognizerEvent};
pub use sink::EventSink;
pub use synthesizer::{Synthesizer, SynthesizerEngine, SynthesizerEvent, UtteranceId, Voice};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The engines of a call, to pick from.
#[derive(Clone, Debug)]
pub struct SpeechProvider {
    /// Opens recognizers.
    pub recognizer: Arc<dyn RecognizerEngine>,
    /// Opens synthesizers.
    pub synthesizer: Arc<dyn SynthesizerEngine>,
}

/// Why an engine cannot do its work. Ours to degrade: another engine, a spoken fallback, a transfer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum EngineError {
    /// The engine, its model or its voice is not installed.
    #[error("{engine} is missing: {what} ({remedy})")]
    Missing {
        /// Name of the engine in the configuration.
        engine: String,
        /// What was not found.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// The engine was there and is gone (process died, connection closed).
    #[error("{engine} is gone: {why}")]
    Gone {
        /// Name of the engine in the configuration.
        engine: String,
        /// What happened.
        why: String,
    },
    /// The engine did not answer in time.
    #[error("{engine} did not answer in time")]
    TimedOut {
        /// Name of the engine in the configuration.
        engine: String,
    },
    /// The engine refused this input (unknown voice, grammar it cannot compile).
    #[error("{engine} refused: {why}")]
    Refused {
        /// Name of the engine in the configuration.
        engine: String,
        /// What it said.
        why: String,
    },
}
