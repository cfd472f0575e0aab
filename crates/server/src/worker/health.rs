//! How late a worker's ticks are: what admission goes by.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in microseconds; the last bucket has none.
pub const BOUNDS_US: [u64; 12] =
    [250, 500, 1000, 1500, 2000, 3000, 5000, 7500, 10_000, 20_000, 50_000, 100_000];

/// A histogram of tick lateness that one thread writes and others read.
#[derive(Debug, Default)]
pub struct Health {
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
    allocations: AtomicU64,
    realtime: AtomicBool,
    kept: AtomicU64,
    kept_ever: AtomicU64,
}

/// A histogram as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthReport {
    /// Counts by bucket.
    pub buckets: [u64; BOUNDS_US.len() + 1],
    /// Sum of all values in microseconds.
    pub sum_us: u64,
    /// Allocations of the worker thread since its start.
    pub allocations: u64,
}

impl Health {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Takes the lateness of one tick.
    pub(super) fn note(&self, lateness: Duration) {
        let us = lateness.as_micros() as u64;
        let bucket = BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS_US.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(super) fn note_allocations(&self, count: u64) {
        self.allocations.store(count, Ordering::Relaxed);
    }

    pub(super) fn set_realtime(&self) {
        self.realtime.store(true, Ordering::Relaxed);
    }

    /// One message more found the queue to control full; `waiting` of them are kept now.
    pub(super) fn note_kept(&self, waiting: usize) {
        self.kept.store(waiting as u64, Ordering::Relaxed);
        self.kept_ever.fetch_add(1, Ordering::Relaxed);
    }

    /// Some of them were sent on.
    pub(super) fn note_sent_on(&self, waiting: usize) {
        self.kept.store(waiting as u64, Ordering::Relaxed);
    }

    /// Messages to control that the worker keeps now, and how often one found the queue full.
    pub fn kept(&self) -> (u64, u64) {
        (self.kept.load(Ordering::Relaxed), self.kept_ever.load(Ordering::Relaxed))
    }

    /// Whether the worker runs at real-time priority.
    pub fn is_realtime(&self) -> bool {
        self.realtime.load(Ordering::Relaxed)
    }

    /// Everything since the start.
    pub fn report(&self) -> HealthReport {
        HealthReport {
            buckets: std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed)),
            sum_us: self.sum_us.load(Ordering::Relaxed),
            allocations: self.allocations.load(Ordering::Relaxed),
        }
    }
}

impl HealthReport {
    /// What happened since `earlier`.
    pub fn since(&self, earlier: &HealthReport) -> HealthReport {
        HealthReport {
            buckets: std::array::from_fn(|bucket| self.buckets[bucket] - earlier.buckets[bucket]),
            sum_us: self.sum_us - earlier.sum_us,
            allocations: self.allocations - earlier.allocations,
        }
    }

    /// How many ticks.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// An upper bound of the 99th percentile; zero where nothing was counted.
    pub fn p99(&self) -> Duration {
        let allowed_above = self.count() / 100;
        let mut above = 0;
        for bucket in (0..self.buckets.len()).rev() {
            above += self.buckets[bucket];
            if above > allowed_above {
                return Duration::from_micros(BOUNDS_US.get(bucket).copied().unwrap_or(200_000));
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_forgives_one_in_a_hundred() {
        let health = Health::new();
        (0..99).for_each(|_| health.note(Duration::from_micros(100)));
        health.note(Duration::from_millis(30));

        assert_eq!(health.report().p99(), Duration::from_micros(250));

        health.note(Duration::from_millis(30));
        assert_eq!(health.report().p99(), Duration::from_millis(50));
    }

    #[test]
    fn a_window_shows_only_itself() {
        let health = Health::new();
        health.note(Duration::from_millis(90));
        let before = health.report();
        health.note(Duration::from_micros(10));

        assert_eq!(health.report().since(&before).p99(), Duration::from_micros(250));
    }
}
