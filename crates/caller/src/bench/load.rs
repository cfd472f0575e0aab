//! How many calls at once, and what each costs.

use std::time::Duration;

use serde::Serialize;

use crate::CallerError;
use crate::bench::Verdict;
use crate::call::Stop;
use crate::g711::Law;
use crate::line::fleet::{self, Fleet, FleetResult};
use crate::listen::Continuity;
use crate::machine::{Machine, MachineWatch, ServerCost, Usage};
use crate::reflector::Reflector;
use crate::statistics::{Summary, rounded};
use crate::target::Target;

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
    /// The process of the application behind the server, for its CPU: it shares the machine.
    pub application_pid: Option<u32>,
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
            application_pid: None,
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
    /// Whether `most_calls` is the knee: a larger number was tried and failed twice.
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
    /// The same of the application behind it.
    pub application_ms_per_call_second: Option<f64>,
    /// The same of this caller.
    pub caller_ms_per_call_second: Option<f64>,
    /// What the three took together, in processors.
    pub processors: f64,
    /// KiB of memory per call, against before the first call of the run.
    pub kib_per_call: Option<f64>,
    /// Within the limits, no call failed.
    pub within_limits: bool,
    /// Why not, for people.
    pub failure: Option<String>,
}

/// Measures. A raised `stop` ends it early with what there is.
pub fn run(options: &LoadOptions, stop: &Stop) -> Result<LoadReport, CallerError> {
    let watch = MachineWatch::start();
    let target = Target::parse(&options.uri)?;
    let first = match options.size {
        LoadSize::Calls(calls) => calls,
        LoadSize::Knee { from, most } => from.min(most),
    };
    let reflector =
        if options.reflector { Some(through_reflector(options, &target, first, stop)?) } else { None };
    // One base for every step: a server keeps what it once took.
    let before = options.server_pid.and_then(Usage::of);
    let mut steps: Vec<LoadStep> = Vec::new();
    let mut realtime = true;
    let mut try_out = |calls: usize| -> Result<bool, CallerError> {
        let (step, fifo) = step(options, &target, calls, before, stop)?;
        realtime &= fifo;
        let within = step.within_limits;
        steps.push(step);
        Ok(within && !stop.is_raised())
    };
    let (most_calls, is_knee) = match options.size {
        LoadSize::Calls(calls) => (if try_out(calls)? { calls } else { 0 }, false),
        // A number that fails is tried once more: the machine may have stumbled, and a knee must fail twice.
        LoadSize::Knee { from, most } => {
            knee(from, most, &mut |calls| Ok::<bool, CallerError>(try_out(calls)? || try_out(calls)?))?
        }
    };
    let at_most = steps.iter().rfind(|step| step.calls == most_calls).or(steps.last());
    let own_p99 = at_most.map_or(0.0, |step| step.own_lateness_ms.p99);
    Ok(LoadReport {
        bench: "load",
        uri: options.uri.clone(),
        most_calls,
        is_knee,
        limits: options.limits,
        realtime,
        verdict: Verdict::of(reflector.as_ref().map(|step| step.lateness_ms.p99), own_p99),
        machine: watch.finish(),
        method: "each call sends and receives 50 packets a second; lateness is arrival less RTP time against the \
                 call's own best; CPU is user and system time of each process in the measured window; memory is resident, at its \
                 end against before the first call: per call it means something in a fresh server only",
        steps,
        reflector,
    })
}

/// Doubles, then halves the interval until it is within 5 %. Answers the largest number that passed, and whether a
/// larger one failed.
fn knee<E>(
    from: usize,
    most: usize,
    passes: &mut impl FnMut(usize) -> Result<bool, E>,
) -> Result<(usize, bool), E> {
    let (mut good, mut calls) = (0, from.clamp(1, most.max(1)));
    let mut bad = loop {
        if !passes(calls)? {
            break calls;
        }
        good = calls;
        if calls >= most {
            return Ok((good, false));
        }
        calls = (calls * 2).min(most);
    };
    while bad - good > (bad / 20).max(1) {
        let middle = good + (bad - good) / 2;
        if passes(middle)? { good = middle } else { bad = middle }
    }
    Ok((good, true))
}

fn step(
    options: &LoadOptions,
    target: &Target,
    calls: usize,
    before: Option<Usage>,
    stop: &Stop,
) -> Result<(LoadStep, bool), CallerError> {
    let fleet = Fleet {
        target: target.clone(),
        calls,
        law: options.law,
        settle: options.settle,
        hold: options.hold,
        in_flight: options.set_ups_in_flight,
        threads: options.threads,
        realtime: options.realtime,
        seed: options.seed,
        keep: false,
        impairment: None,
        impaired_for: None,
        server_pid: before.map(|usage| usage.pid()),
        application_pid: before.and(options.application_pid),
    };
    let result = fleet::run(&fleet, stop)?;
    Ok((summed_up(&result, calls, options.limits, before.map(|usage| usage.rss_kib())), result.realtime))
}

fn through_reflector(
    options: &LoadOptions,
    target: &Target,
    calls: usize,
    stop: &Stop,
) -> Result<LoadStep, CallerError> {
    let reflector = Reflector::start(target.local_ip(None)?, options.realtime)?;
    let short = LoadOptions {
        hold: options.hold.min(Duration::from_secs(5)),
        settle: Duration::from_millis(200),
        ..options.clone()
    };
    Ok(step(&short, &Target::parse(&reflector.uri())?, calls, None, stop)?.0)
}

fn summed_up(
    result: &FleetResult,
    calls: usize,
    limits: LoadLimits,
    rss_before_kib: Option<u64>,
) -> LoadStep {
    let seconds = result.window.as_secs_f64();
    // One packet of each call may fall on the edge of the window.
    let expected = (seconds * 50.0).floor() - 1.0;
    let streams: Vec<Continuity> = result.lines.iter().map(|line| line.meter.finish()).collect();
    let missing: f64 =
        streams.iter().map(|stream| (expected - (stream.packets - stream.duplicates) as f64).max(0.0)).sum();
    let loss_percent = rounded(100.0 * missing / (expected * calls as f64).max(1.0));
    let lateness = Summary::of(
        result.lines.iter().flat_map(|line| line.meter.lateness()).map(|late| rounded(f64::from(late))),
    );
    let failures = &result.failures;
    let failure = if let Some(first) = failures.first() {
        Some(format!("{} of {calls} calls failed, such as: {first}", failures.len()))
    } else if lateness.p99 > limits.p99_lateness_ms {
        Some(format!("p99 lateness {} ms", lateness.p99))
    } else if loss_percent > limits.loss_percent {
        Some(format!("{loss_percent} % of the packets did not come"))
    } else {
        None
    };
    let held = result.lines.len();
    let per_call_second = |cost: ServerCost| {
        (held > 0 && cost.seconds > 0.0).then(|| rounded(cost.cpu_ms / cost.seconds / held as f64))
    };
    let grown = result.cost.zip(rss_before_kib).map(|(cost, before)| cost.rss_kib as f64 - before as f64);
    LoadStep {
        calls,
        held,
        held_s: rounded(seconds),
        packets: streams.iter().map(|stream| stream.packets).sum(),
        loss_percent,
        out_of_order: streams.iter().map(|s| s.duplicates + s.reordered + s.timestamp_breaks).sum(),
        lateness_ms: lateness,
        worst_call_p99_ms: streams.iter().map(|stream| stream.lateness_ms.p99).fold(0.0, f64::max),
        max_gap_ms: streams.iter().map(|stream| stream.max_gap_ms).fold(0.0, f64::max),
        own_lateness_ms: result.own_lateness_ms(),
        cpu_ms_per_call_second: result.cost.and_then(per_call_second),
        application_ms_per_call_second: result.application_cost.and_then(per_call_second),
        caller_ms_per_call_second: result.own_cost.and_then(per_call_second),
        processors: rounded(
            [result.cost, result.application_cost, result.own_cost]
                .into_iter()
                .flatten()
                .filter(|cost| cost.seconds > 0.0)
                .map(|cost| cost.cpu_ms / cost.seconds / 1000.0)
                .sum(),
        ),
        kib_per_call: grown.filter(|_| held > 0).map(|grown| rounded(grown / held as f64)),
        server: result.cost,
        within_limits: failure.is_none(),
        failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(from: usize, most: usize, real: usize) -> ((usize, bool), usize) {
        let mut tried = 0;
        let found = knee(from, most, &mut |calls| {
            tried += 1;
            Ok::<bool, ()>(calls <= real)
        });
        (found.unwrap(), tried)
    }

    #[test]
    fn the_knee_is_found_within_five_percent() {
        for real in [1, 7, 100, 317, 812, 1999] {
            let ((found, is_knee), tried) = search(50, 4000, real);
            assert!(is_knee && found <= real && found as f64 >= real as f64 * 0.94 - 1.0, "{real}: {found}");
            assert!(tried < 14, "{tried}");
        }
    }

    #[test]
    fn what_never_fails_has_no_knee() {
        assert_eq!(search(50, 400, 10_000).0, (400, false));
        assert_eq!(search(50, 400, 0).0, (0, true));
    }
}
