//! Whether something grows over a long run: a trend that is too regular to be luck and too large to ignore.
//!
//! The slope is that of Theil and Sen (the median of the slopes of all pairs): one window in which somebody else had the
//! machine does not move it. Whether it is luck is asked of Mann and Kendall's test, at one per cent.

use serde::Serialize;

use crate::statistics::{Summary, rounded};

/// Fewer windows than this prove nothing: of five, even the steepest rise is luck more often than one time in a hundred.
pub const FEWEST: usize = 6;

/// One-sided 1 % of the normal distribution.
const NOT_LUCK: f64 = 2.326;

/// How much growth over the run is too much: more than both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DriftLimit {
    /// Of the level at the beginning, in percent.
    pub percent: f64,
    /// In the figure's own unit: what nobody would call a drift.
    pub least: f64,
}

/// How a figure went over the windows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// What: `memory_kib`.
    pub name: &'static str,
    /// Windows that count.
    pub windows: usize,
    /// The median of the first third of them.
    pub first: f64,
    /// The median of the last third.
    pub last: f64,
    /// The slope.
    pub per_hour: f64,
    /// What the slope makes over the windows that count.
    pub growth: f64,
    /// Mann and Kendall's z: above 2.33 a rise is luck less than one time in a hundred.
    pub z: f64,
    /// More than this is too much.
    pub limit: DriftLimit,
    /// Too large and no luck.
    pub drifts: bool,
}

impl Trend {
    /// Of figures of which more is worse, each with its time in hours, ascending. `None` for fewer than [`FEWEST`].
    pub fn of(name: &'static str, points: &[(f64, f64)], limit: DriftLimit) -> Option<Trend> {
        if points.len() < FEWEST {
            return None;
        }
        let third = points.len() / 3;
        let median = |points: &[(f64, f64)]| Summary::of(points.iter().map(|(_, value)| *value)).p50;
        let (first, last) = (median(&points[..third]), median(&points[points.len() - third..]));
        let per_hour = theil_sen(points);
        let hours = points.last().map_or(0.0, |last| last.0) - points.first().map_or(0.0, |first| first.0);
        let (growth, z) = (per_hour * hours, mann_kendall(points));
        let allowed = (first.abs() * limit.percent / 100.0).max(limit.least);
        Some(Trend {
            name,
            windows: points.len(),
            first,
            last,
            per_hour: rounded(per_hour),
            growth: rounded(growth),
            z: rounded(z),
            limit,
            drifts: z > NOT_LUCK && growth > allowed,
        })
    }

    /// Whether the rise is no luck, however small it is.
    pub fn is_regular(&self) -> bool {
        self.z > NOT_LUCK
    }
}

/// The median of the slopes of all pairs.
fn theil_sen(points: &[(f64, f64)]) -> f64 {
    let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    for (at, (x, y)) in points.iter().enumerate() {
        slopes.extend(points[at + 1..].iter().filter(|(x2, _)| x2 > x).map(|(x2, y2)| (y2 - y) / (x2 - x)));
    }
    slopes.sort_by(f64::total_cmp);
    match slopes.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => slopes[odd / 2],
        even => (slopes[even / 2 - 1] + slopes[even / 2]) / 2.0,
    }
}

/// The standardized count of pairs that rise less those that fall, ties taken into account.
fn mann_kendall(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mut s = 0.0;
    for (at, (_, y)) in points.iter().enumerate() {
        for (_, later) in &points[at + 1..] {
            s += f64::from(later.total_cmp(y) as i8);
        }
    }
    let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let ties: f64 = values
        .chunk_by(|a, b| a == b)
        .map(|tied| tied.len() as f64)
        .map(|t| t * (t - 1.0) * (2.0 * t + 5.0))
        .sum();
    let variance = (n * (n - 1.0) * (2.0 * n + 5.0) - ties) / 18.0;
    if variance <= 0.0 || s == 0.0 { 0.0 } else { (s - s.signum()) / variance.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_time::{Randomness, Seed};

    const LIMIT: DriftLimit = DriftLimit { percent: 5.0, least: 1.0 };

    /// One figure a minute.
    fn trend(figures: impl IntoIterator<Item = f64>) -> Trend {
        let points: Vec<(f64, f64)> =
            figures.into_iter().enumerate().map(|(n, figure)| (n as f64 / 60.0, figure)).collect();
        Trend::of("memory_kib", &points, LIMIT).unwrap()
    }

    #[test]
    fn slope_and_significance_are_those_of_the_textbook() {
        // 1..6: every pair rises. S = 15, variance 6·5·17/18 = 28.33, z = 14 / 5.323 = 2.630.
        let rising = trend([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!((rising.per_hour, rising.growth, rising.z), (60.0, 5.0, 2.63));
        assert_eq!((rising.first, rising.last, rising.drifts), (1.0, 5.0, true));
        // With a tie of two the variance is less by 2·1·9/18 = 1: S = 14, z = 13 / sqrt(27.33) = 2.487.
        assert_eq!(trend([1.0, 2.0, 3.0, 3.0, 5.0, 6.0]).z, 2.487);
        assert_eq!(trend([7.0; 8]).z, 0.0);
        assert!(trend([6.0, 5.0, 4.0, 3.0, 2.0, 1.0]).z < -2.0);
    }

    #[test]
    fn a_leak_is_seen_through_noise_and_an_outlier() {
        let mut randomness = Randomness::new(Seed::from_number(1));
        let leak = (0..60).map(|n| 50_000.0 + 100.0 * f64::from(n) + 800.0 * randomness.unit());
        let mut figures: Vec<f64> = leak.collect();
        figures[30] = 1.0;

        let found = trend(figures);

        assert!((found.per_hour - 6000.0).abs() < 600.0, "{found:?}");
        assert!(found.drifts);
    }

    #[test]
    fn noise_a_plateau_and_a_small_rise_are_no_drift() {
        for seed in 0..50 {
            let mut randomness = Randomness::new(Seed::from_number(seed));
            let noise = trend((0..60).map(|_| 50_000.0 + 3000.0 * randomness.unit()));
            assert!(!noise.drifts, "seed {seed}: {noise:?}");
        }
        // Pools that filled in the first minutes: the median slope is that of the plateau.
        assert!(!trend((0..30).map(|n| 50_000.0 + 1000.0 * f64::from(n.min(4)))).drifts);
        // As regular as can be, and 2 % in all.
        let slow = trend((0..60).map(|n| 50_000.0 + 17.0 * f64::from(n)));
        assert!(slow.z > NOT_LUCK && !slow.drifts, "{slow:?}");
    }

    #[test]
    fn five_windows_prove_nothing() {
        let points = [(0.0, 1.0), (0.1, 2.0), (0.2, 3.0), (0.3, 4.0), (0.4, 5.0)];

        assert_eq!(Trend::of("memory_kib", &points, LIMIT), None);
    }
}
