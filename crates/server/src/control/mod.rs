//! The control thread: SIP sockets, the endpoint, and every call's deciding half.
//!
//! One thread owns all of it, so nothing is locked; everybody else sends it messages. Start with [`spawn`].

mod admission;
mod call;
mod command_memory;
mod handle;
mod inbox;
mod outbound;
mod outputs;
mod refusal;
mod report;
mod run;
mod slots;
mod start;
mod tcp;

pub use handle::{CommandReply, ControlHandle, Dial, Snapshot, ToControl};
pub use run::{ControlConfig, ControlDoor, SipSockets, spawn};
