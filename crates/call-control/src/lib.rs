//! The half of a call that decides: legs, SIP dialogs, conversation, commands, record.
//!
//! Owns [`CallControl`], one per call. It is the transaction user of RFC 3261 for its legs, translates between the
//! conversation and the speech engines, and writes what happened as [`Fact`]s. It must not know sockets, threads or
//! storage; whatever it wants done is an [`Output`]. One entry, [`CallControl::handle`]; one deadline,
//! [`CallControl::poll_timeout`]. Start with [`Input`] and [`Output`].

mod address;
mod call;
mod cause;
mod command;
mod fact;
mod input;
mod ledger;
mod leg;
mod output;
mod script;
mod settings;
mod speech;
mod steps;
mod trace;
mod transfer;
mod translate;

pub use address::{OutboundPolicy, OutboundRefusal, TrunkPolicy};
pub use call::{CallControl, media_settings};
pub use cause::{CauseRow, EndCause, cause_of_status, cause_table};
pub use command::{Command, CommandId, CommandOutcome, Refusal};
pub use fact::{CallEvent, CallRecord, Fact, Speaker, TransferRecord, TurnRecord};
pub use input::Input;
pub use ledger::{Segment, TurnLedger};
pub use output::{Output, RecognizerCommand, SpeakRequest, SpeechContent};
pub use settings::{AnswerPolicy, BridgeSettings, CallSettings, Limits, Role, StartedBy};
pub use steps::{RecordedInput, decode_step};
pub use trace::{TRACEPARENT, TraceContext, TraceParent};
