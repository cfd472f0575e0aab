//! `offhook bench`: latency, load and call set-ups per second, each beside a bare reflector in the same run.
//!
//! A noisy machine is told apart from a slow server by [`Verdict`]; see [`latency`], [`load`] and [`cps`]; [`soak`] looks for
//! what grows over hours. [`turns`] and [`bargein`] speak, and go by what they hear alone.
//! [`repeat`] says what of several runs is luck. What all have in common stands in [`frame`]: a new bench implements
//! [`frame::BenchReport`] and has text, JSON, comparison and exit code.

pub mod bargein;
pub mod baseline;
pub mod cps;
pub mod frame;
pub mod knee;
pub mod latency;
pub mod load;
pub mod over_time;
pub mod page;
pub mod plot;
mod prompt;
pub mod repeat;
pub mod soak;
pub mod turns;

use serde::{Deserialize, Serialize};

use crate::bench::frame::FloorCheck;

/// The reflector's p99 above which the machine, not the server, decides the figures.
pub const REFLECTOR_LIMIT_MS: f64 = 1.0;
/// The same for how late our own packets left.
pub const OWN_LIMIT_MS: f64 = 0.5;

/// Whether the figures can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Reflector and caller were on time.
    Measured,
    /// They were not: the run says nothing about the server.
    MachineTooNoisy,
}

impl Verdict {
    /// Judges by what machine and caller themselves cost.
    pub fn of_floor(floor: &[FloorCheck]) -> Self {
        if floor.iter().any(FloorCheck::is_broken) { Verdict::MachineTooNoisy } else { Verdict::Measured }
    }

    /// Judges by the reflector's p99 (where it ran) and by how late our own packets left (p99).
    pub fn of(reflector_p99_ms: Option<f64>, own_p99_ms: f64) -> Self {
        Verdict::of_floor(&floor_of(reflector_p99_ms, own_p99_ms))
    }
}

/// The reflector's p99, where it ran, and ours.
pub fn floor_of(reflector_p99_ms: Option<f64>, own_p99_ms: f64) -> Vec<FloorCheck> {
    reflector_p99_ms.map(FloorCheck::reflector).into_iter().chain([FloorCheck::own(own_p99_ms)]).collect()
}

/// A report as one line of JSON.
pub fn json_line(report: &impl Serialize) -> String {
    serde_json::to_string(report).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_reflector_or_a_late_caller_spoils_the_run() {
        assert_eq!(Verdict::of(Some(0.3), 0.1), Verdict::Measured);
        assert_eq!(Verdict::of(None, 0.1), Verdict::Measured);
        assert_eq!(Verdict::of(Some(1.2), 0.1), Verdict::MachineTooNoisy);
        assert_eq!(Verdict::of(Some(0.3), 0.6), Verdict::MachineTooNoisy);
    }
}
