//! A report as one HTML file: the caller's figures, plots and tables in the words of the report crate.

use offhook_caller::bench::baseline::Comparison;
use offhook_caller::bench::frame::{BenchReport, Better, Ending, Run};
use offhook_caller::bench::page::Section;
use offhook_caller::bench::plot::{Line, Plot, Whose};
use offhook_report as report;

/// The whole file.
pub(super) fn html(found: &impl BenchReport, run: &Run, comparison: Option<&Comparison>) -> String {
    page(found, run, comparison).html()
}

fn page(found: &impl BenchReport, run: &Run, comparison: Option<&Comparison>) -> report::BenchPage {
    let mut page =
        report::BenchPage::new(format!("offhook bench {}", found.bench()), verdict(found, comparison));
    page.subtitle = found.uri().to_owned();
    page.made = Some(date(run.started_unix_ms));
    page.figures = figures(found, comparison);
    page.baseline = comparison.map(|comparison| comparison.file.clone());
    page.plots = found.plots().into_iter().map(plot).collect();
    for section in found.page().sections() {
        match section {
            Section::Line(line) => page.notes.push(line.clone()),
            Section::Facts(facts) => {
                page.notes.extend(facts.iter().map(|(name, value)| format!("{name}: {value}")));
            }
            Section::Table(table) => page.tables.push(report::Table {
                title: table.title.clone(),
                note: String::new(),
                columns: table.header.iter().map(|name| report::Column::new(name.as_str())).collect(),
                rows: table.rows.iter().map(|row| cells(row, table.header.len())).collect(),
            }),
        }
    }
    page.notes.extend(comparison.iter().flat_map(|comparison| comparison.warnings.iter().cloned()));
    let machine = found.machine();
    page.machine = [
        ("processors", format!("{} × {}", machine.processors, machine.processor)),
        ("memory", format!("{} MiB", machine.memory_mib)),
        ("kernel", format!("Linux {}", machine.kernel)),
        ("load average before", machine.load_average.to_string()),
        ("busy while measured", format!("{} %", machine.busy_percent)),
        ("stolen while measured", format!("{} %", machine.steal_percent)),
        ("measured by", format!("offhook {}, seed {}", run.offhook, run.seed)),
        ("command", run.command_line.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    page.method = vec![found.method().to_owned()];
    page
}

fn verdict(found: &impl BenchReport, comparison: Option<&Comparison>) -> report::Verdict {
    let floor: Vec<String> = found
        .floor()
        .iter()
        .map(|check| format!("{} {} (limit {})", check.name, check.value, check.limit))
        .collect();
    let floor = if floor.is_empty() { "no floor was measured".to_owned() } else { floor.join(", ") };
    match Ending::of(found, comparison) {
        Ending::Measured => report::Verdict::good(format!("Measured: {floor}.")),
        Ending::Spoiled => report::Verdict::bad(format!(
            "Spoiled by the machine or the caller: says nothing about the server. {floor}."
        )),
        Ending::Broken => report::Verdict::warning(format!(
            "Measured, and not kept: {}. {floor}.",
            found.broken().unwrap_or_default()
        )),
        Ending::WorseThanBaseline => {
            report::Verdict::warning(format!("Measured, and worse than the baseline. {floor}."))
        }
    }
}

fn figures(found: &impl BenchReport, comparison: Option<&Comparison>) -> Vec<report::Figure> {
    let figure = |figure: offhook_caller::bench::frame::Figure| {
        let better = match figure.better {
            Better::Lower => report::Better::Lower,
            Better::Higher => report::Better::Higher,
        };
        let then = comparison
            .and_then(|comparison| comparison.figures.iter().find(|then| then.name == figure.name))
            .map(|compared| compared.then);
        let mut shown = report::Figure::new(name_of(figure.name), figure.value, figure.unit, better);
        if let (Some(then), Some(comparison)) = (then, comparison) {
            // What the comparison calls no difference is none on the page either.
            let noise = if then == 0.0 { 0.0 } else { 100.0 * figure.noise / then.abs() };
            shown.noise_percent = noise.max(comparison.tolerance_percent);
            shown = shown.baseline(then);
        }
        shown
    };
    found.figures().into_iter().map(figure).collect()
}

/// `added_p99_9_ms` is `added p99.9`: the unit stands beside the figure.
fn name_of(name: &str) -> String {
    let bare = ["_ms", "_percent", "_kib"].iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name);
    bare.replace("p99_9", "p99.9").replace('_', " ")
}

fn cells(row: &[String], columns: usize) -> Vec<report::Cell> {
    let cell = |cell: &String| match cell.parse::<f64>() {
        Ok(number) => report::Cell::from(number),
        Err(_) if cell == "-" || cell.is_empty() => report::Cell::Missing,
        Err(_) => report::Cell::from(cell.as_str()),
    };
    let mut cells: Vec<report::Cell> = row.iter().map(cell).collect();
    cells.resize(columns, report::Cell::Missing);
    cells
}

fn plot(plot: Plot) -> report::Plot {
    let mark = |(text, at): (String, f64)| report::Mark { text, at, on_x: false };
    match plot {
        Plot::Distributions { title, unit, of, marks } => report::Plot::Histogram(report::Histogram {
            title: title.to_owned(),
            unit: unit.to_owned(),
            distributions: of
                .into_iter()
                .map(|(name, whose, counts)| {
                    let (min, mean) = (counts.summary().min, counts.mean());
                    report::Distribution::counted(name, role(whose), min, mean, counts.fine_buckets())
                })
                .collect(),
            marks: marks.into_iter().map(mark).collect(),
            ..report::Histogram::default()
        }),
        Plot::Lines { title, x, y, series, marks } => {
            let series: Vec<Line> = series.into_iter().filter(|line| !line.points.is_empty()).collect();
            // Several lines of one plot each have a colour of their own.
            let several = series.len() > 1;
            let series = series.into_iter().map(|line| report::Series {
                name: line.name,
                role: if several { report::Role::Other } else { role(line.whose) },
                points: line.points,
                dots: false,
            });
            report::Plot::Lines(report::LinePlot {
                title: title.to_owned(),
                x: report::Axis::linear(x.0, x.1),
                y: report::Axis::linear(y.0, y.1),
                series: series.collect(),
                marks: marks.into_iter().map(mark).collect(),
                ..report::LinePlot::default()
            })
        }
    }
}

fn role(whose: Whose) -> report::Role {
    match whose {
        Whose::Server => report::Role::Measured,
        Whose::Reflector => report::Role::Reflector,
        Whose::Other => report::Role::Other,
    }
}

/// `2026-11-21 13:05 UTC`.
fn date(unix_ms: u64) -> String {
    let (days, minutes) = (unix_ms / 86_400_000, unix_ms / 60_000 % 1440);
    // Civil from days, counted from 0000-03-01 in eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_400_000), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_795_266_463_902), "2026-11-21 13:07 UTC");
    }

    #[test]
    fn names_lose_their_unit_and_cells_know_numbers() {
        assert_eq!(name_of("added_p99_9_ms"), "added p99.9");
        assert_eq!(name_of("per_second"), "per second");
        let row = ["50".to_owned(), "-".to_owned(), "late".to_owned()];
        assert_eq!(
            cells(&row, 4),
            [
                report::Cell::Number(50.0),
                report::Cell::Missing,
                report::Cell::Text("late".into()),
                report::Cell::Missing
            ]
        );
    }
}
