//! `offhook replay FILE --bot BOT`: callers whom others recorded meet a bot of ours in the machine, in virtual time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use offhook_audio::G711;
use offhook_call_control::{CallEvent, Speaker};
use offhook_caller::bench::json_line;
use offhook_conversation::Bot;
use offhook_journal::capture::Capture;
use offhook_replay::encounter::{
    Caller, EncounterReport, Met, OtherWords, Reader, Setup, law_of, meet, schedule_of_samples,
};
use offhook_replay::foreign::{Account, Call, Party, Schedule, take_apart};
use offhook_replay::{Asked, Origin, Transcript};
use offhook_time::Seed;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::call::seconds;
use super::replay_capture::{is_wanted, print_account};
use super::replay_machine;
use crate::cli::{ReplayArgs, SideArg};
use crate::cli_machine::EngineArg;
use crate::config::Config;
use crate::recorder::{build, cpu_class, os};
use crate::surroundings::{Around, read_bot};

/// What is in a file.
enum Found {
    Capture(Box<Account>, Vec<Planned>),
    Wav(Planned),
    Transcript(Transcript, Planned),
}

/// A call that is to be met.
struct Planned {
    /// Its number in the capture, else 1.
    number: usize,
    caller: Option<String>,
    schedule: Schedule,
    law: G711,
    unix_ms: i64,
    /// What of it cannot be used, by codec or reason.
    left_out: BTreeMap<String, u64>,
    /// Why there is nothing to meet.
    nothing: Option<String>,
    /// How it ended then.
    ended: Option<String>,
}

/// A call that was met, or why not.
#[derive(Debug, Serialize)]
struct Outcome {
    number: usize,
    caller: Option<String>,
    /// How it ended then.
    ended_then: Option<String>,
    left_out: BTreeMap<String, u64>,
    /// Who answered how often.
    answered_by: BTreeMap<String, u64>,
    /// Where the bot first said something else than a transcript has.
    departure: Option<OtherWords>,
    /// Lines of the transcript that the caller never came to say.
    unread: Vec<usize>,
    bundle: Option<PathBuf>,
    times_real_time: f64,
    report: Option<EncounterReport>,
    /// Why there is no report.
    error: Option<String>,
}

impl Outcome {
    fn is_success(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report.stopped.is_none())
    }
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    file: &'a Path,
    bot: &'a Path,
    timing: &'a str,
    account: Option<&'a Account>,
    met: usize,
    not_met: usize,
    notes: &'a [String],
    calls: &'a [Outcome],
}

/// Whether a file holds text that looks like a transcript.
pub(super) fn is_transcript(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4096).read_to_end(&mut head));
    if read.is_err() || head.contains(&0) {
        return false;
    }
    // The cut may go through a character.
    Transcript::is_one(&String::from_utf8_lossy(&head))
}

pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let Some(bot_file) = &args.bot else { bail!("--bot says which bot the caller meets") };
    let bot = read_bot(bot_file)?;
    let found = read(args)?;
    if args.machine.caller.is_some() && !matches!(found, Found::Transcript(..)) {
        bail!(
            "--caller speaks for a transcript or a bundle: whoever was captured or recorded says what was recorded"
        );
    }
    let usual = match &found {
        Found::Capture(..) | Found::Wav(_) => EngineArg::Live,
        Found::Transcript(..) => EngineArg::Scripted,
    };
    if usual == EngineArg::Live
        && args.machine.engine == Some(EngineArg::Scripted)
        && args.machine.words.is_none()
    {
        bail!("--engine scripted: --words FILE says what the callers of a recording say");
    }
    let config = replay_machine::config(&args.machine)?;
    let mut around = replay_machine::around(&args.machine, usual, &config)?;
    let stage = Stage { args, bot: &bot, config: &config, linger: seconds(args.linger, "--linger")? };
    let mut outcomes = Vec::new();
    let account = match found {
        Found::Capture(account, plans) => {
            if plans.is_empty() && !args.json {
                print_account(&args.file, &account);
                bail!("there is no call in it");
            }
            let several = plans.len() > 1;
            for plan in plans {
                outcomes.push(stage.meet(plan, None, several, &mut around)?);
            }
            Some(account)
        }
        Found::Wav(plan) => {
            outcomes.push(stage.meet(plan, None, false, &mut around)?);
            None
        }
        Found::Transcript(transcript, plan) => {
            outcomes.push(stage.meet(plan, Some(transcript), false, &mut around)?);
            None
        }
    };
    let notes = around.take_notes();
    let met = outcomes.iter().filter(|outcome| outcome.is_success()).count();
    let told = Told {
        file: &args.file,
        bot: bot_file,
        timing: &around.timing(),
        account: account.as_deref(),
        met,
        not_met: outcomes.len() - met,
        notes: &notes,
        calls: &outcomes,
    };
    if args.json {
        println!("{}", json_line(&told));
    } else {
        print_all(&told);
    }
    Ok(if told.not_met == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(args: &ReplayArgs) -> anyhow::Result<Found> {
    let name = || args.file.display().to_string();
    let written = std::fs::metadata(&args.file).and_then(|file| file.modified()).with_context(name)?;
    let unix_ms = written.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let plan = |schedule: Schedule| Planned {
        number: 1,
        caller: None,
        law: law_of(&schedule),
        schedule,
        unix_ms,
        left_out: BTreeMap::new(),
        nothing: None,
        ended: None,
    };
    if is_transcript(&args.file) {
        let text = std::fs::read_to_string(&args.file).with_context(name)?;
        return Ok(Found::Transcript(
            Transcript::parse(&text).with_context(name)?,
            plan(Schedule::default()),
        ));
    }
    let file = File::open(&args.file).with_context(name)?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    if std::io::BufRead::fill_buf(&mut reader).with_context(name)?.starts_with(b"RIFF") {
        let mut samples = offhook_caller::wav::read_left(&args.file)?;
        // Silence at the end only makes the call longer.
        let end = samples.iter().rposition(|sample| sample.unsigned_abs() > 16).map_or(0, |last| last + 1);
        samples.truncate(end);
        return Ok(Found::Wav(plan(schedule_of_samples(&samples, G711::MuLaw))));
    }
    let taken = take_apart(Capture::open(reader).with_context(name)?);
    if let Some(number) = args.call
        && !taken.calls.iter().any(|call| call.number == number)
    {
        bail!("there is no call {number}: the capture has {}", taken.calls.len());
    }
    let party = match args.side {
        SideArg::Caller => Party::Caller,
        SideArg::Callee => Party::Callee,
    };
    // The copies behind a proxy are the same calls.
    let is_copy = |call: &Call| call.signalling.as_ref().is_some_and(|told| told.hop_of.is_some());
    let wanted = |call: &&Call| is_wanted(args, call) && (args.call.is_some() || !is_copy(call));
    let plans = taken.calls.iter().filter(wanted).map(|call| plan_of(call, party, args.clean)).collect();
    Ok(Found::Capture(Box::new(taken.account), plans))
}

fn plan_of(call: &Call, party: Party, clean: bool) -> Planned {
    let mut schedule = Schedule::of(call, party, clean);
    let left_out = std::mem::take(&mut schedule.left_out);
    let nothing = if call.began_unix_ns().is_none() {
        Some(format!("it was never answered ({})", call.end.text()))
    } else if schedule.packets.is_empty() {
        Some("nothing that a bot could hear was captured after the answer".to_owned())
    } else {
        None
    };
    let began = call.signalling.as_ref().map(|told| told.invited_unix_ns).or(call.began_unix_ns());
    Planned {
        number: call.number,
        caller: call.side(party).user.clone(),
        law: law_of(&schedule),
        schedule,
        unix_ms: began.map_or(0, |at| (at / 1_000_000) as i64),
        left_out,
        nothing,
        ended: Some(call.end.text()),
    }
}

struct Stage<'a> {
    args: &'a ReplayArgs,
    bot: &'a Bot,
    config: &'a Config,
    linger: Duration,
}

impl Stage<'_> {
    fn meet(
        &self,
        plan: Planned,
        transcript: Option<Transcript>,
        several: bool,
        around: &mut Around,
    ) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome {
            number: plan.number,
            caller: plan.caller.clone(),
            ended_then: plan.ended.clone(),
            left_out: plan.left_out.clone(),
            answered_by: BTreeMap::new(),
            departure: None,
            unread: Vec::new(),
            bundle: None,
            times_real_time: 0.0,
            report: None,
            error: plan.nothing.clone(),
        };
        if outcome.error.is_some() {
            return Ok(outcome);
        }
        let has_recognizer = around.begin(self.bot)?;
        let setup = self.setup(&plan, has_recognizer)?;
        let began = Instant::now();
        let Met { report, bundle } = match transcript {
            None => {
                let caller = Caller::Recorded { schedule: plan.schedule, linger: self.linger };
                meet(setup, caller, around)?
            }
            Some(transcript) => {
                let mut model = replay_machine::caller(&self.args.machine, self.bot)?;
                let mut reader = Reader::new(transcript);
                if let Some(model) = &mut model {
                    reader = reader.with_successor(model);
                }
                let met = meet(setup, Caller::Talks(&mut reader), around)?;
                outcome.departure = reader.first_other(&met.report.lines);
                outcome.unread = reader.unread();
                met
            }
        };
        outcome.times_real_time = report.lasted.as_secs_f64() / began.elapsed().as_secs_f64().max(1e-9);
        for answered in report.answered.iter().filter(|answered| answered.asked != Asked::Caller) {
            let who = format!("{}: {}", answered.asked.word(), answered.by);
            *outcome.answered_by.entry(who).or_default() += 1;
        }
        if let Some(out) = &self.args.machine.out {
            outcome.bundle = Some(write(out, plan.number, several, &bundle)?);
        }
        outcome.report = Some(report);
        Ok(outcome)
    }

    fn setup(&self, plan: &Planned, has_recognizer: bool) -> anyhow::Result<Setup> {
        // The same call of the same file with the same bot gets the same seed.
        let mut hash = Sha256::new();
        hash.update(self.args.file.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update(plan.number.to_le_bytes());
        hash.update(plan.unix_ms.to_le_bytes());
        let seed: [u8; 32] = hash.finalize().into();
        let id: String = seed.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let bot = Bot::parse(self.bot.source(), self.bot.file_name());
        let bot = bot.map_err(|errors| anyhow::anyhow!("{errors}"))?;
        let mut setup = Setup::new(format!("replay-{id}"), Seed(seed), plan.unix_ms, bot);
        let settings = &mut setup.settings;
        settings.has_recognizer = has_recognizer;
        settings.limits = self.config.limits;
        settings.bot_config = self.config.bot_config.clone();
        settings.transfer_targets.extend(self.config.targets.clone());
        settings.outbound = self.config.outbound.clone();
        settings.user_agent.clone_from(&self.config.user_agent);
        setup.law = plan.law;
        setup.caller = plan.caller.clone().unwrap_or_else(|| "caller".to_owned());
        setup.origin = Origin {
            configuration_hash: self.config.hash.clone(),
            build: build().to_owned(),
            cpu_class: cpu_class(),
            os: os(),
            zone: String::new(),
        };
        Ok(setup)
    }
}

/// Writes a bundle: for one call the file, for several `call-N.call` in the folder.
fn write(out: &Path, number: usize, several: bool, bundle: &[u8]) -> anyhow::Result<PathBuf> {
    let path = if several || out.is_dir() {
        std::fs::create_dir_all(out).with_context(|| format!("-o {}", out.display()))?;
        out.join(format!("call-{number}.call"))
    } else {
        out.to_owned()
    };
    std::fs::write(&path, bundle).with_context(|| format!("-o {}", path.display()))?;
    Ok(path)
}

fn print_all(told: &Told<'_>) {
    if let Some(account) = told.account {
        print_account(told.file, account);
    }
    for outcome in told.calls {
        print_outcome(outcome);
    }
    println!();
    for note in told.notes {
        println!("note: {note}");
    }
    println!("{}", told.timing);
    println!("{} of {} calls came to their end", told.met, told.calls.len());
}

fn print_outcome(outcome: &Outcome) {
    let who = outcome.caller.as_deref().unwrap_or("a caller");
    println!();
    for (codec, packets) in &outcome.left_out {
        println!("call {}: {packets} packets left out: {codec}", outcome.number);
    }
    let Some(report) = &outcome.report else {
        let why = outcome.error.as_deref().unwrap_or("unknown");
        return println!("call {} of {who}: not met: {why}", outcome.number);
    };
    println!(
        "── call {} of {who}: {:.1} s, {:.0} x real time",
        outcome.number,
        report.lasted.as_secs_f64(),
        outcome.times_real_time
    );
    println!();
    print_log(report);
    let record = &report.record;
    let cause = record.cause.map_or("not over", |cause| cause.word());
    println!("          [{cause}; outcome: {}]", record.outcome.as_deref().unwrap_or("none"));
    if let Some(then) = &outcome.ended_then {
        println!("          [then: {then}]");
    }
    println!("  states: {}", record.states.join(", "));
    for (number, turn) in record.turns.iter().enumerate() {
        println!("  turn {}: {}", number + 1, super::replay::ledger(&turn.ledger));
    }
    for (by, count) in &outcome.answered_by {
        println!("  answered by {by}: {count}");
    }
    if let Some(other) = &outcome.departure {
        println!("  leaves the transcript at line {}, {:.2} s:", other.line, other.at);
        println!("    then: {}", other.expected);
        println!("    now:  {}", if other.got.is_empty() { "nothing" } else { &other.got });
    }
    if !outcome.unread.is_empty() {
        let lines: Vec<String> = outcome.unread.iter().map(usize::to_string).collect();
        println!("  the caller never came to line {}", lines.join(", "));
    }
    report.notes.iter().for_each(|note| println!("  note: {note}"));
    if let Some(why) = &report.stopped {
        println!("  not played to its end: {why}");
    }
    if let Some(bundle) = &outcome.bundle {
        println!("  bundle: {}", bundle.display());
    }
}

/// What was said, and what was heard of it, in the order of the log.
fn print_log(report: &EncounterReport) {
    let began = report.record.started_unix_ms;
    for fact in &report.facts {
        let at = (fact.at_unix_ms - began) as f64 / 1_000.0;
        let told = match &fact.event {
            CallEvent::Said { speaker: Speaker::Bot, text, .. } => format!("   bot: {text}"),
            CallEvent::Said { speaker: Speaker::Caller, text, .. } => format!("caller: {text}"),
            CallEvent::Dtmf { digit } => format!("   key: {digit}"),
            CallEvent::NotUnderstood { count } => format!("        [not understood, {count}]"),
            CallEvent::NoInput { count } => format!("        [nothing heard, {count}]"),
            CallEvent::BargeIn { played_ms } => {
                format!("        [the caller interrupts after {played_ms} ms]")
            }
            CallEvent::ToolFinished { tool, status: Some(status), .. } => {
                format!("        [{tool}: {status}]")
            }
            CallEvent::ToolFinished { tool, error, .. } => {
                format!("        [{tool}: {}]", error.as_deref().unwrap_or("no answer"))
            }
            CallEvent::TransferFinished { target, failure, .. } => {
                format!("        [transfer to {target}: {}]", failure.as_deref().unwrap_or("done"))
            }
            CallEvent::EngineFailed { error } => format!("        [engine failed: {error}]"),
            CallEvent::CallStarted { .. }
            | CallEvent::CallRinging
            | CallEvent::CallAnswered { .. }
            | CallEvent::CallEnded { .. }
            | CallEvent::StateEntered { .. }
            | CallEvent::Understood { .. }
            | CallEvent::TurnCompleted { .. }
            | CallEvent::TransferStarted { .. }
            | CallEvent::Outcome { .. }
            | CallEvent::NextHopRefused { .. }
            | CallEvent::RtpTimeout
            | CallEvent::RtpResumed
            | CallEvent::Mark { .. }
            | CallEvent::CommandFinished { .. } => continue,
        };
        println!("{at:>7.2}  {told}");
    }
}
