//! The added round trip through a bot that sends back what it hears.

use std::time::Duration;

use offhook_time::Time;
use serde::Serialize;

use crate::CallerError;
use crate::bench::Verdict;
use crate::call::Stop;
use crate::g711::Law;
use crate::impair::Impairment;
use crate::line::fleet::{self, Fleet, FleetResult};
use crate::line::worker::Line;
use crate::listen::Continuity;
use crate::machine::{Machine, MachineWatch, ServerCost};
use crate::probe::{FrameDelay, Heard, ProbeReport, locate, report};
use crate::reflector::Reflector;
use crate::statistics::{Summary, rounded};
use crate::target::Target;
use crate::wav::FRAME;

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
    /// From the end of the impairment until the delay of every call stays within 5 ms of where it settles (the median
    /// of its last second).
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

/// How long a frame may take: longer than any backlog that a peer was seen to build up in ten seconds.
const LONGEST: Duration = Duration::from_millis(800);

/// Calls talk this long before anything counts, so that jitter buffers have settled.
const SETTLE: Duration = Duration::from_secs(2);

/// How near to the clean delay counts as recovered.
const RECOVERED_WITHIN_MS: f64 = 5.0;

/// Measures. A raised `stop` ends it early with what there is.
pub fn run(options: &LatencyOptions, stop: &Stop) -> Result<LatencyReport, CallerError> {
    let watch = MachineWatch::start();
    let target = Target::parse(&options.uri)?;
    let reflector = if options.reflector { Some(through_reflector(options, &target, stop)?) } else { None };
    let fleet = fleet(options, target);
    let result = fleet::run(&fleet, stop)?;
    if result.lines.is_empty() || !result.failures.is_empty() {
        let causes = result.failures.join(", ");
        return Err(CallerError::CannotMeasure(format!("{}: {causes}", options.uri)));
    }
    let delays: Vec<Vec<Located>> =
        result.lines.iter().map(|line| locate_line(line, &result.signal)).collect();
    let all = report(&delays.iter().flatten().map(|found| found.delay).collect::<Vec<_>>());
    let each_call: Vec<ProbeReport> = delays.iter().map(|call| report_of(call)).collect();
    let own = result.own_lateness_ms();
    let less = |own: f64, of: fn(&Summary) -> f64| reflector.as_ref().map(|r| rounded(own - of(&r.added_ms)));
    Ok(LatencyReport {
        bench: "latency",
        uri: options.uri.clone(),
        calls: result.lines.len(),
        measured_s: rounded(result.window.as_secs_f64()),
        worst_call_p99_ms: each_call.iter().map(|call| call.added_ms.p99).fold(0.0, f64::max),
        rtp: worst_stream(&result),
        less_reflector_p50_ms: less(all.added_ms.p50, |summary| summary.p50),
        less_reflector_p99_ms: less(all.added_ms.p99, |summary| summary.p99),
        impairment: options.impairment,
        recovered_after_ms: result.clean_from.and_then(|clean_from| recovered_after(&delays, clean_from)),
        own_lateness_ms: own,
        realtime: result.realtime,
        server: result.cost,
        verdict: Verdict::of(reflector.as_ref().map(|reflector| reflector.added_ms.p99), own.p99),
        machine: watch.finish(),
        method: "each 20 ms frame of never-repeating noise is found again in the returned audio by correlation; \
                 added = when it could be played less when its packet left; an instant echo is 0",
        all,
        each_call,
        reflector,
    })
}

fn fleet(options: &LatencyOptions, target: Target) -> Fleet {
    Fleet {
        target,
        calls: options.calls,
        law: options.law,
        settle: SETTLE,
        hold: options.measure,
        in_flight: 16,
        threads: 1,
        realtime: options.realtime,
        seed: options.seed,
        keep: true,
        impairment: options.impairment.filter(|impairment| !impairment.is_none()),
        impaired_for: options.impaired_for,
        server_pid: options.server_pid,
        application_pid: None,
    }
}

/// The same calls on a clean line through a bare reflector, for at most three seconds.
fn through_reflector(
    options: &LatencyOptions,
    target: &Target,
    stop: &Stop,
) -> Result<ProbeReport, CallerError> {
    let reflector = Reflector::start(target.local_ip(None)?, options.realtime)?;
    let clean = LatencyOptions { impairment: None, impaired_for: None, server_pid: None, ..options.clone() };
    let mut fleet = fleet(&clean, Target::parse(&reflector.uri())?);
    fleet.settle = Duration::from_millis(200);
    fleet.hold = options.measure.min(Duration::from_secs(3));
    let result = fleet::run(&fleet, stop)?;
    let delays: Vec<_> = result
        .lines
        .iter()
        .flat_map(|line| locate_line(line, &result.signal))
        .map(|found| found.delay)
        .collect();
    Ok(report(&delays))
}

/// A frame, when it left, and what became of it.
#[derive(Clone, Copy, Debug)]
struct Located {
    left: Time,
    delay: Option<FrameDelay>,
}

fn locate_line(line: &Line, signal: &[i16]) -> Vec<Located> {
    let mut heard = Heard::new();
    for (arrived, payload) in &line.heard {
        let mut samples = Vec::with_capacity(payload.len());
        line.law.decode_into(payload, &mut samples);
        heard.push(&samples, *arrived);
    }
    // What left in the last moments of the window has had no time to come back.
    let end = line.left.last().map_or(Time::ZERO, |last| last.saturating_sub(LONGEST));
    let frames = line.left.iter().take_while(|left| **left <= end).count();
    let sent: Vec<i16> = line
        .said
        .iter()
        .take(frames)
        .flat_map(|at| signal.get(*at..*at + FRAME).unwrap_or_default())
        .copied()
        .collect();
    let delays = locate(&sent, &line.left, &heard, LONGEST);
    line.left.iter().zip(delays).map(|(left, delay)| Located { left: *left, delay }).collect()
}

fn report_of(call: &[Located]) -> ProbeReport {
    report(&call.iter().map(|found| found.delay).collect::<Vec<_>>())
}

/// The stream of the call whose packets were latest.
fn worst_stream(result: &FleetResult) -> Continuity {
    let streams = result.lines.iter().map(|line| line.meter.finish());
    streams.max_by(|a, b| a.lateness_ms.p99.total_cmp(&b.lateness_ms.p99)).unwrap_or_default()
}

/// From `clean_from` to the first frame from which on every frame of every call is within [`RECOVERED_WITHIN_MS`] of
/// what its call settles at (the median of its last second). `None` where that never happens.
fn recovered_after(calls: &[Vec<Located>], clean_from: Time) -> Option<f64> {
    let mut latest = 0.0f64;
    for call in calls {
        let after: Vec<&Located> = call.iter().filter(|found| found.left >= clean_from).collect();
        let last_second = after.len().checked_sub(50)?;
        let settled =
            Summary::of(after.get(last_second..)?.iter().filter_map(|found| Some(found.delay?.delay_ms)));
        let away = |found: &&&Located| {
            found.delay.is_none_or(|delay| delay.delay_ms > settled.p50 + RECOVERED_WITHIN_MS)
        };
        if let Some(last_away) = after.iter().rfind(away) {
            latest = latest.max(last_away.left.since(clean_from).as_secs_f64() * 1000.0);
        }
    }
    Some(rounded(latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_is_the_last_frame_that_was_still_away() {
        let clean_from = Time::from_millis(5000);
        let frame = |n: u64, delay_ms: f64| Located {
            left: Time::from_millis(4000 + 20 * n),
            delay: Some(FrameDelay { delay_ms, correlation: 1.0 }),
        };
        let call: Vec<Located> = (0..200).map(|n| frame(n, if n < 75 { 60.0 } else { 11.0 })).collect();

        assert_eq!(recovered_after(&[call], clean_from), Some(480.0));
    }
}
