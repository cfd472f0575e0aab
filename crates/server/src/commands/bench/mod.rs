//! `offhook bench`: options in, a bench of the caller, and what [`output`] makes of its report.

mod html;
mod options;
mod output;
mod speech;

use std::process::ExitCode;
use std::time::Duration;

use offhook_caller::bench::baseline::BaselineError;
use offhook_caller::bench::{cps, knee, latency, load, repeat, soak};

use self::options::{WrongOption, impairment, limits};
use self::output::Output;
use super::call::seconds;
use crate::cli::bench::{BenchArgs, BenchCommand, LoadArgs};

pub(super) fn run(command: BenchCommand) -> anyhow::Result<ExitCode> {
    measure(command).or_else(|error| {
        // Where nothing was tried yet it is the command that is wrong, as for clap.
        if !error.is::<WrongOption>() && !error.is::<BaselineError>() {
            return Err(error);
        }
        eprintln!("offhook: {error:#}");
        Ok(ExitCode::from(2))
    })
}

fn measure(command: BenchCommand) -> anyhow::Result<ExitCode> {
    match command {
        BenchCommand::Latency { common, calls, repeat: times, line, impaired_for } => {
            let options = latency::LatencyOptions {
                calls,
                measure: seconds(common.seconds, "--seconds")?,
                impairment: impairment(&line)?,
                impaired_for: impaired_for.map(|value| seconds(value, "--impaired-for")).transpose()?,
                server_pid: common.frame.pid,
                reflector: !common.frame.no_reflector,
                seed: common.frame.seed,
                ..latency::LatencyOptions::to(common.uri.clone())
            };
            let output = Output::begin("latency", &common.frame, options.parameters())?;
            match times {
                0 | 1 => output.finish(&latency::run(&options, &output.stop)?),
                _ => {
                    let report = repeat::run(&options, times, &output.stop)?;
                    output.finish(&report)
                }
            }
        }
        BenchCommand::Load { common, calls, knee, from, load } => {
            let size = if knee {
                let search = knee::Search { from: from.min(calls), ..knee::Search::up_to(calls) };
                load::LoadSize::Knee(search)
            } else {
                load::LoadSize::Calls(calls)
            };
            run_load(&common, size, &load)
        }
        BenchCommand::Knee { common, from, most, precision, attempts, load } => {
            let search = knee::Search { from: from.min(most), most, precision_percent: precision, attempts };
            run_load(&common, load::LoadSize::Knee(search), &load)
        }
        BenchCommand::Turns(args) => speech::turns(&args),
        BenchCommand::Bargein(args) => speech::bargein(&args),
        BenchCommand::Soak {
            uri,
            seconds: measure,
            calls,
            call_seconds,
            window,
            threads,
            frame,
            limits: args,
            line,
        } => {
            let options = soak::SoakOptions {
                calls,
                mean_call: at_least_one(call_seconds, "--call-seconds")?,
                window: at_least_one(window, "--window")?,
                measure: seconds(measure, "--seconds")?,
                limits: limits(&args),
                impairment: impairment(&line)?,
                server_pid: frame.pid,
                reflector: !frame.no_reflector,
                threads,
                seed: frame.seed,
                ..soak::SoakOptions::to(uri)
            };
            let output = Output::begin("soak", &frame, options.parameters())?;
            output.finish(&soak::run(&options, &output.stop, &mut |window| eprintln!("{window}"))?)
        }
        BenchCommand::Cps { common, window } => {
            let options = cps::CpsOptions {
                window,
                measure: seconds(common.seconds, "--seconds")?,
                server_pid: common.frame.pid,
                reflector: !common.frame.no_reflector,
                seed: common.frame.seed,
                ..cps::CpsOptions::to(common.uri.clone())
            };
            let output = Output::begin("cps", &common.frame, options.parameters())?;
            output.finish(&cps::run(&options, &output.stop)?)
        }
    }
}

/// A length of at least a second.
fn at_least_one(value: f64, option: &str) -> Result<Duration, WrongOption> {
    WrongOption::unless(value >= 1.0, || format!("{option}: {value} is less than a second"))?;
    Ok(Duration::try_from_secs_f64(value).unwrap_or(Duration::MAX))
}

fn run_load(common: &BenchArgs, size: load::LoadSize, args: &LoadArgs) -> anyhow::Result<ExitCode> {
    let options = load::LoadOptions {
        size,
        hold: seconds(common.seconds, "--seconds")?,
        limits: limits(&args.limits),
        impairment: impairment(&args.line)?,
        server_pid: common.frame.pid,
        application_pid: args.application_pid,
        reflector: !common.frame.no_reflector,
        threads: args.threads,
        seed: common.frame.seed,
        ..load::LoadOptions::to(common.uri.clone())
    };
    let bench = match size {
        load::LoadSize::Calls(_) => "load",
        load::LoadSize::Knee(_) => "knee",
    };
    let output = Output::begin(bench, &common.frame, options.parameters())?;
    output.finish(&load::run(&options, &output.stop)?)
}
