//! Delays without end in memory that does not grow: an HDR histogram of milliseconds.
//!
//! Three significant digits at a resolution of a microsecond, up to a minute: what is longer counts as a minute. A list
//! of figures keeps every one exactly ([`Summary::of`](crate::statistics::Summary::of)); a soak of hours cannot.

use hdrhistogram::Histogram as Hdr;
use serde::{Serialize, Serializer};

use crate::statistics::{Summary, rounded};

/// The longest that is told apart, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// Counts of delays in milliseconds; negative ones count as 0.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Absent only where it could not be made, which these constants exclude.
    counts: Option<Hdr<u64>>,
    /// The exact extremes.
    min: f64,
    max: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            counts: Hdr::new_with_bounds(1, LONGEST_US, 3).ok(),
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Histogram {
    /// Of figures in milliseconds.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut histogram = Histogram::default();
        figures.into_iter().for_each(|ms| histogram.record(ms));
        histogram
    }

    /// One more; NaN is left out.
    pub fn record(&mut self, ms: f64) {
        if ms.is_nan() {
            return;
        }
        self.min = self.min.min(ms);
        self.max = self.max.max(ms);
        if let Some(counts) = &mut self.counts {
            // A negative float becomes 0 here, and what is too long is cut by `saturating`.
            counts.saturating_record((ms * 1000.0).round() as u64);
        }
    }

    /// The other's counts too.
    pub fn merge(&mut self, other: &Histogram) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if let (Some(counts), Some(others)) = (&mut self.counts, &other.counts) {
            // Both have the same bounds, so that nothing of it can be out of range.
            let _ = counts.add(others);
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.as_ref().map_or(0, Hdr::len)
    }

    /// How many were above `ms`, to the histogram's resolution.
    pub fn above(&self, ms: f64) -> u64 {
        let limit = (ms * 1000.0).round() as u64;
        self.counts.as_ref().map_or(0, |counts| counts.len() - counts.count_between(0, limit))
    }

    /// Percentiles; the smallest and the largest are exact.
    pub fn summary(&self) -> Summary {
        let Some(counts) = self.counts.as_ref().filter(|counts| !counts.is_empty()) else {
            return Summary::default();
        };
        // The representative of a bucket may lie just beyond what was recorded.
        let at = |percent: f64| {
            rounded(
                (counts.value_at_percentile(percent) as f64 / 1000.0).clamp(self.min.min(self.max), self.max),
            )
        };
        Summary {
            count: counts.len(),
            min: rounded(self.min),
            p50: at(50.0),
            p90: at(90.0),
            p95: at(95.0),
            p99: at(99.0),
            p99_9: at(99.9),
            max: rounded(self.max),
        }
    }

    /// The mean, to the histogram's resolution; 0 of nothing.
    pub fn mean(&self) -> f64 {
        self.counts.as_ref().map_or(0.0, |counts| rounded(counts.mean() / 1000.0))
    }

    /// Value in milliseconds and count of every bucket that has any, as fine as they were counted.
    pub fn fine_buckets(&self) -> Vec<(f64, u64)> {
        let recorded = self.counts.iter().flat_map(Hdr::iter_recorded);
        recorded.map(|step| (step.value_iterated_to() as f64 / 1000.0, step.count_at_value())).collect()
    }

    /// Value in milliseconds and count of every bucket that has any, coarsened to some twenty per factor of ten: enough
    /// for a plot, and short.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let mut buckets: Vec<(f64, u64)> = Vec::new();
        for step in self.counts.iter().flat_map(Hdr::iter_recorded) {
            let limit = coarse(step.value_iterated_to());
            match buckets.last_mut().filter(|(last, _)| *last == limit) {
                Some((_, count)) => *count += step.count_at_value(),
                None => buckets.push((limit, step.count_at_value())),
            }
        }
        buckets
    }
}

/// The upper bound in milliseconds of the coarse bucket of a value in microseconds.
fn coarse(us: u64) -> f64 {
    if us == 0 {
        return 0.0;
    }
    let exponent = (us as f64).log10() * 20.0;
    rounded(10f64.powf((exponent - 1e-9).ceil() / 20.0) / 1000.0)
}

/// As the list of its [`buckets`](Histogram::buckets).
impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.buckets().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_agree_with_the_exact_ones_to_three_digits() {
        let figures: Vec<f64> = (1..=10_000).map(|n| f64::from(n) * 0.0137).collect();

        let (hdr, exact) = (Histogram::of(figures.iter().copied()).summary(), Summary::of(figures));

        let pairs = [
            (hdr.p50, exact.p50),
            (hdr.p90, exact.p90),
            (hdr.p95, exact.p95),
            (hdr.p99, exact.p99),
            (hdr.p99_9, exact.p99_9),
        ];
        assert!(pairs.iter().all(|(hdr, exact)| (hdr - exact).abs() <= exact * 0.001 + 0.001), "{pairs:?}");
        assert_eq!((hdr.count, hdr.min, hdr.max), (exact.count, exact.min, exact.max));
    }

    #[test]
    fn merging_is_as_if_all_had_been_counted_in_one() {
        let (mut a, b) = (Histogram::of([1.0, 2.0]), Histogram::of([0.5, 40.0]));
        a.merge(&b);

        assert_eq!(a.summary(), Histogram::of([1.0, 2.0, 0.5, 40.0]).summary());
        assert_eq!((a.count(), a.above(1.5), a.above(40.0)), (4, 2, 0));
    }

    #[test]
    fn nothing_negative_and_endless_are_survived() {
        assert_eq!(Histogram::default().summary(), Summary::default());
        let odd = Histogram::of([-0.2, f64::NAN, 1e9]);

        assert_eq!((odd.count(), odd.summary().min, odd.summary().max), (2, -0.2, 1e9));
    }

    #[test]
    fn buckets_hold_everything_once_and_ascend() {
        let histogram = Histogram::of((0..5000).map(|n| f64::from(n) * 0.01));

        let buckets = histogram.buckets();

        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 5000);
        assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0), "{buckets:?}");
        assert!(buckets.len() < 90, "{}", buckets.len());
    }
}
