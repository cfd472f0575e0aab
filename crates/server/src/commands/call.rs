//! `offhook call`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use offhook_caller::call::{self, CallOptions, CallReport, EndedBy, OnRefer, Outcome, Transport};

use crate::cli::{CallArgs, TransportArg};

pub(super) fn run(args: &CallArgs) -> anyhow::Result<ExitCode> {
    let mut options = CallOptions::to(args.uri.clone());
    options.transport = match args.transport {
        TransportArg::Udp => Transport::Udp,
        TransportArg::Tcp => Transport::Tcp,
    };
    options.audio.clone_from(&args.audio);
    options.script.clone_from(&args.script);
    options.record_to.clone_from(&args.record);
    options.max_duration = seconds(args.max_duration, "--max-duration")?;
    options.linger = seconds(args.linger, "--linger")?;
    options.from_user.clone_from(&args.from);
    for header in &args.header {
        let (name, value) =
            header.split_once(':').with_context(|| format!("--header: '{header}' is not 'Name: value'"))?;
        options.extra_headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    options.on_refer = match args.on_refer.as_str() {
        "follow" => OnRefer::Follow,
        "ignore" => OnRefer::Ignore,
        other => {
            OnRefer::Decline(other.parse().ok().filter(|status| (300..700).contains(status)).with_context(
                || format!("--on-refer: '{other}' is none of follow, ignore, or a status from 300 to 699"),
            )?)
        }
    };
    let stop = super::stop_on_interrupt();
    let report = call::run(&options, &mut std::io::stderr(), &stop)?;
    if args.json {
        println!("{}", offhook_caller::bench::json_line(&report));
    } else {
        print_report(&report);
    }
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The report for people: how it ended, and each turn as the wire showed it.
fn print_report(report: &CallReport) {
    println!("call to {}: {}, {:.1} s", report.uri, ended(report), report.duration_ms / 1000.0);
    if report.answered_monotonic_ns.is_some() {
        println!("turns as measured from the audio on the wire:");
        println!("{}", report.turns);
    }
    for line in &report.unmet {
        println!("did not come true: {line}");
    }
}

/// How a call ended, for people.
pub(super) fn ended(report: &CallReport) -> String {
    match &report.outcome {
        Outcome::Completed { ended_by: EndedBy::Caller } => "completed, we hung up".to_owned(),
        Outcome::Completed { ended_by: EndedBy::FarEnd } => "completed, they hung up".to_owned(),
        Outcome::Refused { status, reason } => format!("refused: {status} {reason}"),
        Outcome::Cancelled => "cancelled".to_owned(),
        Outcome::Failed { reason } => format!("failed: {reason}"),
    }
}

pub(super) fn seconds(value: f64, option: &str) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(value).with_context(|| format!("{option}: {value} is no number of seconds"))
}
