//! How late packets are, and from that how long frames wait.
//!
//! The transit of a packet is its arrival less its media time; only differences between transits mean anything.
//! The best transit of the last seconds is a packet that nothing held up, so following it also follows the drift
//! between the sender's clock and ours. The wait is what covers all but the tolerated number of the worst.

use std::time::Duration;

use offhook_time::Time;

/// What a frame may be late without the line counting as jittery: two ticks of a loaded media worker and a
/// sender that is woken a millisecond late. The playout behind the buffer has that much slack anyway.
pub(super) const GRACE: i64 = 3_000_000;

/// Of speech: a worse line of the last two seconds still counts; shrinking must end three seconds after it got well.
const SPEECH_WINDOW: Duration = Duration::from_millis(2_000);

/// Of speech where loss hurts more than delay.
const CAREFUL_WINDOW: Duration = Duration::from_millis(5_000);

/// Of silence: shrinking must end one second after the line got well, and a packet that comes late is not heard.
const SILENCE_WINDOW: Duration = Duration::from_millis(800);

/// At most this share of a packet's duration is caught up per packet while somebody speaks: 3 ms of 20, so that
/// 120 ms are gone in less than a second.
const SHRINK: (i64, i64) = (3, 20);

/// What matters more when one of the two must be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// One late packet within two seconds is tolerated, the second makes the buffer wait.
    #[default]
    Delay,
    /// The first late packet makes the buffer wait, and it waits for five seconds of good line to get shorter.
    Loss,
}

/// Packets of the longest window that count: 5 s at 20 ms, 2.5 s at 10 ms.
const KEPT: usize = 256;

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// Arrival in milliseconds, wrapping.
    at: u32,
    /// Transit in microseconds.
    transit: i32,
    /// Came on the heels of a later-than-it packet: one hold-up makes many late packets but is one event.
    draining: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Lateness {
    prefer: Prefer,
    max_target: i64,
    samples: Box<[Sample; KEPT]>,
    count: usize,
    newest: usize,
    last: Option<(Time, i64)>,
    best: i64,
    worst: i64,
    offset: i64,
}

impl Lateness {
    pub fn new(prefer: Prefer, max_target: Duration) -> Self {
        Lateness {
            prefer,
            max_target: max_target.as_nanos().min(1_000_000_000) as i64,
            samples: Box::new([Sample::default(); KEPT]),
            count: 0,
            newest: 0,
            last: None,
            best: 0,
            worst: 0,
            offset: 0,
        }
    }

    /// Forgets everything; the next packet sets the best transit.
    pub fn reset(&mut self) {
        self.count = 0;
        self.last = None;
    }

    /// Nanoseconds from media time to release.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Nanoseconds from media time to giving a missing packet up.
    pub fn give_up(&self) -> i64 {
        self.offset.max(self.best + GRACE)
    }

    /// Transit of a packet that nothing held up.
    pub fn best(&self) -> i64 {
        self.best
    }

    /// How long frames wait at present.
    pub fn target(&self) -> Duration {
        Duration::from_nanos((self.offset - self.best).max(0) as u64)
    }

    /// From the best transit to the worst that counts.
    pub fn spread(&self) -> Duration {
        Duration::from_nanos((self.worst - self.best).max(0) as u64)
    }

    /// Takes note of a packet of `duration` nanoseconds with `transit`; `silent` allows shrinking in one step.
    pub fn note(&mut self, transit: i64, duration: i64, silent: bool, arrived_at: Time) {
        let draining = self.last.is_some_and(|(at, last)| {
            (arrived_at.signed_since(at)) * 2 < duration && arrived_at >= at && transit < last
        });
        let first = self.last.is_none();
        self.last = Some((arrived_at, transit));
        self.newest = (self.newest + 1) % KEPT;
        self.count = (self.count + 1).min(KEPT);
        let transit_micros = (transit / 1_000).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        self.samples[self.newest] =
            Sample { at: arrived_at.as_millis() as u32, transit: transit_micros, draining };

        self.measure(silent, arrived_at);
        if first {
            self.offset = self.best;
        }
        self.follow(duration, silent);
    }

    fn measure(&mut self, silent: bool, now: Time) {
        let (window, tolerated) = match (silent, self.prefer) {
            (true, Prefer::Delay | Prefer::Loss) => (SILENCE_WINDOW, 0),
            (false, Prefer::Delay) => (SPEECH_WINDOW, 1),
            (false, Prefer::Loss) => (CAREFUL_WINDOW, 0),
        };
        let (window, now) = (window.as_millis() as u32, now.as_millis() as u32);
        let mut best = i32::MAX;
        let mut worst = [i32::MIN; 2];
        for back in 0..self.count {
            let sample = self.samples[(self.newest + KEPT - back) % KEPT];
            // Signed, because a packet may be handed over before an older one.
            if (now.wrapping_sub(sample.at) as i32) > window as i32 {
                break;
            }
            best = best.min(sample.transit);
            if !sample.draining {
                worst = if sample.transit > worst[0] {
                    [sample.transit, worst[0]]
                } else {
                    [worst[0], worst[1].max(sample.transit)]
                };
            }
        }
        self.best = i64::from(best) * 1_000;
        self.worst = i64::from(worst[tolerated].max(best)) * 1_000;
    }

    /// Growing happens at once: the next late packet is worse than a longer wait.
    fn follow(&mut self, duration: i64, silent: bool) {
        let spread = self.worst - self.best;
        let margin = (spread / 10).max(1_000_000);
        let target = if spread <= GRACE { 0 } else { (spread + margin).min(self.max_target) };
        let wanted = self.best + target;
        let excess = self.offset - wanted;
        let step = if silent || excess <= GRACE { excess } else { duration * SHRINK.0 / SHRINK.1 };
        self.offset = (self.offset - step.min(excess)).min(self.best + self.max_target);
    }
}
