//! How soon a bot falls silent when a caller speaks into it, and what a cough does to it.
//!
//! First two calls only listen: from then on it is known when the prompt talks. Each further call speaks once, at a known
//! moment of the first prompt, with enough of it left that falling silent means something.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::CallerError;
use crate::bench::frame::{BenchReport, Figure, FloorCheck, Parameters, stated_fields};
use crate::bench::page::{Page, Table, number};
use crate::bench::plot::Plot;
use crate::bench::prompt::{self, Prompt, Reaction};
use crate::bench::turns::{nobody_answered, through_reflector, told};
use crate::bench::{Verdict, floor_of};
use crate::call::Stop;
use crate::g711::Law;
use crate::histogram::Histogram;
use crate::impair::Impairment;
use crate::machine::{Machine, MachineWatch, ServerCost};
use crate::statistics::{Summary, rounded};
use crate::talk::Utterance;
use crate::talk::plan::IntoPrompt;
use crate::talk::run::{self, Talks, TalksResult};
use crate::target::Target;

/// What `offhook bench bargein` shall do.
#[derive(Clone, Debug)]
pub struct BargeInOptions {
    /// A bot that greets with a prompt.
    pub uri: String,
    /// What is said into the prompt; call n takes the n-th, from the first again after the last.
    pub speech: Vec<Utterance>,
    /// Coughs and noises that should not stop the bot; as many calls again where there are any.
    pub noises: Vec<Utterance>,
    /// Moments, from the prompt's first audible packet on; chosen where there are none.
    pub moments: Vec<Duration>,
    /// Calls that speak, and again as many that cough.
    pub calls: usize,
    /// Calls at once.
    pub at_once: usize,
    /// Within this time the bot is expected to fall silent.
    pub stop_within: Option<Duration>,
    /// How long a call listens after it has spoken.
    pub listen: Duration,
    /// How long the prompt is waited for.
    pub patience: Duration,
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

impl BargeInOptions {
    /// Ten calls to `uri` that say `speech`.
    pub fn to(uri: impl Into<String>, speech: Vec<Utterance>) -> Self {
        BargeInOptions {
            uri: uri.into(),
            speech,
            noises: Vec::new(),
            moments: Vec::new(),
            calls: 10,
            at_once: 1,
            stop_within: None,
            listen: Duration::from_secs(3),
            patience: Duration::from_secs(10),
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
        let texts = |list: &[Utterance]| list.iter().map(|said| said.text.clone()).collect::<Vec<_>>();
        let moments: Vec<f64> = self.moments.iter().map(|at| at.as_secs_f64() * 1000.0).collect();
        Parameters::from([
            ("at_once", json!(self.at_once)),
            ("calls", json!(self.calls)),
            ("impairment", json!(self.impairment.filter(|bad| !bad.is_none()))),
            ("law", json!(format!("{:?}", self.law))),
            ("listen_s", json!(self.listen.as_secs_f64())),
            ("moments_ms", json!(moments)),
            ("noises", json!(texts(&self.noises))),
            ("reflector", json!(self.reflector)),
            ("speech", json!(texts(&self.speech))),
        ])
    }
}

/// What `offhook bench bargein --json` says.
#[derive(Clone, Debug, Serialize)]
pub struct BargeInReport {
    /// `bargein`.
    pub bench: &'static str,
    /// Whom we called.
    pub uri: String,
    /// Calls that spoke.
    pub calls: usize,
    /// Calls at once.
    pub at_once: usize,
    /// Why calls failed, with counts.
    pub failures: BTreeMap<String, u64>,
    /// When the prompt talks, in milliseconds from its first audible packet on.
    pub prompt: Prompt,
    /// Whether it was the same when it was heard a second time.
    pub prompt_repeats: bool,
    /// What speech did.
    pub speech: Stops,
    /// The same for each moment.
    pub each_moment: Vec<MomentFigures>,
    /// Within this time the bot was expected to fall silent.
    pub stop_within_ms: Option<f64>,
    /// What coughs and noises did.
    pub noise: Option<NoiseFigures>,
    /// INVITE sent to 200 received.
    pub set_up_ms: Summary,
    /// How late the packets of a bare reflector came, with as many calls at once.
    pub reflector_ms: Option<Summary>,
    /// How late our own packets left.
    pub own_lateness_ms: Summary,
    /// Whether our threads ran at real-time priority.
    pub realtime: bool,
    /// What happened to our packets.
    pub impairment: Option<Impairment>,
    /// The server's cost while it was spoken into.
    pub server: Option<ServerCost>,
    /// Whether to believe it.
    pub verdict: Verdict,
    /// Where it ran.
    pub machine: Machine,
    /// How it was measured, in one sentence.
    pub method: &'static str,
}

/// What speaking into a prompt did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stops {
    /// Calls that spoke into the prompt.
    pub tried: u64,
    /// Of these the bot fell silent in so many.
    pub stopped: u64,
    /// From the caller's first packet of speech to the bot's last audible one.
    pub stop_ms: Summary,
    /// How often which of these times came: upper bound in milliseconds and count.
    pub distribution: Histogram,
    /// Stops that took longer than expected.
    pub late: u64,
    /// The bot talked on until the prompt's own next pause.
    pub talked_on: u64,
    /// The bot fell silent, but talked again before the caller was through.
    pub talked_over: u64,
    /// From the caller's last packet of speech to the bot's next words.
    pub answer_ms: Summary,
    /// Calls that spoke into a pause of the prompt: they measure nothing.
    pub in_pause: u64,
    /// Calls without a prompt, or with one that was over too early.
    pub no_prompt: u64,
}

/// One moment of the prompt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MomentFigures {
    /// From the prompt's first audible packet on.
    pub at_ms: f64,
    /// How long the prompt would have talked on without a pause.
    pub room_ms: f64,
    /// Calls that spoke then.
    pub tried: u64,
    /// How soon the bot fell silent.
    pub stop_ms: Summary,
}

/// What coughs and noises did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NoiseFigures {
    /// Calls that coughed into the prompt.
    pub tried: u64,
    /// The bot talked on.
    pub held: u64,
    /// The bot paused for at least 200 ms and talked on within a second.
    pub pauses: u64,
    /// How long.
    pub pause_ms: Summary,
    /// The bot was silent for a second or more.
    pub stops: u64,
    /// Into a pause of the prompt, or without a prompt: nothing measured.
    pub unclear: u64,
    /// Each noise for itself.
    pub each: Vec<EachNoise>,
}

/// One noise.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EachNoise {
    /// Its file.
    pub name: String,
    /// How often it was tried.
    pub tried: u64,
    /// Pauses.
    pub pauses: u64,
    /// Stops.
    pub stops: u64,
}

/// A prompt is over when nothing was heard for so long.
const PROMPT_OVER: Duration = Duration::from_millis(2500);
/// Calls that only listen.
const HEARINGS: usize = 2;
/// Silence from here on is a stop, below it a pause.
const STOP_MS: f64 = 1000.0;
/// Whoever gives a moment by hand must leave this much of the prompt.
const LEAST_ROOM_MS: f64 = 300.0;

/// Measures. A raised `stop` ends it early with what there is.
pub fn run(options: &BargeInOptions, stop: &Stop) -> Result<BargeInReport, CallerError> {
    if options.speech.is_empty() && options.noises.is_empty() {
        return Err(CallerError::CannotMeasure("there is nothing to say".to_owned()));
    }
    let watch = MachineWatch::start();
    let talks = Talks {
        target: Target::parse(&options.uri)?,
        calls: options.calls,
        at_once: options.at_once,
        law: options.law,
        longest: Duration::from_secs(120),
        threads: options.threads,
        realtime: options.realtime,
        seed: options.seed,
        impairment: options.impairment,
        server_pid: options.server_pid,
    };
    let reflector = if options.reflector { Some(through_reflector(&talks, stop)?) } else { None };
    let prompts = listen_to_prompt(&talks, options, stop)?;
    let moments = moments_of(options, &prompts)?;

    let spoken = speak(&talks, options, &options.speech, &moments, stop)?;
    let coughed = speak(&talks, options, &options.noises, &moments, stop)?;
    let mut failures = spoken.failures.clone();
    for (cause, count) in &coughed.failures {
        *failures.entry(cause.clone()).or_default() += count;
    }
    nobody_answered(&options.uri, if options.speech.is_empty() { &coughed } else { &spoken })?;
    let (speech, each_moment) = stops(options, &spoken, &prompts, &moments);
    let (own, set_up_ms) = if options.speech.is_empty() {
        (coughed.own_lateness_ms, coughed.set_up_ms)
    } else {
        (spoken.own_lateness_ms, spoken.set_up_ms)
    };
    Ok(BargeInReport {
        bench: "bargein",
        uri: options.uri.clone(),
        calls: options.calls,
        at_once: options.at_once.min(options.calls),
        failures,
        prompt_repeats: prompts.windows(2).all(|pair| pair[0].is_like(&pair[1])),
        speech,
        each_moment,
        stop_within_ms: options.stop_within.map(|within| within.as_secs_f64() * 1000.0),
        noise: (!options.noises.is_empty()).then(|| noises(options, &coughed, &prompts)),
        set_up_ms,
        verdict: Verdict::of(reflector.map(|floor| floor.p99), own.p99),
        reflector_ms: reflector,
        own_lateness_ms: own,
        realtime: spoken.realtime && coughed.realtime,
        impairment: options.impairment,
        server: spoken.cost.or(coughed.cost),
        machine: watch.finish(),
        method: "two calls listen to the first prompt; each further one speaks into it once, at a known moment; a stop \
                 is 200 ms or more without an audible packet that begin before the prompt's own next pause, and takes \
                 from the caller's first packet of speech to the bot's last audible one",
        prompt: prompts.into_iter().next().unwrap_or(Prompt { stretches_ms: Vec::new() }),
    })
}

fn listen_to_prompt(
    talks: &Talks,
    options: &BargeInOptions,
    stop: &Stop,
) -> Result<Vec<Prompt>, CallerError> {
    let hearings =
        Talks { calls: HEARINGS, at_once: HEARINGS, impairment: None, server_pid: None, ..talks.clone() };
    let result = run::run(&hearings, &mut |_| IntoPrompt::only_listen(PROMPT_OVER, options.patience), stop)?;
    nobody_answered(&options.uri, &result)?;
    let prompts: Vec<Prompt> = result.talked.iter().filter_map(|(_, talked)| Prompt::of(talked)).collect();
    if prompts.is_empty() {
        let waited = options.patience.as_secs_f64();
        return Err(CallerError::CannotMeasure(format!(
            "{}: no prompt within {waited} s, nothing to speak into",
            options.uri
        )));
    }
    Ok(prompts)
}

/// The moments that were asked for, or chosen ones, in milliseconds.
fn moments_of(options: &BargeInOptions, prompts: &[Prompt]) -> Result<Vec<f64>, CallerError> {
    let talks = || {
        let stretches = prompts.iter().flat_map(|prompt| &prompt.stretches_ms).take(20);
        let told: Vec<String> = stretches.map(|(from, to)| format!("{from:.0}-{to:.0}")).collect();
        format!("the prompt talks at {} ms", told.join(", "))
    };
    if options.moments.is_empty() {
        let chosen = prompt::moments(prompts);
        if chosen.is_empty() {
            let reason = format!("{}: the prompt is too short to be spoken into: {}", options.uri, talks());
            return Err(CallerError::CannotMeasure(reason));
        }
        return Ok(chosen);
    }
    let asked: Vec<f64> = options.moments.iter().map(|at| at.as_secs_f64() * 1000.0).collect();
    match asked.iter().find(|at| prompt::room_of_all(prompts, **at) < LEAST_ROOM_MS) {
        Some(at) => Err(CallerError::CannotMeasure(format!(
            "{at:.0} ms is no moment to speak: less than {LEAST_ROOM_MS} ms of talk follow; {}",
            talks()
        ))),
        None => Ok(asked),
    }
}

/// Each moment takes all of the speech before the next one does.
fn turn_of(call: usize, speech: usize, moments: usize) -> (usize, usize) {
    (call % speech.max(1), call / speech.max(1) % moments.max(1))
}

fn speak(
    talks: &Talks,
    options: &BargeInOptions,
    speech: &[Utterance],
    moments: &[f64],
    stop: &Stop,
) -> Result<TalksResult, CallerError> {
    if speech.is_empty() {
        return Ok(TalksResult { realtime: true, ..TalksResult::default() });
    }
    let samples: Vec<Arc<[i16]>> =
        speech.iter().map(|utterance| Arc::from(utterance.samples.as_slice())).collect();
    let mut plan = |call: usize| {
        let (which, when) = turn_of(call, speech.len(), moments.len());
        let moment = Duration::from_secs_f64(moments[when] / 1000.0);
        IntoPrompt::say(moment, &speech[which].text, &samples[which], options.listen, options.patience)
    };
    run::run(talks, &mut plan, stop)
}

fn stops(
    options: &BargeInOptions,
    result: &TalksResult,
    prompts: &[Prompt],
    moments: &[f64],
) -> (Stops, Vec<MomentFigures>) {
    let mut found = Stops::default();
    let (mut all, mut answers) = (Vec::new(), Vec::new());
    let mut each = vec![(0u64, Vec::new()); moments.len()];
    let limit = options.stop_within.map(|within| within.as_secs_f64() * 1000.0);
    for (call, talked) in &result.talked {
        let (tried, stopped) = &mut each[turn_of(*call, options.speech.len(), moments.len()).1];
        match prompt::reaction(talked, prompts) {
            Reaction::NoPrompt => found.no_prompt += 1,
            Reaction::InPause => found.in_pause += 1,
            Reaction::TalkedOn => {
                *tried += 1;
                found.talked_on += 1;
            }
            Reaction::Stopped { after_ms, silent_ms: _, answer_ms } => {
                *tried += 1;
                found.late += u64::from(limit.is_some_and(|limit| after_ms > limit));
                found.talked_over += u64::from(answer_ms.is_some_and(|answer| answer < 0.0));
                answers.extend(answer_ms.filter(|answer| *answer >= 0.0));
                stopped.push(after_ms);
                all.push(after_ms);
            }
        }
    }
    found.tried = each.iter().map(|(tried, _)| tried).sum();
    found.stopped = all.len() as u64;
    found.distribution = Histogram::of(all.iter().copied());
    found.stop_ms = Summary::of(all);
    found.answer_ms = Summary::of(answers);
    let figures = each.into_iter().zip(moments).map(|((tried, stopped), at_ms)| MomentFigures {
        at_ms: *at_ms,
        room_ms: prompt::room_of_all(prompts, *at_ms),
        tried,
        stop_ms: Summary::of(stopped),
    });
    (found, if options.speech.is_empty() { Vec::new() } else { figures.collect() })
}

fn noises(options: &BargeInOptions, result: &TalksResult, prompts: &[Prompt]) -> NoiseFigures {
    let mut found = NoiseFigures::default();
    let mut pauses = Vec::new();
    found.each = options
        .noises
        .iter()
        .map(|noise| EachNoise { name: noise.text.clone(), ..EachNoise::default() })
        .collect();
    for (call, talked) in &result.talked {
        let each = &mut found.each[turn_of(*call, options.noises.len(), 1).0];
        match prompt::reaction(talked, prompts) {
            Reaction::NoPrompt | Reaction::InPause => {
                found.unclear += 1;
                continue;
            }
            Reaction::TalkedOn => found.held += 1,
            Reaction::Stopped { silent_ms: Some(silent), .. } if silent < STOP_MS => {
                each.pauses += 1;
                pauses.push(silent);
            }
            Reaction::Stopped { .. } => {
                each.stops += 1;
                found.stops += 1;
            }
        }
        each.tried += 1;
        found.tried += 1;
    }
    found.pauses = pauses.len() as u64;
    found.pause_ms = Summary::of(pauses);
    found
}

/// One frame: what two measurements of the same stop differ by.
const NOISE_MS: f64 = 20.0;

impl BenchReport for BargeInReport {
    stated_fields!();

    fn floor(&self) -> Vec<FloorCheck> {
        floor_of(self.reflector_ms.map(|floor| floor.p99), self.own_lateness_ms.p99)
    }

    fn broken(&self) -> Option<String> {
        let mut broken = Vec::new();
        if !self.failures.is_empty() {
            broken.push(format!("calls failed: {}", told(&self.failures)));
        }
        let Stops { tried, late, talked_on, .. } = self.speech;
        if let Some(within) = self.stop_within_ms.filter(|_| late + talked_on > 0) {
            broken.push(format!(
                "of {tried} times {late} it fell silent later than {within} ms, {talked_on} not at all"
            ));
        }
        (!broken.is_empty()).then(|| broken.join("; "))
    }

    fn figures(&self) -> Vec<Figure> {
        let percent = |part: u64, of: u64| rounded(100.0 * part as f64 / of.max(1) as f64);
        let mut figures = vec![
            Figure::lower("stop_p50_ms", self.speech.stop_ms.p50, "ms", NOISE_MS),
            Figure::lower("stop_p95_ms", self.speech.stop_ms.p95, "ms", NOISE_MS),
            Figure::lower("talked_on_percent", percent(self.speech.talked_on, self.speech.tried), "%", 0.0),
        ];
        if let Some(noise) = &self.noise {
            figures.push(Figure::lower("false_stops_percent", percent(noise.stops, noise.tried), "%", 0.0));
            figures.push(Figure::lower("false_pauses_percent", percent(noise.pauses, noise.tried), "%", 0.0));
        }
        figures
    }

    fn plots(&self) -> Vec<Plot> {
        vec![Plot::milliseconds("from speech to silence", &self.speech.distribution, None)]
    }

    fn page(&self) -> Page {
        let count = |count: u64| (count > 0).then(|| count.to_string());
        let speech = &self.speech;
        let stretches: Vec<String> = self
            .prompt
            .stretches_ms
            .iter()
            .map(|(from, to)| format!("{}-{}", number(from / 1000.0), number(to / 1000.0)))
            .collect();
        let mut times = Table::of_summaries("milliseconds");
        times.summary("speech to silence", &speech.stop_ms);
        for moment in &self.each_moment {
            let name = format!("  at {} s of the prompt", number(moment.at_ms / 1000.0));
            times.summary(&name, &moment.stop_ms);
        }
        times.summary("end of speech to next words", &speech.answer_ms);
        if let Some(noise) = &self.noise {
            times.summary("pause after a noise", &noise.pause_ms);
        }
        if let Some(floor) = &self.reflector_ms {
            times.summary("reflector's lateness", floor);
        }
        times.summary("own lateness", &self.own_lateness_ms);
        let mut each = Table::new("noises", &["", "tried", "pauses", "stops"]);
        for noise in self.noise.iter().flat_map(|noise| &noise.each) {
            let counts = [noise.tried, noise.pauses, noise.stops].map(|count| count.to_string());
            each.row([noise.name.clone()].into_iter().chain(counts));
        }
        Page::new()
            .facts([
                ("prompt talks at, s", Some(stretches.join(", "))),
                (
                    "prompt",
                    (!self.prompt_repeats)
                        .then(|| "differs from call to call: look twice at all of this".to_owned()),
                ),
                ("spoken into it", Some(format!("{} times, {} at once", speech.tried, self.at_once))),
                ("fell silent", Some(speech.stopped.to_string())),
                ("talked on", count(speech.talked_on)),
                ("talked over the caller", count(speech.talked_over)),
                ("into a pause, not counted", count(speech.in_pause)),
                ("no prompt", count(speech.no_prompt)),
                (
                    "coughs",
                    self.noise.as_ref().map(|noise| {
                        let NoiseFigures { tried, held, pauses, stops, .. } = noise;
                        format!("{tried}: talked on {held}, paused {pauses}, stopped {stops}")
                    }),
                ),
                ("failed", (!self.failures.is_empty()).then(|| told(&self.failures))),
            ])
            .table(times)
            .table(each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_hears_all_of_the_speech() {
        let turns: Vec<_> = (0..7).map(|call| turn_of(call, 2, 3)).collect();

        assert_eq!(turns, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2), (0, 0)]);
    }

    #[test]
    fn a_moment_by_hand_must_leave_room_and_the_error_says_when_the_prompt_talks() {
        let prompts = [Prompt { stretches_ms: vec![(0.0, 2000.0), (2500.0, 4000.0)] }];
        let mut options = BargeInOptions::to("sip:a@b", Vec::new());

        options.moments = vec![Duration::from_millis(1000), Duration::from_millis(3500)];
        assert_eq!(moments_of(&options, &prompts).unwrap(), [1000.0, 3500.0]);
        options.moments.push(Duration::from_millis(1800));
        assert_eq!(
            moments_of(&options, &prompts).unwrap_err().to_string(),
            "cannot measure: 1800 ms is no moment to speak: less than 300 ms of talk follow; the prompt talks at \
             0-2000, 2500-4000 ms"
        );
    }
}
