//! What every bench's output has in common: who measured what with which command, the floor below which the figures
//! say nothing, figures that can be compared with an earlier run, and the exit code.
//!
//! A bench makes a report and implements [`BenchReport`] for it; [`Document`] is the JSON line, [`page`](super::page) the
//! text, [`baseline`](super::baseline) the comparison.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bench::Verdict;
use crate::bench::baseline::Comparison;
use crate::bench::page::Page;
use crate::bench::plot::Plot;
use crate::clock;
use crate::machine::Machine;

/// What a run was asked for, by name: two runs are comparable where these are equal. The address is not among them:
/// the same bench against two servers is what a comparison is for.
pub type Parameters = BTreeMap<&'static str, Value>;

/// What every report states in fields of the same names: bench, URI, machine and method.
macro_rules! stated_fields {
    () => {
        fn bench(&self) -> &'static str {
            self.bench
        }

        fn uri(&self) -> &str {
            &self.uri
        }

        fn machine(&self) -> &crate::machine::Machine {
            &self.machine
        }

        fn method(&self) -> &'static str {
            self.method
        }
    };
}
pub(in crate::bench) use stated_fields;

/// What a bench found out, as the frame needs it.
pub trait BenchReport: Serialize {
    /// `latency`, `load`, …: what stands in the report's field `bench`.
    fn bench(&self) -> &'static str;
    /// Whom it called.
    fn uri(&self) -> &str;
    /// What the caller and the machine themselves cost in this run, each with the limit above which the run is spoiled.
    fn floor(&self) -> Vec<FloorCheck>;
    /// What the server did not keep of the bench's own criterion, for people; `None` where it kept it or there is none.
    fn broken(&self) -> Option<String>;
    /// The figures worth comparing, in the order in which they are told.
    fn figures(&self) -> Vec<Figure>;
    /// The report for people.
    fn page(&self) -> Page;
    /// Where it ran.
    fn machine(&self) -> &Machine;
    /// How it was measured, in one sentence.
    fn method(&self) -> &'static str;
    /// What of it is worth drawing.
    fn plots(&self) -> Vec<Plot> {
        Vec::new()
    }
    /// Whether to believe the figures: by default whether [`floor`](BenchReport::floor) holds.
    fn verdict(&self) -> Verdict {
        Verdict::of_floor(&self.floor())
    }
}

/// One measure of what the machine and this caller themselves cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FloorCheck {
    /// What: `reflector_p99_ms`, `own_lateness_p99_ms`.
    pub name: &'static str,
    /// How much.
    pub value: f64,
    /// Above this the run says nothing about the server.
    pub limit: f64,
}

impl FloorCheck {
    /// The p99 of the same through a bare reflector.
    pub fn reflector(p99_ms: f64) -> Self {
        FloorCheck { name: "reflector_p99_ms", value: p99_ms, limit: super::REFLECTOR_LIMIT_MS }
    }

    /// The p99 of how late our own packets left.
    pub fn own(p99_ms: f64) -> Self {
        FloorCheck { name: "own_lateness_p99_ms", value: p99_ms, limit: super::OWN_LIMIT_MS }
    }

    /// Whether it spoils the run.
    pub fn is_broken(&self) -> bool {
        self.value > self.limit
    }
}

/// One figure of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// A name that stays: `added_p50_ms`.
    pub name: &'static str,
    /// How much.
    pub value: f64,
    /// `ms`, `%`, `calls`, …; empty for a bare number.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// A difference of at most this is no difference, whatever the ratio: what two runs of one build differ by.
    pub noise: f64,
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
}

impl Figure {
    /// A figure of which less is better.
    pub fn lower(name: &'static str, value: f64, unit: &'static str, noise: f64) -> Self {
        Figure { name, value, unit, better: Better::Lower, noise }
    }

    /// A figure of which more is better.
    pub fn higher(name: &'static str, value: f64, unit: &'static str, noise: f64) -> Self {
        Figure { name, value, unit, better: Better::Higher, noise }
    }
}

/// Who measured, when, and with which words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// The version of this program.
    pub offhook: &'static str,
    /// The command as it was typed.
    pub command_line: String,
    /// What decides signals and accidents.
    pub seed: u64,
    /// When it began, in milliseconds of Unix time.
    pub started_unix_ms: u64,
    /// Whether it was ended before its time by a signal.
    pub interrupted: bool,
    /// What it was asked for, as far as it decides the figures.
    pub parameters: Parameters,
}

impl Run {
    /// A run that begins now.
    pub fn begin(command_line: String, seed: u64, parameters: Parameters) -> Self {
        Run {
            offhook: env!("CARGO_PKG_VERSION"),
            command_line,
            seed,
            started_unix_ms: clock::wall_unix_ms(),
            interrupted: false,
            parameters,
        }
    }
}

/// One line of JSON: the report's own members, and those that every bench has.
#[derive(Clone, Debug, Serialize)]
pub struct Document<'a, R: BenchReport> {
    /// The bench's own.
    #[serde(flatten)]
    pub report: &'a R,
    /// Who measured.
    pub run: &'a Run,
    /// What the machine and the caller themselves cost.
    pub floor: Vec<FloorCheck>,
    /// What can be compared.
    pub figures: Vec<Figure>,
    /// What the server did not keep.
    pub broken: Option<String>,
    /// Against an earlier run.
    pub baseline: Option<&'a Comparison>,
    /// What the program exits with.
    pub exit_code: u8,
}

impl<'a, R: BenchReport> Document<'a, R> {
    /// Of a run that has ended.
    pub fn of(report: &'a R, run: &'a Run, baseline: Option<&'a Comparison>) -> Self {
        let ending = Ending::of(report, baseline);
        let (floor, figures, broken) = (report.floor(), report.figures(), report.broken());
        Document { report, run, floor, figures, broken, baseline, exit_code: ending.exit_code() }
    }
}

/// How a run ended. The first that holds, in this order, decides: what a spoiled run says about the server is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Machine or caller spoiled it.
    Spoiled,
    /// The server broke the bench's own criterion.
    Broken,
    /// A figure is worse than the baseline's by more than the tolerance.
    WorseThanBaseline,
    /// Measured, and nothing of these.
    Measured,
}

impl Ending {
    /// How a run with this report ended.
    pub fn of(report: &impl BenchReport, baseline: Option<&Comparison>) -> Self {
        if report.verdict() == Verdict::MachineTooNoisy {
            Ending::Spoiled
        } else if report.broken().is_some() {
            Ending::Broken
        } else if baseline.is_some_and(Comparison::is_worse) {
            Ending::WorseThanBaseline
        } else {
            Ending::Measured
        }
    }

    /// What the program exits with; 1 and 2 are those of a run that never was (nobody answered, wrong options).
    pub fn exit_code(self) -> u8 {
        match self {
            Ending::Measured => 0,
            Ending::Spoiled => 3,
            Ending::WorseThanBaseline => 4,
            Ending::Broken => 5,
        }
    }
}
