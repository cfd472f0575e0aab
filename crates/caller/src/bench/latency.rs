//! The added round trip through a bot that sends back what it hears.

use std::time::Duration;

use serde::Serialize;

use crate::CallerError;
use crate::bench::Verdict;
use crate::call::Stop;
use crate::g711::Law;
use crate::impair::Impairment;
use crate::listen::Continuity;
use crate::machine::{Machine, ServerCost};
use crate::probe::ProbeReport;
use crate::statistics::Summary;

/// What `offhook bench latency` shall do.
#[derive(Clone, Debug)]
pub struct LatencyOptions {
    /// A bot that sends back what it hears: `sip:echo@127.0.0.1:5060`.
    pub uri: String,
    /// Calls at once.
    pub calls: usize,
    /// How long is measured, from all calls answered on.
    pub measure: Duration,
    /// What happens to our packets on their way.
    pub impairment: Option<Impairment>,
    /// After this much of the measurement the line is clean again; then the report says how soon the delay is too.
    pub impaired_for: Option<Duration>,
    /// Which G.711.
    pub law: Law,
    /// The server's process, for its CPU and memory.
    pub server_pid: Option<u32>,
    /// Runs the same against a bare reflector too, before the server's turn.
    pub reflector: bool,
    /// Real-time priority for our threads, where the system allows it.
    pub realtime: bool,
    /// Decides the signals and the accidents of the line.
    pub seed: u64,
}

impl LatencyOptions {
    /// One clean call of ten seconds to `uri`, reflector beside it.
    pub fn to(uri: impl Into<String>) -> Self {
        LatencyOptions {
            uri: uri.into(),
            calls: 1,
            measure: Duration::from_secs(10),
            impairment: None,
            impaired_for: None,
            law: Law::Mu,
            server_pid: None,
            reflector: true,
            realtime: true,
            seed: 1,
        }
    }
}

/// The line that `offhook bench latency --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyReport {
    /// `latency`.
    pub bench: &'static str,
    /// Whom we called.
    pub uri: String,
    /// Calls at once.
    pub calls: usize,
    /// Seconds measured.
    pub measured_s: f64,
    /// All frames of all calls.
    pub all: ProbeReport,
    /// Each call for itself.
    pub each_call: Vec<ProbeReport>,
    /// The worst call's p99.
    pub worst_call_p99_ms: f64,
    /// Their RTP, the worst call's figures.
    pub rtp: Continuity,
    /// The same through a bare reflector.
    pub reflector: Option<ProbeReport>,
    /// Median and p99 of all frames, less the reflector's.
    pub less_reflector_p50_ms: Option<f64>,
    /// See above.
    pub less_reflector_p99_ms: Option<f64>,
    /// What happened to our packets.
    pub impairment: Option<Impairment>,
    /// From the end of the impairment until the delay stays within 5 ms of the clean run's p99 (the reflector's, or
    /// the median of the last second where no reflector ran).
    pub recovered_after_ms: Option<f64>,
    /// How late our own packets left.
    pub own_lateness_ms: Summary,
    /// Whether our threads ran at real-time priority.
    pub realtime: bool,
    /// The server's cost while measured.
    pub server: Option<ServerCost>,
    /// Whether to believe it.
    pub verdict: Verdict,
    /// Where it ran.
    pub machine: Machine,
    /// How it was measured, in one sentence.
    pub method: &'static str,
}

/// Measures. A raised `stop` ends it early with what there is.
pub fn run(options: &LatencyOptions, stop: &Stop) -> Result<LatencyReport, CallerError> {
    let _ = stop;
    Err(CallerError::CannotMeasure(options.uri.clone()))
}
