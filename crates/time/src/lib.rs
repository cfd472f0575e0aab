//! Time, wall clock, randomness and steps: what every pure machine takes as input.
//!
//! Owns [`Time`] (monotonic nanoseconds), [`WallClock`] (what the clock on the wall said at `Time::ZERO`),
//! [`Randomness`] (ChaCha20, seeded per call) and the step types of the recorder ([`Step`], [`StepSink`]).
//! It must not know anything above it and never reads a clock. Start with [`Time`].

mod random;
mod step;
mod time;
mod wall;

pub use random::{Randomness, Seed};
pub use step::{Half, NoSteps, Step, StepSink};
pub use time::Time;
pub use wall::WallClock;
