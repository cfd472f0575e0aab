//! The bundle of an encounter, written in memory as it happens.

use std::net::SocketAddr;

use offhook_call_control::Output;
use offhook_call_media::LegId;
use offhook_journal::bundle::{Direction, Keep, Packet, PacketKind, WriteError};
use offhook_time::{Step, StepSink, Time};

use super::{OUR_SIP, THEIR_SIP};
use crate::{CallHead, Origin, Recorder};

/// A recorder that keeps its first failure until the end.
#[derive(Debug)]
pub(super) struct Tape {
    recorder: Recorder<Vec<u8>>,
    failed: Option<WriteError>,
}

impl Tape {
    pub fn begin(head: &CallHead, origin: Origin) -> Result<Tape, WriteError> {
        let meta = head.to_meta(origin)?;
        let recorder = Recorder::begin(Vec::new(), &meta, head.control.local_rtp, Keep::Whole)?;
        Ok(Tape { recorder, failed: None })
    }

    pub fn sent(&mut self, rtcp: bool, to: SocketAddr, bytes: &[u8], now: Time) {
        let written = self.recorder.sent(LegId::CALLER, rtcp, to, bytes, now);
        self.note(written);
    }

    /// What the media half made of masked sound.
    pub fn judged(&mut self, judgement: &[u8]) {
        let written = self.recorder.judged(judgement);
        self.note(written);
    }

    pub fn output(&mut self, output: &Output) {
        let written = self.recorder.output(output);
        self.note(written);
    }

    pub fn sip(&mut self, direction: Direction, bytes: &[u8], at: Time) {
        let (source, destination) = match direction {
            Direction::Inbound => (THEIR_SIP, OUR_SIP),
            Direction::Outbound => (OUR_SIP, THEIR_SIP),
        };
        let kind = PacketKind::SipUdp;
        let written = self.recorder.sip(&Packet { kind, direction, at, source, destination, bytes });
        self.note(written);
    }

    pub fn finish(self) -> Result<Vec<u8>, WriteError> {
        match self.failed {
            Some(error) => Err(error),
            None => self.recorder.finish().map(|(bytes, _)| bytes),
        }
    }

    fn note(&mut self, written: Result<(), WriteError>) {
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }
}

impl StepSink for Tape {
    fn record(&mut self, step: Step<'_>) {
        let written = self.recorder.step(step);
        self.note(written);
    }
}
