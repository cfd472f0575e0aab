//! A seeded line: loss, jitter, reordering and duplicates, in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use offhook_time::{Randomness, Seed, Time};

/// What a line does to datagrams. The default does nothing to them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LineQuality {
    /// How long every datagram takes.
    pub delay: Duration,
    /// Up to so much more, evenly spread, but none overtakes another.
    pub jitter: Duration,
    /// Share that never arrives (0..=1).
    pub loss: f64,
    /// Share that arrives twice, the second time up to 10 ms later.
    pub duplicates: f64,
    /// Share that is held up by [`reordered_by`](Self::reordered_by), so that others overtake it.
    pub reordered: f64,
    /// How long those are held up.
    pub reordered_by: Duration,
}

/// One direction of a line. The same seed and the same datagrams give the same arrivals.
#[derive(Clone, Debug)]
pub struct Line {
    quality: LineQuality,
    randomness: Randomness,
    under_way: BTreeMap<(Time, u64), Vec<u8>>,
    sent: u64,
    lost: u64,
    last_in_order: Time,
}

impl Line {
    /// A line of this quality.
    pub fn new(quality: LineQuality, seed: u64) -> Self {
        Line {
            quality,
            randomness: Randomness::new(Seed::from_number(seed)),
            under_way: BTreeMap::new(),
            sent: 0,
            lost: 0,
            last_in_order: Time::ZERO,
        }
    }

    /// The line gets better or worse; what is under way is not touched.
    pub fn set_quality(&mut self, quality: LineQuality) {
        self.quality = quality;
    }

    /// Datagrams that will never arrive.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes a datagram.
    pub fn send(&mut self, datagram: &[u8], now: Time) {
        // Always the same number of draws per datagram, so that one setting does not disturb another.
        let draws: [f64; 5] = std::array::from_fn(|_| self.randomness.unit());
        if draws[0] < self.quality.loss {
            self.lost += 1;
            return;
        }
        let jitter = self.quality.jitter.mul_f64(draws[1]);
        let mut arrival = now + self.quality.delay + jitter;
        if draws[2] < self.quality.reordered {
            arrival += self.quality.reordered_by;
        } else {
            arrival = arrival.max(self.last_in_order);
            self.last_in_order = arrival;
        }
        self.put(arrival, datagram);
        if draws[3] < self.quality.duplicates {
            self.put(arrival + Duration::from_millis(10).mul_f64(draws[4]), datagram);
        }
    }

    /// When the next datagram arrives.
    pub fn next_arrival(&self) -> Option<Time> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next datagram that arrives until `now`, and when it did.
    pub fn receive(&mut self, now: Time) -> Option<(Time, Vec<u8>)> {
        let entry = self.under_way.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), datagram) = entry.remove_entry();
        Some((at, datagram))
    }

    fn put(&mut self, arrival: Time, datagram: &[u8]) {
        self.sent += 1;
        self.under_way.insert((arrival, self.sent), datagram.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_faults_delivers_everything_at_once_and_in_order() {
        let mut line = Line::new(LineQuality::default(), 1);

        (0..50u8).for_each(|n| line.send(&[n], Time::from_millis(u64::from(n) * 20)));

        for n in 0..50u8 {
            assert_eq!(line.receive(Time::MAX), Some((Time::from_millis(u64::from(n) * 20), vec![n])));
        }
    }

    #[test]
    fn jitter_delays_but_does_not_reorder() {
        let jitter = Duration::from_millis(40);
        let mut line = Line::new(LineQuality { jitter, ..LineQuality::default() }, 2);

        (0..200u8).for_each(|n| line.send(&[n], Time::from_millis(u64::from(n) * 20)));

        for n in 0..200u8 {
            let (at, datagram) = line.receive(Time::MAX).unwrap();
            assert_eq!(datagram, [n]);
            assert!(at.since(Time::from_millis(u64::from(n) * 20)) <= jitter);
        }
    }

    #[test]
    fn loss_and_duplicates_come_at_the_rate_that_was_asked_for() {
        let quality = LineQuality { loss: 0.1, duplicates: 0.2, ..LineQuality::default() };
        let mut line = Line::new(quality, 3);

        (0..10_000u64).for_each(|n| line.send(&[0], Time::from_millis(n)));
        let arrived = std::iter::from_fn(|| line.receive(Time::MAX)).count();

        assert!((900..1_100).contains(&line.lost()), "{}", line.lost());
        assert!((10_500..11_100).contains(&arrived), "{arrived}");
    }
}
