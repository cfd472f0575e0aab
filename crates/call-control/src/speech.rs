//! What the bot is saying and what the recognizer owes.

use std::collections::{BTreeMap, VecDeque};

use offhook_conversation::PromptId;
use offhook_engine_api::UtteranceId;
use offhook_time::Time;

use crate::CommandId;

/// Who asked for an utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AskedBy {
    Conversation(PromptId),
    Api(CommandId),
}

/// An utterance that has not finished.
#[derive(Clone, Debug)]
pub(crate) struct Spoken {
    pub asked_by: AskedBy,
    pub started: bool,
    /// The conversation wants it stopped, for what the caller said.
    pub stopped: bool,
    /// Whether speech or a digit may interrupt it.
    pub interruptible: bool,
}

/// The utterances that have not finished, in the order in which they are spoken.
#[derive(Debug, Default)]
pub(crate) struct SpeechBook {
    last: u32,
    pending: BTreeMap<UtteranceId, Spoken>,
    /// By when the first one must have begun to play.
    pub synthesizer_deadline: Option<Time>,
}

impl SpeechBook {
    pub fn begin(&mut self, spoken: Spoken) -> UtteranceId {
        self.last += 1;
        let utterance = UtteranceId(self.last);
        self.pending.insert(utterance, spoken);
        utterance
    }

    pub fn get_mut(&mut self, utterance: UtteranceId) -> Option<&mut Spoken> {
        self.pending.get_mut(&utterance)
    }

    pub fn finish(&mut self, utterance: UtteranceId) -> Option<Spoken> {
        self.pending.remove(&utterance)
    }

    pub fn first_mut(&mut self) -> Option<&mut Spoken> {
        self.pending.values_mut().next()
    }

    /// The utterance that plays or plays next.
    pub fn first(&self) -> Option<(UtteranceId, &Spoken)> {
        self.pending.iter().next().map(|(utterance, spoken)| (*utterance, spoken))
    }

    pub fn of_prompt(&self, prompt: PromptId) -> Option<UtteranceId> {
        let is_it = |spoken: &Spoken| spoken.asked_by == AskedBy::Conversation(prompt);
        self.pending.iter().find(|(_, spoken)| is_it(spoken)).map(|(utterance, _)| *utterance)
    }

    pub fn ids(&self) -> Vec<UtteranceId> {
        self.pending.keys().copied().collect()
    }

    pub fn is_silent(&self) -> bool {
        self.pending.is_empty()
    }
}

/// A result that the recognizer owes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owed {
    pub deadline: Time,
    /// Voice activity took the sound for speech. Otherwise only a result that fits counts: a cough is no turn.
    pub confirmed: bool,
    /// Nobody waits for it any more: it came too late, or a key was faster. When it comes it is swallowed, so that it
    /// is not taken for the answer to the next utterance.
    pub stale: bool,
    /// It was said while nothing may be recorded.
    pub masked: bool,
}

/// What the recognizer is doing.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    /// Engine opened and not failed.
    pub available: bool,
    /// The conversation waits for something.
    pub wanted: bool,
    /// The caller is speaking.
    pub hearing: bool,
    /// ... since nothing may be recorded.
    pub masked: bool,
    /// The speech goes over an utterance that must not be interrupted: what is heard is not for the bot.
    pub ignored: bool,
    pub owed: VecDeque<Owed>,
    /// The utterance whose interruption was told last: it is told once, whoever stops it.
    pub interrupted: Option<UtteranceId>,
}

impl Listening {
    pub fn deadline(&self) -> Option<Time> {
        self.owed.iter().filter(|owed| !owed.stale).map(|owed| owed.deadline).min()
    }

    /// Whatever is still owed answers a question that is not open any more.
    pub fn forget_owed(&mut self) {
        self.owed.iter_mut().for_each(|owed| owed.stale = true);
    }

    /// The first result that is still waited for, from now on not any more.
    pub fn give_up(&mut self) -> Option<Owed> {
        let owed = self.owed.iter_mut().find(|owed| !owed.stale)?;
        let given_up = *owed;
        owed.stale = true;
        Some(given_up)
    }
}
