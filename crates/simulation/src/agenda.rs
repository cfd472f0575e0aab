//! What is going to happen to a call from its surroundings.

use std::collections::BTreeMap;

use offhook_audio::{AudioChunk, Frame};
use offhook_call_control::Input;
use offhook_engine_api::UtteranceId;
use offhook_time::Time;

/// Something that an engine, an application, a business system or the API does.
#[derive(Debug)]
pub(crate) enum Due {
    /// For the control half.
    Control(Box<Input>),
    /// Synthesized audio, for the media half.
    Speech(UtteranceId, AudioChunk),
    /// The end of it.
    EndOfSpeech(UtteranceId),
    /// A frame of the application, for the media half.
    Application(Box<Frame>),
}

/// In the order of time, and of asking where times are equal.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    due: BTreeMap<(Time, u64), Due>,
    asked: u64,
}

impl Agenda {
    pub fn at(&mut self, at: Time, due: Due) {
        self.asked += 1;
        self.due.insert((at, self.asked), due);
    }

    pub fn next(&self) -> Option<Time> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    pub fn take(&mut self, now: Time) -> Option<Due> {
        let entry = self.due.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }

    /// Forgets what `unwanted` says.
    pub fn drop_if(&mut self, unwanted: impl Fn(Time, &Due) -> bool) {
        self.due.retain(|(at, _), due| !unwanted(*at, due));
    }

    pub fn clear(&mut self) {
        self.due.clear();
    }
}
