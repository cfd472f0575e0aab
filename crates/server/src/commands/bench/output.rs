//! What all benches do with their report: text or one line of JSON, comparison with a baseline, exit code.

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use offhook_caller::bench::baseline::{Baseline, Comparison};
use offhook_caller::bench::frame::{BenchReport, Document, Ending, Parameters, Run};
use offhook_caller::bench::json_line;
use offhook_caller::bench::page::{Page, number};
use offhook_caller::call::Stop;

use super::html::html;
use crate::cli::bench::FrameArgs;

/// A bench that is about to run.
#[derive(Debug)]
pub(super) struct Output<'a> {
    args: &'a FrameArgs,
    run: Run,
    baseline: Option<Baseline>,
    /// Raised by Ctrl-C and SIGTERM.
    pub stop: Stop,
}

impl<'a> Output<'a> {
    /// Reads the baseline before anything is measured: one that cannot be compared with ends it here, with code 2.
    pub fn begin(bench: &'static str, args: &'a FrameArgs, parameters: Parameters) -> anyhow::Result<Self> {
        let baseline = args.baseline.as_deref().map(|file| read(file, bench, &parameters)).transpose()?;
        if let Some(file) = &args.html {
            // Before anything is measured: hours of it are no time to learn that the folder is not there.
            File::create(file).with_context(|| format!("--html {}", file.display()))?;
        }
        let run = Run::begin(command_line(), args.seed, parameters);
        Ok(Output { args, run, baseline, stop: super::super::stop_on_interrupt() })
    }

    /// Tells what came of it.
    pub fn finish(&self, report: &impl BenchReport) -> anyhow::Result<ExitCode> {
        let run = Run { interrupted: self.stop.is_raised(), ..self.run.clone() };
        let comparison = self.baseline.as_ref().zip(self.args.baseline.as_deref()).map(|(baseline, file)| {
            baseline.compare(
                file,
                &report.figures(),
                report.uri(),
                Some(report.machine()),
                self.args.tolerance,
            )
        });
        if self.args.json {
            println!("{}", json_line(&Document::of(report, &run, comparison.as_ref())));
        } else {
            print!("{}", text(report, &run, comparison.as_ref()));
        }
        // Last: what was measured for hours stands on the terminal, whatever becomes of the file.
        if let Some(file) = &self.args.html {
            std::fs::write(file, html(report, &run, comparison.as_ref()))
                .with_context(|| format!("--html {}", file.display()))?;
        }
        Ok(ExitCode::from(Ending::of(report, comparison.as_ref()).exit_code()))
    }
}

fn read(file: &Path, bench: &'static str, parameters: &Parameters) -> anyhow::Result<Baseline> {
    Baseline::read(file, bench, parameters).with_context(|| format!("--baseline {}", file.display()))
}

/// The command as it could be typed again.
fn command_line() -> String {
    std::env::args().map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain =
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@=,+%".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// For people: the verdict first, then the figures, where it ran and how it was measured last.
fn text(report: &impl BenchReport, run: &Run, comparison: Option<&Comparison>) -> Page {
    let machine = report.machine();
    let ending = match Ending::of(report, comparison) {
        Ending::Measured => "measured".to_owned(),
        Ending::Spoiled => "SPOILED by the machine or this caller: says nothing about the server".to_owned(),
        Ending::WorseThanBaseline => "WORSE than the baseline".to_owned(),
        Ending::Broken => format!("NOT KEPT: {}", report.broken().unwrap_or_default()),
    };
    let cut = if run.interrupted { ", ended before its time" } else { "" };
    let floor: Vec<String> = report
        .floor()
        .iter()
        .map(|check| {
            let broken = if check.is_broken() { " EXCEEDED" } else { "" };
            format!("{} {} (limit {}{broken})", check.name, number(check.value), number(check.limit))
        })
        .collect();
    let head = Page::new()
        .line(format!("bench {} {}: {ending}{cut}", report.bench(), report.uri()))
        .facts([("floor", (!floor.is_empty()).then(|| floor.join(", ")))])
        .then(report.page());
    let compared = comparison.map(Comparison::page).unwrap_or_default();
    head.then(compared).facts([
        (
            "machine",
            Some(format!(
                "{} × {}, {} MiB, Linux {}",
                machine.processors, machine.processor, machine.memory_mib, machine.kernel
            )),
        ),
        (
            "its load",
            Some(format!(
                "load average {} before, {} % busy and {} % stolen while measured",
                number(machine.load_average),
                number(machine.busy_percent),
                number(machine.steal_percent)
            )),
        ),
        ("method", Some(report.method().to_owned())),
        ("measured by", Some(format!("offhook {}, seed {}", run.offhook, run.seed))),
        ("command", Some(run.command_line.clone())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_typed_again() {
        let words = ["bench", "sip:a@b:5", "--html", "a b.html", "it's", ""].map(quoted);

        assert_eq!(words.join(" "), r"bench sip:a@b:5 --html 'a b.html' 'it'\''s' ''");
    }
}
