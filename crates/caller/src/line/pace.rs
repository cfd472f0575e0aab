//! An exact grid of moments.

use std::time::Duration;

use offhook_time::Time;

/// The worker's tick: finer costs wake-ups, coarser shows in the probe.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Absolute deadlines, each a whole number of steps after the start: whatever happens in between, they never drift.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    start: Time,
    step: Duration,
    index: u64,
}

impl Pace {
    /// The first deadline is one step after `start`.
    pub fn start(start: Time, step: Duration) -> Self {
        Pace { start, step, index: 0 }
    }

    /// The next deadline; may be past for one who is late, and then the ones after it come at once.
    pub fn next(&mut self) -> Time {
        self.index += 1;
        self.start + Duration::from_nanos(self.step.as_nanos() as u64 * self.index)
    }

    /// The number of the deadline that [`next`](Pace::next) gave last, from 1.
    pub fn index(&self) -> u64 {
        self.index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_day_of_packets_ends_on_the_nanosecond() {
        let mut pace = Pace::start(Time::from_nanos(123), Duration::from_millis(20));
        let packets = 24 * 3600 * 50;

        let last = (0..packets).map(|_| pace.next()).last();

        assert_eq!(last, Some(Time::from_nanos(123) + Duration::from_secs(24 * 3600)));
    }

    #[test]
    fn a_sleeper_that_wakes_late_does_not_move_the_grid() {
        let start = clock::now();
        let mut pace = Pace::start(start, Duration::from_millis(5));

        for n in 0..20u64 {
            let due = pace.next();
            clock::sleep_until(due);
            assert!(clock::now() >= due);
            if n % 5 == 0 {
                std::thread::sleep(Duration::from_millis(3));
            }
        }

        assert_eq!(pace.next(), start + Duration::from_millis(105));
    }
}
