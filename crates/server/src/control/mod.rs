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
mod taps;
mod tcp;
mod tracing_of_calls;

/// Calls that a worker takes memory for at the start, and so the most that it is given.
pub const CALLS_PER_WORKER: usize = 4096;

pub use handle::{CommandReply, ControlHandle, Dial, Snapshot, ToControl};
pub use run::{ControlConfig, ControlDoor, SipSockets, spawn};
