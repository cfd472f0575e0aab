//! A steady load for hours, with set-ups and hang-ups all the time: does anything grow?
//!
//! Measured in windows of a minute. Memory, late packets, lateness, set-up time and CPU of the windows are looked at for a
//! [trend](Trend); a raised `stop` ends it at any time with the verdict that there is.

mod drift;
mod report;
mod window;

pub use drift::{DriftLimit, FEWEST, Trend};
pub use window::{LATE_MS, SoakWindow};

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::CallerError;
use crate::bench::Verdict;
use crate::bench::frame::{FloorCheck, Parameters};
use crate::bench::load::{self, LoadLimits, LoadOptions, LoadSize, LoadStep};
use crate::call::Stop;
use crate::g711::Law;
use crate::histogram::Histogram;
use crate::impair::Impairment;
use crate::line::churn::{self, Churn};
use crate::machine::{Machine, MachineWatch};
use crate::mos::MosEstimate;
use crate::statistics::{Summary, rounded};
use crate::target::Target;

/// What `offhook bench soak` shall do.
#[derive(Clone, Debug)]
pub struct SoakOptions {
    /// A bot that sends audio all the time, such as `sip:echo@127.0.0.1:5060`.
    pub uri: String,
    /// Calls at once.
    pub calls: usize,
    /// How long a call lasts on average.
    pub mean_call: Duration,
    /// How long a window is.
    pub window: Duration,
    /// How long is measured.
    pub measure: Duration,
    /// What all windows together must reach.
    pub limits: LoadLimits,
    /// What happens to packets on their way.
    pub impairment: Option<Impairment>,
    /// Which G.711.
    pub law: Law,
    /// The server's process, for its CPU and memory: without it nobody looks for a leak.
    pub server_pid: Option<u32>,
    /// Has as many calls through a bare reflector first.
    pub reflector: bool,
    /// Threads that send and receive.
    pub threads: usize,
    /// Real-time priority for them, where the system allows it.
    pub realtime: bool,
    /// Decides signals, accidents, and how long each call lasts.
    pub seed: u64,
}

impl SoakOptions {
    /// A hundred calls of a minute each, for an hour.
    pub fn to(uri: impl Into<String>) -> Self {
        SoakOptions {
            uri: uri.into(),
            calls: 100,
            mean_call: Duration::from_secs(60),
            window: Duration::from_secs(60),
            measure: Duration::from_secs(3600),
            limits: LoadLimits::default(),
            impairment: None,
            law: Law::Mu,
            server_pid: None,
            reflector: true,
            threads: 1,
            realtime: true,
            seed: 1,
        }
    }

    /// What decides the figures.
    pub fn parameters(&self) -> Parameters {
        Parameters::from([
            ("call_s", json!(self.mean_call.as_secs_f64())),
            ("calls", json!(self.calls)),
            ("impairment", json!(self.impairment.filter(|bad| !bad.is_none()))),
            ("law", json!(format!("{:?}", self.law))),
            ("reflector", json!(self.reflector)),
            ("window_s", json!(self.window.as_secs_f64())),
        ])
    }
}

/// The line that `offhook bench soak --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct SoakReport {
    /// `soak`.
    pub bench: &'static str,
    /// Whom we called.
    pub uri: String,
    /// What it says that it is.
    pub server_software: Option<String>,
    /// Calls at once, as asked for.
    pub calls: usize,
    /// How long a call lasted on average, in seconds, as asked for.
    pub mean_call_s: f64,
    /// Seconds measured.
    pub measured_s: f64,
    /// Calls that were answered.
    pub set_ups: u64,
    /// Calls that were refused, lost, or hung up by the far side.
    pub failed: u64,
    /// Why, with counts.
    pub failures: Vec<(String, u64)>,
    /// INVITE to 200.
    pub set_up_ms: Summary,
    /// BYE to 200.
    pub release_ms: Summary,
    /// Packets received.
    pub packets: u64,
    /// Packets that did not come.
    pub loss_percent: f64,
    /// Lateness of all packets, each call against its own best in each window.
    pub lateness_ms: Summary,
    /// How often which lateness came: upper bound in milliseconds and count.
    pub distribution: Histogram,
    /// What listeners at our end would say.
    pub quality: Option<MosEstimate>,
    /// How late our own packets left.
    pub own_lateness_ms: Summary,
    /// The limits.
    pub limits: LoadLimits,
    /// Which of them does not hold.
    pub failure: Option<String>,
    /// Whether anything grows.
    pub drift: DriftVerdict,
    /// How each figure went.
    pub trends: Vec<Trend>,
    /// How much memory grew for each thousand calls, in KiB, by its trend; absent where that may be luck.
    pub kib_per_thousand_calls: Option<f64>,
    /// How bad the line was made.
    pub impairment: Option<Impairment>,
    /// The windows.
    pub windows: Vec<SoakWindow>,
    /// As many calls through a bare reflector.
    pub reflector: Option<LoadStep>,
    /// Whether our threads ran at real-time priority.
    pub realtime: bool,
    /// Whether to believe it.
    pub verdict: Verdict,
    /// Where it ran.
    pub machine: Machine,
    /// How it was measured, in one sentence.
    pub method: &'static str,
}

/// Whether anything grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftVerdict {
    /// Nothing does.
    Steady,
    /// Something does: see the trends.
    Drifts,
    /// Too few windows to say.
    TooShort,
}

/// Measures; `watch` sees each window as it ends. A raised `stop` ends it early with what there is.
pub fn run(
    options: &SoakOptions,
    stop: &Stop,
    watch: &mut dyn FnMut(&SoakWindow),
) -> Result<SoakReport, CallerError> {
    let machine = MachineWatch::start();
    let target = Target::parse(&options.uri)?;
    let reflector = if options.reflector { Some(floor(options, &target, stop)?) } else { None };
    let churn = Churn {
        target,
        calls: options.calls.max(1),
        law: options.law,
        mean_call: options.mean_call,
        window: options.window,
        measure: options.measure,
        in_flight: 16,
        threads: options.threads,
        realtime: options.realtime,
        seed: options.seed,
        impairment: options.impairment.filter(|impairment| !impairment.is_none()),
        server_pid: options.server_pid,
    };
    let mut totals = window::Totals::default();
    let mut windows: Vec<SoakWindow> = Vec::new();
    let mut failures: BTreeMap<String, u64> = BTreeMap::new();
    let result = churn::run(&churn, stop, &mut |window| {
        let figures = totals.take(&window);
        for (cause, count) in window.failures {
            *failures.entry(cause).or_default() += count;
        }
        watch(&figures);
        windows.push(figures);
    })?;
    let trends = trends(&windows, options.window);
    let set_ups = totals.set_up.count();
    let failed: u64 = failures.values().sum();
    let cause = failures.iter().max_by_key(|(_, count)| **count).map(|(cause, _)| cause.as_str());
    let (lateness_ms, loss_percent, quality) =
        (totals.lateness.summary(), totals.loss_percent(), totals.quality());
    let failure = load::broken_limit(
        &options.limits,
        set_ups + failed,
        (failed, cause),
        &lateness_ms,
        loss_percent,
        quality,
    );
    let memory = trends.iter().find(|trend| trend.name == MEMORY);
    let reflector_p99 = reflector.as_ref().map(|step| step.lateness_ms.p99);
    Ok(SoakReport {
        bench: "soak",
        uri: options.uri.clone(),
        server_software: result.software,
        calls: options.calls,
        mean_call_s: rounded(options.mean_call.as_secs_f64()),
        measured_s: rounded(windows.iter().map(|window| window.seconds).sum()),
        set_ups,
        failed,
        failures: failures.into_iter().collect(),
        set_up_ms: totals.set_up.summary(),
        release_ms: totals.release.summary(),
        packets: totals.packets,
        loss_percent,
        lateness_ms,
        distribution: totals.lateness,
        quality,
        own_lateness_ms: totals.own.summary(),
        limits: options.limits,
        failure,
        drift: verdict_of(&trends),
        kib_per_thousand_calls: memory
            .filter(|memory| memory.is_regular() && set_ups > 0)
            .map(|memory| rounded(memory.growth / set_ups as f64 * 1000.0)),
        trends,
        impairment: options.impairment,
        verdict: Verdict::of_floor(&checks(reflector_p99, &windows)),
        windows,
        reflector,
        realtime: result.realtime,
        machine: machine.finish(),
        method: "the same number of calls all the time, each hung up after half to one and a half times the mean and \
                 followed by another; lateness is arrival less RTP time against the call's own best of the window; a \
                 figure drifts where the median slope over the windows (Theil-Sen), the first quarter left out, grows \
                 beyond its limit and is no luck (Mann-Kendall, 1 %); latencies of windows in which the caller itself was \
                 late are left out",
    })
}

/// As many calls against a bare reflector, for a few seconds.
fn floor(options: &SoakOptions, target: &Target, stop: &Stop) -> Result<LoadStep, CallerError> {
    let load = LoadOptions {
        size: LoadSize::Calls(options.calls),
        hold: options.window.min(Duration::from_secs(5)),
        law: options.law,
        threads: options.threads,
        realtime: options.realtime,
        seed: options.seed,
        ..LoadOptions::to(options.uri.clone())
    };
    load::through_reflector(&load, target, options.calls, stop)
}

/// What spoils a soak: the reflector at its beginning, or a caller that was late in more than half of its windows.
fn checks(reflector_p99_ms: Option<f64>, windows: &[SoakWindow]) -> Vec<FloorCheck> {
    let spoiled = windows.iter().filter(|window| window.spoiled).count() as f64;
    let share = rounded(spoiled / windows.len().max(1) as f64);
    let windows = FloorCheck { name: "spoiled_windows", value: share, limit: 0.5 };
    reflector_p99_ms.map(FloorCheck::reflector).into_iter().chain([windows]).collect()
}

const MEMORY: &str = "memory_kib";

/// How each figure went, the warm-up left out: the first quarter of the windows, ten at most, in which pools fill.
fn trends(windows: &[SoakWindow], length: Duration) -> Vec<Trend> {
    // The window in which it was stopped counts where it is at least half as long as the others.
    let full = |window: &&SoakWindow| window.seconds >= length.as_secs_f64() / 2.0;
    let counted: Vec<&SoakWindow> = windows.iter().filter(full).collect();
    let counted = &counted[(counted.len() / 4).min(10)..];
    type Of = fn(&SoakWindow) -> Option<f64>;
    let on_time = |window: &SoakWindow| !window.spoiled;
    let figures: [(&'static str, Of, bool, DriftLimit); 5] = [
        (MEMORY, |w| Some(w.server?.rss_kib as f64), false, DriftLimit { percent: 5.0, least: 1024.0 }),
        ("lateness_p99_ms", |w| Some(w.lateness_ms.p99), true, DriftLimit { percent: 20.0, least: 0.5 }),
        ("late_percent", |w| Some(w.late_percent), true, DriftLimit { percent: 20.0, least: 0.1 }),
        (
            "set_up_p50_ms",
            |w| (w.set_ups > 0).then_some(w.set_up_ms.p50),
            true,
            DriftLimit { percent: 20.0, least: 0.5 },
        ),
        (
            "cpu_ms_per_call_second",
            |w| w.cpu_ms_per_call_second,
            false,
            DriftLimit { percent: 20.0, least: 0.1 },
        ),
    ];
    let trend = |(name, of, needs_quiet, limit): (&'static str, Of, bool, DriftLimit)| {
        let counted = counted.iter().filter(|window| !needs_quiet || on_time(window));
        let points: Vec<(f64, f64)> =
            counted.filter_map(|window| Some((window.from_s / 3600.0, of(window)?))).collect();
        Trend::of(name, &points, limit)
    };
    figures.into_iter().filter_map(trend).collect()
}

fn verdict_of(trends: &[Trend]) -> DriftVerdict {
    if trends.iter().any(|trend| trend.drifts) {
        DriftVerdict::Drifts
    } else if trends.is_empty() {
        DriftVerdict::TooShort
    } else {
        DriftVerdict::Steady
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::ServerCost;

    fn window(minute: u64, rss_kib: u64, p99: f64) -> SoakWindow {
        SoakWindow {
            from_s: 60.0 * minute as f64,
            seconds: 60.0,
            set_ups: 10,
            lateness_ms: Summary { p99, ..Summary::default() },
            server: Some(ServerCost { rss_kib, ..ServerCost::default() }),
            ..SoakWindow::default()
        }
    }

    fn drifting(windows: &[SoakWindow]) -> (DriftVerdict, Vec<&'static str>) {
        let trends = trends(windows, Duration::from_secs(60));
        let verdict = verdict_of(&trends);
        (verdict, trends.iter().filter(|trend| trend.drifts).map(|trend| trend.name).collect())
    }

    #[test]
    fn a_server_that_leaks_drifts_and_one_that_only_warms_up_does_not() {
        let leaks: Vec<_> = (0..20).map(|n| window(n, 60_000 + 400 * n, 1.0)).collect();
        let warms_up: Vec<_> = (0..20).map(|n| window(n, 60_000 + 4000 * n.min(5), 1.0)).collect();

        assert_eq!(drifting(&leaks), (DriftVerdict::Drifts, vec!["memory_kib"]));
        assert_eq!(drifting(&warms_up), (DriftVerdict::Steady, vec![]));
    }

    #[test]
    fn latency_that_grows_only_where_the_caller_was_late_is_not_the_servers() {
        let grows = |n: u64| window(n, 60_000, 1.0 + 0.2 * n as f64);
        let mine: Vec<_> = (0..24).map(grows).collect();
        let spoiled: Vec<_> = (0..24)
            .map(|n| SoakWindow {
                spoiled: n % 2 == 1,
                ..if n % 2 == 1 { grows(n) } else { window(n, 60_000, 1.0) }
            })
            .collect();

        assert_eq!(drifting(&mine), (DriftVerdict::Drifts, vec!["lateness_p99_ms"]));
        assert_eq!(drifting(&spoiled).0, DriftVerdict::Steady);
        assert_eq!(Verdict::of_floor(&checks(None, &spoiled)), Verdict::Measured);
        let mut more = spoiled;
        more.iter_mut().take(2).for_each(|window| window.spoiled = true);
        assert_eq!(Verdict::of_floor(&checks(None, &more)), Verdict::MachineTooNoisy);
    }

    #[test]
    fn a_soak_that_is_stopped_early_says_that_it_was_too_short() {
        let windows: Vec<_> = (0..7).map(|n| window(n, 60_000 + 5000 * n, 1.0)).collect();

        // Seven less the first quarter are six: enough; six less it are five.
        assert_eq!(drifting(&windows).0, DriftVerdict::Drifts);
        assert_eq!(drifting(&windows[..6]).0, DriftVerdict::TooShort);
        // A window that was cut short is no window.
        let mut cut = windows;
        cut[6].seconds = 12.0;
        assert_eq!(drifting(&cut).0, DriftVerdict::TooShort);
    }
}
