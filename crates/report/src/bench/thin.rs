//! Fewer points that look the same.

use std::collections::BTreeMap;

use super::{Distribution, Role};

/// Buckets to a doubling.
const PER_DOUBLING: f64 = 64.0;

/// What is smaller shares a bucket: a microsecond where the unit is a millisecond.
const SMALLEST: f64 = 0.001;

pub(super) fn distribution(name: String, role: Role, values: impl IntoIterator<Item = f64>) -> Distribution {
    let mut counts: BTreeMap<i32, u64> = BTreeMap::new();
    let (mut min, mut max, mut sum, mut count) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0u64);
    for value in values.into_iter().filter(|value| value.is_finite()) {
        *counts.entry(bucket_of(value)).or_default() += 1;
        min = min.min(value);
        max = max.max(value);
        sum += value;
        count += 1;
    }
    if count == 0 {
        return Distribution { name, role, ..Distribution::default() };
    }
    // No value lies above the largest one, so no edge does either.
    let buckets = counts.into_iter().map(|(bucket, count)| (edge_of(bucket).min(max), count)).collect();
    Distribution { name, role, buckets, mean: sum / count as f64, min }
}

fn bucket_of(value: f64) -> i32 {
    if value <= SMALLEST { 0 } else { ((value / SMALLEST).log2() * PER_DOUBLING).ceil() as i32 }
}

fn edge_of(bucket: i32) -> f64 {
    SMALLEST * (f64::from(bucket) / PER_DOUBLING).exp2()
}

/// Joins neighbours until at most `most` are left. The upper edges of the last stay: so does the maximum.
pub(super) fn buckets(buckets: &mut Vec<(f64, u64)>, most: usize) {
    buckets.retain(|(edge, count)| edge.is_finite() && *count > 0);
    if buckets.len() <= most {
        return;
    }
    let together = buckets.len().div_ceil(most);
    *buckets = buckets
        .chunks(together)
        .filter_map(|group| Some((group.last()?.0, group.iter().map(|(_, count)| count).sum())))
        .collect();
}

/// Keeps two points of each stretch, in their order, so that at most `most` are left: of a line the lowest and the highest,
/// of a cloud any one and the highest. A cloud of extremes would look like two clouds.
pub(super) fn points(points: &mut Vec<(f64, f64)>, most: usize, cloud: bool) {
    points.retain(|(x, y)| x.is_finite() && y.is_finite());
    if points.len() <= most {
        return;
    }
    let stretch = points.len().div_ceil(most / 2);
    *points = points.chunks(stretch).flat_map(|stretch| two_of(stretch, cloud)).collect();
}

fn two_of(stretch: &[(f64, f64)], cloud: bool) -> Vec<(f64, f64)> {
    let by_height = |one: &&(f64, f64), other: &&(f64, f64)| one.1.total_cmp(&other.1);
    let one = if cloud { stretch.first() } else { stretch.iter().min_by(by_height) };
    let high = stretch.iter().max_by(by_height);
    let mut both: Vec<(f64, f64)> = one.into_iter().chain(high).copied().collect();
    both.sort_by(|one, other| one.0.total_cmp(&other.0));
    both.dedup();
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_counts_every_value_and_keeps_the_extremes() {
        let values = (1..=100_000).map(|number| f64::from(number) / 100.0).chain([f64::NAN]);

        let found = distribution("server".to_owned(), Role::Measured, values);

        assert_eq!(found.buckets.iter().map(|(_, count)| count).sum::<u64>(), 100_000);
        assert_eq!((found.min, found.buckets.last().unwrap().0), (0.01, 1000.0));
        assert!((found.mean - 500.005).abs() < 1e-6, "{}", found.mean);
        assert!(found.buckets.len() < 1_200, "{}", found.buckets.len());
        assert!(found.buckets.is_sorted_by(|one, next| one.0 < next.0));
    }

    #[test]
    fn a_percentile_of_the_buckets_is_within_their_width() {
        let values = (1..=10_000).map(f64::from);

        let found = distribution(String::new(), Role::Measured, values);

        let mut seen = 0;
        let p99 = found.buckets.iter().find(|(_, count)| {
            seen += count;
            seen >= 9_900
        });
        let p99 = p99.unwrap().0;
        assert!((9_900.0..=9_900.0 * 1.011).contains(&p99), "{p99}");
    }

    #[test]
    fn nothing_and_negative_values_make_no_trouble() {
        assert!(distribution(String::new(), Role::Measured, []).buckets.is_empty());
        let found = distribution(String::new(), Role::Measured, [-2.0, -1.0]);
        assert_eq!((found.min, found.buckets), (-2.0, vec![(-1.0, 2)]));
    }

    #[test]
    fn thinned_points_keep_the_one_peak() {
        for cloud in [false, true] {
            let mut many: Vec<(f64, f64)> = (0..1_000_000).map(|at| (f64::from(at), 1.0)).collect();
            many[777_777].1 = 250.0;

            points(&mut many, 2_000, cloud);

            assert!(many.len() <= 2_000, "{}", many.len());
            assert!(many.contains(&(777_777.0, 250.0)));
            assert!(many.is_sorted_by(|one, next| one.0 <= next.0));
        }
    }

    #[test]
    fn a_thinned_cloud_keeps_its_middle() {
        let height = |at: u32| f64::from(at.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
        let mut many: Vec<(f64, f64)> = (0..100_000).map(|at| (f64::from(at), height(at))).collect();

        points(&mut many, 2_000, true);

        let middle = many.iter().filter(|(_, y)| (0.25..0.75).contains(y)).count();
        assert!(middle > 300, "{middle}");
    }

    #[test]
    fn joined_buckets_keep_count_and_maximum() {
        let mut many: Vec<(f64, u64)> = (0..5_001).map(|at| (f64::from(at), 2)).collect();

        buckets(&mut many, 2_000);

        assert!(many.len() <= 2_000);
        assert_eq!(many.iter().map(|(_, count)| count).sum::<u64>(), 10_002);
        assert_eq!(many.last().unwrap().0, 5_000.0);
    }
}
