//! Call set-ups and releases per second.

use std::collections::BTreeMap;
use std::time::Duration;

use offhook_time::Time;
use serde::Serialize;
use serde_json::json;

use crate::CallerError;
use crate::bench::Verdict;
use crate::bench::frame::{BenchReport, Figure, FloorCheck, Parameters, stated_fields};
use crate::bench::page::{self, Page, Table, number};
use crate::bench::plot::Plot;
use crate::call::Stop;
use crate::clock;
use crate::g711::Law;
use crate::histogram::Histogram;
use crate::line::light::{LightEvent, LightUac};
use crate::machine::{Machine, MachineWatch, ServerCost, Usage};
use crate::net::{self, Inbox, Readiness};
use crate::reflector::Reflector;
use crate::sdp;
use crate::statistics::{Summary, rounded};
use crate::target::Target;

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

    /// What decides the figures.
    pub fn parameters(&self) -> Parameters {
        Parameters::from([("reflector", json!(self.reflector)), ("window", json!(self.window))])
    }
}

/// The line that `offhook bench cps --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct CpsReport {
    /// `cps`.
    pub bench: &'static str,
    /// Whom we called.
    pub uri: String,
    /// What it says that it is.
    pub server_software: Option<String>,
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
    /// How often a set-up took how long: upper bound in milliseconds and count.
    pub set_up_distribution: Histogram,
    /// How long answers lay in our own socket before this caller looked at them.
    pub own_lag_ms: Summary,
    /// The server's cost while measured.
    pub cost: Option<ServerCost>,
    /// CPU-milliseconds of the server per call.
    pub cpu_ms_per_call: Option<f64>,
}

/// Before anything counts: pools fill, code gets warm.
const WARM_UP: Duration = Duration::from_secs(1);

/// Measures. A raised `stop` ends it early with what there is.
pub fn run(options: &CpsOptions, stop: &Stop) -> Result<CpsReport, CallerError> {
    let watch = MachineWatch::start();
    let target = Target::parse(&options.uri)?;
    let reflector = if options.reflector {
        let reflector = Reflector::start(target.local_ip(None)?, options.realtime)?;
        let short = CpsOptions {
            measure: options.measure.min(Duration::from_secs(3)),
            server_pid: None,
            ..options.clone()
        };
        let (figures, _, _) = in_own_thread(&short, Target::parse(&reflector.uri())?, stop)?;
        Some(figures)
    } else {
        None
    };
    let (server, software, realtime) = in_own_thread(options, target, stop)?;
    if let Some((cause, _)) = server.failures.first().filter(|_| server.completed == 0) {
        return Err(CallerError::CannotMeasure(format!("{}: {cause}", options.uri)));
    }
    let verdict = Verdict::of_floor(&floor(&server, reflector.as_ref(), options.window));
    Ok(CpsReport {
        bench: "cps",
        uri: options.uri.clone(),
        server_software: software,
        window: options.window,
        verdict,
        server,
        reflector,
        realtime,
        machine: watch.finish(),
        method: "INVITE, 200, ACK, BYE, 200 over UDP, always the same number in flight; set-up is INVITE sent to 200 \
                 received; own lag is from the kernel's stamp of an answer to our reading it; CPU is user and \
                 system time of the server's process",
    })
}

/// The caller must be able to do much more than the server: where a reflector gives no more than this many times the
/// server's rate, the figures are those of the caller.
const HEADROOM: f64 = 1.5;

/// Set-up times of a saturated reflector say nothing about the machine; its median does. The caller's own limit is the
/// rate that it reaches against the reflector.
fn floor(server: &CpsFigures, reflector: Option<&CpsFigures>, window: usize) -> Vec<FloorCheck> {
    // The answers of all calls in flight may come at once, and are read one after the other.
    let lag = FloorCheck {
        name: "own_lag_p99_ms",
        value: server.own_lag_ms.p99,
        limit: rounded(2.0f64.max(0.1 * window as f64)),
    };
    let Some(reflector) = reflector else { return vec![lag] };
    let set_up = FloorCheck {
        name: "reflector_set_up_p50_ms_per_call_in_flight",
        value: rounded(reflector.set_up_ms.p50 / window.max(1) as f64),
        limit: super::REFLECTOR_LIMIT_MS,
    };
    let share = rounded(server.per_second / reflector.per_second.max(1.0));
    [
        lag,
        set_up,
        FloorCheck { name: "rate_of_reflectors_rate", value: share, limit: rounded(1.0 / HEADROOM) },
    ]
    .into()
}

impl BenchReport for CpsReport {
    stated_fields!();

    fn floor(&self) -> Vec<FloorCheck> {
        floor(&self.server, self.reflector.as_ref(), self.window)
    }

    fn broken(&self) -> Option<String> {
        let (failed, first) = (self.server.failed, self.server.failures.first()?);
        Some(format!("{failed} calls failed, such as: {}", first.0))
    }

    fn figures(&self) -> Vec<Figure> {
        let server = &self.server;
        let mut figures = vec![
            Figure::higher("per_second", server.per_second, "/s", 0.0),
            Figure::lower("set_up_p50_ms", server.set_up_ms.p50, "ms", 0.5),
            Figure::lower("set_up_p99_ms", server.set_up_ms.p99, "ms", 2.0),
            Figure::lower("release_p99_ms", server.release_ms.p99, "ms", 2.0),
            Figure::lower("failed", server.failed as f64, "calls", 0.0),
        ];
        let cost = server.cpu_ms_per_call;
        figures.extend(cost.map(|cost| Figure::lower("cpu_ms_per_call", cost, "ms", 0.02)));
        figures
    }

    fn plots(&self) -> Vec<Plot> {
        let reflector = self.reflector.as_ref().map(|figures| &figures.set_up_distribution);
        vec![Plot::milliseconds("set-up", &self.server.set_up_distribution, reflector)]
    }

    fn page(&self) -> Page {
        let server = &self.server;
        let mut times = Table::of_summaries("milliseconds");
        times.summary("set-up", &server.set_up_ms);
        times.summary("release", &server.release_ms);
        times.summary("own lag", &server.own_lag_ms);
        if let Some(reflector) = &self.reflector {
            times.summary("bare reflector, set-up", &reflector.set_up_ms);
        }
        let mut failures = Table::new("failed", &["cause", "calls"]);
        for (cause, count) in &server.failures {
            failures.row([cause.clone(), count.to_string()]);
        }
        let per_call = server.cpu_ms_per_call.map(|ms| format!("{} CPU-ms per call", number(ms)));
        Page::new()
            .facts([
                ("far side", self.server_software.clone()),
                ("in flight", Some(self.window.to_string())),
                ("measured", Some(format!("{} s", number(server.measured_s)))),
                ("set-ups and releases", Some(format!("{} per second", number(server.per_second)))),
                (
                    "bare reflector",
                    self.reflector
                        .as_ref()
                        .map(|figures| format!("{} per second", number(figures.per_second))),
                ),
                ("completed", Some(format!("{}, {} failed", server.completed, server.failed))),
                ("sent again", Some(server.retransmissions.to_string())),
                ("server", server.cost.map(|cost| page::cost(&cost))),
                ("each", per_call),
            ])
            .table(times)
            .table(failures)
    }
}

/// Real-time priority is for a thread that ends, not for whoever called us. Answers whether it was allowed.
fn in_own_thread(
    options: &CpsOptions,
    target: Target,
    stop: &Stop,
) -> Result<(CpsFigures, Option<String>, bool), CallerError> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let realtime = options.realtime && net::become_realtime();
            let (figures, software) = measure(options, target, stop)?;
            Ok((figures, software, realtime))
        });
        thread
            .join()
            .unwrap_or_else(|_| Err(CallerError::CannotMeasure("the caller's thread panicked".to_owned())))
    })
}

fn measure(
    options: &CpsOptions,
    target: Target,
    stop: &Stop,
) -> Result<(CpsFigures, Option<String>), CallerError> {
    let window = options.window.max(1);
    // One socket takes the audio of all calls and drops it.
    let sink = net::udp(target.local_ip(None)?, 1 << 20)?;
    let local = sink.local_addr().map_err(CallerError::io("opening an RTP socket"))?;
    let offer = sdp::describe(local, &[Law::Mu], 1, "sendrecv");
    let mut uac = LightUac::new(target, window, options.seed)?;
    let readiness = Readiness::new()?;
    readiness.add(uac.socket(), 0)?;
    let mut tally = Tally::default();
    let mut events = Vec::new();
    let mut sink_inbox = Inbox::new(64, 2048);

    let mut usage = None;
    let mut retransmitted_before = 0;
    let begin = clock::now();
    let measure_from = begin + WARM_UP;
    let until = measure_from + options.measure;
    let mut in_flight = window;
    for slot in 0..window {
        uac.invite(slot, &offer, clock::now());
    }
    while in_flight > 0 {
        let now = clock::now();
        let ending = now >= until || stop.is_raised();
        if !tally.measuring && now >= measure_from {
            tally = Tally { measuring: true, began: now, ..Tally::default() };
            retransmitted_before = uac.retransmissions();
            uac.take_own_lag();
            usage = options.server_pid.and_then(Usage::of);
        }
        if ending && tally.ended.is_none() {
            tally.ended = Some(now);
            tally.cost = usage.and_then(|usage| usage.until_now());
            tally.retransmissions = uac.retransmissions() - retransmitted_before;
            tally.own_lag = uac.take_own_lag();
        }
        let longest = Duration::from_millis(20);
        let wait = uac.poll_timeout().map_or(longest, |at| at.since(now).min(longest));
        readiness.wait(wait, &mut Vec::new());
        uac.handle_arrivals(&mut events);
        uac.handle_timeout(clock::now(), &mut events);
        for event in events.drain(..) {
            tally.count(&event);
            match event {
                LightEvent::Answered { slot, .. } => uac.bye(slot, clock::now()),
                LightEvent::Released { slot, .. }
                | LightEvent::Failed { slot, .. }
                | LightEvent::HungUp { slot }
                    if !ending =>
                {
                    uac.invite(slot, &offer, clock::now())
                }
                LightEvent::Released { .. } | LightEvent::Failed { .. } | LightEvent::HungUp { .. } => {
                    in_flight -= 1
                }
            }
        }
        while sink_inbox.receive(&sink, |_, _, _| ()) {}
        if ending && now.since(until) > DRAIN {
            break;
        }
    }
    Ok((tally.figures(), uac.software().map(str::to_owned)))
}

/// How long calls that are still under way at the end may take.
const DRAIN: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
struct Tally {
    measuring: bool,
    began: Time,
    ended: Option<Time>,
    set_up_ms: Vec<f64>,
    release_ms: Vec<f64>,
    failures: BTreeMap<String, u64>,
    retransmissions: u64,
    own_lag: Histogram,
    cost: Option<ServerCost>,
}

impl Tally {
    fn count(&mut self, event: &LightEvent) {
        if self.ended.is_some() {
            return;
        }
        let ms = |took: &Duration| took.as_secs_f64() * 1000.0;
        match event {
            LightEvent::Answered { took, .. } => self.set_up_ms.push(ms(took)),
            LightEvent::Released { took, .. } => self.release_ms.push(ms(took)),
            LightEvent::Failed { cause, .. } => *self.failures.entry(cause.clone()).or_default() += 1,
            LightEvent::HungUp { .. } => {
                *self.failures.entry("the far side hung up".to_owned()).or_default() += 1
            }
        }
    }

    fn figures(self) -> CpsFigures {
        let seconds = self.ended.map_or(0.0, |ended| ended.since(self.began).as_secs_f64());
        let completed = self.release_ms.len() as u64;
        CpsFigures {
            measured_s: rounded(seconds),
            completed,
            failed: self.failures.values().sum(),
            failures: self.failures.into_iter().collect(),
            retransmissions: self.retransmissions,
            per_second: if seconds > 0.0 { rounded(completed as f64 / seconds) } else { 0.0 },
            set_up_distribution: Histogram::of(self.set_up_ms.iter().copied()),
            own_lag_ms: self.own_lag.summary(),
            set_up_ms: Summary::of(self.set_up_ms),
            release_ms: Summary::of(self.release_ms),
            cpu_ms_per_call: self
                .cost
                .filter(|_| completed > 0)
                .map(|cost| rounded(cost.cpu_ms / completed as f64)),
            cost: self.cost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_that_could_not_do_much_more_than_the_server_spoils_the_run() {
        let figures = |per_second| CpsFigures { per_second, ..CpsFigures::default() };
        let verdict =
            |server, reflector| Verdict::of_floor(&floor(&figures(server), Some(&figures(reflector)), 16));

        assert_eq!(verdict(3_000.0, 30_000.0), Verdict::Measured);
        assert_eq!(verdict(21_000.0, 30_000.0), Verdict::MachineTooNoisy);
        let mut slow = figures(3_000.0);
        slow.own_lag_ms.p99 = 2.5;
        assert_eq!(Verdict::of_floor(&floor(&slow, None, 16)), Verdict::MachineTooNoisy);
        // Fifty in flight may be answered at once: the last of them lies a little longer.
        assert_eq!(Verdict::of_floor(&floor(&slow, None, 50)), Verdict::Measured);
    }
}
