//! What a simulated call leaves behind.

use std::collections::BTreeMap;
use std::time::Duration;

use offhook_call_control::{CallEvent, CallRecord, EndCause};
use offhook_time::Time;

use crate::{Digests, Kind};

/// What a call did and whether all was well.
#[derive(Debug)]
pub struct CallReport {
    /// What it was about.
    pub kind: Kind,
    /// Which one of its kind.
    pub number: u64,
    /// Hashes of what it did.
    pub digests: Digests,
    /// Why it ended.
    pub cause: Option<EndCause>,
    /// The record that its facts fold into.
    pub record: CallRecord,
    /// How often each event was told.
    pub events: BTreeMap<String, u64>,
    /// Virtual time from the first INVITE until nothing was left to do.
    pub lasted: Duration,
    /// RTP packets that we sent.
    pub packets: u64,
    /// Everything that was told, and when.
    pub told: Vec<(Time, CallEvent)>,
    /// Each utterance of the bot: when it ended, and whether it was played to its end.
    pub utterances: Vec<(Time, bool)>,
    /// What must not be; empty where all is well.
    pub violations: Vec<String>,
}
