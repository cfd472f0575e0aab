//! One call as the control thread holds it.

use std::collections::BTreeMap;

use offhook_call_control::{CallControl, CallEvent, Fact, Input, Output};
use offhook_engine_api::{Synthesizer, Voice};
use offhook_engines::websocket::BridgeLeg;
use offhook_sip_proto::dialog::Obituary;
use offhook_sip_proto::endpoint::Destination;
use offhook_time::{NoSteps, Time};

use crate::recorder::ControlTap;
use crate::trace::CallTrace;
use crate::worker::{PlantedPanic, Slot};

/// Which synthesizer an utterance needs: recordings have one of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VoiceKey {
    pub voice: Voice,
    pub recorded: bool,
}

/// A call and what the driver keeps for it.
pub(super) struct ControlCall {
    pub id: String,
    pub control: CallControl,
    pub worker: usize,
    pub slot: Slot,
    /// The worker still has the media half.
    pub media_open: bool,
    pub due: Option<Time>,
    /// Index of the route that let it in.
    pub route: Option<usize>,
    /// Index of the trunk it comes or goes by.
    pub trunk: Option<usize>,
    pub synthesizers: BTreeMap<VoiceKey, Box<dyn Synthesizer>>,
    /// Which synthesizer speaks which utterance, for cancelling.
    pub speaking: BTreeMap<u32, VoiceKey>,
    pub bridge: Option<BridgeLeg>,
    /// Its spans, where they are collected.
    pub trace: Option<Box<CallTrace>>,
    /// The trace that its INVITE named, for tools, where its own spans are not collected.
    pub traceparent: Option<String>,
    /// Kept outside of what may unwind: enough to say BYE and to write the record.
    pub obituary: Option<(Obituary, Destination)>,
    pub facts: u64,
    /// Whether it is recorded.
    pub recorded: bool,
    /// The sequence of its last step, and whether the recorder had no room for what came of it.
    pub step: u64,
    pub lost_output: bool,
    /// The machine said that nothing follows.
    pub ended: bool,
    /// One of the next inputs panics (tests only).
    pub panic_planted: PlantedPanic,
}

impl ControlCall {
    /// Hands an input to the machine and to the recorder.
    pub fn handle_recorded(&mut self, input: Input, tap: &ControlTap, key: u64, now: Time) {
        if std::mem::take(&mut self.lost_output) {
            // Who reads the bundle sees that something is missing by the steps, so one of them goes too.
            self.step += 1;
            return self.control.handle_recorded(input, &mut NoSteps, now);
        }
        let mut steps = tap.steps(key);
        self.control.handle_recorded(input, &mut steps, now);
        self.step = steps.last;
    }

    /// Hands what the machine wants done to the recorder.
    pub fn record_output(&mut self, output: &Output, tap: &ControlTap, key: u64, now: Time) {
        if let Output::Fact(Fact { event: CallEvent::CallStarted { sip_call_id, .. }, .. }) = output {
            tap.call_id(key, sip_call_id);
        }
        self.lost_output |= !tap.output(key, self.step, output, now);
    }
}
