//! `offhook replay`: a call bundle through the machines again; what others recorded goes to `replay_capture`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use offhook_call_control::{CallRecord, TurnLedger};
use offhook_conversation::Bot;
use offhook_journal::bundle::Bundle;
use offhook_replay::{Beyond, Changes, PlayReport, Report, SETTINGS, play, verify};

use super::bundle::{CANNOT_OPEN, print};
use super::{bundle_file, replay_capture};
use crate::cli::{BeyondArg, ReplayArgs};
use crate::recorder::{build, cpu_class};

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
    let is_for_captures = args.live.is_some() || args.wav.is_some() || args.call.is_some();
    if is_for_captures {
        return replay_capture::run(args);
    }
    offhook_linux_ffi::end_when_nobody_reads();
    let done = match bundle_file::open_if_bundle(&args.file, args.key.as_deref()) {
        Ok(Some(bundle)) => run_bundle(args, &bundle),
        Ok(None) if args.set.is_empty() && args.bot.is_none() => return replay_capture::run(args),
        Ok(None) => Err(anyhow::anyhow!(
            "{}: --set and --bot change a call of our own; this is no call bundle",
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
    if changes.is_empty() {
        let report = guarded(bundle, || verify(bundle))?.with_context(|| args.file.display().to_string())?;
        return Ok(tell_verified(args, bundle, &report, began.elapsed()));
    }
    let beyond = match args.beyond {
        BeyondArg::Stop => Beyond::Stop,
        BeyondArg::TimeOut => Beyond::TimeOut,
    };
    let report = guarded(bundle, || play(bundle, &changes, beyond))?
        .with_context(|| args.file.display().to_string())?;
    Ok(tell_played(args, &report, began.elapsed()))
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
        let text = std::fs::read_to_string(file).with_context(|| format!("--bot {}", file.display()))?;
        let bot = Bot::parse(&text, &file.display().to_string());
        changes.bot(bot.map_err(|errors| anyhow::anyhow!("--bot {}:\n{errors}", file.display()))?);
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

fn tell_played(args: &ReplayArgs, report: &PlayReport, took: Duration) -> ExitCode {
    let turns = report.changed_turns(TICK);
    let passed = report.stopped.is_none();
    if args.json {
        print(serde_json::json!({ "file": args.file, "changed_turns": turns, "report": report }));
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
    report.notes.iter().for_each(|note| print(format_args!("note: {note}")));
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

fn what_changed(args: &ReplayArgs) -> String {
    let bot = args.bot.as_deref().map(Path::display).map(|bot| format!("bot {bot}"));
    args.set.iter().cloned().chain(bot).collect::<Vec<_>>().join(", ")
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

fn ledger(ledger: &TurnLedger) -> String {
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
