//! Listening to the caller: voice activity, the turn, and where its last word went.

use std::time::Duration;

use offhook_audio::{EndpointConfig, EndpointEvent, Endpointer, Frame, SpeechEdges, VoiceActivity, Voicing};
use offhook_time::Time;

use crate::digest::Digest;
use crate::live::LINE_FRAME;
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
    last_voiced: Stamp,
    /// Where speech begins and ends by the levels on the line: what the ledger counts from.
    edges: SpeechEdges<Stamp>,
    /// RTP timestamp of the last frame.
    last_timestamp: u32,
    /// When the speech began by these levels, once it is confirmed.
    onset: Time,
    /// When the bot fell silent because of it.
    bot_quiet_at: Option<Time>,
}

/// Where the caller's turn stands. Longest speech counts from the onset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Silent,
    Maybe { onset: Time },
    Speaking { onset: Time },
}

/// When the packet of a frame came, and when the jitter buffer gave it.
#[derive(Clone, Copy, Debug, Default)]
struct Stamp {
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
            last_voiced: Stamp::default(),
            edges: SpeechEdges::new(),
            last_timestamp: 0,
            onset: Time::ZERO,
            bot_quiet_at: None,
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

    /// A packet came too late to be played: the frame with its timestamp was made up. Who measures on the wire sees it.
    pub(crate) fn note_late(&mut self, timestamp: u32, level: f32, arrived_at: Time) {
        let samples = self.last_timestamp.wrapping_sub(timestamp) as i32;
        if let Ok(samples) = usize::try_from(samples) {
            let stamp = Stamp { arrived_at, released_at: arrived_at };
            self.edges.amend(samples / LINE_FRAME + 1, level, stamp);
        }
    }

    /// The speech that was confirmed has silenced the bot, which was heard until `quiet_at`.
    pub(crate) fn note_silenced(&mut self, quiet_at: Option<Time>) {
        self.bot_quiet_at = quiet_at;
    }

    /// Whether it is not known yet what the caller's sound is.
    pub(crate) fn is_judging(&self) -> bool {
        matches!(self.turn, Turn::Maybe { .. })
    }

    /// What voice activity thinks of the next frame.
    pub(crate) fn voicing(&mut self, frame: &Frame) -> Voicing {
        self.voice.push(frame)
    }

    /// Takes the next frame and what is thought of it, released by the jitter buffer at `now`; `level` is that of its packet on the line
    /// ([`packet_level`](offhook_audio::packet_level)).
    pub(crate) fn push(
        &mut self,
        frame: &Frame,
        level: f32,
        voicing: Voicing,
        digest: &mut Digest,
        now: Time,
    ) -> Option<Heard> {
        digest.judged(&voicing);
        let stamp = Stamp { arrived_at: frame.arrived_at, released_at: now };
        if voicing.voiced {
            self.last_voiced = stamp;
        }
        let came = !frame.flags.concealed && !frame.flags.silence;
        self.edges.push(level, came.then_some(stamp));
        self.last_timestamp = frame.rtp_timestamp;
        match (self.endpointer.push(frame, &voicing), self.turn) {
            (Some(EndpointEvent::SpeechStarted { first_voiced }), _) => {
                let onset = first_voiced.arrived_at;
                let ago = frame.rtp_timestamp.wrapping_sub(first_voiced.rtp_timestamp) as usize / LINE_FRAME;
                self.edges.begin_utterance(ago + 1);
                self.bot_quiet_at = None;
                self.turn = Turn::Maybe { onset };
                Some(Heard::Started { onset })
            }
            (Some(EndpointEvent::SpeechConfirmed { first_voiced }), _) => {
                let onset = first_voiced.arrived_at;
                self.onset = self.edges.onset().map_or(onset, |stamp| stamp.arrived_at);
                self.turn = Turn::Speaking { onset };
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
        let Stamp { arrived_at, released_at } = self.edges.end().unwrap_or(self.last_voiced);
        let onset = self.edges.onset().map_or(self.onset, |stamp| stamp.arrived_at);
        let times = TurnTimes {
            onset,
            last_voiced_arrived_at: arrived_at,
            last_voiced_released_at: released_at,
            detected_at: now,
            bot_quiet_at: self.bot_quiet_at.take().filter(|quiet_at| *quiet_at >= onset),
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
