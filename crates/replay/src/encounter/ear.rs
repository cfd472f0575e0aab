//! The audio of an utterance, as a recognizer would have got it.

use std::collections::VecDeque;

use offhook_audio::Frame;

/// Frames from before the onset of speech that belong to the utterance, as with the live engines: the detector needs
/// some to be sure.
const PRE_ROLL: usize = 30;

/// Longer than any utterance: a minute.
const LONGEST: usize = 3_000;

/// Keeps what was heard since the caller began to speak, and a little before.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    latest: VecDeque<Frame>,
    utterance: Option<Vec<Frame>>,
}

impl Ear {
    /// The next 20 ms.
    pub fn hear(&mut self, frame: &Frame) {
        if let Some(utterance) = &mut self.utterance
            && utterance.len() < LONGEST
        {
            utterance.push(*frame);
        }
        if self.latest.len() == PRE_ROLL {
            self.latest.pop_front();
        }
        self.latest.push_back(*frame);
    }

    /// The caller began to speak.
    pub fn start(&mut self) {
        self.utterance = Some(self.latest.iter().copied().collect());
    }

    /// The caller's turn is over: all of it.
    pub fn finish(&mut self) -> Vec<Frame> {
        self.utterance.take().unwrap_or_default()
    }
}
