//! What a load or a knee says: figures, plots, tables.

use super::{LoadReport, LoadStep, decisive};
use crate::bench::floor_of;
use crate::bench::frame::{BenchReport, Figure, FloorCheck, stated_fields};
use crate::bench::page::{self, Page, Table, number};
use crate::bench::plot::{Line, Plot, Whose};

impl BenchReport for LoadReport {
    stated_fields!();

    fn floor(&self) -> Vec<FloorCheck> {
        let own = decisive(&self.steps, self.most_calls).map_or(0.0, |step| step.own_lateness_ms.p99);
        floor_of(self.reflector.as_ref().map(|step| step.lateness_ms.p99), own)
    }

    fn broken(&self) -> Option<String> {
        if self.most_calls > 0 {
            return None;
        }
        self.steps.last().and_then(|step| step.failure.clone())
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        if let Some(search) = self.search {
            let noise = self.most_calls as f64 * search.precision_percent / 100.0;
            figures.push(Figure::higher("most_calls", self.most_calls as f64, "calls", noise));
        }
        let Some(step) = decisive(&self.steps, self.most_calls) else { return figures };
        if self.search.is_none() {
            figures.extend([
                Figure::lower("lateness_p50_ms", step.lateness_ms.p50, "ms", 0.2),
                Figure::lower("lateness_p99_ms", step.lateness_ms.p99, "ms", 0.5),
                Figure::lower("lateness_p99_9_ms", step.lateness_ms.p99_9, "ms", 1.0),
                Figure::lower("loss_percent", step.loss_percent, "%", 0.05),
            ]);
            figures.extend(step.quality.map(|quality| Figure::higher("mos", quality.mos, "", 0.05)));
        }
        let cpu = step.cpu_ms_per_call_second;
        figures.extend(cpu.map(|cpu| Figure::lower("cpu_ms_per_call_second", cpu, "ms", 0.05)));
        figures.extend(step.kib_per_call.map(|kib| Figure::lower("kib_per_call", kib, "KiB", 4.0)));
        figures
    }

    fn plots(&self) -> Vec<Plot> {
        let Some(step) = decisive(&self.steps, self.most_calls) else { return Vec::new() };
        let reflector = self.reflector.as_ref().map(|step| &step.distribution);
        let mut plots = vec![Plot::milliseconds("lateness of packets", &step.distribution, reflector)];
        if self.search.is_some() {
            let mut steps: Vec<&LoadStep> = self.steps.iter().collect();
            steps.sort_by_key(|step| step.calls);
            let line = |name: &str, whose, of: &dyn Fn(&LoadStep) -> Option<f64>| {
                Line::of(name, whose, steps.iter().filter_map(|step| Some((step.calls as f64, of(step)?))))
            };
            let percentile = self.limits.percentile;
            plots.push(Plot::Lines {
                title: "lateness over calls",
                x: ("calls at once", ""),
                y: ("lateness", "ms"),
                series: vec![
                    line(percentile.name(), Whose::Server, &|step| Some(percentile.of(&step.lateness_ms))),
                    line("this caller's own p99", Whose::Other, &|step| Some(step.own_lateness_ms.p99)),
                ],
                marks: vec![("limit".to_owned(), self.limits.lateness_ms)],
            });
            plots.push(Plot::Lines {
                title: "CPU over calls",
                x: ("calls at once", ""),
                y: ("per call-second", "ms"),
                series: vec![
                    line("server", Whose::Server, &|step| step.cpu_ms_per_call_second),
                    line("application", Whose::Other, &|step| step.application_ms_per_call_second),
                    line("caller", Whose::Other, &|step| step.caller_ms_per_call_second),
                ],
                marks: Vec::new(),
            });
        }
        plots
    }

    fn page(&self) -> Page {
        let columns =
            ["calls", "held", "lost %", "p50", "p99", "p99.9", "max", "own p99", "MOS", "CPU-ms", "KiB", ""];
        let mut table = Table::new(
            "lateness in ms of all packets; CPU-ms of the server per call-second; KiB of it per call",
            &columns,
        );
        let dash = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), number);
        let mut row = |name: String, step: &LoadStep, note: String| {
            table.row([
                name,
                step.held.to_string(),
                number(step.loss_percent),
                number(step.lateness_ms.p50),
                number(step.lateness_ms.p99),
                number(step.lateness_ms.p99_9),
                number(step.lateness_ms.max),
                number(step.own_lateness_ms.p99),
                step.quality.map_or_else(|| "-".to_owned(), |quality| format!("{:.2}", quality.mos)),
                dash(step.cpu_ms_per_call_second),
                dash(step.kib_per_call),
                note,
            ]);
        };
        if let Some(reflector) = &self.reflector {
            row(format!("{} (reflector)", reflector.calls), reflector, String::new());
        }
        for step in &self.steps {
            let spoiled = if step.spoiled { ", caller late" } else { "" };
            let note = step.failure.as_ref().map_or(String::new(), |failure| format!("{failure}{spoiled}"));
            row(step.calls.to_string(), step, note);
        }
        let most = match (self.is_knee, self.limited_by_caller) {
            (true, false) => "the knee",
            (true, true) => "at least: above it this caller was late itself",
            (false, _) => "more was not tried",
        };
        let limits = &self.limits;
        let mos = limits.mos.map_or(String::new(), |mos| format!(", MOS at least {mos}"));
        Page::new()
            .facts([
                ("far side", self.server_software.clone()),
                ("most calls within limits", Some(self.most_calls.to_string())),
                ("which is", self.search.map(|_| most.to_owned())),
                (
                    "limits",
                    Some(format!(
                        "{} lateness {} ms, {} % lost, {} % of calls failed{mos}",
                        limits.percentile.name(),
                        limits.lateness_ms,
                        limits.loss_percent,
                        limits.failed_percent
                    )),
                ),
                (
                    "line",
                    self.impairment.filter(|bad| !bad.is_none()).map(|bad| {
                        let did = decisive(&self.steps, self.most_calls).map(|step| step.impaired);
                        page::line(&bad, &did.unwrap_or_default())
                    }),
                ),
            ])
            .table(table)
    }
}
