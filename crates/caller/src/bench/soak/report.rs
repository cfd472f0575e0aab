//! What a soak says: figures, plots, tables.

use super::{DriftVerdict, FEWEST, MEMORY, SoakReport, SoakWindow, checks};
use crate::bench::frame::{BenchReport, Figure, FloorCheck, stated_fields};
use crate::bench::page::{self, Page, Table, number};
use crate::bench::plot::{Line, Plot, Whose};
use crate::statistics::rounded;

impl BenchReport for SoakReport {
    stated_fields!();

    fn floor(&self) -> Vec<FloorCheck> {
        checks(self.reflector.as_ref().map(|step| step.lateness_ms.p99), &self.windows)
    }

    fn broken(&self) -> Option<String> {
        let drifting: Vec<String> = self
            .trends
            .iter()
            .filter(|trend| trend.drifts)
            .map(|trend| format!("{} grows by {} an hour", trend.name, number(trend.per_hour)))
            .collect();
        let drift = (!drifting.is_empty()).then(|| drifting.join(", "));
        match (self.failure.clone(), drift) {
            (Some(failure), Some(drift)) => Some(format!("{failure}; {drift}")),
            (failure, drift) => failure.or(drift),
        }
    }

    fn figures(&self) -> Vec<Figure> {
        let failed = 100.0 * self.failed as f64 / (self.set_ups + self.failed).max(1) as f64;
        let mut figures = vec![
            Figure::lower("lateness_p99_ms", self.lateness_ms.p99, "ms", 0.5),
            Figure::lower("lateness_p99_9_ms", self.lateness_ms.p99_9, "ms", 1.0),
            Figure::lower("loss_percent", self.loss_percent, "%", 0.05),
            Figure::lower("set_up_p50_ms", self.set_up_ms.p50, "ms", 0.5),
            Figure::lower("set_up_p99_ms", self.set_up_ms.p99, "ms", 2.0),
            Figure::lower("failed_percent", rounded(failed), "%", 0.0),
        ];
        figures.extend(self.quality.map(|quality| Figure::higher("mos", quality.mos, "", 0.05)));
        let memory = self.trends.iter().find(|trend| trend.name == MEMORY);
        figures.extend(memory.map(|trend| Figure::lower("memory_last_kib", trend.last, "KiB", 2048.0)));
        let cpu = self.trends.iter().find(|trend| trend.name == "cpu_ms_per_call_second");
        figures.extend(cpu.map(|trend| Figure::lower(trend.name, trend.last, "ms", 0.05)));
        figures
    }

    fn plots(&self) -> Vec<Plot> {
        let over_time = |name: &str, whose, of: &dyn Fn(&SoakWindow) -> Option<f64>| {
            let points = self.windows.iter().filter_map(|window| Some((window.from_s / 60.0, of(window)?)));
            Line::of(name, whose, points)
        };
        let lines = |title, y, series: Vec<Line>, marks| Plot::Lines {
            title,
            x: ("since the start", "min"),
            y,
            series,
            marks,
        };
        let reflector = self.reflector.as_ref().map(|step| &step.distribution);
        let percentile = self.limits.percentile;
        vec![
            lines(
                "lateness over time",
                ("lateness", "ms"),
                vec![
                    over_time(percentile.name(), Whose::Server, &|w| Some(percentile.of(&w.lateness_ms))),
                    over_time("this caller's own p99", Whose::Other, &|w| Some(w.own_lateness_ms.p99)),
                ],
                vec![("limit".to_owned(), self.limits.lateness_ms)],
            ),
            lines(
                "memory of the server over time",
                ("resident", "MiB"),
                vec![over_time("resident", Whose::Server, &|w| Some(w.server?.rss_kib as f64 / 1024.0))],
                Vec::new(),
            ),
            lines(
                "set-up over time",
                ("INVITE to 200", "ms"),
                vec![
                    over_time("p50", Whose::Server, &|w| (w.set_ups > 0).then_some(w.set_up_ms.p50)),
                    over_time("p99", Whose::Other, &|w| (w.set_ups > 0).then_some(w.set_up_ms.p99)),
                ],
                Vec::new(),
            ),
            Plot::milliseconds("lateness of packets", &self.distribution, reflector),
        ]
    }

    fn page(&self) -> Page {
        let drift = match self.drift {
            DriftVerdict::Steady if self.trends.iter().any(|trend| trend.name == MEMORY) => {
                "steady: nothing grows beyond its limit".to_owned()
            }
            DriftVerdict::Steady => "steady; memory was not looked at (--pid)".to_owned(),
            DriftVerdict::Drifts => "DRIFTS".to_owned(),
            DriftVerdict::TooShort => {
                format!("too short to say: it takes {FEWEST} windows after the warm-up")
            }
        };
        let mut times = Table::of_summaries("milliseconds");
        times.summary("lateness", &self.lateness_ms);
        times.summary("set-up", &self.set_up_ms);
        times.summary("release", &self.release_ms);
        times.summary("own lateness", &self.own_lateness_ms);
        let mut trends = Table::new(
            "how it went over the windows",
            &["", "windows", "first", "last", "per hour", "z", ""],
        );
        for trend in &self.trends {
            trends.row([
                trend.name.to_owned(),
                trend.windows.to_string(),
                number(trend.first),
                number(trend.last),
                number(trend.per_hour),
                number(trend.z),
                if trend.drifts { "DRIFTS".to_owned() } else { String::new() },
            ]);
        }
        let mut failures = Table::new("failed", &["cause", "calls"]);
        for (cause, count) in &self.failures {
            failures.row([cause.clone(), count.to_string()]);
        }
        let bad = self.impairment.filter(|bad| !bad.is_none());
        Page::new()
            .facts([
                ("far side", self.server_software.clone()),
                (
                    "measured",
                    Some(format!("{} s in {} windows", number(self.measured_s), self.windows.len())),
                ),
                (
                    "calls",
                    Some(format!(
                        "{} at once, {} s each on average; {} answered, {} failed",
                        self.calls,
                        number(self.mean_call_s),
                        self.set_ups,
                        self.failed
                    )),
                ),
                ("drift", Some(drift)),
                (
                    "memory per call",
                    self.kib_per_thousand_calls
                        .map(|kib| format!("{} KiB grown for each thousand calls", number(kib))),
                ),
                ("packets", Some(format!("{}, {} % lost", self.packets, number(self.loss_percent)))),
                ("came back", self.quality.map(|quality| page::mos(&quality))),
                ("line", bad.map(|bad| page::line(&bad, &Default::default()))),
            ])
            .table(times)
            .table(trends)
            .table(failures)
    }
}
