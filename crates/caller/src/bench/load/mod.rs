//! How many calls at once, and what each costs.

mod limits;
mod report;

pub(in crate::bench) use limits::broken_limit;
pub use limits::{LoadLimits, Percentile};

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::CallerError;
use crate::bench::frame::Parameters;
use crate::bench::knee::{self, Knee, Search, Try};
use crate::bench::{OWN_LIMIT_MS, Verdict};
use crate::call::Stop;
use crate::g711::Law;
use crate::histogram::Histogram;
use crate::impair::{Impaired, Impairment};
use crate::line::fleet::{self, Fleet, FleetResult};
use crate::listen::{Continuity, Playout};
use crate::machine::{Machine, MachineWatch, ServerCost, Usage};
use crate::mos::MosEstimate;
use crate::reflector::Reflector;
use crate::statistics::{Summary, rounded};
use crate::target::Target;

/// How long a search for the knee waits where a server takes no call at all, as one does that was just overloaded: what
/// a 503 of ours says in its Retry-After.
const REST: Duration = Duration::from_secs(5);
/// How often in one search.
const RESTS: usize = 12;

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
    /// What happens to packets on their way.
    pub impairment: Option<Impairment>,
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
            impairment: None,
            law: Law::Mu,
            server_pid: None,
            application_pid: None,
            reflector: true,
            threads: 1,
            realtime: true,
            seed: 1,
        }
    }

    /// What decides the figures.
    pub fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::from([
            ("impairment", json!(self.impairment.filter(|bad| !bad.is_none()))),
            ("law", json!(format!("{:?}", self.law))),
            ("reflector", json!(self.reflector)),
        ]);
        match self.size {
            LoadSize::Calls(calls) => parameters.insert("calls", json!(calls)),
            LoadSize::Knee(_) => parameters.insert("limits", json!(self.limits)),
        };
        parameters
    }
}

/// How many calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LoadSize {
    /// So many.
    Calls(usize),
    /// As many as keep the limits: a search.
    Knee(Search),
}

/// The line that `offhook bench load --json` and `offhook bench knee --json` print.
#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    /// `load`, or `knee` where the number of calls was searched for.
    pub bench: &'static str,
    /// Whom we called.
    pub uri: String,
    /// What it says that it is.
    pub server_software: Option<String>,
    /// The largest number of calls that kept the limits; 0 where none did.
    pub most_calls: usize,
    /// Whether `most_calls` is the knee: a larger number was tried and failed each time.
    pub is_knee: bool,
    /// Whether the caller itself was late whenever the next larger number failed: the server may take more.
    pub limited_by_caller: bool,
    /// Each number that was tried, in the order tried.
    pub steps: Vec<LoadStep>,
    /// The limits.
    pub limits: LoadLimits,
    /// How it was searched.
    pub search: Option<Search>,
    /// How bad the line was made.
    pub impairment: Option<Impairment>,
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
    /// How often which lateness came: upper bound in milliseconds and count.
    pub distribution: Histogram,
    /// The p99 of the worst call.
    pub worst_call_p99_ms: f64,
    /// What listeners at our end would say, taken together.
    pub quality: Option<MosEstimate>,
    /// The MOS estimate of the worst call.
    pub worst_call_mos: Option<f64>,
    /// What the bad line did to packets, before the measurement too.
    pub impaired: Impaired,
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
    /// Within the limits.
    pub within_limits: bool,
    /// Whether our own packets were too late to say anything about the server.
    pub spoiled: bool,
    /// Why not, for people.
    pub failure: Option<String>,
}

/// Measures. A raised `stop` ends it early with what there is.
pub fn run(options: &LoadOptions, stop: &Stop) -> Result<LoadReport, CallerError> {
    let watch = MachineWatch::start();
    let target = Target::parse(&options.uri)?;
    let first = match options.size {
        LoadSize::Calls(calls) => calls,
        LoadSize::Knee(search) => search.from.min(search.most),
    };
    let reflector =
        if options.reflector { Some(through_reflector(options, &target, first, stop)?) } else { None };
    // One base for every step: a server keeps what it once took.
    let before = options.server_pid.and_then(Usage::of);
    let mut steps: Vec<LoadStep> = Vec::new();
    let (mut realtime, mut software) = (true, None);
    let mut rests = RESTS;
    let mut try_out = |calls: usize, keep_cut: bool| -> Result<Try, CallerError> {
        if stop.is_raised() && !keep_cut {
            return Ok(Try::Stopped);
        }
        let (step, result) = loop {
            let (step, result) = step(options, &target, calls, before, stop)?;
            if step.held > 0 || keep_cut || rests == 0 || stop.is_raised() {
                break (step, result);
            }
            // What was too much a moment ago says nothing about this number.
            rests -= 1;
            rest(stop);
        };
        realtime &= result.realtime;
        software = software.take().or(result.software);
        if stop.is_raised() && !keep_cut {
            return Ok(Try::Stopped);
        }
        let tried = match (step.within_limits, step.spoiled) {
            (true, _) => Try::Passed,
            (false, true) => Try::Spoiled,
            (false, false) => Try::Failed,
        };
        steps.push(step);
        Ok(tried)
    };
    let (knee, search) = match options.size {
        LoadSize::Calls(calls) => {
            let passed = try_out(calls, true)? == Try::Passed;
            (Knee { calls: if passed { calls } else { 0 }, ..Knee::default() }, None)
        }
        LoadSize::Knee(search) => (knee::search(search, &mut |calls| try_out(calls, false))?, Some(search)),
    };
    if steps.iter().all(|step| step.held == 0) {
        let why = steps.last().and_then(|step| step.failure.clone());
        let why = why.unwrap_or_else(|| "it was stopped before any call".to_owned());
        return Err(CallerError::CannotMeasure(format!("{}: {why}", options.uri)));
    }
    let own_p99 = decisive(&steps, knee.calls).map_or(0.0, |step| step.own_lateness_ms.p99);
    Ok(LoadReport {
        bench: if search.is_some() { "knee" } else { "load" },
        uri: options.uri.clone(),
        server_software: software,
        most_calls: knee.calls,
        is_knee: knee.is_knee,
        limited_by_caller: knee.limited_by_caller,
        limits: options.limits,
        search,
        impairment: options.impairment,
        realtime,
        verdict: Verdict::of(reflector.as_ref().map(|step| step.lateness_ms.p99), own_p99),
        machine: watch.finish(),
        method: "each call sends and receives 50 packets a second; lateness is arrival less RTP time against the \
                 call's own best; CPU is user and system time of each process in the measured window; memory is resident, at its \
                 end against before the first call: per call it means something in a fresh server only; MOS is the \
                 narrowband E-model (ITU-T G.107) of the stream that came back: a packet and a listener's buffer of 60 ms \
                 as delay, nothing for the network, lost and later packets as loss",
        steps,
        reflector,
    })
}

/// Lets a server that refuses all calls come to itself.
fn rest(stop: &Stop) {
    let until = Instant::now() + REST;
    while Instant::now() < until && !stop.is_raised() {
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The step that the report rests on: the largest that passed, else the last.
fn decisive(steps: &[LoadStep], most_calls: usize) -> Option<&LoadStep> {
    steps.iter().rfind(|step| step.calls == most_calls && step.within_limits).or(steps.last())
}

fn step(
    options: &LoadOptions,
    target: &Target,
    calls: usize,
    before: Option<Usage>,
    stop: &Stop,
) -> Result<(LoadStep, FleetResult), CallerError> {
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
        impairment: options.impairment.filter(|impairment| !impairment.is_none()),
        impaired_for: None,
        server_pid: before.map(|usage| usage.pid()),
        application_pid: before.and(options.application_pid),
    };
    let mut result = fleet::run(&fleet, stop)?;
    let step = summed_up(&result, calls, options.limits, before.map(|usage| usage.rss_kib()));
    // A knee has many steps: what the lines kept goes with the step.
    result.lines.clear();
    Ok((step, result))
}

pub(super) fn through_reflector(
    options: &LoadOptions,
    target: &Target,
    calls: usize,
    stop: &Stop,
) -> Result<LoadStep, CallerError> {
    let reflector = Reflector::start(target.local_ip(None)?, options.realtime)?;
    let short = LoadOptions {
        hold: options.hold.min(Duration::from_secs(5)),
        settle: Duration::from_millis(200),
        impairment: None,
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
    let mut distribution = Histogram::default();
    for late in result.lines.iter().flat_map(|line| line.meter.lateness()) {
        distribution.record(f64::from(late));
    }
    let lateness = distribution.summary();
    // A stream that ends early is lost to its end.
    let played: Vec<Playout> =
        result.lines.iter().map(|line| line.meter.playout().at_least(expected.max(0.0) as u64)).collect();
    let quality = played.iter().copied().reduce(Playout::and).and_then(|played| played.estimate(0.0));
    let worst_call_mos =
        played.iter().filter_map(|played| Some(played.estimate(0.0)?.mos)).min_by(f64::total_cmp);
    let own_lateness_ms = result.own_lateness_ms();
    let failed = (result.failures.len() as u64, result.failures.first().map(String::as_str));
    let failure = broken_limit(&limits, calls as u64, failed, &lateness, loss_percent, quality);
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
        distribution,
        quality,
        worst_call_mos,
        impaired: result.impaired(),
        worst_call_p99_ms: streams.iter().map(|stream| stream.lateness_ms.p99).fold(0.0, f64::max),
        max_gap_ms: streams.iter().map(|stream| stream.max_gap_ms).fold(0.0, f64::max),
        spoiled: own_lateness_ms.p99 > OWN_LIMIT_MS,
        own_lateness_ms,
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
