//! What is kept of a call so that it can be run again without its surroundings.

use offhook_call_control::CallSettings;
use offhook_call_media::MediaSettings;
use offhook_journal::StepLog;
use offhook_sip_proto::endpoint::TransactionId;
use offhook_sip_proto::message::Response;
use offhook_time::{Seed, Time};

/// A call's inputs: the steps of its two halves, and what reached the endpoint between them.
#[derive(Debug)]
pub struct Recording {
    pub(crate) settings: CallSettings,
    pub(crate) media: MediaSettings,
    pub(crate) endpoint_seed: Seed,
    /// When the halves were made.
    pub(crate) opened_at: Option<Time>,
    pub(crate) steps: StepLog,
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
        self.steps.len()
    }

    pub(crate) fn signalling(&mut self, what: SignallingInput, now: Time) {
        self.signalling.push(Signalling { after: self.steps.len(), now, what });
    }
}
