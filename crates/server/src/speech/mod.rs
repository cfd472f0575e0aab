//! The speech engines of the live driver: which there are, and the thread that feeds the recognizers.

mod engines;
mod recognizers;

pub use engines::{Engines, Missing};
pub use recognizers::{RecognizerHandle, spawn_recognizers};
