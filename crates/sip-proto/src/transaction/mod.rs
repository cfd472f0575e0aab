//! The four transaction machines of RFC 3261 §17 with the Accepted state of RFC 6026, and how messages match them.
//!
//! A machine knows when to send, not what: it keeps the bytes it may have to repeat. States and timers keep the
//! RFC's names. Start with [`InviteServerTransaction`].

pub mod invite_client;
pub mod invite_server;
mod matching;
pub mod non_invite_client;
pub mod non_invite_server;
mod timing;

pub use invite_client::InviteClientTransaction;
pub use invite_server::InviteServerTransaction;
pub use matching::{ClientKey, MergeKey, ServerKey};
pub use non_invite_client::NonInviteClientTransaction;
pub use non_invite_server::NonInviteServerTransaction;
pub use timing::{Backoff, Reliability, Timing};

/// Why a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It did its work: there was a final response, and its retransmissions were absorbed.
    Finished,
    /// No final response came in time (timers B and F, or 64·T1 after a CANCEL).
    Timeout,
    /// The ACK for a 3xx-6xx never came (timer H).
    AckTimeout,
    /// The transport could not deliver (RFC 3261 §17.1.4, §17.2.4).
    Transport,
}
