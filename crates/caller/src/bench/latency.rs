//! The added round trip through a bot that sends back what it hears.

use std::time::Duration;

use offhook_time::Time;
use serde::Serialize;
use serde_json::json;

use crate::CallerError;
use crate::bench::frame::{BenchReport, Figure, FloorCheck, Parameters, stated_fields};
use crate::bench::over_time::{DelayWindow, over_time};
use crate::bench::page::{Page, Table, number};
use crate::bench::plot::{self, Plot, Whose};
use crate::bench::{Verdict, floor_of, page};
use crate::call::Stop;
use crate::g711::Law;
use crate::histogram::Histogram;
use crate::impair::{Impaired, Impairment};
use crate::line::fleet::{self, Fleet, FleetResult};
use crate::line::worker::Line;
use crate::listen::{Continuity, Playout};
use crate::machine::{Machine, MachineWatch, ServerCost};
use crate::mos::MosEstimate;
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

    /// What decides the figures.
    pub fn parameters(&self) -> Parameters {
        Parameters::from([
            ("calls", json!(self.calls)),
            ("impaired_for_s", json!(self.impaired_for.map(|time| time.as_secs_f64()))),
            ("impairment", json!(self.impairment.filter(|bad| !bad.is_none()))),
            ("law", json!(format!("{:?}", self.law))),
            ("reflector", json!(self.reflector)),
        ])
    }
}

/// The line that `offhook bench latency --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyReport {
    /// `latency`.
    pub bench: &'static str,
    /// Whom we called.
    pub uri: String,
    /// What it says that it is.
    pub server_software: Option<String>,
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
    /// How often which added round trip came: upper bound in milliseconds and count.
    pub distribution: Histogram,
    /// The same of the reflector.
    pub reflector_distribution: Option<Histogram>,
    /// How the added round trip went on, all calls together.
    pub over_time: Vec<DelayWindow>,
    /// What a listener at the end of the echoed path would say, as if all of it, there and back, were one way.
    pub quality: Option<MosEstimate>,
    /// How bad the line was made.
    pub impairment: Option<Impairment>,
    /// What that did to packets, before the measurement too.
    pub impaired: Impaired,
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
    let floor = if options.reflector { Some(through_reflector(options, &target, stop)?) } else { None };
    let reflector = floor.as_deref().map(report);
    let fleet = fleet(options, target);
    let result = fleet::run(&fleet, stop)?;
    if result.lines.is_empty() || !result.failures.is_empty() {
        let causes = result.failures.join(", ");
        return Err(CallerError::CannotMeasure(format!("{}: {causes}", options.uri)));
    }
    let delays: Vec<Vec<Located>> =
        result.lines.iter().map(|line| locate_line(line, &result.signal)).collect();
    let frames: Vec<Option<FrameDelay>> = delays.iter().flatten().map(|found| found.delay).collect();
    let all = report(&frames);
    if !stop.is_raised()
        && let Some(why) = no_echo(&all, &worst_stream(&result))
    {
        return Err(CallerError::CannotMeasure(format!("{}: {why}", options.uri)));
    }
    let each_call: Vec<ProbeReport> = delays.iter().map(|call| report_of(call)).collect();
    let own = result.own_lateness_ms();
    let less = |own: f64, of: fn(&Summary) -> f64| reflector.as_ref().map(|r| rounded(own - of(&r.added_ms)));
    Ok(LatencyReport {
        bench: "latency",
        uri: options.uri.clone(),
        server_software: result.software.clone(),
        calls: result.lines.len(),
        measured_s: rounded(result.window.as_secs_f64()),
        worst_call_p99_ms: each_call.iter().map(|call| call.added_ms.p99).fold(0.0, f64::max),
        rtp: worst_stream(&result),
        less_reflector_p50_ms: less(all.added_ms.p50, |summary| summary.p50),
        less_reflector_p99_ms: less(all.added_ms.p99, |summary| summary.p99),
        distribution: distribution(&frames),
        reflector_distribution: floor.as_deref().map(distribution),
        over_time: over_time(
            delays.iter().flatten().filter_map(|found| Some((found.left, found.delay?.delay_ms))),
        ),
        quality: quality(&delays),
        impairment: options.impairment,
        impaired: result.impaired(),
        recovered_after_ms: result.clean_from.and_then(|clean_from| recovered_after(&delays, clean_from)),
        own_lateness_ms: own,
        realtime: result.realtime,
        server: result.cost,
        verdict: Verdict::of(reflector.as_ref().map(|reflector| reflector.added_ms.p99), own.p99),
        machine: watch.finish(),
        method: "each 20 ms frame of never-repeating noise is found again in the returned audio by correlation; \
                 added = when it could be played less when its packet left; an instant echo is 0; MOS is the \
                 narrowband E-model (ITU-T G.107) of the whole path there and back as if it were one way: added round \
                 trip, a packet and a listener's buffer of 60 ms as delay, damaged and later frames as loss",
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
) -> Result<Vec<Option<FrameDelay>>, CallerError> {
    let reflector = Reflector::start(target.local_ip(None)?, options.realtime)?;
    let clean = LatencyOptions { impairment: None, impaired_for: None, server_pid: None, ..options.clone() };
    let mut fleet = fleet(&clean, Target::parse(&reflector.uri())?);
    fleet.settle = Duration::from_millis(200);
    fleet.hold = options.measure.min(Duration::from_secs(3));
    let result = fleet::run(&fleet, stop)?;
    let delays = result.lines.iter().flat_map(|line| locate_line(line, &result.signal));
    Ok(delays.map(|found| found.delay).collect())
}

/// Why there is nothing to be measured where nothing of what was said came back: figures of it would look like a very
/// quick server.
fn no_echo(all: &ProbeReport, heard: &Continuity) -> Option<String> {
    match (all.frames, all.added_ms.count, heard.packets) {
        (0, _, _) => Some("too short: nothing had the time to come back".to_owned()),
        (_, 0, 0) => Some("no audio came back".to_owned()),
        (_, 0, packets) => Some(format!("it is no echo: {packets} packets came, none of them ours")),
        (_, _, _) => None,
    }
}

fn distribution(frames: &[Option<FrameDelay>]) -> Histogram {
    Histogram::of(frames.iter().flatten().map(|frame| frame.delay_ms))
}

/// Each call's frames against its own best, together; the way is as long as the best of them on average.
fn quality(calls: &[Vec<Located>]) -> Option<MosEstimate> {
    let best_of =
        |call: &[Located]| call.iter().filter_map(|found| Some(found.delay?.delay_ms)).min_by(f64::total_cmp);
    let (mut played, mut best, mut heard) = (Playout::default(), 0.0, 0.0f64);
    for call in calls {
        let earliest = best_of(call);
        best += earliest.unwrap_or(0.0);
        heard += f64::from(u8::from(earliest.is_some()));
        let late = |found: &Located| Some(found.delay?.delay_ms - earliest?);
        played = played.and(Playout::of(call.iter().map(late)));
    }
    played.estimate(best / heard.max(1.0))
}

impl BenchReport for LatencyReport {
    stated_fields!();

    fn floor(&self) -> Vec<FloorCheck> {
        let reflector = self.reflector.as_ref().map(|reflector| reflector.added_ms.p99);
        floor_of(reflector, self.own_lateness_ms.p99)
    }

    fn broken(&self) -> Option<String> {
        None
    }

    fn figures(&self) -> Vec<Figure> {
        let damaged = 100.0 * self.all.damaged as f64 / self.all.frames.max(1) as f64;
        let mut figures = vec![
            Figure::lower(
                "added_p50_ms",
                self.less_reflector_p50_ms.unwrap_or(self.all.added_ms.p50),
                "ms",
                0.5,
            ),
            Figure::lower(
                "added_p99_ms",
                self.less_reflector_p99_ms.unwrap_or(self.all.added_ms.p99),
                "ms",
                1.0,
            ),
            Figure::lower("added_p99_9_ms", self.all.added_ms.p99_9, "ms", 2.0),
            Figure::lower("worst_call_p99_ms", self.worst_call_p99_ms, "ms", 1.0),
            Figure::lower("damaged_percent", rounded(damaged), "%", 0.5),
        ];
        figures.extend(self.quality.map(|quality| Figure::higher("mos", quality.mos, "", 0.05)));
        figures
            .extend(self.recovered_after_ms.map(|ms| Figure::lower("recovered_after_ms", ms, "ms", 200.0)));
        figures.extend(
            self.server.map(|cost| Figure::lower("server_cpu_percent", cost.cpu_percent(), "%", 0.5)),
        );
        figures
    }

    fn plots(&self) -> Vec<Plot> {
        let reflector = self.reflector_distribution.as_ref();
        let line = |name: &str, whose, of: fn(&DelayWindow) -> f64| {
            plot::Line::of(name, whose, self.over_time.iter().map(|window| (window.at_s, of(window))))
        };
        vec![
            Plot::milliseconds("added round trip", &self.distribution, reflector),
            Plot::Lines {
                title: "added round trip over time",
                x: ("time", "s"),
                y: ("added round trip", "ms"),
                series: vec![
                    line("median of each moment", Whose::Server, |window| window.p50_ms),
                    line("latest of it", Whose::Other, |window| window.max_ms),
                ],
                marks: Vec::new(),
            },
        ]
    }

    fn page(&self) -> Page {
        let mut delays = Table::of_summaries("milliseconds");
        delays.summary("added round trip", &self.all.added_ms);
        if let Some(reflector) = &self.reflector {
            delays.summary("bare reflector", &reflector.added_ms);
        }
        delays.summary("own lateness", &self.own_lateness_ms);
        let ms = |figure: Option<f64>| figure.map(|ms| format!("{} ms", number(ms)));
        let less = self.less_reflector_p50_ms.zip(self.less_reflector_p99_ms);
        Page::new()
            .facts([
                ("far side", self.server_software.clone()),
                ("calls at once", Some(self.calls.to_string())),
                ("measured", Some(format!("{} s", number(self.measured_s)))),
                (
                    "less the reflector",
                    less.map(|(p50, p99)| format!("p50 {} ms, p99 {} ms", number(p50), number(p99))),
                ),
                ("worst call's p99", ms(Some(self.worst_call_p99_ms))),
                ("frames damaged", Some(format!("{} of {}", self.all.damaged, self.all.frames))),
                ("delay slipped", Some(format!("{} times", self.all.slips))),
                ("clean again after", ms(self.recovered_after_ms)),
                ("echoed path", self.quality.map(|quality| page::mos(&quality))),
                (
                    "line",
                    self.impairment.filter(|bad| !bad.is_none()).map(|bad| page::line(&bad, &self.impaired)),
                ),
                ("server", self.server.map(|cost| page::cost(&cost))),
            ])
            .table(delays)
    }
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
    fn the_quality_is_that_of_each_call_against_its_own_best() {
        let frame = |delay_ms: Option<f64>| Located {
            left: Time::ZERO,
            delay: delay_ms.map(|delay_ms| FrameDelay { delay_ms, correlation: 1.0 }),
        };
        let near: Vec<Located> = (0..50).map(|_| frame(Some(10.0))).collect();
        // As far as 30 ms is, nothing of it is late; one frame of 100 never comes.
        let far: Vec<Located> = (0..50).map(|n| frame((n != 7).then_some(30.0))).collect();

        let quality = quality(&[near, far]).unwrap();

        assert_eq!((quality.delay_ms, quality.loss_percent, quality.burst_ratio), (100.0, 1.0, 1.0));
        assert_eq!(super::quality(&[]), None);
    }

    #[test]
    fn a_far_side_that_is_silent_or_says_something_else_is_no_quick_server() {
        let heard = |packets| Continuity { packets, ..Continuity::default() };
        let found = |frames: &[Option<FrameDelay>], packets| no_echo(&report(frames), &heard(packets));
        let frame = Some(FrameDelay { delay_ms: 1.0, correlation: 1.0 });

        assert_eq!(found(&[None; 50], 0).as_deref(), Some("no audio came back"));
        assert_eq!(
            found(&[None; 50], 49).as_deref(),
            Some("it is no echo: 49 packets came, none of them ours")
        );
        assert!(found(&[], 49).is_some());
        assert_eq!(found(&[None, frame], 2), None);
    }

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
