//! What is kept of a call so that it can be run again without its surroundings.

use std::net::SocketAddr;

use offhook_call_control::{CallSettings, Output};
use offhook_call_media::{LegId, MediaSettings};
use offhook_journal::StepLog;
use offhook_journal::bundle::{Direction, Keep, Packet, PacketKind, WriteError};
use offhook_replay::{CallHead, Origin, Recorder};
use offhook_sip_proto::endpoint::TransactionId;
use offhook_sip_proto::message::Response;
use offhook_time::{Seed, Step, StepSink, Time};

/// A call's inputs: the steps of its two halves, and what reached the endpoint between them.
#[derive(Debug)]
pub struct Recording {
    pub(crate) settings: CallSettings,
    pub(crate) media: MediaSettings,
    pub(crate) endpoint_seed: Seed,
    /// When the halves were made.
    pub(crate) opened_at: Option<Time>,
    pub(crate) steps: Steps,
    pub(crate) signalling: Vec<Signalling>,
}

/// Something that happened to the endpoint.
#[derive(Debug)]
pub(crate) struct Signalling {
    /// How many steps had been recorded before.
    pub after: u64,
    pub now: Time,
    pub what: SignallingInput,
}

#[derive(Debug)]
pub(crate) enum SignallingInput {
    Datagram(Vec<u8>),
    Deadline,
    Accept(TransactionId),
    Respond(TransactionId, Response),
    Forget,
}

impl Recording {
    /// How many steps both halves took.
    pub fn steps(&self) -> u64 {
        self.steps.log.len()
    }

    /// The call's bundle, where one was asked for ([`Simulation::with_bundle`](crate::Simulation::with_bundle)) and the
    /// call began.
    ///
    /// # Errors
    /// Something could not be written.
    pub fn into_bundle(self) -> Option<Result<Vec<u8>, WriteError>> {
        let Tape { recorder, failed, .. } = self.steps.tape?;
        let recorder = recorder?;
        Some(match failed {
            Some(error) => Err(error),
            None => recorder.finish().map(|(bytes, _)| bytes),
        })
    }

    pub(crate) fn signalling(&mut self, what: SignallingInput, now: Time) {
        self.signalling.push(Signalling { after: self.steps.log.len(), now, what });
    }
}

/// Where steps go: the log, and the bundle where one is wanted.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    pub log: StepLog,
    pub tape: Option<Tape>,
}

/// A bundle being written in memory.
#[derive(Debug)]
pub(crate) struct Tape {
    keep: Keep,
    recorder: Option<Recorder<Vec<u8>>>,
    /// SIP that came before the call was made.
    early: Vec<(Direction, Vec<u8>, Time)>,
    failed: Option<WriteError>,
}

impl Tape {
    pub fn new(keep: Keep) -> Tape {
        Tape { keep, recorder: None, early: Vec::new(), failed: None }
    }

    fn write(&mut self, write: impl FnOnce(&mut Recorder<Vec<u8>>) -> Result<(), WriteError>) {
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = write(recorder)
        {
            self.failed.get_or_insert(error);
        }
    }
}

impl Steps {
    /// The call begins.
    pub fn open(&mut self, head: &CallHead) {
        let Some(tape) = &mut self.tape else { return };
        let origin = Origin { build: "simulation".to_owned(), ..Origin::default() };
        let begun = head
            .to_meta(origin)
            .map_err(WriteError::from)
            .and_then(|meta| Recorder::begin(Vec::new(), &meta, head.control.local_rtp, tape.keep));
        match begun {
            Ok(recorder) => tape.recorder = Some(recorder),
            Err(error) => tape.failed = Some(error),
        }
        for (direction, bytes, at) in std::mem::take(&mut tape.early) {
            self.sip(direction, &bytes, at);
        }
    }

    pub fn sent(&mut self, rtcp: bool, to: SocketAddr, bytes: &[u8], now: Time) {
        if let Some(tape) = &mut self.tape {
            tape.write(|recorder| recorder.sent(LegId::CALLER, rtcp, to, bytes, now));
        }
    }

    pub fn judged(&mut self, judgement: &[u8]) {
        if let Some(tape) = &mut self.tape {
            tape.write(|recorder| recorder.judged(judgement));
        }
    }

    pub fn output(&mut self, output: &Output) {
        if let Some(tape) = &mut self.tape {
            tape.write(|recorder| recorder.output(output));
        }
    }

    pub fn sip(&mut self, direction: Direction, bytes: &[u8], at: Time) {
        let Some(tape) = &mut self.tape else { return };
        if tape.recorder.is_none() {
            return tape.early.push((direction, bytes.to_vec(), at));
        }
        let (ours, theirs) = (crate::network::our_sip(), crate::network::their_sip());
        let (source, destination) = match direction {
            Direction::Inbound => (theirs, ours),
            Direction::Outbound => (ours, theirs),
        };
        let packet = Packet { kind: PacketKind::SipUdp, direction, at, source, destination, bytes };
        tape.write(|recorder| recorder.sip(&packet));
    }
}

impl StepSink for Steps {
    fn record(&mut self, step: Step<'_>) {
        self.log.record(step);
        if let Some(tape) = &mut self.tape {
            tape.write(|recorder| recorder.step(step));
        }
    }
}
