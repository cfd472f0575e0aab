//! `offhook compare`: the same calls on two sides.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use offhook_conversation::Bot;
use offhook_journal::bundle::Bundle;
use offhook_replay::compare::{
    CallComparison, Comparison, NotCompared, Rule, SideLabel, SideOfCall, TurnsBy, compare, metrics,
};
use offhook_replay::{Beyond, CallHead, Changes, Helpers, play, play_with};
use offhook_report::CompareOptions;

use super::bundle::CANNOT_OPEN;
use super::compare_calls::{Planned, find, pair};
use super::{bundle_file, compare_text, replay, replay_machine};
use crate::cli::BeyondArg;
use crate::cli_compare::CompareArgs;
use crate::cli_machine::{EngineArg, MachineArgs};
use crate::config::Config;
use crate::recorder::build;
use crate::surroundings::Around;

/// Shorter runs need no account of how far they are.
const QUIET: Duration = Duration::from_secs(2);

/// What `--fail-on` and `--set` take, for `--help`.
pub fn help() -> String {
    format!(
        "Rules of --fail-on: METRIC COMPARISON VALUE, about side b. COMPARISON is one of > >= < <= == !=; VALUE is a number\n\
         with its unit (900ms, 1.2s, 5%, 3), or recorded (also: a), the value of side a, with or without more:\n\
         recorded + 100ms, recorded + 10%. A call that side b did not play to its end fires every `!= recorded`.\n\
         Metrics:\n{}\n{}",
        metrics(),
        replay::settings()
    )
}

pub(super) fn run(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    offhook_linux_ffi::end_when_nobody_reads();
    compare_all(args).or_else(|error| {
        eprintln!("offhook: {error:#}");
        Ok(ExitCode::from(CANNOT_OPEN))
    })
}

fn compare_all(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let rules = args.fail_on.iter().map(|rule| Rule::parse(rule)).collect::<Result<Vec<_>, _>>();
    let rules = rules.context("--fail-on")?;
    let sides = Sides::of(args)?;
    let files = find(&args.paths)?;
    let (planned, mut not_compared) = if args.with.is_empty() {
        (files.into_iter().map(|file| Planned { file, file_b: None }).collect(), Vec::new())
    } else {
        pair([files, find(&args.with)?], args.pair, args.key.as_deref())
    };
    // Engines that are not there are told before anything is done.
    let around = sides.around()?;
    let (mut calls, failed) = each(&planned, args, &sides, around);
    not_compared.extend(failed);
    not_compared.sort_by(|one, other| one.file.cmp(&other.file));
    if calls.is_empty() {
        for call in not_compared.iter().take(20) {
            eprintln!("{}: {}", call.file, call.reason);
        }
        bail!("no call could be compared ({} could not be)", not_compared.len());
    }
    for (at, call) in calls.iter_mut().enumerate() {
        call.number = at + 1;
    }
    let comparison = Comparison::of(build(), sides.labels(args), calls, not_compared, &rules);
    if let Some(file) = &args.html {
        write_html(file, &comparison)?;
    }
    if args.json {
        compare_text::print_json(&comparison);
    } else {
        compare_text::print_text(&comparison, args.html.as_deref());
    }
    Ok(if comparison.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What makes each side.
struct Sides {
    /// `None` = the recordings.
    a: Option<Changes>,
    /// `None` = other recordings.
    b: Option<Changes>,
    beyond: Beyond,
    /// Who answers where the recordings do not, and the server's configuration.
    machine: Option<(MachineArgs, Config)>,
}

impl Sides {
    fn of(args: &CompareArgs) -> anyhow::Result<Sides> {
        let mut b = Changes::default();
        for change in &args.set {
            b.set(change).context("--set")?;
        }
        if let Some(file) = &args.bot {
            b.bot(read_bot("--bot", file)?);
        }
        let mut a = None;
        if let Some(file) = &args.against {
            let mut changes = Changes::default();
            changes.bot(read_bot("--against", file)?);
            a = Some(changes);
        }
        let beyond = match args.beyond {
            BeyondArg::Stop => Beyond::Stop,
            BeyondArg::TimeOut => Beyond::TimeOut,
        };
        let machine = match args.machine() {
            Some(machine) if machine.engine == Some(EngineArg::Scripted) => {
                bail!("--engine scripted is for transcripts: a bundle's words are in it")
            }
            Some(machine) => {
                let config = replay_machine::config(&machine)?;
                Some((machine, config))
            }
            None => None,
        };
        Ok(Sides { a, b: args.with.is_empty().then_some(b), beyond, machine })
    }

    /// Who answers on one thread.
    fn around(&self) -> anyhow::Result<Option<Around>> {
        let start = |(machine, config): &(MachineArgs, Config)| {
            replay_machine::around(machine, EngineArg::Live, config)
        };
        self.machine.as_ref().map(start).transpose()
    }

    fn labels(&self, args: &CompareArgs) -> [SideLabel; 2] {
        let bot = |file: &Option<PathBuf>| file.as_ref().map(|file| file.display().to_string());
        let label = |bot: Option<String>, settings: &[String], otherwise: String, is_recorded| {
            let parts: Vec<String> = bot.iter().chain(settings).cloned().collect();
            let label = if parts.is_empty() { otherwise } else { parts.join(", ") };
            SideLabel { label, is_recorded, bot, settings: settings.to_vec() }
        };
        let folders: Vec<String> = args.with.iter().map(|path| path.display().to_string()).collect();
        let (of_b, is_recorded) =
            if self.b.is_some() { ("played again".to_owned(), false) } else { (folders.join(", "), true) };
        [
            label(bot(&args.against), &[], "recorded".to_owned(), self.a.is_none()),
            label(bot(&args.bot), &args.set, of_b, is_recorded),
        ]
    }
}

fn read_bot(option: &str, file: &Path) -> anyhow::Result<Bot> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{option} {}", file.display()))?;
    let bot = Bot::parse(&text, &file.display().to_string());
    bot.map_err(|errors| anyhow::anyhow!("{option} {}:\n{errors}", file.display()))
}

/// Compares call by call on several threads: each holds one call's bundles at a time. `around` is the first thread's.
fn each(
    planned: &[Planned],
    args: &CompareArgs,
    sides: &Sides,
    around: Option<Around>,
) -> (Vec<CallComparison>, Vec<NotCompared>) {
    let (next, done) = (AtomicUsize::new(0), Mutex::new((Vec::new(), Vec::new())));
    let progress = Progress::new(planned.len());
    let work = |around: Option<Around>| {
        let mut stage = Stage { args, sides, around };
        while let Some(plan) = planned.get(next.fetch_add(1, Ordering::Relaxed)) {
            let compared = stage.one(plan);
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            match compared {
                Ok(call) => done.0.push(*call),
                Err(failed) => done.1.push(*failed),
            }
            progress.tell(done.0.len() + done.1.len());
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..args.threads.clamp(1, planned.len().max(1)) {
            // One that has no engines leaves the work to the others.
            scope.spawn(|| sides.around().map(work));
        }
        work(around);
    });
    let (mut calls, failed) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    calls.sort_by(|one, other| (&one.file, &one.file_b).cmp(&(&other.file, &other.file_b)));
    (calls, failed)
}

/// What a thread compares calls with.
struct Stage<'a> {
    args: &'a CompareArgs,
    sides: &'a Sides,
    around: Option<Around>,
}

impl Stage<'_> {
    fn one(&mut self, plan: &Planned) -> Result<Box<CallComparison>, Box<NotCompared>> {
        let mut call_id = None;
        let compared = self.compare(plan, &mut call_id);
        compared.map_err(|error| {
            let (file, reason) = (plan.file.display().to_string(), format!("{error:#}"));
            Box::new(NotCompared { file, call_id, reason })
        })
    }

    fn compare(
        &mut self,
        plan: &Planned,
        call_id: &mut Option<String>,
    ) -> anyhow::Result<Box<CallComparison>> {
        let sides = self.sides;
        let bundle = self.open(&plan.file)?;
        *call_id = Some(bundle.meta.call.clone());
        let side_a = self.side(&bundle, sides.a.as_ref())?;
        let (side_b, turns_by) = match &plan.file_b {
            None => (self.side(&bundle, sides.b.as_ref())?, TurnsBy::Moment),
            Some(file) => {
                drop(bundle);
                (self.side(&self.open(file)?, None)?, TurnsBy::Order)
            }
        };
        let name = |file: &Path| file.display().to_string();
        let file_b = plan.file_b.as_deref().map(name);
        Ok(Box::new(compare(0, name(&plan.file), file_b, side_a, side_b, turns_by)))
    }

    fn open(&self, file: &Path) -> anyhow::Result<Bundle> {
        bundle_file::open(file, self.args.key.as_deref())
    }

    /// One side of a call; `None` as it was recorded.
    fn side(&mut self, bundle: &Bundle, changes: Option<&Changes>) -> anyhow::Result<SideOfCall> {
        let (with_sound, beyond) = (self.args.html.is_some(), self.sides.beyond);
        let Some(changes) = changes else {
            return Ok(replay::guarded(bundle, || SideOfCall::recorded(bundle, with_sound))??);
        };
        let mut notes = Vec::new();
        let report = match &mut self.around {
            None => replay::guarded(bundle, || play(bundle, changes, beyond))??,
            Some(around) => {
                if let Some(bot) = changes.bot_of(&CallHead::from_meta(&bundle.meta)?)? {
                    around.begin(&bot)?;
                }
                let helpers = Helpers { around: Some(&mut *around), caller: None };
                let report = replay::guarded(bundle, || play_with(bundle, changes, beyond, helpers))??;
                notes = around.take_notes();
                report
            }
        };
        Ok(SideOfCall::played(bundle, &report, notes, with_sound))
    }
}

fn write_html(file: &Path, comparison: &Comparison) -> anyhow::Result<()> {
    let made = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let options = CompareOptions { made_unix_ms: u64::try_from(made).ok(), ..CompareOptions::default() };
    let html = offhook_report::compare_html(comparison, &options);
    std::fs::write(file, html).with_context(|| format!("--html {}", file.display()))
}

/// How far a long run is, on stderr.
struct Progress {
    calls: usize,
    began: Instant,
    told: Mutex<Duration>,
}

impl Progress {
    fn new(calls: usize) -> Progress {
        Progress { calls, began: Instant::now(), told: Mutex::new(Duration::ZERO) }
    }

    fn tell(&self, done: usize) {
        let passed = self.began.elapsed();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // The longer it runs the less often it is told.
        if passed < *told + QUIET.max(*told / 4) || done == self.calls {
            return;
        }
        *told = passed;
        let left = passed.as_secs_f64() / done.max(1) as f64 * (self.calls - done) as f64;
        eprintln!(
            "compared {done} of {} calls in {:.0} s, about {left:.0} s to go",
            self.calls,
            passed.as_secs_f64()
        );
    }
}
