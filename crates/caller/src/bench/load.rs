//! How many calls at once, and what each costs.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::CallerError;
use crate::bench::frame::{BenchReport, Figure, FloorCheck, Parameters};
use crate::bench::knee::{self, Knee, Search, Try};
use crate::bench::page::{self, Page, Table, number};
use crate::bench::plot::{Line, Plot, Whose};
use crate::bench::{OWN_LIMIT_MS, Verdict, floor_of};
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

/// What all calls together must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LoadLimits {
    /// Which percentile of the lateness of their packets is judged.
    pub percentile: Percentile,
    /// What it must not exceed.
    pub lateness_ms: f64,
    /// Packets that did not come.
    pub loss_percent: f64,
    /// Calls that may fail.
    pub failed_percent: f64,
    /// The MOS estimate of what came back must be at least this.
    pub mos: Option<f64>,
}

impl Default for LoadLimits {
    fn default() -> Self {
        LoadLimits {
            percentile: Percentile::P99,
            lateness_ms: 5.0,
            loss_percent: 0.1,
            failed_percent: 0.0,
            mos: None,
        }
    }
}

/// A percentile that a limit can be set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Percentile {
    /// The median.
    #[serde(rename = "p50")]
    P50,
    /// The 95th.
    #[serde(rename = "p95")]
    P95,
    /// The 99th.
    #[serde(rename = "p99")]
    P99,
    /// The 99.9th.
    #[serde(rename = "p99.9")]
    P99_9,
}

impl Percentile {
    /// That percentile of a summary.
    pub fn of(self, summary: &Summary) -> f64 {
        match self {
            Percentile::P50 => summary.p50,
            Percentile::P95 => summary.p95,
            Percentile::P99 => summary.p99,
            Percentile::P99_9 => summary.p99_9,
        }
    }

    /// `p99.9`.
    pub fn name(self) -> &'static str {
        match self {
            Percentile::P50 => "p50",
            Percentile::P95 => "p95",
            Percentile::P99 => "p99",
            Percentile::P99_9 => "p99.9",
        }
    }
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
    let mut try_out = |calls: usize, keep_cut: bool| -> Result<Try, CallerError> {
        if stop.is_raised() && !keep_cut {
            return Ok(Try::Stopped);
        }
        let (step, result) = step(options, &target, calls, before, stop)?;
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

/// Which of the limits does not hold, for people.
pub(super) fn broken_limit(
    limits: &LoadLimits,
    calls: u64,
    (failed, cause): (u64, Option<&str>),
    lateness: &Summary,
    loss_percent: f64,
    quality: Option<MosEstimate>,
) -> Option<String> {
    let late = limits.percentile.of(lateness);
    let failed_percent = 100.0 * failed as f64 / calls.max(1) as f64;
    if let Some(cause) = cause.filter(|_| failed_percent > limits.failed_percent) {
        Some(format!("{failed} of {calls} calls failed, such as: {cause}"))
    } else if lateness.count == 0 {
        Some("no packet came back".to_owned())
    } else if late > limits.lateness_ms {
        Some(format!("{} lateness {late} ms", limits.percentile.name()))
    } else if loss_percent > limits.loss_percent {
        Some(format!("{loss_percent} % of the packets did not come"))
    } else {
        let mos = limits.mos.zip(quality).filter(|(least, quality)| quality.mos < *least);
        mos.map(|(_, quality)| format!("MOS estimate {}", quality.mos))
    }
}

impl BenchReport for LoadReport {
    fn bench(&self) -> &'static str {
        self.bench
    }

    fn uri(&self) -> &str {
        &self.uri
    }

    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn method(&self) -> &'static str {
        self.method
    }

    fn floor(&self) -> Vec<FloorCheck> {
        let own = decisive(&self.steps, self.most_calls).map_or(0.0, |step| step.own_lateness_ms.p99);
        floor_of(self.reflector.as_ref().map(|step| step.lateness_ms.p99), own)
    }

    fn broken(&self) -> Option<String> {
        if self.most_calls > 0 {
            return None;
        }
        self.steps.last().and_then(|step| step.failure.clone())
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        if let Some(search) = self.search {
            let noise = self.most_calls as f64 * search.precision_percent / 100.0;
            figures.push(Figure::higher("most_calls", self.most_calls as f64, "calls", noise));
        }
        let Some(step) = decisive(&self.steps, self.most_calls) else { return figures };
        if self.search.is_none() {
            figures.extend([
                Figure::lower("lateness_p50_ms", step.lateness_ms.p50, "ms", 0.2),
                Figure::lower("lateness_p99_ms", step.lateness_ms.p99, "ms", 0.5),
                Figure::lower("lateness_p99_9_ms", step.lateness_ms.p99_9, "ms", 1.0),
                Figure::lower("loss_percent", step.loss_percent, "%", 0.05),
            ]);
            figures.extend(step.quality.map(|quality| Figure::higher("mos", quality.mos, "", 0.05)));
        }
        let cpu = step.cpu_ms_per_call_second;
        figures.extend(cpu.map(|cpu| Figure::lower("cpu_ms_per_call_second", cpu, "ms", 0.05)));
        figures.extend(step.kib_per_call.map(|kib| Figure::lower("kib_per_call", kib, "KiB", 4.0)));
        figures
    }

    fn plots(&self) -> Vec<Plot> {
        let Some(step) = decisive(&self.steps, self.most_calls) else { return Vec::new() };
        let reflector = self.reflector.as_ref().map(|step| &step.distribution);
        let mut plots = vec![Plot::milliseconds("lateness of packets", &step.distribution, reflector)];
        if self.search.is_some() {
            let mut steps: Vec<&LoadStep> = self.steps.iter().collect();
            steps.sort_by_key(|step| step.calls);
            let line = |name: &str, whose, of: &dyn Fn(&LoadStep) -> Option<f64>| {
                Line::of(name, whose, steps.iter().filter_map(|step| Some((step.calls as f64, of(step)?))))
            };
            let percentile = self.limits.percentile;
            plots.push(Plot::Lines {
                title: "lateness over calls",
                x: ("calls at once", ""),
                y: ("lateness", "ms"),
                series: vec![
                    line(percentile.name(), Whose::Server, &|step| Some(percentile.of(&step.lateness_ms))),
                    line("this caller's own p99", Whose::Other, &|step| Some(step.own_lateness_ms.p99)),
                ],
                marks: vec![("limit".to_owned(), self.limits.lateness_ms)],
            });
            plots.push(Plot::Lines {
                title: "CPU over calls",
                x: ("calls at once", ""),
                y: ("per call-second", "ms"),
                series: vec![
                    line("server", Whose::Server, &|step| step.cpu_ms_per_call_second),
                    line("application", Whose::Other, &|step| step.application_ms_per_call_second),
                    line("caller", Whose::Other, &|step| step.caller_ms_per_call_second),
                ],
                marks: Vec::new(),
            });
        }
        plots
    }

    fn page(&self) -> Page {
        let columns =
            ["calls", "held", "lost %", "p50", "p99", "p99.9", "max", "own p99", "MOS", "CPU-ms", "KiB", ""];
        let mut table = Table::new(
            "lateness in ms of all packets; CPU-ms of the server per call-second; KiB of it per call",
            &columns,
        );
        let dash = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), number);
        let mut row = |name: String, step: &LoadStep, note: String| {
            table.row([
                name,
                step.held.to_string(),
                number(step.loss_percent),
                number(step.lateness_ms.p50),
                number(step.lateness_ms.p99),
                number(step.lateness_ms.p99_9),
                number(step.lateness_ms.max),
                number(step.own_lateness_ms.p99),
                step.quality.map_or_else(|| "-".to_owned(), |quality| format!("{:.2}", quality.mos)),
                dash(step.cpu_ms_per_call_second),
                dash(step.kib_per_call),
                note,
            ]);
        };
        if let Some(reflector) = &self.reflector {
            row(format!("{} (reflector)", reflector.calls), reflector, String::new());
        }
        for step in &self.steps {
            let spoiled = if step.spoiled { ", caller late" } else { "" };
            let note = step.failure.as_ref().map_or(String::new(), |failure| format!("{failure}{spoiled}"));
            row(step.calls.to_string(), step, note);
        }
        let most = match (self.is_knee, self.limited_by_caller) {
            (true, false) => "the knee",
            (true, true) => "at least: above it this caller was late itself",
            (false, _) => "more was not tried",
        };
        let limits = &self.limits;
        let mos = limits.mos.map_or(String::new(), |mos| format!(", MOS at least {mos}"));
        Page::new()
            .facts([
                ("most calls within limits", Some(self.most_calls.to_string())),
                ("which is", self.search.map(|_| most.to_owned())),
                (
                    "limits",
                    Some(format!(
                        "{} lateness {} ms, {} % lost, {} % of calls failed{mos}",
                        limits.percentile.name(),
                        limits.lateness_ms,
                        limits.loss_percent,
                        limits.failed_percent
                    )),
                ),
                (
                    "line",
                    self.impairment.filter(|bad| !bad.is_none()).map(|bad| {
                        let did = decisive(&self.steps, self.most_calls).map(|step| step.impaired);
                        page::line(&bad, &did.unwrap_or_default())
                    }),
                ),
            ])
            .table(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(limits: LoadLimits, failures: u64, lateness: &[f64], loss_percent: f64) -> Option<String> {
        let failed = (failures, (failures > 0).then_some("503 Service Unavailable"));
        let quality = Playout { expected: 1000, missing: 50, bursts: 50 }.estimate(0.0);
        broken_limit(&limits, 100, failed, &Summary::of(lateness.iter().copied()), loss_percent, quality)
    }

    #[test]
    fn each_limit_is_judged_and_the_first_that_breaks_is_named() {
        let limits = LoadLimits::default();
        let late: Vec<f64> = (0..100).map(|n| if n < 98 { 1.0 } else { 9.0 }).collect();

        assert_eq!(broken(limits, 0, &[1.0], 0.1), None);
        assert_eq!(broken(limits, 0, &[1.0], 0.2).unwrap(), "0.2 % of the packets did not come");
        assert_eq!(broken(limits, 0, &late, 0.0).unwrap(), "p99 lateness 9 ms");
        assert_eq!(broken(LoadLimits { percentile: Percentile::P95, ..limits }, 0, &late, 0.0), None);
        let refused = "2 of 100 calls failed, such as: 503 Service Unavailable";
        assert_eq!(broken(limits, 2, &late, 0.0).unwrap(), refused);
        assert_eq!(broken(LoadLimits { failed_percent: 2.0, ..limits }, 2, &[1.0], 0.0), None);
        assert_eq!(broken(limits, 0, &[], 0.0).unwrap(), "no packet came back");
        // 5 % of single losses with concealment and 80 ms of delay.
        let picky = LoadLimits { mos: Some(4.0), ..limits };
        assert!(broken(picky, 0, &[1.0], 0.0).unwrap().starts_with("MOS estimate 3.8"));
    }
}
