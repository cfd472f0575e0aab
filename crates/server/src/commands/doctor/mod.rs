//! `offhook doctor`: network → credentials → parameters → services, and what to do.
//!
//! Each group is a file, each finding says what is so, where it is decided, and what to do about it. Nothing is changed:
//! no folder is made, no key, no lock. What cannot mean anything because something before it is wrong is told as skipped.

mod credentials;
mod machine;
mod network;
mod parameters;
mod port_holder;
mod report;
mod services;

use std::process::ExitCode;

use report::{Group, Report};

use crate::cli::ServeArgs;
use crate::config::Config;
use crate::{serve, storage};

pub(super) fn run(args: &ServeArgs, json: bool) -> anyhow::Result<ExitCode> {
    let report = examine(args)?;
    if json {
        println!("{}", serde_json::to_string(&report.to_json())?);
    } else {
        print!("{report}");
    }
    Ok(if report.is_fine() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn examine(args: &ServeArgs) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let config = match serve::configuration(args) {
        Ok(config) => config,
        Err(error) => {
            for group in [Group::Network, Group::Credentials] {
                report.of(group).skipped("all", "", "the configuration cannot be used, see parameters");
            }
            let remedy = "set it right: the message says where and what would be; `offhook config check FILE` says it again";
            let place = args.config.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            report.of(Group::Parameters).bad("configuration", &place, error.to_string(), remedy);
            report.of(Group::Services).skipped("all", "", "the configuration cannot be used, see parameters");
            return Ok(report);
        }
    };
    let server_runs = storage::is_in_use(&config.data).unwrap_or(false);
    network::check(&config, server_runs, &mut report.of(Group::Network));
    credentials::check(&config, &mut report.of(Group::Credentials));
    let bots = parameters::check(&config, &mut report.of(Group::Parameters));
    machine::check(&config, &mut report.of(Group::Parameters));
    let lacks_secrets = report.has_failed("trace.headers");
    services::check(&config, bots.as_ref(), server_runs, lacks_secrets, &mut report.of(Group::Services))?;
    Ok(report)
}

/// How many calls the configuration wants to have at once: its limit, or what its ports are for.
fn wanted_calls(config: &Config) -> usize {
    let pairs = usize::from(config.rtp.last - config.rtp.first).div_ceil(2);
    config.max_calls.unwrap_or(pairs)
}
