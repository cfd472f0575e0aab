//! What must always hold, looked at as the call runs.

mod facts;
mod rtp;

use std::collections::BTreeMap;
use std::time::Duration;

use offhook_call_control::{CallEvent, EndCause, Fact};
use offhook_call_media::{MediaCommand, MediaEvent};
use offhook_engine_api::UtteranceId;
use offhook_sip_proto::sdp;
use offhook_time::Time;

use facts::FactWatch;
use rtp::RtpWatch;

/// Collects what went wrong. Empty at the end: all is well.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub violations: Vec<String>,
    pub facts: FactWatch,
    rtp: RtpWatch,
    /// How often each announced utterance was reported as finished.
    utterances: BTreeMap<UtteranceId, u32>,
    /// When each of them ended, and whether it was played to its end.
    pub ended: Vec<(Time, bool)>,
    /// Every event, and when it was told.
    pub told: Vec<(Time, CallEvent)>,
    closed: u32,
    /// When the telephone's BYE reached us.
    left_at: Option<Time>,
    hung_up: bool,
}

/// How long a call may take to be over once its caller has hung up.
const AFTER_BYE: Duration = Duration::from_millis(1_500);

impl Watch {
    pub fn violation(&mut self, now: Time, what: impl std::fmt::Display) {
        // One thing that goes wrong goes wrong often.
        if self.violations.len() < 10 {
            self.violations.push(format!("{now:?} {what}"));
        }
    }

    /// A datagram from the telephone.
    pub fn sip_in(&mut self, datagram: &[u8], now: Time) {
        if datagram.starts_with(b"BYE ") {
            self.left_at.get_or_insert(now);
        }
    }

    /// A datagram of ours.
    pub fn sip_out(&mut self, datagram: &[u8], now: Time) {
        if datagram.starts_with(b"BYE ")
            && !std::mem::replace(&mut self.hung_up, true)
            // What came in the same datagrams as the BYE may have ended the call before it.
            && self.left_at.is_some_and(|left_at| left_at < now)
        {
            self.violation(now, "a BYE to somebody who has hung up");
        }
    }

    /// The machine said that nothing follows.
    pub fn ended(&mut self, now: Time) {
        let late = self.left_at.map(|at| now.since(at)).filter(|late| *late > AFTER_BYE && !self.hung_up);
        if let Some(late) = late {
            self.violation(now, format!("the call was over only {late:?} after the caller's BYE"));
        }
    }

    /// The session as the telephone sees it; what we do must fit.
    pub fn session(&mut self, theirs: sdp::Direction, now: Time) {
        let Some(ours) = self.rtp.direction() else { return };
        let theirs = theirs.reversed();
        if (ours.sends(), ours.receives()) != (theirs.sends(), theirs.receives()) {
            self.violation(now, format!("our direction is {ours:?}, agreed was {theirs}"));
        }
    }

    pub fn fact(&mut self, fact: &Fact, now: Time) {
        if let Err(what) = self.facts.take(fact) {
            self.violation(now, what);
        }
        self.told.push((now, fact.event.clone()));
    }

    /// A command that the media half is about to handle.
    pub fn media_command(&mut self, command: &MediaCommand, now: Time) {
        match command {
            MediaCommand::SetStream { settings, .. } => self.rtp.stream(*settings),
            MediaCommand::Announce { utterance, .. } => {
                if self.utterances.insert(*utterance, 0).is_some() {
                    self.violation(now, format!("{utterance:?} was announced twice"));
                }
            }
            MediaCommand::Close => {
                if let Err(what) = self.rtp.close(now) {
                    self.violation(now, what);
                }
            }
            MediaCommand::SetRoute(_)
            | MediaCommand::RemoveRoute { .. }
            | MediaCommand::SetPolicy(_)
            | MediaCommand::EndOfUtterance { .. }
            | MediaCommand::Cancel { .. }
            | MediaCommand::CancelAll
            | MediaCommand::Hold { .. }
            | MediaCommand::Resume
            | MediaCommand::EndTurn
            | MediaCommand::SendDigits { .. }
            | MediaCommand::ClearApplication
            | MediaCommand::MarkApplication { .. }
            | MediaCommand::Mask { .. } => {}
        }
    }

    pub fn media_event(&mut self, event: &MediaEvent, now: Time) {
        match event {
            MediaEvent::PlaybackFinished { utterance, completed, .. } => {
                match self.utterances.get_mut(utterance) {
                    Some(0) => {
                        *self.utterances.entry(*utterance).or_default() = 1;
                        self.ended.push((now, *completed));
                    }
                    Some(_) => self.violation(now, format!("{utterance:?} finished twice")),
                    None => self.violation(now, format!("{utterance:?} finished and was never announced")),
                }
            }
            MediaEvent::Closed(_) => self.closed += 1,
            MediaEvent::SpeechStarted { .. }
            | MediaEvent::SpeechConfirmed { .. }
            | MediaEvent::SpeechRejected { .. }
            | MediaEvent::SpeechEnded { .. }
            | MediaEvent::Digit { .. }
            | MediaEvent::PlaybackStarted { .. }
            | MediaEvent::PlaybackHeard { .. }
            | MediaEvent::RtpTimeout { .. }
            | MediaEvent::RtpResumed { .. }
            | MediaEvent::SpeechRefused { .. }
            | MediaEvent::RouteRefused { .. }
            | MediaEvent::RemoteLearned { .. }
            | MediaEvent::MarkReached { .. }
            | MediaEvent::DigitsRefused { .. }
            | MediaEvent::Discard(_)
            | MediaEvent::Digest { .. } => {}
        }
    }

    pub fn rtp(&mut self, packet: &[u8], now: Time) {
        if let Err(what) = self.rtp.packet(packet, now) {
            self.violation(now, what);
        }
    }

    /// Our machine stands still now and then.
    pub fn stands_still(&mut self) {
        self.rtp.stands_still = true;
    }

    /// Packets of RTP that left.
    pub fn sent(&self) -> u64 {
        self.rtp.sent()
    }

    /// What must hold when everything is over.
    pub fn finish(&mut self, cause: Option<EndCause>, now: Time) {
        for what in self.facts.finish(cause) {
            self.violation(now, what);
        }
        let open: Vec<UtteranceId> =
            self.utterances.iter().filter(|(_, finished)| **finished == 0).map(|(id, _)| *id).collect();
        if !open.is_empty() {
            self.violation(now, format!("never finished: {open:?}"));
        }
        if self.closed != 1 {
            self.violation(now, format!("the media half closed {} times", self.closed));
        }
    }
}
