//! What one call was, as seen from outside the server.

use std::path::PathBuf;

use serde::Serialize;

use crate::listen::{Continuity, TurnLedger};
use crate::statistics::Summary;

/// The report of `offhook call --json`. Times are milliseconds from the INVITE unless a field says otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct CallReport {
    /// Whom we called.
    pub uri: String,
    /// Call-ID of the first dialog.
    pub call_id: String,
    /// How it went.
    pub outcome: Outcome,
    /// From the INVITE to its final response.
    pub setup_ms: Option<f64>,
    /// From the answer to the end.
    pub duration_ms: f64,
    /// The codec of the answer (`PCMU`, `PCMA`).
    pub codec: Option<String>,
    /// When it was answered, in nanoseconds of this machine's `CLOCK_MONOTONIC`: joins the turns with what a server on
    /// the same machine (its ledger counts on the same clock) or a capture says.
    pub answered_monotonic_ns: Option<u64>,
    /// The turns, in order.
    pub turns: TurnLedger,
    /// What we received as RTP.
    pub received: Continuity,
    /// What we sent as RTP.
    pub sent: SendReport,
    /// Keypad digits that they sent us (RFC 4733).
    pub digits_received: String,
    /// Transfers they asked for.
    pub transfers: Vec<TransferReport>,
    /// Lines of the script that did not come true (`expect-hangup` without one).
    pub unmet: Vec<String>,
    /// Where the recordings are.
    pub recordings: Option<Recordings>,
    /// What happened, in order.
    pub events: Vec<CallEvent>,
}

impl CallReport {
    /// Answered, ended properly, and the script came true.
    pub fn is_success(&self) -> bool {
        matches!(self.outcome, Outcome::Completed { .. }) && self.unmet.is_empty()
    }
}

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// It was answered and ended by a BYE.
    Completed {
        /// Who hung up.
        ended_by: EndedBy,
    },
    /// A final response other than 2xx.
    Refused {
        /// The status code.
        status: u16,
        /// The reason phrase.
        reason: String,
    },
    /// We gave up ringing, or were asked to stop before an answer.
    Cancelled,
    /// No answer at all, or a dialog that broke.
    Failed {
        /// What was missing.
        reason: String,
    },
}

/// Who hung up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// We did: end of the script, a limit, Ctrl-C.
    Caller,
    /// They did.
    FarEnd,
}

/// What we sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SendReport {
    /// RTP packets, before the impairment.
    pub packets: u64,
    /// How late each left, against its exact 20 ms grid (milliseconds): our own noise.
    pub lateness_ms: Summary,
    /// Keypad digits we sent.
    pub digits: String,
    /// Whether the pacing thread runs at real-time priority.
    pub realtime: bool,
}

/// A REFER and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransferReport {
    /// The Refer-To URI.
    pub target: String,
    /// What we answered to the REFER.
    pub answered: u16,
    /// The final status of the call to the target, where we followed.
    pub target_status: Option<u16>,
}

/// Where the recordings are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recordings {
    /// Stereo, left we, right they.
    pub both: PathBuf,
    /// What we sent.
    pub caller: PathBuf,
    /// What we received.
    pub far: PathBuf,
}

/// A happening worth a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallEvent {
    /// Since the INVITE.
    pub at_ms: f64,
    /// What happened, for people.
    pub what: String,
}
