//! Tones: DTMF both ways, and sine, noise and silence for tests.

mod dtmf;
mod signal;

pub use dtmf::{DtmfDetector, DtmfGenerator};
pub use signal::{Noise, Sine};
