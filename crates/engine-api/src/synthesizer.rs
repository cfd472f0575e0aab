//! Text to speech.

use std::fmt::{self, Debug};

use offhook_audio::AudioChunk;
use serde::{Deserialize, Serialize};

use crate::{EngineError, EventSink};

/// Names one thing the bot says, for the whole call. Audio of a cancelled utterance carries it, so discarding that
/// audio is one comparison in one place.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UtteranceId(pub u32);

impl Debug for UtteranceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "utterance {}", self.0)
    }
}

/// Who speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Voice {
    /// BCP 47 tag (`en-US`, `zh-CN`).
    pub language: String,
    /// The engine's own name of the voice; empty: the engine's default for the language.
    pub name: String,
}

/// Opens one [`Synthesizer`] per call. Shared by all calls.
pub trait SynthesizerEngine: Send + Sync + Debug {
    /// Opens a session. Must not block on a network or a model load.
    fn open(
        &self,
        voice: &Voice,
        events: EventSink<SynthesizerEvent>,
    ) -> Result<Box<dyn Synthesizer>, EngineError>;

    /// The name in the configuration.
    fn name(&self) -> &str;
}

/// Speaks for one call. Dropping it ends the session.
pub trait Synthesizer: Send {
    /// Begins to speak `text`; utterances are spoken in the order they are asked for.
    fn speak(&mut self, utterance: UtteranceId, text: &str);

    /// Stops early. Chunks already on their way keep the id, so the call can discard them.
    fn cancel(&mut self, utterance: UtteranceId);
}

/// What a synthesizer reports. For each utterance: any number of `Audio`, then exactly one `SpeakComplete` or `Failed`
/// (none is owed after `cancel`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SynthesizerEvent {
    /// The next samples.
    Audio {
        /// Which utterance they belong to.
        utterance: UtteranceId,
        /// The samples.
        chunk: AudioChunk,
    },
    /// All audio of the utterance was reported.
    SpeakComplete {
        /// Which utterance.
        utterance: UtteranceId,
    },
    /// The utterance cannot be (fully) spoken.
    Failed {
        /// Which utterance.
        utterance: UtteranceId,
        /// Why.
        error: EngineError,
    },
}
