//! One call as the control thread holds it.

use std::collections::BTreeMap;

use offhook_call_control::CallControl;
use offhook_engine_api::{Synthesizer, Voice};
use offhook_engines::websocket::BridgeLeg;
use offhook_sip_proto::dialog::Obituary;
use offhook_sip_proto::endpoint::Destination;
use offhook_time::Time;

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
    /// Kept outside of what may unwind: enough to say BYE and to write the record.
    pub obituary: Option<(Obituary, Destination)>,
    pub facts: u64,
    /// The machine said that nothing follows.
    pub ended: bool,
    /// One of the next inputs panics (tests only).
    pub panic_planted: PlantedPanic,
}
