//! `offhook replay`: a call bundle through the machines again; what others recorded goes to `replay_capture`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use offhook_call_control::{CallRecord, TurnLedger};
use offhook_conversation::Bot;
use offhook_journal::bundle::Bundle;
use offhook_replay::{
    Answered, Beyond, CallHead, Changes, Helpers, PlayReport, Report, RoleHead, SETTINGS, Talker, play,
    play_with, verify,
};

use super::bundle::{CANNOT_OPEN, print};
use super::{bundle_file, replay_capture, replay_encounter, replay_machine, replay_to_test};
use crate::cli::{BeyondArg, ReplayArgs, SideArg};
use crate::cli_machine::EngineArg;
use crate::recorder::{build, cpu_class};
use crate::surroundings::read_bot;

/// Drivers wake on a tick: what moved by less did not change.
const TICK: Duration = Duration::from_millis(5);

/// What `--set` takes, for `--help`.
pub fn settings() -> String {
    let mut text =
        "Settings that --set changes (those of turns, and barge_in, win over the bot file):\n".to_owned();
    for setting in SETTINGS {
        text.push_str(&format!("  {:15} {:30} {}\n", setting.key, setting.value, setting.meaning));
    }
    text
}

pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let of_capture = args.call.is_some() || args.clean || args.side == SideArg::Callee;
    let is_for_captures = args.live.is_some() || args.wav.is_some() || (of_capture && args.bot.is_none());
    if is_for_captures {
        return replay_capture::run(args);
    }
    offhook_linux_ffi::end_when_nobody_reads();
    // A short transcript could be the beginning of anything.
    let is_transcript = replay_encounter::is_transcript(&args.file);
    let opened =
        if is_transcript { Ok(None) } else { bundle_file::open_if_bundle(&args.file, args.key.as_deref()) };
    let done = match opened {
        Ok(Some(bundle)) if args.to_test => replay_to_test::run(args, &bundle),
        Ok(Some(bundle)) => run_bundle(args, &bundle),
        Ok(None) if args.set.is_empty() && args.bot.is_some() => replay_encounter::run(args),
        Ok(None) if args.set.is_empty() && is_transcript => Err(anyhow::anyhow!(
            "{}: this is a transcript: --bot FILE says which bot its caller meets",
            args.file.display()
        )),
        Ok(None) if args.set.is_empty() && args.machine.is_asked() => {
            Err(anyhow::anyhow!("{}: --bot FILE says which bot the callers meet", args.file.display()))
        }
        Ok(None) if args.set.is_empty() => return replay_capture::run(args),
        Ok(None) => Err(anyhow::anyhow!(
            "{}: --set changes a call of our own; this is no call bundle",
            args.file.display()
        )),
        Err(error) => Err(error),
    };
    done.or_else(|error| {
        eprintln!("offhook: {error:#}");
        Ok(ExitCode::from(CANNOT_OPEN))
    })
}

fn run_bundle(args: &ReplayArgs, bundle: &Bundle) -> anyhow::Result<ExitCode> {
    let changes = changes(args)?;
    let began = Instant::now();
    if is_for_others(args) {
        bail!(
            "-o and --words are for captures, WAVs and transcripts; --call, --clean and --side for captures"
        );
    }
    if changes.is_empty() && !args.machine.is_asked() {
        let report = guarded(bundle, || verify(bundle))?.with_context(|| args.file.display().to_string())?;
        return Ok(tell_verified(args, bundle, &report, began.elapsed()));
    }
    let beyond = match args.beyond {
        BeyondArg::Stop => Beyond::Stop,
        BeyondArg::TimeOut => Beyond::TimeOut,
    };
    if !args.machine.is_asked() {
        let report = guarded(bundle, || play(bundle, &changes, beyond))?
            .with_context(|| args.file.display().to_string())?;
        return Ok(tell_played(args, &report, &[], began.elapsed()));
    }
    let bot = bot_of(args, bundle)?;
    let config = replay_machine::config(&args.machine)?;
    let mut around = replay_machine::around(&args.machine, EngineArg::Live, &config)?;
    around.begin(&bot)?;
    let mut caller = replay_machine::caller(&args.machine, &bot)?;
    let report = guarded(bundle, || {
        let caller = caller.as_mut().map(|caller| caller as &mut dyn Talker);
        let helpers = Helpers { around: Some(&mut around), caller };
        play_with(bundle, &changes, beyond, helpers)
    })?
    .with_context(|| args.file.display().to_string())?;
    let mut notes = around.take_notes();
    notes.push(around.timing());
    Ok(tell_played(args, &report, &notes, began.elapsed()))
}

/// A call that failed in our own code fails there again.
pub(super) fn guarded<R>(bundle: &Bundle, run: impl FnOnce() -> R) -> anyhow::Result<R> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| {
        anyhow::anyhow!(
            "call {}: this build's own code fails in it, at the place named above; build {} recorded it",
            bundle.meta.call,
            bundle.meta.build
        )
    })
}

fn changes(args: &ReplayArgs) -> anyhow::Result<Changes> {
    let mut changes = Changes::default();
    for change in &args.set {
        changes.set(change).context("--set")?;
    }
    if let Some(file) = &args.bot {
        changes.bot(read_bot(file)?);
    }
    Ok(changes)
}

fn tell_verified(args: &ReplayArgs, bundle: &Bundle, report: &Report, took: Duration) -> ExitCode {
    let same_class = bundle.meta.cpu_class == cpu_class();
    // Resamplers choose their code by the machine: another class may round a sample otherwise, and nothing else.
    let passed = report.is_equal() || (!same_class && report.facts_are_equal());
    let speed = report.lasted.as_secs_f64() / took.as_secs_f64().max(1e-9);
    if args.json {
        print(serde_json::json!({
            "file": args.file, "equal": report.is_equal(), "event_log_equal": report.facts_are_equal(),
            "same_cpu_class": same_class, "passed": passed, "first_departure": report.first_departure(),
            "report": report, "times_real_time": speed, "build": build(), "recorded_by": bundle.meta.build,
        }));
        return code(passed);
    }
    let (control, media) = (&report.control, &report.media);
    print(format_args!(
        "{}: call {}, {:.1} s in {:.3} s ({speed:.0} x real time)",
        args.file.display(),
        report.call_id,
        report.lasted.as_secs_f64(),
        took.as_secs_f64()
    ));
    print(format_args!(
        "  equal so far: {} packets, {} events of the log, {} SIP actions and requests, {} messages between the halves",
        media.packets,
        control.facts,
        control.requests,
        control.messages + media.messages
    ));
    report.notes.iter().for_each(|note| print(format_args!("  note: {note}")));
    for gap in [&control.gap, &media.gap].into_iter().flatten() {
        print(format_args!("  gap: {gap}"));
    }
    if bundle.meta.build != build() {
        print(format_args!("  recorded by build {}, run by {}", bundle.meta.build, build()));
    }
    if !same_class {
        let recorded = &bundle.meta.cpu_class;
        print(format_args!(
            "  recorded on another class of machine ({recorded}): audio may differ, events may not"
        ));
    }
    match report.first_departure() {
        Some(departure) => print(format_args!("departs at {departure}")),
        None if report.is_equal() => print("the call does the same again, byte for byte"),
        None => {}
    }
    code(passed)
}

fn tell_played(args: &ReplayArgs, report: &PlayReport, around: &[String], took: Duration) -> ExitCode {
    let turns = report.changed_turns(TICK);
    let passed = report.stopped.is_none();
    if args.json {
        print(
            serde_json::json!({ "file": args.file, "changed_turns": turns, "report": report, "notes": around }),
        );
        return code(passed);
    }
    let lasted = report.lasted.as_secs_f64();
    let seconds = took.as_secs_f64();
    print(format_args!(
        "{}: call {} with {}, {lasted:.1} s in {seconds:.3} s ({:.0} x real time)",
        args.file.display(),
        report.call_id,
        what_changed(args),
        lasted / seconds.max(1e-9)
    ));
    match &report.departure {
        Some(departure) => print(format_args!("leaves the recording at {departure}")),
        None => print("the conversation never leaves the recording: nothing that was changed mattered to it"),
    }
    report.notes.iter().chain(around).for_each(|note| print(format_args!("note: {note}")));
    tell_answers(report);
    print(format_args!("\n  {:40}  {}", "recorded", "now"));
    side_by_side(&lines(&report.recorded), &lines(&report.played));
    print(format_args!("\nturns that changed by more than {} ms: {}", TICK.as_millis(), numbers(&turns)));
    for turn in &turns {
        let of = |record: &CallRecord| {
            record.turns.get(turn - 1).map_or("-".to_owned(), |turn| ledger(&turn.ledger))
        };
        print(format_args!("  turn {turn} recorded {}", of(&report.recorded)));
        print(format_args!("         now      {}", of(&report.played)));
    }
    if let Some(why) = &report.stopped {
        print(format_args!("\nnot played to its end: {why}"));
        if args.beyond == BeyondArg::Stop {
            print("(--beyond time-out goes on as if nobody answered)");
        }
    }
    code(passed)
}

/// Who answered what after the point of departure.
fn tell_answers(report: &PlayReport) {
    if report.answered.is_empty() {
        return;
    }
    print("answered from there on:");
    for Answered { at, asked, what, by, took_ms } in &report.answered {
        print(format_args!("  {at:>7.2}  {}: {what} ({by}, {took_ms} ms)", asked.word()));
    }
}

/// The bot that speaks: the new one, or that of the recording.
fn bot_of(args: &ReplayArgs, bundle: &Bundle) -> anyhow::Result<Bot> {
    if let Some(file) = &args.bot {
        return read_bot(file);
    }
    match CallHead::from_meta(&bundle.meta)?.control.role {
        RoleHead::Bot { file_name, yaml } => {
            Bot::parse(&yaml, &file_name).map_err(|errors| anyhow::anyhow!("{errors}"))
        }
        RoleHead::Echo | RoleHead::Bridge(_) => {
            bail!("{}: this is no call of a bot: there is nothing to be answered", args.file.display())
        }
    }
}

/// Whether an option is there that only makes sense for what others recorded.
fn is_for_others(args: &ReplayArgs) -> bool {
    let machine = &args.machine;
    let of_capture = args.call.is_some() || args.clean || args.side == SideArg::Callee;
    machine.out.is_some() || machine.words.is_some() || of_capture
}

fn what_changed(args: &ReplayArgs) -> String {
    let bot = args.bot.as_deref().map(Path::display).map(|bot| format!("bot {bot}"));
    let changed = args.set.iter().cloned().chain(bot).collect::<Vec<_>>().join(", ");
    if changed.is_empty() { "nothing changed".to_owned() } else { changed }
}

/// What was said and how it ended, line by line.
fn lines(record: &CallRecord) -> Vec<String> {
    let mut lines: Vec<String> = record
        .transcript
        .iter()
        .map(|(speaker, text)| match speaker {
            offhook_call_control::Speaker::Caller => format!("caller: {text}"),
            offhook_call_control::Speaker::Bot => format!("bot: {text}"),
        })
        .collect();
    let cause = record.cause.map_or("not over", |cause| cause.word());
    lines.push(format!("[{cause}; outcome: {}]", record.outcome.as_deref().unwrap_or("none")));
    lines
}

fn side_by_side(then: &[String], now: &[String]) {
    for at in 0..then.len().max(now.len()) {
        let [one, other] = [then, now].map(|lines| lines.get(at).map_or("", String::as_str));
        let mark = if one == other { ' ' } else { '*' };
        print(format_args!("{mark} {:40}  {other}", cut(one)));
    }
}

fn cut(text: &str) -> String {
    const MOST: usize = 40;
    if text.chars().count() <= MOST {
        text.to_owned()
    } else {
        text.chars().take(MOST - 1).chain(['…']).collect()
    }
}

pub(super) fn ledger(ledger: &TurnLedger) -> String {
    let parts: Vec<String> =
        ledger.segments.iter().map(|segment| format!("{} {}", segment.name, segment.micros / 1000)).collect();
    format!("{} ms = {}", ledger.total_micros() / 1000, parts.join(" + "))
}

fn numbers(turns: &[usize]) -> String {
    if turns.is_empty() {
        return "none".to_owned();
    }
    turns.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn code(passed: bool) -> ExitCode {
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
