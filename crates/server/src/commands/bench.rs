//! `offhook bench`.

use std::process::ExitCode;

use offhook_caller::bench::{cps, json_line, latency, load, repeat};
use offhook_caller::impair::Impairment;
use serde::Serialize;

use super::call::seconds;
use crate::cli::{BenchArgs, BenchCommand};

pub(super) fn run(command: BenchCommand) -> anyhow::Result<ExitCode> {
    let stop = super::stop_on_interrupt();
    match command {
        BenchCommand::Latency {
            common,
            calls,
            repeat: times,
            loss,
            jitter,
            reorder,
            duplicate,
            impaired_for,
        } => {
            let impairment = Impairment {
                loss_percent: loss,
                jitter_ms: jitter,
                reorder_percent: reorder,
                duplicate_percent: duplicate,
            };
            let options = latency::LatencyOptions {
                calls,
                measure: seconds(common.seconds, "--seconds")?,
                impairment: (!impairment.is_none()).then_some(impairment),
                impaired_for: impaired_for.map(|value| seconds(value, "--impaired-for")).transpose()?,
                server_pid: common.pid,
                reflector: !common.no_reflector,
                seed: common.seed,
                ..latency::LatencyOptions::to(common.uri.clone())
            };
            match times {
                1 => print(&common, &latency::run(&options, &stop)?),
                times => print(&common, &repeat::run(&options, times, &stop)?),
            }
        }
        BenchCommand::Load { common, calls, knee, from, application_pid, threads } => {
            let size = if knee {
                load::LoadSize::Knee { from: from.min(calls), most: calls }
            } else {
                load::LoadSize::Calls(calls)
            };
            let options = load::LoadOptions {
                size,
                hold: seconds(common.seconds, "--seconds")?,
                server_pid: common.pid,
                application_pid,
                reflector: !common.no_reflector,
                threads,
                seed: common.seed,
                ..load::LoadOptions::to(common.uri.clone())
            };
            print(&common, &load::run(&options, &stop)?);
        }
        BenchCommand::Cps { common, window } => {
            let options = cps::CpsOptions {
                window,
                measure: seconds(common.seconds, "--seconds")?,
                server_pid: common.pid,
                reflector: !common.no_reflector,
                seed: common.seed,
                ..cps::CpsOptions::to(common.uri.clone())
            };
            print(&common, &cps::run(&options, &stop)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(common: &BenchArgs, report: &impl Serialize) {
    if common.json {
        println!("{}", json_line(report));
        return;
    }
    // For people: the same fields, one a line.
    let value = serde_json::to_value(report).unwrap_or_default();
    println!("{}", serde_json::to_string_pretty(&value).unwrap_or_default());
}
