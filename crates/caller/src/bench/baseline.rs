//! A run against an earlier one: each figure's ratio, and whether any became worse.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bench::Verdict;
use crate::bench::frame::{Better, Figure, Parameters};
use crate::bench::page::{Page, Table, number};
use crate::machine::Machine;
use crate::statistics::rounded;

/// An earlier run, as far as a comparison needs it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Baseline {
    bench: String,
    uri: String,
    verdict: Verdict,
    #[serde(default)]
    figures: Vec<EarlierFigure>,
    run: Option<EarlierRun>,
    machine: Option<Machine>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct EarlierFigure {
    name: String,
    value: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct EarlierRun {
    offhook: String,
    parameters: BTreeMap<String, Value>,
    #[serde(default)]
    interrupted: bool,
}

/// Why a file is no baseline for a run.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It cannot be read.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// It has no run of this bench.
    #[error("it holds no run of `bench {wanted}`{}", among(.found))]
    OtherBench {
        /// What is measured now.
        wanted: &'static str,
        /// The benches it has.
        found: Vec<String>,
    },
    /// Its run was asked for something else.
    #[error("its run is not comparable: {0}")]
    OtherParameters(String),
    /// It was written before there were comparisons.
    #[error("its run has no `figures`: it was written by an earlier version")]
    NoFigures,
}

fn among(found: &[String]) -> String {
    if found.is_empty() { String::new() } else { format!(", only of {}", found.join(", ")) }
}

impl Baseline {
    /// The last run of `bench` in a file of JSON lines, with `parameters` as now. What stands before the brace of a line
    /// is a name that a script gave it.
    pub fn read(file: &Path, bench: &'static str, parameters: &Parameters) -> Result<Self, BaselineError> {
        Self::parse(&std::fs::read_to_string(file)?, bench, parameters)
    }

    fn parse(text: &str, bench: &'static str, parameters: &Parameters) -> Result<Self, BaselineError> {
        let runs = text.lines().filter_map(|line| {
            let json = line.get(line.find('{')?..)?;
            serde_json::from_str::<Baseline>(json).ok()
        });
        let (same, other): (Vec<Baseline>, Vec<Baseline>) = runs.partition(|run| run.bench == bench);
        // Of several runs of one bench the last that was asked for the same.
        let differs = |run: &Baseline| run.difference(parameters);
        let found = same.iter().rfind(|run| differs(run).is_none()).or(same.last());
        let Some(run) = found else {
            let mut found: Vec<String> = other.into_iter().map(|run| run.bench).collect();
            found.dedup();
            return Err(BaselineError::OtherBench { wanted: bench, found });
        };
        if run.figures.is_empty() || run.run.is_none() {
            return Err(BaselineError::NoFigures);
        }
        match differs(run) {
            Some(difference) => Err(BaselineError::OtherParameters(difference)),
            None => Ok(run.clone()),
        }
    }

    /// What it was asked for that is not asked for now, or the other way round.
    fn difference(&self, parameters: &Parameters) -> Option<String> {
        let earlier = &self.run.as_ref()?.parameters;
        let names: std::collections::BTreeSet<&str> =
            earlier.keys().map(String::as_str).chain(parameters.keys().copied()).collect();
        let differing: Vec<String> = names
            .into_iter()
            .filter_map(|name| {
                let (then, now) = (earlier.get(name), parameters.get(name));
                let shown = |value: Option<&Value>| value.map_or("absent".to_owned(), Value::to_string);
                (then != now).then(|| format!("{name} was {}, is {}", shown(then), shown(now)))
            })
            .collect();
        (!differing.is_empty()).then(|| differing.join("; "))
    }

    /// Compares. A figure is worse where it moved the wrong way by more than `tolerance_percent` of what it was and by
    /// more than its own noise.
    pub fn compare(
        &self,
        file: &Path,
        figures: &[Figure],
        uri: &str,
        machine: Option<&Machine>,
        tolerance_percent: f64,
    ) -> Comparison {
        let mut warnings = self.warnings(uri, machine);
        let mut compared = Vec::new();
        for figure in figures {
            match self.figures.iter().find(|earlier| earlier.name == figure.name) {
                Some(earlier) => compared.push(Compared::of(figure, earlier.value, tolerance_percent)),
                None => warnings.push(format!("the baseline has no {}", figure.name)),
            }
        }
        for earlier in &self.figures {
            if !figures.iter().any(|figure| figure.name == earlier.name) {
                warnings.push(format!("this run has no {}", earlier.name));
            }
        }
        Comparison { file: file.display().to_string(), tolerance_percent, figures: compared, warnings }
    }

    fn warnings(&self, uri: &str, machine: Option<&Machine>) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.verdict == Verdict::MachineTooNoisy {
            warnings.push("the baseline itself was spoiled by its machine".to_owned());
        }
        if self.uri != uri {
            warnings.push(format!("another server: the baseline called {}", self.uri));
        }
        if let Some(run) = &self.run {
            if run.interrupted {
                warnings.push("the baseline was ended before its time".to_owned());
            }
            if run.offhook != env!("CARGO_PKG_VERSION") {
                warnings.push(format!("measured by another version, {}", run.offhook));
            }
        }
        let Some((then, now)) = self.machine.as_ref().zip(machine) else { return warnings };
        if (&then.processor, then.processors) != (&now.processor, now.processors) {
            let (processor, processors) = (&then.processor, then.processors);
            warnings.push(format!("another machine: the baseline had {processors} × {processor}"));
        }
        if then.kernel != now.kernel {
            warnings.push(format!("another kernel: the baseline had {}", then.kernel));
        }
        warnings
    }
}

/// A run against an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Where the earlier one stands.
    pub file: String,
    /// How much worse a figure may be, in percent.
    pub tolerance_percent: f64,
    /// The figures that both have.
    pub figures: Vec<Compared>,
    /// What makes the two less alike.
    pub warnings: Vec<String>,
}

/// One figure of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// The baseline's.
    pub then: f64,
    /// This run's.
    pub now: f64,
    /// Now by then; absent where that was 0.
    pub ratio: Option<f64>,
    /// What to think of it.
    pub change: Change,
}

/// What became of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Within tolerance or noise.
    Same,
    /// Better by more than that.
    Better,
    /// Worse by more than that.
    Worse,
}

impl Compared {
    fn of(figure: &Figure, then: f64, tolerance_percent: f64) -> Self {
        let worse_by = match figure.better {
            Better::Lower => figure.value - then,
            Better::Higher => then - figure.value,
        };
        let allowed = (then.abs() * tolerance_percent / 100.0).max(figure.noise);
        let change = if worse_by > allowed {
            Change::Worse
        } else if -worse_by > allowed {
            Change::Better
        } else {
            Change::Same
        };
        let ratio = (then != 0.0).then(|| rounded(figure.value / then));
        Compared { name: figure.name, unit: figure.unit, then, now: figure.value, ratio, change }
    }
}

impl Comparison {
    /// Whether any figure is worse.
    pub fn is_worse(&self) -> bool {
        self.figures.iter().any(|figure| figure.change == Change::Worse)
    }

    /// For people.
    pub fn page(&self) -> Page {
        let title = format!("against {} (tolerance {} %)", self.file, number(self.tolerance_percent));
        let mut table = Table::new(&title, &["", "then", "now", "ratio", ""]);
        for figure in &self.figures {
            let change = match figure.change {
                Change::Same => "",
                Change::Better => "better",
                Change::Worse => "WORSE",
            };
            let ratio = figure.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            table.row([
                figure.name.to_owned(),
                number(figure.then),
                number(figure.now),
                ratio,
                change.to_owned(),
            ]);
        }
        self.warnings
            .iter()
            .fold(Page::new().table(table), |page, warning| page.line(format!("  note: {warning}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(bench: &str, calls: u64, p50: f64) -> String {
        json!({
            "bench": bench, "uri": "sip:echo@a", "verdict": "measured",
            "run": {"offhook": "0.0.1", "parameters": {"calls": calls}},
            "figures": [{"name": "p50_ms", "value": p50}, {"name": "gone", "value": 1.0}],
            "machine": {"processor": "old", "processors": 4, "kernel": "6.1", "memory_mib": 1, "load_average": 0.0,
                "steal_percent": 0.0, "busy_percent": 0.0},
        })
        .to_string()
    }

    fn calls(number: u64) -> Parameters {
        Parameters::from([("calls", json!(number))])
    }

    fn compared(figure: Figure, then: f64) -> Change {
        Compared::of(&figure, then, 10.0).change
    }

    #[test]
    fn worse_is_beyond_tolerance_and_noise_in_the_wrong_direction() {
        let ms = |value| Figure::lower("p50_ms", value, "ms", 0.5);

        assert_eq!(compared(ms(11.1), 10.0), Change::Worse);
        assert_eq!(compared(ms(11.0), 10.0), Change::Same);
        assert_eq!(compared(ms(8.9), 10.0), Change::Better);
        // Three times as much, and still nothing: half a millisecond is what two runs differ by.
        assert_eq!(compared(ms(0.6), 0.2), Change::Same);
        assert_eq!(compared(Figure::higher("rate", 80.0, "", 0.0), 100.0), Change::Worse);
        assert_eq!(compared(Figure::higher("rate", 120.0, "", 0.0), 100.0), Change::Better);
    }

    #[test]
    fn the_last_run_that_was_asked_for_the_same_is_the_baseline() {
        let text =
            [line("load", 5, 1.0), format!("echo\t{}", line("latency", 1, 2.0)), line("latency", 20, 3.0)];

        let baseline = Baseline::parse(&text.join("\n"), "latency", &calls(1)).unwrap();

        assert_eq!(baseline.figures[0].value, 2.0);
    }

    #[test]
    fn another_bench_and_another_question_are_refused_with_the_reason() {
        let refused = |bench, parameters: &Parameters| {
            Baseline::parse(&line("latency", 1, 2.0), bench, parameters).unwrap_err().to_string()
        };

        assert_eq!(refused("load", &calls(1)), "it holds no run of `bench load`, only of latency");
        assert_eq!(refused("latency", &calls(2)), "its run is not comparable: calls was 1, is 2");
        assert_eq!(
            Baseline::parse("{}", "cps", &calls(1)).unwrap_err().to_string(),
            "it holds no run of `bench cps`"
        );
        let old = r#"{"bench":"cps","uri":"sip:a","verdict":"measured"}"#;
        assert!(matches!(Baseline::parse(old, "cps", &calls(1)), Err(BaselineError::NoFigures)));
    }

    #[test]
    fn what_makes_two_runs_less_alike_is_said() {
        let baseline = Baseline::parse(&line("latency", 1, 2.0), "latency", &calls(1)).unwrap();
        let mut machine = baseline.machine.clone().unwrap();
        machine.kernel = "6.2".to_owned();
        let figures = [Figure::lower("p50_ms", 2.0, "ms", 0.0), Figure::lower("new", 1.0, "", 0.0)];

        let comparison =
            baseline.compare(Path::new("old.json"), &figures, "sip:echo@b", Some(&machine), 10.0);

        assert_eq!(
            comparison.warnings,
            [
                "another server: the baseline called sip:echo@a",
                "measured by another version, 0.0.1",
                "another kernel: the baseline had 6.1",
                "the baseline has no new",
                "this run has no gone"
            ]
        );
        assert!(!comparison.is_worse());
        let text = comparison.page().to_string();
        assert!(text.contains("  p50_ms  2.00  2.00   1.00\n"), "{text}");
    }
}
