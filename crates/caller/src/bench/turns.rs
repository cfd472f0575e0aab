//! How long callers wait for an answer: speech with known text, measured from the audio alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::CallerError;
use crate::bench::frame::{BenchReport, Figure, FloorCheck, Parameters, stated_fields};
use crate::bench::page::{Page, Table, number};
use crate::bench::plot::Plot;
use crate::bench::{Verdict, floor_of};
use crate::call::Stop;
use crate::call::director::Patience;
use crate::g711::Law;
use crate::histogram::Histogram;
use crate::impair::Impairment;
use crate::line::fleet::{self, Fleet};
use crate::listen::{self, Turn};
use crate::machine::{Machine, MachineWatch, ServerCost};
use crate::reflector::Reflector;
use crate::script::Speech;
use crate::statistics::{Summary, rounded};
use crate::talk::Utterance;
use crate::talk::plan::Plan;
use crate::talk::run::{self, Talks, TalksResult};
use crate::talk::talker::Talked;
use crate::target::Target;

/// What `offhook bench turns` shall do.
#[derive(Clone, Debug)]
pub struct TurnsOptions {
    /// A bot that answers what is said.
    pub uri: String,
    /// What callers say: call n takes list n, from the first again after the last.
    pub speech: Vec<Vec<Utterance>>,
    /// Utterances of a call, from the first again after the last; all of its list, once, where nothing is said.
    pub turns: Option<usize>,
    /// Calls in all.
    pub calls: usize,
    /// Calls at once.
    pub at_once: usize,
    /// Within this time an answer is expected; an utterance's own time wins.
    pub answer_within: Option<Duration>,
    /// How long they must be quiet before the caller takes its turn.
    pub quiet_after: Duration,
    /// How long a greeting is waited for.
    pub greeting_patience: Duration,
    /// How long an answer is waited for.
    pub answer_patience: Duration,
    /// When a call is ended whatever it does.
    pub longest: Duration,
    /// What happens to our packets on their way.
    pub impairment: Option<Impairment>,
    /// Which G.711.
    pub law: Law,
    /// Threads of the caller.
    pub threads: usize,
    /// The server's process, for its CPU and memory.
    pub server_pid: Option<u32>,
    /// Has as many calls through a bare reflector too, before the server's turn.
    pub reflector: bool,
    /// Real-time priority for our threads, where the system allows it.
    pub realtime: bool,
    /// Decides Call-IDs and the accidents of the line.
    pub seed: u64,
}

impl TurnsOptions {
    /// One call to `uri` that says all of `speech`.
    pub fn to(uri: impl Into<String>, speech: Vec<Utterance>) -> Self {
        TurnsOptions {
            uri: uri.into(),
            speech: vec![speech],
            turns: None,
            calls: 1,
            at_once: 1,
            answer_within: None,
            quiet_after: Duration::from_millis(900),
            greeting_patience: Duration::from_secs(3),
            answer_patience: Duration::from_secs(12),
            longest: Duration::from_secs(300),
            impairment: None,
            law: Law::Mu,
            threads: 1,
            server_pid: None,
            reflector: true,
            realtime: true,
            seed: 1,
        }
    }

    /// What decides the figures.
    pub fn parameters(&self) -> Parameters {
        let texts = |list: &Vec<Utterance>| list.iter().map(|said| said.text.clone()).collect::<Vec<_>>();
        Parameters::from([
            ("answer_patience_s", json!(self.answer_patience.as_secs_f64())),
            ("at_once", json!(self.at_once)),
            ("calls", json!(self.calls)),
            ("impairment", json!(self.impairment.filter(|bad| !bad.is_none()))),
            ("law", json!(format!("{:?}", self.law))),
            ("quiet_after_ms", json!(self.quiet_after.as_secs_f64() * 1000.0)),
            ("reflector", json!(self.reflector)),
            ("speech", json!(self.speech.iter().map(texts).collect::<Vec<_>>())),
            ("turns", json!(self.turns)),
        ])
    }
}

/// What `offhook bench turns --json` says.
#[derive(Clone, Debug, Serialize)]
pub struct TurnsReport {
    /// `turns`.
    pub bench: &'static str,
    /// Whom we called.
    pub uri: String,
    /// Calls in all.
    pub calls: usize,
    /// Calls at once.
    pub at_once: usize,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that they ended.
    pub hung_up: u64,
    /// Why calls failed, with counts.
    pub failures: BTreeMap<String, u64>,
    /// Utterances that were said.
    pub turns: u64,
    /// The silence between the caller's last packet of speech and the bot's first audible one.
    pub answer_ms: Summary,
    /// How often which of these silences came: upper bound in milliseconds and count.
    pub distribution: Histogram,
    /// Utterances that got no answer.
    pub unanswered: u64,
    /// Utterances into which they talked: no silence to be measured.
    pub cut_in: u64,
    /// Utterances that began while they talked (they paused for longer than we wait): nothing to be measured either.
    pub overlapped: u64,
    /// Utterances that were never said, since they had hung up, or the call had reached its limit.
    pub unsaid: u64,
    /// Each utterance for itself.
    pub each_utterance: Vec<UtteranceFigures>,
    /// The slowest answers, slowest first.
    pub slowest: Vec<SlowTurn>,
    /// What became of the answer times that were expected; absent where none were.
    pub expected: Option<Expected>,
    /// From the answer of the call to their first words.
    pub greeting_ms: Summary,
    /// INVITE sent to 200 received.
    pub set_up_ms: Summary,
    /// Packets of theirs that never came.
    pub lost_packets: u64,
    /// How late the packets of a bare reflector came, with as many calls at once.
    pub reflector_ms: Option<Summary>,
    /// How late our own packets left.
    pub own_lateness_ms: Summary,
    /// Whether our threads ran at real-time priority.
    pub realtime: bool,
    /// What happened to our packets.
    pub impairment: Option<Impairment>,
    /// The server's cost from the first INVITE to the last BYE.
    pub server: Option<ServerCost>,
    /// Whether to believe it.
    pub verdict: Verdict,
    /// Where it ran.
    pub machine: Machine,
    /// How it was measured, in one sentence.
    pub method: &'static str,
}

/// One utterance over all calls that said it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UtteranceFigures {
    /// What is said.
    pub text: String,
    /// Which list of speech it is of, from 0.
    pub list: usize,
    /// How often it was said.
    pub said: u64,
    /// The silences after it.
    pub answer_ms: Summary,
    /// How often it got no answer.
    pub unanswered: u64,
    /// Within this time an answer was expected.
    pub answer_within_ms: Option<f64>,
    /// Answers that came later than that.
    pub late: u64,
}

/// A turn worth a look.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlowTurn {
    /// Which call, from 0.
    pub call: usize,
    /// What was said.
    pub text: String,
    /// When its last packet of speech left, from the answer of the call on.
    pub said_at_ms: f64,
    /// The silence after it.
    pub answer_ms: f64,
}

/// Answer times against what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// Utterances with an expected time.
    pub turns: u64,
    /// Answers that came later.
    pub late: u64,
    /// Answers that never came.
    pub unanswered: u64,
}

/// How many slow turns are named.
const SLOWEST: usize = 5;

/// Measures. A raised `stop` ends it early with what there is.
pub fn run(options: &TurnsOptions, stop: &Stop) -> Result<TurnsReport, CallerError> {
    if options.speech.is_empty() || options.speech.iter().any(Vec::is_empty) {
        return Err(CallerError::CannotMeasure("there is nothing to say".to_owned()));
    }
    let watch = MachineWatch::start();
    let target = Target::parse(&options.uri)?;
    let talks = Talks {
        target,
        calls: options.calls,
        at_once: options.at_once,
        law: options.law,
        longest: options.longest,
        threads: options.threads,
        realtime: options.realtime,
        seed: options.seed,
        impairment: options.impairment,
        server_pid: options.server_pid,
    };
    let reflector = if options.reflector { Some(through_reflector(&talks, stop)?) } else { None };
    let speech: Vec<Vec<Speech>> = options.speech.iter().map(|list| numbered(list)).collect();
    let patience = Patience {
        quiet_after: options.quiet_after,
        greeting: options.greeting_patience,
        answer: options.answer_patience,
        linger: Duration::ZERO,
    };
    let mut plan = |call: usize| {
        let list = &speech[call % speech.len()];
        Plan::turns(list.iter().cycle().take(options.turns.unwrap_or(list.len())).cloned(), patience)
    };
    let result = run::run(&talks, &mut plan, stop)?;
    nobody_answered(&options.uri, &result)?;
    let tally = Tally::of(options, &result);
    let own = result.own_lateness_ms;
    Ok(TurnsReport {
        bench: "turns",
        uri: options.uri.clone(),
        calls: options.calls,
        at_once: options.at_once.min(options.calls),
        answered: result.talked.len() as u64,
        hung_up: result.hung_up,
        turns: tally.each.iter().map(|utterance| utterance.said).sum(),
        answer_ms: Summary::of(tally.answers.iter().map(|turn| turn.answer_ms)),
        distribution: Histogram::of(tally.answers.iter().map(|turn| turn.answer_ms)),
        unanswered: tally.each.iter().map(|utterance| utterance.unanswered).sum(),
        cut_in: tally.cut_in,
        overlapped: tally.overlapped,
        unsaid: tally.unsaid,
        expected: tally.expected(),
        each_utterance: tally.each,
        slowest: slowest(tally.answers),
        greeting_ms: Summary::of(tally.greetings),
        set_up_ms: result.set_up_ms,
        lost_packets: result.talked.iter().map(|(_, talked)| talked.meter.finish().lost).sum(),
        verdict: Verdict::of(reflector.map(|floor| floor.p99), own.p99),
        reflector_ms: reflector,
        own_lateness_ms: own,
        realtime: result.realtime,
        impairment: options.impairment,
        server: result.cost,
        failures: result.failures,
        machine: watch.finish(),
        method: "each caller says known speech, waits for the answer and for its end, and goes on; an answer time is \
                 the silence between the caller's last packet of speech and the far side's first audible one, found by \
                 level alone, by the kernel's stamps",
    })
}

/// The texts are told apart by their numbers: two utterances may have the same.
fn numbered(list: &[Utterance]) -> Vec<Speech> {
    let speech = |(number, utterance): (usize, &Utterance)| Speech {
        name: number.to_string(),
        samples: Arc::from(utterance.samples.as_slice()),
    };
    list.iter().enumerate().map(speech).collect()
}

/// As many calls as at once through a bare reflector, for two seconds: how late what it returns is.
pub(super) fn through_reflector(talks: &Talks, stop: &Stop) -> Result<Summary, CallerError> {
    let reflector = Reflector::start(talks.target.local_ip(None)?, talks.realtime)?;
    let fleet = Fleet {
        target: Target::parse(&reflector.uri())?,
        calls: talks.at_once.clamp(1, talks.calls.max(1)),
        law: talks.law,
        settle: Duration::from_millis(200),
        hold: Duration::from_secs(2),
        in_flight: 16,
        threads: talks.threads,
        realtime: talks.realtime,
        seed: talks.seed,
        keep: false,
        impairment: None,
        impaired_for: None,
        server_pid: None,
        application_pid: None,
    };
    let result = fleet::run(&fleet, stop)?;
    Ok(Summary::of(result.lines.iter().flat_map(|line| line.meter.lateness()).map(f64::from)))
}

/// Where no call was answered there is nothing to report.
pub(super) fn nobody_answered(uri: &str, result: &TalksResult) -> Result<(), CallerError> {
    if !result.talked.is_empty() {
        return Ok(());
    }
    Err(CallerError::CannotMeasure(format!("{uri}: {}", told(&result.failures))))
}

/// Causes and how often, for people.
pub(super) fn told(failures: &BTreeMap<String, u64>) -> String {
    let all: Vec<String> = failures.iter().map(|(cause, count)| format!("{count} × {cause}")).collect();
    if all.is_empty() { "no call was answered".to_owned() } else { all.join(", ") }
}

#[derive(Debug, Default)]
struct Tally {
    each: Vec<UtteranceFigures>,
    answers: Vec<SlowTurn>,
    greetings: Vec<f64>,
    cut_in: u64,
    overlapped: u64,
    unsaid: u64,
}

impl Tally {
    fn of(options: &TurnsOptions, result: &TalksResult) -> Tally {
        let mut tally = Tally::default();
        let mut waited: Vec<Vec<f64>> = Vec::new();
        // Where the utterances of each list begin in `each`.
        let mut first_of = Vec::new();
        for (list, utterances) in options.speech.iter().enumerate() {
            first_of.push(tally.each.len());
            tally.each.extend(utterances.iter().map(|utterance| {
                UtteranceFigures {
                    text: utterance.text.clone(),
                    list,
                    said: 0,
                    answer_ms: Summary::default(),
                    unanswered: 0,
                    answer_within_ms: utterance
                        .answer_within
                        .or(options.answer_within)
                        .map(|within| within.as_secs_f64() * 1000.0),
                    late: 0,
                }
            }));
        }
        waited.resize_with(tally.each.len(), Vec::new);
        for (call, talked) in &result.talked {
            let list = call % options.speech.len();
            tally.count_call(*call, first_of[list], talked, &mut waited);
            let planned = options.turns.unwrap_or(options.speech[list].len());
            tally.unsaid += planned.saturating_sub(talked.spoken.len()) as u64;
        }
        for (utterance, waited) in tally.each.iter_mut().zip(waited) {
            utterance.answer_ms = Summary::of(waited);
        }
        tally
    }

    fn count_call(&mut self, call: usize, first: usize, talked: &Talked, waited: &mut [Vec<f64>]) {
        let ledger = listen::ledger(&talked.spoken, &talked.heard, talked.answered);
        self.greetings.extend(ledger.greeting_ms);
        for turn in &ledger.turns {
            // What was cut short by the end of the call was said by nobody.
            let Some(at) = turn.said.parse::<usize>().ok().map(|number| first + number) else {
                self.unsaid += 1;
                continue;
            };
            let Some(utterance) = self.each.get_mut(at) else { continue };
            utterance.said += 1;
            match judged(turn) {
                Judged::Overlapped => self.overlapped += 1,
                Judged::CutIn => self.cut_in += 1,
                Judged::Unanswered => utterance.unanswered += 1,
                Judged::Answered(answer_ms) => {
                    utterance.late +=
                        u64::from(utterance.answer_within_ms.is_some_and(|most| answer_ms > most));
                    waited[at].push(answer_ms);
                    let text = utterance.text.clone();
                    self.answers.push(SlowTurn { call, text, said_at_ms: turn.caller_end_ms, answer_ms });
                }
            }
        }
    }

    fn expected(&self) -> Option<Expected> {
        let with_time = || self.each.iter().filter(|utterance| utterance.answer_within_ms.is_some());
        let sum = |of: fn(&UtteranceFigures) -> u64| with_time().map(of).sum();
        with_time().next().map(|_| Expected {
            turns: sum(|utterance| utterance.said),
            late: sum(|utterance| utterance.late),
            unanswered: sum(|utterance| utterance.unanswered),
        })
    }
}

enum Judged {
    Overlapped,
    CutIn,
    Unanswered,
    Answered(f64),
}

fn judged(turn: &Turn) -> Judged {
    match (turn.barge_in, turn.response_ms) {
        (Some(_), _) => Judged::Overlapped,
        (None, None) => Judged::Unanswered,
        (None, Some(waited)) if waited < 0.0 => Judged::CutIn,
        (None, Some(waited)) => Judged::Answered(rounded(waited)),
    }
}

fn slowest(mut answers: Vec<SlowTurn>) -> Vec<SlowTurn> {
    answers.sort_by(|a, b| b.answer_ms.total_cmp(&a.answer_ms));
    answers.truncate(SLOWEST);
    answers
}

/// One frame: what two measurements of the same silence differ by.
const NOISE_MS: f64 = 20.0;

impl BenchReport for TurnsReport {
    stated_fields!();

    fn floor(&self) -> Vec<FloorCheck> {
        floor_of(self.reflector_ms.map(|floor| floor.p99), self.own_lateness_ms.p99)
    }

    fn broken(&self) -> Option<String> {
        let mut broken = Vec::new();
        if !self.failures.is_empty() {
            broken.push(format!("calls failed: {}", told(&self.failures)));
        }
        if let Some(expected) = self.expected.filter(|expected| expected.late + expected.unanswered > 0) {
            let Expected { turns, late, unanswered } = expected;
            broken.push(format!("of {turns} turns {late} were answered too late, {unanswered} not at all"));
        }
        (!broken.is_empty()).then(|| broken.join("; "))
    }

    fn figures(&self) -> Vec<Figure> {
        let unanswered = 100.0 * self.unanswered as f64 / self.turns.max(1) as f64;
        vec![
            Figure::lower("answer_p50_ms", self.answer_ms.p50, "ms", NOISE_MS),
            Figure::lower("answer_p95_ms", self.answer_ms.p95, "ms", NOISE_MS),
            Figure::lower("answer_p99_ms", self.answer_ms.p99, "ms", NOISE_MS),
            Figure::lower("unanswered_percent", rounded(unanswered), "%", 0.0),
            Figure::lower("greeting_p50_ms", self.greeting_ms.p50, "ms", NOISE_MS),
        ]
    }

    fn plots(&self) -> Vec<Plot> {
        vec![Plot::milliseconds("silence after an utterance", &self.distribution, None)]
    }

    fn page(&self) -> Page {
        let count = |count: u64| (count > 0).then(|| count.to_string());
        let mut silences = Table::of_summaries("silence after each utterance, ms");
        silences.summary("all", &self.answer_ms);
        for utterance in self.each_utterance.iter().filter(|utterance| utterance.said > 0) {
            silences.summary(&utterance.text, &utterance.answer_ms);
        }
        let mut others = Table::of_summaries("other times, ms");
        others.summary("greeting", &self.greeting_ms);
        others.summary("set-up", &self.set_up_ms);
        if let Some(floor) = &self.reflector_ms {
            others.summary("reflector's lateness", floor);
        }
        others.summary("own lateness", &self.own_lateness_ms);
        let mut slowest = Table::new("slowest answers", &["said", "call", "at s", "waited ms"]);
        for turn in &self.slowest {
            let at = number(turn.said_at_ms / 1000.0);
            slowest.row([turn.text.clone(), turn.call.to_string(), at, number(turn.answer_ms)]);
        }
        Page::new()
            .facts([
                (
                    "calls",
                    Some(format!("{} of {} answered, {} at once", self.answered, self.calls, self.at_once)),
                ),
                ("failed", (!self.failures.is_empty()).then(|| told(&self.failures))),
                ("they hung up", count(self.hung_up)),
                ("turns", Some(format!("{} said, {} answered", self.turns, self.answer_ms.count))),
                ("unanswered", count(self.unanswered)),
                ("talked into us", count(self.cut_in)),
                ("began while they talked", count(self.overlapped)),
                ("never said", count(self.unsaid)),
                ("lost packets", count(self.lost_packets)),
            ])
            .table(silences)
            .table(slowest)
            .table(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{ContinuityMeter, Segment, Spoken};
    use offhook_time::Time;

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    fn talked(spoken: &[(&str, u64, u64)], heard: &[(u64, u64)]) -> Talked {
        let said = |(name, onset, end): &(&str, u64, u64)| Spoken {
            name: (*name).into(),
            is_keys: false,
            onset: at(*onset),
            end: at(*end),
        };
        Talked {
            answered: at(0),
            spoken: spoken.iter().map(said).collect(),
            heard: heard.iter().map(|(start, end)| Segment { start: at(*start), end: at(*end) }).collect(),
            audible: Vec::new(),
            ended: at(60_000),
            meter: ContinuityMeter::new(),
        }
    }

    fn utterance(text: &str, within: Option<u64>) -> Utterance {
        Utterance {
            text: text.into(),
            samples: vec![1; 160],
            answer_within: within.map(Duration::from_millis),
        }
    }

    fn options() -> TurnsOptions {
        let first = vec![utterance("one", None), utterance("two", Some(500))];
        let mut options = TurnsOptions::to("sip:a@b", first);
        options.speech.push(vec![utterance("three", None)]);
        options
    }

    #[test]
    fn each_silence_counts_for_its_utterance_and_what_is_no_silence_is_told_apart() {
        let calls = vec![
            (0, talked(&[("0", 2000, 3000), ("1", 6000, 7000)], &[(100, 1000), (3800, 5000), (7600, 8000)])),
            (1, talked(&[("0", 2000, 3000)], &[(100, 1000), (2500, 5000)])),
            (2, talked(&[("0", 2000, 3000), ("1 (cut short)", 6000, 7000)], &[(100, 2500), (3700, 5000)])),
            (3, talked(&[("0", 2000, 3000)], &[])),
            (4, talked(&[("0", 2000, 3000), ("1", 6000, 7000)], &[(3900, 5000), (7400, 8000)])),
        ];
        let result = TalksResult { talked: calls, ..TalksResult::default() };

        let tally = Tally::of(&options(), &result);

        let each: Vec<_> = tally
            .each
            .iter()
            .map(|u| (u.text.as_str(), u.said, u.answer_ms.count, u.answer_ms.max, u.unanswered, u.late))
            .collect();
        assert_eq!(
            each,
            [("one", 3, 2, 900.0, 0, 0), ("two", 2, 2, 600.0, 0, 1), ("three", 2, 0, 0.0, 1, 0)]
        );
        assert_eq!((tally.cut_in, tally.overlapped, tally.unsaid), (1, 1, 1));
        assert_eq!(tally.expected(), Some(Expected { turns: 2, late: 1, unanswered: 0 }));
        assert_eq!(tally.greetings, [100.0, 100.0, 100.0]);
    }

    #[test]
    fn the_slowest_come_first() {
        let turn = |call, answer_ms| SlowTurn { call, text: String::new(), said_at_ms: 0.0, answer_ms };

        let found = slowest((0..8).map(|n| turn(n, (n as f64 * 37.0) % 8.0)).collect());

        assert_eq!(found.len(), 5);
        assert!(found.windows(2).all(|pair| pair[0].answer_ms >= pair[1].answer_ms));
    }
}
