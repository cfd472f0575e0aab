//! What of a report is worth drawing. How it is drawn is not this crate's business.

use crate::histogram::Histogram;

/// Something worth drawing.
#[derive(Clone, Debug)]
pub enum Plot {
    /// How often which value came.
    Distributions {
        /// What: `added round trip`.
        title: &'static str,
        /// Unit of the values.
        unit: &'static str,
        /// Whose, and how often; the first is the one that matters.
        of: Vec<(String, Whose, Histogram)>,
        /// Values worth a line, with what they are.
        marks: Vec<(String, f64)>,
    },
    /// One figure over another.
    Lines {
        /// What: `lateness over calls`.
        title: &'static str,
        /// Name and unit of what lies on the horizontal axis.
        x: (&'static str, &'static str),
        /// The same of the vertical one.
        y: (&'static str, &'static str),
        /// The lines.
        series: Vec<Line>,
        /// Heights worth a line, with what they are.
        marks: Vec<(String, f64)>,
    },
}

/// One line of a plot.
#[derive(Clone, Debug)]
pub struct Line {
    /// What.
    pub name: String,
    /// Whose.
    pub whose: Whose,
    /// Ascending in the first.
    pub points: Vec<(f64, f64)>,
}

/// What something in a plot stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// What was measured.
    Server,
    /// The bare reflector.
    Reflector,
    /// One of several.
    Other,
}

impl Line {
    /// A line of the server's.
    pub fn of(name: &str, whose: Whose, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Line { name: name.to_owned(), whose, points: points.into_iter().collect() }
    }
}

impl Plot {
    /// A distribution of milliseconds, and the reflector's beside it.
    pub fn milliseconds(title: &'static str, server: &Histogram, reflector: Option<&Histogram>) -> Self {
        let mut of = vec![("server".to_owned(), Whose::Server, server.clone())];
        of.extend(reflector.map(|floor| ("bare reflector".to_owned(), Whose::Reflector, floor.clone())));
        Plot::Distributions { title, unit: "ms", of, marks: Vec::new() }
    }
}
