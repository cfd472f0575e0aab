//! A report for people: lines of name and value, and tables with their columns aligned.

use std::fmt::{self, Display, Formatter};

use crate::impair::{ImpairCounters, Impaired, Impairment};
use crate::machine::ServerCost;
use crate::mos::MosEstimate;
use crate::statistics::Summary;

/// What is printed, from the top.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    sections: Vec<Section>,
}

/// A piece of a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Section {
    /// A line of text.
    Line(String),
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// A table.
    Table(Table),
}

/// A table; the first column is left-aligned, the others right-aligned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What stands above it.
    pub title: String,
    /// Names of the columns.
    pub header: Vec<String>,
    /// Rows; a shorter one leaves the rest empty.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows yet.
    pub fn new(title: &str, header: &[&str]) -> Self {
        let header = header.iter().map(|name| (*name).to_owned()).collect();
        Table { title: title.to_owned(), header, rows: Vec::new() }
    }

    /// Another row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// A table of milliseconds, one row for each [`Summary`] that is added by [`summary`](Table::summary).
    pub fn of_summaries(title: &str) -> Self {
        Table::new(title, &["", "count", "min", "p50", "p90", "p95", "p99", "p99.9", "max"])
    }

    /// A row of count and percentiles.
    pub fn summary(&mut self, name: &str, summary: &Summary) {
        let figures =
            [summary.min, summary.p50, summary.p90, summary.p95, summary.p99, summary.p99_9, summary.max];
        let cells = [name.to_owned(), summary.count.to_string()];
        self.row(cells.into_iter().chain(figures.map(number)));
    }
}

impl Page {
    /// Nothing yet.
    pub fn new() -> Self {
        Page::default()
    }

    /// A line of text.
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.sections.push(Section::Line(line.into()));
        self
    }

    /// Names and values, the values one below the other. What has no value is left out.
    pub fn facts<const N: usize>(mut self, facts: [(&str, Option<String>); N]) -> Self {
        let facts = facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        self.sections.push(Section::Facts(facts.collect()));
        self
    }

    /// A table; none where it has no rows.
    pub fn table(mut self, table: Table) -> Self {
        if !table.rows.is_empty() {
            self.sections.push(Section::Table(table));
        }
        self
    }

    /// Its pieces, from the top.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The other page below this one.
    pub fn then(mut self, mut other: Page) -> Self {
        self.sections.append(&mut other.sections);
        self
    }
}

impl Display for Page {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // One width for the names of all facts: the values stand in one column down the page.
        let names = self.sections.iter().flat_map(|section| match section {
            Section::Facts(facts) => facts.iter().map(|(name, _)| width(name)).max(),
            Section::Line(_) | Section::Table(_) => None,
        });
        let indent = names.max().unwrap_or(0);
        for section in &self.sections {
            match section {
                Section::Line(line) => writeln!(f, "{line}")?,
                Section::Facts(facts) => {
                    for (name, value) in facts {
                        writeln!(f, "  {name}{:pad$}  {value}", "", pad = indent - width(name))?;
                    }
                }
                Section::Table(table) => table.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let all = || std::iter::once(&self.header).chain(&self.rows);
        let columns = all().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| all().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0))
            .collect();
        if !self.title.is_empty() {
            writeln!(f, "{}", self.title)?;
        }
        for row in all() {
            let mut line = String::from("  ");
            for (column, cell) in row.iter().enumerate() {
                let pad = " ".repeat(widths.get(column).copied().unwrap_or(0).saturating_sub(width(cell)));
                let cell = if column == 0 { format!("{cell}{pad}") } else { format!("  {pad}{cell}") };
                line.push_str(&cell);
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A figure with as many places as it has meaning: 0.042, 8.71, 120.5, 37569.
pub fn number(figure: f64) -> String {
    let size = figure.abs();
    if figure == figure.round() && size >= 1000.0 {
        format!("{figure:.0}")
    } else if size < 1.0 {
        format!("{figure:.3}")
    } else if size < 100.0 {
        format!("{figure:.2}")
    } else {
        format!("{figure:.1}")
    }
}

/// A MOS estimate in words.
pub fn mos(quality: &MosEstimate) -> String {
    let beyond = if quality.beyond_model { ", bursts beyond what the model was validated for" } else { "" };
    format!(
        "MOS {:.2} (G.107 estimate: R {:.1}, {} ms, {} % lost, burst ratio {}{beyond})",
        quality.mos,
        quality.r,
        number(quality.delay_ms),
        number(quality.loss_percent),
        number(quality.burst_ratio)
    )
}

/// How bad a line was made, and what that did.
pub fn line(bad: &Impairment, did: &Impaired) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut say = |figure: f64, text: &str| {
        if figure > 0.0 {
            words.push(format!("{} {text}", number(figure)));
        }
    };
    say(bad.loss_percent, "% lost");
    say(bad.burst_loss.map_or(0.0, |burst| burst.loss_percent()), "% lost in runs");
    say(bad.delay_ms, "ms delay");
    say(bad.jitter_ms, "ms jitter");
    say(bad.reorder_percent, "% held back");
    say(bad.duplicate_percent, "% doubled");
    for (way, counters) in [("out", did.out), ("in", did.back)] {
        if let Some(done) = counters {
            let ImpairCounters { entered, lost, held_back, doubled } = done;
            words.push(format!("{way}: {lost} lost, {held_back} held back, {doubled} doubled of {entered}"));
        }
    }
    words.join("; ")
}

/// What a process cost.
pub fn cost(cost: &ServerCost) -> String {
    let mib = cost.rss_kib as f64 / 1024.0;
    format!("{} % of a processor, {} MiB", number(cost.cpu_percent()), number(mib))
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_one_below_the_other() {
        let mut table = Table::new("delays, ms", &["", "p50", "p99"]);
        table.row(["reflector".to_owned(), number(0.0312), number(12.0)]);
        table.row(["all".to_owned(), number(123.45)]);
        let page = Page::new()
            .line("bench latency")
            .facts([("to", Some("sip:a@b".into())), ("no", None)])
            .facts([("seconds", Some("10".into()))]);

        let text = page.table(table).to_string();

        assert_eq!(
            text,
            "bench latency\n  to       sip:a@b\n  seconds  10\ndelays, ms\n               p50    p99\n  \
             reflector  0.031  12.00\n  all        123.5\n"
        );
    }

    #[test]
    fn an_empty_table_is_not_shown() {
        assert_eq!(Page::new().table(Table::of_summaries("nothing")).to_string(), "");
    }

    #[test]
    fn figures_have_the_places_that_mean_something() {
        assert_eq!(
            [0.0421, 8.714, 120.46, 37_569.0, 100.0].map(number),
            ["0.042", "8.71", "120.5", "37569", "100.0"]
        );
    }
}
