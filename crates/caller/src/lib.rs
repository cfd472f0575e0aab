//! The other end of the line: a SIP/RTP caller that plays, listens and measures.
//!
//! Owns `offhook call` ([`call::run`]) and `offhook bench` ([`mod@bench`]): real sockets, real pacing, and figures taken
//! from the wire alone. It must not know the server's voice activity detector, its ledger or its jitter buffer: what it
//! says about the server would be worth nothing otherwise. Start with
//! [`call`] for one call, with [`mod@bench`] for many.

pub mod bench;
pub mod call;
pub mod g711;
pub mod histogram;
pub mod impair;
pub mod listen;
pub mod machine;
pub mod mos;
pub mod probe;
pub mod reflector;
pub mod script;
pub mod statistics;
pub mod talk;
pub mod wav;

mod clock;
mod error;
mod line;
mod net;
mod rtp;
mod sdp;
mod target;

pub use error::CallerError;
