//! Listening to the caller: voice activity, the turn, and where its last word went.

use std::time::Duration;

use offhook_audio::{EndpointConfig, EndpointEvent, Endpointer, Frame, VoiceActivity};
use offhook_time::Time;

use crate::{TurnPolicy, TurnTimes};

/// What the caller did in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Voiced for long enough to pause the bot.
    Started {
        /// Arrival of the first voiced packet.
        onset: Time,
    },
    /// It is speech.
    Confirmed,
    /// It is none.
    Rejected,
    /// The turn is over.
    Ended {
        /// The ledger's first segments.
        times: TurnTimes,
    },
}

/// Judges the caller's frames, 16 kHz.
#[derive(Debug)]
pub(crate) struct Listener {
    voice: VoiceActivity,
    endpointer: Endpointer,
    longest: Duration,
    turn: Turn,
    last_voiced: Voiced,
}

/// Where the caller's turn stands. Longest speech counts from the onset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Silent,
    Maybe { onset: Time },
    Speaking { onset: Time },
}

/// A voiced frame: when its packet came, and when the jitter buffer gave it.
#[derive(Clone, Copy, Debug, Default)]
struct Voiced {
    arrived_at: Time,
    released_at: Time,
}

impl Listener {
    pub(crate) fn new(policy: &TurnPolicy) -> Self {
        Listener {
            voice: VoiceActivity::new(),
            endpointer: Endpointer::new(patience(policy)),
            longest: policy.longest_speech,
            turn: Turn::Silent,
            last_voiced: Voiced::default(),
        }
    }

    pub(crate) fn set_policy(&mut self, policy: &TurnPolicy) {
        self.endpointer.set_config(patience(policy));
        self.longest = policy.longest_speech;
    }

    /// Whether frames belong to a turn of the caller, as far as is known now.
    pub(crate) fn in_utterance(&self) -> bool {
        self.turn != Turn::Silent
    }

    /// Judges the next frame, released by the jitter buffer at `now`.
    pub(crate) fn push(&mut self, frame: &Frame, now: Time) -> Option<Heard> {
        let voicing = self.voice.push(frame);
        if voicing.voiced {
            self.last_voiced = Voiced { arrived_at: frame.arrived_at, released_at: now };
        }
        match (self.endpointer.push(frame, &voicing), self.turn) {
            (Some(EndpointEvent::SpeechStarted { first_voiced }), _) => {
                let onset = first_voiced.arrived_at;
                self.turn = Turn::Maybe { onset };
                Some(Heard::Started { onset })
            }
            (Some(EndpointEvent::SpeechConfirmed { first_voiced }), _) => {
                self.turn = Turn::Speaking { onset: first_voiced.arrived_at };
                Some(Heard::Confirmed)
            }
            (Some(EndpointEvent::SpeechRejected { .. }), _) => {
                self.turn = Turn::Silent;
                Some(Heard::Rejected)
            }
            (Some(EndpointEvent::SpeechEnded { .. }), _) => self.end(now),
            (None, Turn::Speaking { onset }) if frame.arrived_at.since(onset) >= self.longest => {
                self.end_turn(now)
            }
            (None, Turn::Silent | Turn::Maybe { .. } | Turn::Speaking { .. }) => None,
        }
    }

    /// Ends the turn now, whether or not the caller goes on; `None` where there is none. What goes on is another.
    pub(crate) fn end_turn(&mut self, now: Time) -> Option<Heard> {
        self.endpointer.reset();
        match self.turn {
            Turn::Silent => None,
            Turn::Maybe { .. } => {
                self.turn = Turn::Silent;
                Some(Heard::Rejected)
            }
            Turn::Speaking { .. } => self.end(now),
        }
    }

    fn end(&mut self, now: Time) -> Option<Heard> {
        self.turn = Turn::Silent;
        let Voiced { arrived_at, released_at } = self.last_voiced;
        let times = TurnTimes {
            last_voiced_arrived_at: arrived_at,
            last_voiced_released_at: released_at,
            detected_at: now,
        };
        Some(Heard::Ended { times })
    }
}

fn patience(policy: &TurnPolicy) -> EndpointConfig {
    EndpointConfig {
        start_after: policy.pause_after,
        decide_after: policy.decide_within,
        end_after: policy.end_of_speech,
        ..EndpointConfig::default()
    }
}
