//! Percentiles of a list of figures.

use serde::Serialize;

/// Count and percentiles of some figures; all zero where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// How many figures.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The 99.9th percentile; of fewer than a thousand figures it is the largest.
    pub p99_9: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// The summary of `figures`; order does not matter, NaN is left out.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().filter(|figure| !figure.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else { return Summary::default() };
        Summary {
            count: sorted.len() as u64,
            min: rounded(min),
            p50: rounded(percentile(&sorted, 0.50)),
            p90: rounded(percentile(&sorted, 0.90)),
            p95: rounded(percentile(&sorted, 0.95)),
            p99: rounded(percentile(&sorted, 0.99)),
            p99_9: rounded(percentile(&sorted, 0.999)),
            max: rounded(max),
        }
    }
}

/// The nearest-rank percentile of ascending figures: the smallest with at least `share` of them at or below it.
pub fn percentile(ascending: &[f64], share: f64) -> f64 {
    let rank = (share * ascending.len() as f64).ceil() as usize;
    ascending.get(rank.max(1) - 1).copied().unwrap_or(0.0)
}

/// To the thousandth: a microsecond where the unit is a millisecond.
pub fn rounded(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let summary = Summary::of((1..=100).rev().map(f64::from));

        assert_eq!(
            (summary.min, summary.p50, summary.p90, summary.p95, summary.p99, summary.p99_9, summary.max),
            (1.0, 50.0, 90.0, 95.0, 99.0, 100.0, 100.0)
        );
        assert_eq!(summary.count, 100);
    }

    #[test]
    fn one_figure_is_every_percentile_and_none_is_zero() {
        let one = Summary::of([2.5]);

        assert_eq!((one.p50, one.p99), (2.5, 2.5));
        assert_eq!(Summary::of([]), Summary::default());
    }
}
