//! The page of a bench: figures, plots and tables, whatever was measured.
//!
//! A bench fills a [`BenchPage`] and asks for its [`html`](BenchPage::html). Nothing here knows what is measured; names and
//! units come with the figures. A plot is thinned to what a screen can show, so a run of hours makes no larger file
//! than one of minutes; minima and maxima survive that.

use serde::Serialize;

use crate::page::{Kind, page};

mod thin;

const KIND: Kind = Kind {
    name: "bench",
    css: include_str!("../assets/bench.css"),
    js: &[
        include_str!("../assets/plot.js"),
        include_str!("../assets/distribution.js"),
        include_str!("../assets/bench.js"),
    ],
};

/// The longest distribution or series that is kept as it is.
const MOST_POINTS: usize = 2_000;

/// A bench, for people.
///
/// ```
/// use offhook_report::{Axis, BenchPage, Better, Distribution, Figure, Histogram, Plot, Role, Verdict};
///
/// let mut page = BenchPage::new("offhook bench latency", Verdict::good("Measured: reflector and caller were on time."));
/// page.subtitle = "sip:echo@127.0.0.1:5060".to_owned();
/// page.figures.push(Figure::new("added round trip, p99", 9.2, "ms", Better::Lower).goal(15.0).baseline(9.0));
/// page.plots.push(Plot::Histogram(Histogram {
///     title: "Added round trip".to_owned(),
///     unit: "ms".to_owned(),
///     distributions: vec![Distribution::of("server", Role::Measured, [8.2, 8.4, 9.2])],
///     ..Histogram::default()
/// }));
/// assert!(page.html().starts_with("<!DOCTYPE html>"));
/// ```
#[derive(Clone, Debug, Default, Serialize)]
pub struct BenchPage {
    /// What was done: `offhook bench latency`.
    pub title: String,
    /// To whom, and how: the URI, calls at once, seconds.
    pub subtitle: String,
    /// When, for people; this crate has no clock.
    pub made: Option<String>,
    /// Whether to believe it.
    pub verdict: Verdict,
    /// The figures that matter, the first ones as large cards; those with a baseline make the comparison.
    pub figures: Vec<Figure>,
    /// What the baseline is, where there is one: its file, build and date.
    pub baseline: Option<String>,
    /// Plots, in this order.
    pub plots: Vec<Plot>,
    /// Tables, in this order.
    pub tables: Vec<Table>,
    /// The machine: name and value.
    pub machine: Vec<(String, String)>,
    /// How it was measured: sentences.
    pub method: Vec<String>,
    /// What else one has to know: failures, what was left out.
    pub notes: Vec<String>,
}

/// Whether the figures can be trusted, and whether they are what they should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Green, amber or red.
    pub standing: Standing,
    /// Why, in a sentence.
    pub text: String,
}

/// What to think of a run at the first glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Measured, and nothing to say against it.
    #[default]
    Good,
    /// Measured, and worse than it should be: a limit is broken, the baseline was better.
    Warning,
    /// The machine or the caller spoiled the run: the figures say nothing.
    Bad,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Delays, losses, costs.
    #[default]
    Lower,
    /// Calls, set-ups per second, MOS.
    Higher,
    /// It is only said.
    Neither,
}

/// One figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figure {
    /// What: `added round trip, p99`.
    pub name: String,
    /// How much. Not finite = not measured.
    pub value: Option<f64>,
    /// Of what: `ms`, `calls`, `%`; empty for a bare number.
    pub unit: String,
    /// Which way is better.
    pub better: Better,
    /// What it should be at most, or at least.
    pub goal: Option<f64>,
    /// What the baseline had.
    pub baseline: Option<f64>,
    /// Changes smaller than this share of the baseline are luck, in percent.
    pub noise_percent: f64,
}

/// What something in a plot stands for; decides its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What this run measured.
    #[default]
    Measured,
    /// The bare reflector of the same run.
    Reflector,
    /// An earlier run.
    Baseline,
    /// One of several; each gets a colour of its own.
    Other,
}

/// Something drawn.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Plot {
    /// How often which value came, and the percentiles.
    Histogram(Histogram),
    /// One value over another: latency over time, p99 over calls.
    Lines(LinePlot),
}

/// Distributions of the same quantity, drawn as a histogram and as percentiles up to the worst.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Histogram {
    /// What: `Added round trip`.
    pub title: String,
    /// What one should see, in a sentence; may be empty.
    pub note: String,
    /// Unit of the values.
    pub unit: String,
    /// The distributions; the first is drawn boldest.
    pub distributions: Vec<Distribution>,
    /// Values worth a line, such as a goal.
    pub marks: Vec<Mark>,
}

/// How often which value came.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Distribution {
    /// Whose.
    pub name: String,
    /// What it stands for.
    pub role: Role,
    /// Upper edge of a bucket and how many fell into it, ascending, empty ones left out.
    pub buckets: Vec<(f64, u64)>,
    /// Mean of all values.
    pub mean: f64,
    /// The smallest value.
    pub min: f64,
}

/// Series over a common axis.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LinePlot {
    /// What: `Latency over time`.
    pub title: String,
    /// What one should see, in a sentence; may be empty.
    pub note: String,
    /// Left to right.
    pub x: Axis,
    /// Bottom to top.
    pub y: Axis,
    /// The series.
    pub series: Vec<Series>,
    /// Lines across: a limit on `y`, the knee on `x`.
    pub marks: Vec<Mark>,
}

/// An axis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Axis {
    /// What: `calls at once`.
    pub title: String,
    /// Unit, may be empty.
    pub unit: String,
    /// How values are spread over it.
    pub scale: Scale,
}

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Evenly, from zero where that is near.
    #[default]
    Linear,
    /// By orders of magnitude; values that are not positive are left out.
    Logarithmic,
}

/// One line or cloud of points.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Series {
    /// What, for the legend.
    pub name: String,
    /// What it stands for.
    pub role: Role,
    /// Points, ascending in `x`; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
    /// Single points instead of a line.
    pub dots: bool,
}

/// A value worth a line across a plot.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Mark {
    /// What: `limit 5 ms`, `knee: 875 calls`.
    pub text: String,
    /// Where on the axis.
    pub at: f64,
    /// On the `x` axis instead of `y`. A histogram has only values: it does not look at this.
    pub on_x: bool,
}

/// A table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// Over it.
    pub title: String,
    /// What one should see, in a sentence; may be empty.
    pub note: String,
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Column {
    /// What.
    pub title: String,
    /// Unit of its numbers, may be empty.
    pub unit: String,
}

/// One field of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Nothing was measured: a dash.
    Missing,
    /// A number in the unit of its column.
    Number(f64),
    /// Words.
    Text(String),
}

impl BenchPage {
    /// A page without figures.
    pub fn new(title: impl Into<String>, verdict: Verdict) -> Self {
        BenchPage { title: title.into(), verdict, ..BenchPage::default() }
    }

    /// The whole file. Distributions and series are thinned to what a screen shows.
    pub fn html(&self) -> String {
        let mut thinned = self.clone();
        for plot in &mut thinned.plots {
            match plot {
                Plot::Histogram(histogram) => {
                    histogram
                        .distributions
                        .iter_mut()
                        .for_each(|one| thin::buckets(&mut one.buckets, MOST_POINTS));
                }
                Plot::Lines(lines) => {
                    lines
                        .series
                        .iter_mut()
                        .for_each(|one| thin::points(&mut one.points, MOST_POINTS, one.dots));
                }
            }
        }
        page(&KIND, &self.title, &thinned)
    }
}

impl Verdict {
    /// Measured, and nothing to say against it.
    pub fn good(text: impl Into<String>) -> Self {
        Verdict { standing: Standing::Good, text: text.into() }
    }

    /// Measured, and worse than it should be.
    pub fn warning(text: impl Into<String>) -> Self {
        Verdict { standing: Standing::Warning, text: text.into() }
    }

    /// The machine or the caller spoiled the run.
    pub fn bad(text: impl Into<String>) -> Self {
        Verdict { standing: Standing::Bad, text: text.into() }
    }
}

impl Figure {
    /// A figure without goal and baseline. Changes below 5 % of a baseline count as luck.
    pub fn new(name: impl Into<String>, value: f64, unit: impl Into<String>, better: Better) -> Self {
        Figure {
            name: name.into(),
            value: Some(value).filter(|value| value.is_finite()),
            unit: unit.into(),
            better,
            noise_percent: 5.0,
            ..Figure::default()
        }
    }

    /// With what it should be, at most or at least.
    pub fn goal(self, goal: f64) -> Self {
        Figure { goal: Some(goal), ..self }
    }

    /// With what the baseline had.
    pub fn baseline(self, baseline: f64) -> Self {
        Figure { baseline: Some(baseline), ..self }
    }
}

impl Distribution {
    /// Of single values, in buckets of 1/64 of a doubling (1.1 %); order does not matter, what is not finite is left out.
    /// Values below a thousandth of the unit share a bucket.
    pub fn of(name: impl Into<String>, role: Role, values: impl IntoIterator<Item = f64>) -> Self {
        thin::distribution(name.into(), role, values)
    }

    /// Of counted values, such as those of an HDR histogram: value (upper edge) and count, ascending.
    pub fn counted(
        name: impl Into<String>,
        role: Role,
        min: f64,
        mean: f64,
        buckets: impl IntoIterator<Item = (f64, u64)>,
    ) -> Self {
        let buckets = buckets.into_iter().filter(|(edge, count)| edge.is_finite() && *count > 0).collect();
        Distribution { name: name.into(), role, buckets, mean, min }
    }
}

impl Axis {
    /// A linear one.
    pub fn linear(title: impl Into<String>, unit: impl Into<String>) -> Self {
        Axis { title: title.into(), unit: unit.into(), scale: Scale::Linear }
    }

    /// One by orders of magnitude.
    pub fn logarithmic(title: impl Into<String>, unit: impl Into<String>) -> Self {
        Axis { title: title.into(), unit: unit.into(), scale: Scale::Logarithmic }
    }
}

impl Column {
    /// A column of words or of numbers without unit.
    pub fn new(title: impl Into<String>) -> Self {
        Column { title: title.into(), unit: String::new() }
    }

    /// A column of numbers.
    pub fn of(title: impl Into<String>, unit: impl Into<String>) -> Self {
        Column { title: title.into(), unit: unit.into() }
    }
}

impl From<Option<f64>> for Cell {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Cell::Missing, Cell::from)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        if number.is_finite() { Cell::Number(number) } else { Cell::Missing }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}
