//! What our own tests share: seeded time and network, scripted callers, the engine conformance suite.
//!
//! A dev-dependency only. Start with [`start`] and [`drive`].

pub mod conformance;
mod drive;
mod line;

pub use drive::{drive, millis_since, start};
pub use line::{Line, LineQuality};
