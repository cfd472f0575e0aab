//! Plays simulated calls and prints what each did, one line per call. With `--replay all` every call is run once more
//! from its own step log; `even` and `odd` do that for half of them. The determinism test starts this program twice and
//! compares. `--bundles DIR` writes the bundle of each call. `--bundles DIR` writes each call's bundle too.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::io::Write;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use offhook_journal::bundle::Keep;
use offhook_simulation::{CallReport, Kind, Recording, Scenario, Simulation, replay};

struct Options {
    calls: u64,
    from: u64,
    kind: Option<Kind>,
    replay: Replay,
    threads: u64,
    verbose: bool,
    bundles: Option<PathBuf>,
    keep: Keep,
}

/// Which calls are run again from their logs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Replay {
    None,
    Even,
    Odd,
    All,
}

impl Replay {
    fn named(name: &str) -> Option<Replay> {
        match name {
            "none" => Some(Replay::None),
            "even" => Some(Replay::Even),
            "odd" => Some(Replay::Odd),
            "all" => Some(Replay::All),
            _ => None,
        }
    }

    fn wants(self, number: u64) -> bool {
        match self {
            Replay::None => false,
            Replay::Even => number.is_multiple_of(2),
            Replay::Odd => !number.is_multiple_of(2),
            Replay::All => true,
        }
    }
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!(
            "simulate [--calls N] [--from N] [--kind NAME] [--threads N] [--replay even|odd|all] [--verbose] [--bundles DIR] [--whole]"
        );
        return ExitCode::FAILURE;
    };
    let kinds = options.kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
    let calls: Vec<(Kind, u64)> = (options.from..options.from + options.calls)
        .flat_map(|number| kinds.iter().map(move |kind| (*kind, number)))
        .collect();
    let lines = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.threads)
            .map(|worker| {
                let (calls, options) = (&calls, &options);
                let mine = move |index: &usize| *index as u64 % options.threads == worker;
                scope.spawn(move || {
                    let mine = (0..calls.len()).filter(mine);
                    mine.map(|index| (index, line(calls[index].0, calls[index].1, options)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect::<BTreeMap<_, _>>()
    });
    let mut out = std::io::stdout().lock();
    let written = lines.values().try_for_each(|line| writeln!(out, "{line}"));
    if written.is_ok() && lines.len() == calls.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn line(kind: Kind, number: u64, options: &Options) -> String {
    let name = kind.name();
    let played = catch_unwind(|| {
        let mut simulation = Simulation::new(Scenario::new(kind, number));
        if options.bundles.is_some() {
            simulation = simulation.with_bundle(options.keep);
        }
        let (report, recording) = simulation.run();
        let again = if options.replay.wants(number) {
            replay(&recording).map_or("unreadable".to_owned(), |digests| digests.to_string())
        } else {
            "-".to_owned()
        };
        if let Some(folder) = &options.bundles {
            write_bundle(folder, &report, recording);
        }
        (report, again)
    });
    match played {
        Ok((report, again)) => {
            if options.verbose {
                eprintln!("{}", story(&report));
            }
            tell(&report, &again)
        }
        Err(_) => format!("{name}\t{number}\tpanic\t0\t0\t-\t-\t\tit panicked"),
    }
}

/// A call that never began has none.
fn write_bundle(folder: &Path, report: &CallReport, recording: Recording) {
    let Some(bundle) = recording.into_bundle() else { return };
    let file = folder.join(format!("{}-{}.call", report.kind.name(), report.number));
    let written = bundle
        .map_err(|error| error.to_string())
        .and_then(|bytes| std::fs::write(&file, bytes).map_err(|error| error.to_string()));
    if let Err(error) = written {
        eprintln!("{}: {error}", file.display());
    }
}

/// Kind, number, cause, lasted (ms), packets, digests, digests of the replay, events, violations; between tabs.
fn tell(report: &CallReport, again: &str) -> String {
    let cause = report.cause.map_or("none", |cause| cause.word());
    let events: Vec<String> = report.events.iter().map(|(name, count)| format!("{name}={count}")).collect();
    format!(
        "{}\t{}\t{cause}\t{}\t{}\t{}\t{again}\t{}\t{}",
        report.kind.name(),
        report.number,
        report.lasted.as_millis(),
        report.packets,
        report.digests,
        events.join(","),
        report.violations.join("; ")
    )
}

fn story(report: &CallReport) -> String {
    let said: Vec<String> =
        report.record.transcript.iter().map(|(speaker, text)| format!("  {speaker:?}: {text}")).collect();
    format!("{} {}: {:?}\n{}", report.kind.name(), report.number, report.cause, said.join("\n"))
}

fn options() -> Option<Options> {
    let mut options = Options {
        calls: 1,
        from: 0,
        kind: None,
        replay: Replay::None,
        threads: 1,
        verbose: false,
        bundles: None,
        keep: Keep::Header,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--calls" => options.calls = words.next()?.parse().ok()?,
            "--from" => options.from = words.next()?.parse().ok()?,
            "--kind" => options.kind = Some(Kind::named(&words.next()?)?),
            "--threads" => options.threads = words.next()?.parse::<u64>().ok()?.max(1),
            "--replay" => options.replay = Replay::named(&words.next()?)?,
            "--verbose" => options.verbose = true,
            "--bundles" => options.bundles = Some(words.next()?.into()),
            "--whole" => options.keep = Keep::Whole,
            _ => return None,
        }
    }
    Some(options)
}
