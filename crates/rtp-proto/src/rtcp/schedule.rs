//! When the next report is due (RFC 3550 §6.2, §6.3 and A.7), in integers.

use std::time::Duration;

use offhook_time::{Randomness, Time};

/// The shortest mean interval; half of it before the first report (RFC 3550 §6.2).
const MINIMUM: Duration = Duration::from_secs(5);

/// UDP and IPv4 headers count towards the bandwidth (RFC 3550 §6.2).
const LOWER_LAYERS: u64 = 28;

/// Decides when reports of a two-party session leave, with timer reconsideration.
#[derive(Clone, Debug)]
pub struct ReportSchedule {
    /// Octets per second that all members together may use: 5 % of the session.
    bandwidth: u64,
    members: u64,
    /// Sixteen times the mean size of the compounds sent and received.
    average_size_times_16: u64,
    initial: bool,
    last: Time,
    next: Time,
}

impl ReportSchedule {
    /// Starts a session of `session_bandwidth` bits per second whose first compound has about `first_size` octets.
    pub fn new(session_bandwidth: u32, first_size: usize, randomness: &mut Randomness, now: Time) -> Self {
        let mut schedule = ReportSchedule {
            bandwidth: (u64::from(session_bandwidth) / 8 / 20).max(1),
            members: 1,
            average_size_times_16: (first_size as u64 + LOWER_LAYERS) * 16,
            initial: true,
            last: now,
            next: now,
        };
        schedule.next = now + schedule.interval(randomness);
        schedule
    }

    /// When [`is_due`](Self::is_due) is to be asked.
    pub fn poll_timeout(&self) -> Time {
        self.next
    }

    /// Whether a report leaves now. Timer reconsideration (RFC 3550 §6.3.6) may answer no and move the deadline.
    pub fn is_due(&mut self, randomness: &mut Randomness, now: Time) -> bool {
        if now < self.next {
            return false;
        }
        let candidate = self.last + self.interval(randomness);
        if candidate > now {
            self.next = candidate;
            return false;
        }
        true
    }

    /// A compound of `size` octets was sent.
    pub fn note_sent(&mut self, size: usize, randomness: &mut Randomness, now: Time) {
        self.note_size(size);
        self.initial = false;
        self.last = now;
        self.next = now + self.interval(randomness);
    }

    /// A compound of `size` octets came from the peer.
    pub fn note_received(&mut self, size: usize) {
        self.members = 2;
        self.note_size(size);
    }

    /// The peer said BYE: it no longer counts as a member, nothing else happens.
    pub fn note_bye(&mut self) {
        self.members = 1;
    }

    fn note_size(&mut self, size: usize) {
        let average = self.average_size_times_16;
        self.average_size_times_16 = average - average / 16 + size as u64 + LOWER_LAYERS;
    }

    /// 0.5 to 1.5 times the mean interval, divided by e - 1.5: reconsideration makes intervals longer by that.
    fn interval(&self, randomness: &mut Randomness) -> Duration {
        let minimum = if self.initial { MINIMUM / 2 } else { MINIMUM };
        let nanos = self.members * self.average_size_times_16 / 16 * 1_000_000_000 / self.bandwidth;
        let mean = Duration::from_nanos(nanos).max(minimum);
        let factor = 500_000 + randomness.below(1_000_000);
        Duration::from_nanos((mean.as_nanos() * u128::from(factor) / 1_218_282) as u64)
    }
}

#[cfg(test)]
mod tests {
    use offhook_time::Seed;

    use super::*;

    #[test]
    fn reports_leave_every_five_seconds_on_average_and_never_in_step() {
        let mut randomness = Randomness::new(Seed::from_number(3));
        let mut schedule = ReportSchedule::new(64_000, 80, &mut randomness, Time::ZERO);
        let mut sent = Vec::new();
        while sent.len() < 400 {
            let now = schedule.poll_timeout();
            if schedule.is_due(&mut randomness, now) {
                schedule.note_received(80);
                schedule.note_sent(80, &mut randomness, now);
                sent.push(now);
            }
        }

        let intervals: Vec<_> = sent.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
        let mean = intervals.iter().sum::<u128>() / intervals.len() as u128;
        assert!((4_600..=5_400).contains(&mean), "mean {mean}");
        assert!(intervals.iter().all(|ms| (2_000..=6_200).contains(ms)), "{intervals:?}");
        assert!(sent[0] < Time::from_millis(3_200), "the first waits half as long");
    }

    #[test]
    fn a_narrow_session_reports_less_often() {
        let mut randomness = Randomness::new(Seed::from_number(4));

        let schedule = ReportSchedule::new(800, 100, &mut randomness, Time::ZERO);

        assert!(schedule.poll_timeout() > Time::from_millis(10_000), "128 octets at 5 octets per second");
    }
}
