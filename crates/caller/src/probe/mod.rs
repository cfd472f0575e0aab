//! The echo probe: how much later what we said comes back.
//!
//! We send a signal that never repeats, then look for each 20 ms frame of it in what came back, by correlation. The
//! added round trip of a frame is the moment at which its first sample could be played, less the moment at which its
//! packet left: an instant echo is 0, packetisation is not in it, a filter's delay is.

mod locate;
mod signal;

pub use locate::{FrameDelay, Heard, ProbeReport, locate, report};
pub use signal::noise;
