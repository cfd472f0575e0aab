//! What waits to be said.

use std::collections::VecDeque;
use std::time::Duration;

use offhook_audio::AudioChunk;
use offhook_engine_api::UtteranceId;
use offhook_time::Time;

use crate::UtterancePolicy;
use crate::live::LINE_RATE;

/// Utterances that may wait: more than any bot says in one breath.
const UTTERANCES: usize = 32;

/// One thing the bot says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Utterance {
    pub(super) id: UtteranceId,
    pub(super) policy: UtterancePolicy,
    /// No more audio will come.
    pub(super) ended: bool,
    /// Its first audio was rendered.
    pub(super) playing: bool,
    /// Some of its audio was refused.
    pub(super) refused: bool,
    pub(super) first_audio_at: Option<Time>,
    /// Audio that came for it.
    pub(super) received: Duration,
    /// Samples at the line's rate that were rendered.
    pub(super) played_samples: u64,
}

impl Utterance {
    pub(super) fn new(id: UtteranceId, policy: UtterancePolicy) -> Self {
        Utterance {
            id,
            policy,
            ended: false,
            playing: false,
            refused: false,
            first_audio_at: None,
            received: Duration::ZERO,
            played_samples: 0,
        }
    }

    pub(super) fn is_playing(&self) -> bool {
        self.playing
    }

    /// How much of it left towards the caller.
    pub(super) fn heard(&self) -> Duration {
        let played = Duration::from_nanos(self.played_samples * 1_000_000_000 / u64::from(LINE_RATE));
        played.min(self.received)
    }
}

/// The utterances, the one that plays first. At most [`UTTERANCES`], so nothing is allocated after the start.
#[derive(Debug)]
pub(super) struct Utterances(VecDeque<Utterance>);

impl Utterances {
    pub(super) fn new() -> Self {
        Utterances(VecDeque::with_capacity(UTTERANCES))
    }

    /// False where there are too many, or the id is there already.
    pub(super) fn push(&mut self, utterance: Utterance) -> bool {
        if self.0.len() == UTTERANCES || self.0.iter().any(|other| other.id == utterance.id) {
            return false;
        }
        self.0.push_back(utterance);
        true
    }

    pub(super) fn front(&self) -> Option<&Utterance> {
        self.0.front()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut Utterance> {
        self.0.front_mut()
    }

    pub(super) fn pop(&mut self) -> Option<Utterance> {
        self.0.pop_front()
    }

    pub(super) fn find(&mut self, id: UtteranceId) -> Option<&mut Utterance> {
        self.0.iter_mut().find(|utterance| utterance.id == id)
    }

    pub(super) fn remove(&mut self, id: UtteranceId) -> Option<Utterance> {
        let at = self.0.iter().position(|utterance| utterance.id == id)?;
        self.0.remove(at)
    }
}

/// The chunks that wait, of all utterances. Bounded; the newest is refused when it is full.
#[derive(Debug)]
pub(super) struct Chunks {
    waiting: VecDeque<(UtteranceId, AudioChunk)>,
    most: usize,
}

impl Chunks {
    pub(super) fn new(most: u16) -> Self {
        let most = usize::from(most);
        // One more for a chunk that is put back.
        Chunks { waiting: VecDeque::with_capacity(most + 1), most }
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= self.most
    }

    pub(super) fn push(&mut self, utterance: UtteranceId, chunk: AudioChunk) {
        self.waiting.push_back((utterance, chunk));
    }

    pub(super) fn push_front(&mut self, utterance: UtteranceId, chunk: AudioChunk) {
        self.waiting.push_front((utterance, chunk));
    }

    /// The next chunk of one utterance; those of others stay.
    pub(super) fn pop(&mut self, utterance: UtteranceId) -> Option<AudioChunk> {
        let at = self.waiting.iter().position(|(id, _)| *id == utterance)?;
        self.waiting.remove(at).map(|(_, chunk)| chunk)
    }
}
