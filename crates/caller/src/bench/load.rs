//! How many calls at once, and what each costs.

use std::time::Duration;

use serde::Serialize;

use crate::CallerError;
use crate::bench::Verdict;
use crate::call::Stop;
use crate::g711::Law;
use crate::machine::{Machine, ServerCost};
use crate::statistics::Summary;

/// What `offhook bench load` shall do.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// A bot that sends audio all the time, such as `sip:echo@127.0.0.1:5060`.
    pub uri: String,
    /// How many calls.
    pub size: LoadSize,
    /// How long each number of calls is measured.
    pub hold: Duration,
    /// How long the calls run before that.
    pub settle: Duration,
    /// Most calls that are being set up at once.
    pub set_ups_in_flight: usize,
    /// What a call must reach to count as well served.
    pub limits: LoadLimits,
    /// Which G.711.
    pub law: Law,
    /// The server's process, for its CPU and memory.
    pub server_pid: Option<u32>,
    /// Runs the same number of calls against a bare reflector too.
    pub reflector: bool,
    /// Threads that send and receive; 1 is right on two cores.
    pub threads: usize,
    /// Real-time priority for them, where the system allows it.
    pub realtime: bool,
    /// Decides signals and Call-IDs.
    pub seed: u64,
}

impl LoadOptions {
    /// A hundred calls to `uri` for ten seconds.
    pub fn to(uri: impl Into<String>) -> Self {
        LoadOptions {
            uri: uri.into(),
            size: LoadSize::Calls(100),
            hold: Duration::from_secs(10),
            settle: Duration::from_secs(2),
            set_ups_in_flight: 16,
            limits: LoadLimits::default(),
            law: Law::Mu,
            server_pid: None,
            reflector: true,
            threads: 1,
            realtime: true,
            seed: 1,
        }
    }
}

/// How many calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadSize {
    /// So many.
    Calls(usize),
    /// Doubles from `from` until the limits break or `most` is reached, then halves the interval down to 5 %.
    Knee {
        /// The first number tried.
        from: usize,
        /// No more than these.
        most: usize,
    },
}

/// What all calls together must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LoadLimits {
    /// p99 lateness of their packets.
    pub p99_lateness_ms: f64,
    /// Packets that did not come.
    pub loss_percent: f64,
}

impl Default for LoadLimits {
    fn default() -> Self {
        LoadLimits { p99_lateness_ms: 5.0, loss_percent: 0.1 }
    }
}

/// The line that `offhook bench load --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    /// `load`.
    pub bench: &'static str,
    /// Whom we called.
    pub uri: String,
    /// The largest number of calls that kept the limits; 0 where none did.
    pub most_calls: usize,
    /// Whether `most_calls` is the knee: a larger number was tried and failed.
    pub is_knee: bool,
    /// Each number that was tried, in the order tried.
    pub steps: Vec<LoadStep>,
    /// The limits.
    pub limits: LoadLimits,
    /// The same number of calls (the first tried) against a bare reflector.
    pub reflector: Option<LoadStep>,
    /// Whether our threads ran at real-time priority.
    pub realtime: bool,
    /// Whether to believe it: judged by the reflector and the step of `most_calls`.
    pub verdict: Verdict,
    /// Where it ran.
    pub machine: Machine,
    /// How it was measured, in one sentence.
    pub method: &'static str,
}

/// One number of calls.
#[derive(Clone, Debug, Serialize)]
pub struct LoadStep {
    /// Calls asked for.
    pub calls: usize,
    /// Calls that were answered and stayed.
    pub held: usize,
    /// Seconds measured.
    pub held_s: f64,
    /// Packets received in that time.
    pub packets: u64,
    /// Packets that did not come.
    pub loss_percent: f64,
    /// Packets that came twice, after their successor, or with a broken timestamp.
    pub out_of_order: u64,
    /// Lateness of all packets of all calls, each call against its own best.
    pub lateness_ms: Summary,
    /// The p99 of the worst call.
    pub worst_call_p99_ms: f64,
    /// The longest time between two packets of a call.
    pub max_gap_ms: f64,
    /// How late our own packets left.
    pub own_lateness_ms: Summary,
    /// The server's cost while measured, memory against before the calls.
    pub server: Option<ServerCost>,
    /// CPU-milliseconds of the server per second of one call.
    pub cpu_ms_per_call_second: Option<f64>,
    /// KiB of memory per call.
    pub kib_per_call: Option<f64>,
    /// Within the limits, no call failed.
    pub within_limits: bool,
    /// Why not, for people.
    pub failure: Option<String>,
}

/// Measures. A raised `stop` ends it early with what there is.
pub fn run(options: &LoadOptions, stop: &Stop) -> Result<LoadReport, CallerError> {
    let _ = stop;
    Err(CallerError::CannotMeasure(options.uri.clone()))
}
