//! Speech to text.

use std::fmt::Debug;

use offhook_audio::Frame;
use serde::{Deserialize, Serialize};

use crate::{EngineError, EventSink, Grammar};

/// Opens one [`Recognizer`] per call. Shared by all calls.
pub trait RecognizerEngine: Send + Sync + Debug {
    /// Opens a session for audio at `sample_rate` (Hz). Must not block on a network or a model load: a session that
    /// cannot be had yet buffers, or reports [`RecognizerEvent::Failed`] later.
    fn open(
        &self,
        sample_rate: u32,
        events: EventSink<RecognizerEvent>,
    ) -> Result<Box<dyn Recognizer>, EngineError>;

    /// The name in the configuration.
    fn name(&self) -> &str;
}

/// Turns one caller's audio into text. Dropping it ends the session.
pub trait Recognizer: Send {
    /// What the conversation awaits now: phrases, slots. Each engine uses what it can.
    fn set_grammar(&mut self, grammar: &Grammar);

    /// The caller began to speak: frames from here belong to a new utterance.
    fn start_utterance(&mut self) {}

    /// Takes the next 20 ms. Must not block: an engine that falls behind drops its oldest audio and says so.
    fn push_audio(&mut self, frame: &Frame);

    /// How many frames may be pushed now without any being dropped. A live call never asks; a driver that is faster than
    /// real time waits for room.
    fn room(&self) -> usize {
        usize::MAX
    }

    /// Our own end of turn: give the final result now. Exactly one [`RecognizerEvent::Final`],
    /// [`RecognizerEvent::NoMatch`] or [`RecognizerEvent::Failed`] follows.
    fn finish_utterance(&mut self);
}

/// What a recognizer reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RecognizerEvent {
    /// The session takes audio.
    Ready,
    /// The engine itself heard speech begin.
    StartOfInput,
    /// What it understands so far; replaces the partial before.
    Partial {
        /// Lower-case text as the engine gives it.
        text: String,
    },
    /// The result of an utterance.
    Final {
        /// The text.
        text: String,
        /// 0..1 where the engine knows one.
        confidence: Option<f32>,
    },
    /// Speech that is outside the grammar, or nothing intelligible.
    NoMatch,
    /// Audio was dropped because the engine is slow.
    AudioDropped {
        /// How many 20 ms frames.
        frames: u32,
    },
    /// The engine cannot go on for this call.
    Failed(EngineError),
}
