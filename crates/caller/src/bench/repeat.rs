//! The same latency bench several times: one run may have been lucky, or met somebody else's work.

use serde::Serialize;

use crate::CallerError;
use crate::bench::Verdict;
use crate::bench::frame::{BenchReport, Figure, FloorCheck, stated_fields};
use crate::bench::latency::{self, LatencyOptions, LatencyReport};
use crate::bench::page::{Page, Table, number};
use crate::bench::plot::{Plot, Whose};
use crate::call::Stop;
use crate::machine::Machine;
use crate::statistics::{Summary, rounded};

/// The line that `offhook bench latency --repeat N --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct RepeatReport {
    /// `latency`, as for one run.
    pub bench: &'static str,
    /// Whom we called.
    pub uri: String,
    /// Runs made.
    pub runs: usize,
    /// Runs that the machine spoiled. They count for nothing, unless all are spoiled.
    pub spoiled: usize,
    /// Median of all frames, less the reflector's of the same run where there was one.
    pub p50_ms: Spread,
    /// p99 of all frames, less the reflector's.
    pub p99_ms: Spread,
    /// The worst call's p99, reflector and all.
    pub worst_call_p99_ms: Spread,
    /// From the end of an impairment until the delay is as before; absent where a run never got there, or had none.
    pub recovered_after_ms: Option<Spread>,
    /// Frames that came back damaged or not at all, in percent.
    pub damaged_percent: Spread,
    /// The reflector's p99.
    pub reflector_p99_ms: Spread,
    /// `machine_too_noisy` where every run was spoiled.
    pub verdict: Verdict,
    /// Where the last one ran.
    pub machine: Machine,
    /// How each was measured, in one sentence.
    pub method: &'static str,
    /// The runs themselves.
    pub each: Vec<LatencyReport>,
}

/// One figure over several runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The middle run's; of an even number the better of the two.
    pub median: f64,
    /// The largest.
    pub worst: f64,
}

impl Spread {
    /// Of figures of which larger is worse.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let summary = Summary::of(figures);
        Spread { median: summary.p50, worst: summary.max }
    }
}

/// Measures `times` times, each with accidents and phases of its own. A raised `stop` ends it early.
pub fn run(options: &LatencyOptions, times: usize, stop: &Stop) -> Result<RepeatReport, CallerError> {
    let mut each = Vec::new();
    for number in 0..times.max(1) as u64 {
        if number > 0 && stop.is_raised() {
            break;
        }
        let options = LatencyOptions { seed: options.seed.wrapping_add(number), ..options.clone() };
        each.push(latency::run(&options, stop)?);
    }
    let Some(last) = each.last().cloned() else {
        return Err(CallerError::CannotMeasure("no run was made".to_owned()));
    };
    Ok(summed_up(last, each))
}

fn summed_up(last: LatencyReport, each: Vec<LatencyReport>) -> RepeatReport {
    let is_good = |run: &&LatencyReport| run.verdict == Verdict::Measured;
    let good = each.iter().filter(is_good).count();
    let counted: Vec<&LatencyReport> = each.iter().filter(|run| good == 0 || is_good(run)).collect();
    let spread = |figure: &dyn Fn(&LatencyReport) -> f64| Spread::of(counted.iter().map(|run| figure(run)));
    let recovered: Option<Vec<f64>> = counted.iter().map(|run| run.recovered_after_ms).collect();
    RepeatReport {
        bench: "latency",
        uri: last.uri,
        machine: last.machine,
        method: last.method,
        runs: each.len(),
        spoiled: each.len() - good,
        p50_ms: spread(&|run| run.less_reflector_p50_ms.unwrap_or(run.all.added_ms.p50)),
        p99_ms: spread(&|run| run.less_reflector_p99_ms.unwrap_or(run.all.added_ms.p99)),
        worst_call_p99_ms: spread(&|run| run.worst_call_p99_ms),
        recovered_after_ms: recovered.map(Spread::of),
        damaged_percent: spread(&|run| {
            rounded(100.0 * run.all.damaged as f64 / run.all.frames.max(1) as f64)
        }),
        reflector_p99_ms: spread(&|run| run.reflector.as_ref().map_or(0.0, |r| r.added_ms.p99)),
        verdict: if good == 0 { Verdict::MachineTooNoisy } else { Verdict::Measured },
        each,
    }
}

impl BenchReport for RepeatReport {
    stated_fields!();

    /// The floor of the best run: where that is spoiled, all are.
    fn floor(&self) -> Vec<FloorCheck> {
        let best = self.each.iter().find(|run| run.verdict == Verdict::Measured).or(self.each.first());
        best.map(BenchReport::floor).unwrap_or_default()
    }

    fn broken(&self) -> Option<String> {
        None
    }

    fn figures(&self) -> Vec<Figure> {
        let mos = self.each.iter().filter_map(|run| run.quality).map(|quality| quality.mos);
        let mos = mos.min_by(f64::total_cmp);
        let mut figures = vec![
            Figure::lower("added_p50_ms", self.p50_ms.median, "ms", 0.5),
            Figure::lower("added_p99_ms", self.p99_ms.median, "ms", 1.0),
            Figure::lower("worst_call_p99_ms", self.worst_call_p99_ms.median, "ms", 1.0),
            Figure::lower("damaged_percent", self.damaged_percent.median, "%", 0.5),
        ];
        figures.extend(mos.map(|mos| Figure::higher("worst_mos", mos, "", 0.05)));
        let recovered = self.recovered_after_ms;
        figures.extend(recovered.map(|ms| Figure::lower("recovered_after_ms", ms.median, "ms", 200.0)));
        figures
    }

    fn plots(&self) -> Vec<Plot> {
        let runs = self.each.iter().enumerate();
        let of = runs.map(|(n, run)| {
            let whose = if n == 0 { Whose::Server } else { Whose::Other };
            (format!("run {}", n + 1), whose, run.distribution.clone())
        });
        vec![Plot::Distributions {
            title: "added round trip",
            unit: "ms",
            of: of.collect(),
            marks: Vec::new(),
        }]
    }

    fn page(&self) -> Page {
        let mut table = Table::new("over the runs", &["", "median", "worst"]);
        let rows = [
            ("added round trip, p50, ms", Some(self.p50_ms)),
            ("added round trip, p99, ms", Some(self.p99_ms)),
            ("worst call's p99, ms", Some(self.worst_call_p99_ms)),
            ("clean again after, ms", self.recovered_after_ms),
            ("frames damaged, %", Some(self.damaged_percent)),
            ("bare reflector, p99, ms", Some(self.reflector_p99_ms)),
        ];
        for (name, spread) in rows {
            if let Some(spread) = spread {
                table.row([name.to_owned(), number(spread.median), number(spread.worst)]);
            }
        }
        let runs = format!("{}, {} spoiled by the machine", self.runs, self.spoiled);
        let page = Page::new().facts([("runs", Some(runs))]).table(table);
        let last = self.each.last().map(BenchReport::page).unwrap_or_default();
        page.line("the last run").then(last)
    }

    fn verdict(&self) -> Verdict {
        self.verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_run_and_the_worst_the_largest() {
        assert_eq!(Spread::of([9.2, 8.9, 14.0]), Spread { median: 9.2, worst: 14.0 });
        assert_eq!(Spread::of([9.2, 8.9]), Spread { median: 8.9, worst: 9.2 });
        assert_eq!(Spread::of([]), Spread::default());
    }
}
