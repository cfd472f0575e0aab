//! Call set-ups and releases per second.

use std::time::Duration;

use serde::Serialize;

use crate::CallerError;
use crate::bench::Verdict;
use crate::call::Stop;
use crate::machine::{Machine, ServerCost};
use crate::statistics::Summary;

/// What `offhook bench cps` shall do.
#[derive(Clone, Debug)]
pub struct CpsOptions {
    /// A bot that answers at once, such as `sip:echo@127.0.0.1:5060`.
    pub uri: String,
    /// Calls that are being set up or released at once.
    pub window: usize,
    /// How long is measured, after a warm-up of a second.
    pub measure: Duration,
    /// The server's process, for its CPU.
    pub server_pid: Option<u32>,
    /// Runs the same against a bare reflector too.
    pub reflector: bool,
    /// Real-time priority, where the system allows it.
    pub realtime: bool,
    /// Decides Call-IDs.
    pub seed: u64,
}

impl CpsOptions {
    /// Sixteen in flight for ten seconds.
    pub fn to(uri: impl Into<String>) -> Self {
        CpsOptions {
            uri: uri.into(),
            window: 16,
            measure: Duration::from_secs(10),
            server_pid: None,
            reflector: true,
            realtime: true,
            seed: 1,
        }
    }
}

/// The line that `offhook bench cps --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct CpsReport {
    /// `cps`.
    pub bench: &'static str,
    /// Whom we called.
    pub uri: String,
    /// In flight at once.
    pub window: usize,
    /// The server.
    pub server: CpsFigures,
    /// A bare reflector, same window.
    pub reflector: Option<CpsFigures>,
    /// Whether our thread ran at real-time priority.
    pub realtime: bool,
    /// Whether to believe it.
    pub verdict: Verdict,
    /// Where it ran.
    pub machine: Machine,
    /// How it was measured, in one sentence.
    pub method: &'static str,
}

/// What one side reached.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CpsFigures {
    /// Seconds measured.
    pub measured_s: f64,
    /// Calls set up and released in that time.
    pub completed: u64,
    /// Calls that were refused, lost or timed out.
    pub failed: u64,
    /// Why, by status or cause, with counts.
    pub failures: Vec<(String, u64)>,
    /// Requests we had to send again.
    pub retransmissions: u64,
    /// Set-ups and releases per second.
    pub per_second: f64,
    /// INVITE sent to 200 received.
    pub set_up_ms: Summary,
    /// BYE sent to 200 received.
    pub release_ms: Summary,
    /// The server's cost while measured.
    pub cost: Option<ServerCost>,
    /// CPU-milliseconds of the server per call.
    pub cpu_ms_per_call: Option<f64>,
}

/// Measures. A raised `stop` ends it early with what there is.
pub fn run(options: &CpsOptions, stop: &Stop) -> Result<CpsReport, CallerError> {
    let _ = stop;
    Err(CallerError::CannotMeasure(options.uri.clone()))
}
