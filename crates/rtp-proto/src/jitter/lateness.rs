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

/// Of speech: a worse line of the last 1.7 s still counts. What plays the frames needs some tenths of a second more
/// until all of it is gone, and three seconds after the line got well nothing may be left.
const SPEECH_WINDOW: Duration = Duration::from_millis(1_720);

/// Of speech where loss hurts more than delay.
const CAREFUL_WINDOW: Duration = Duration::from_millis(5_000);

/// Of silence that has lasted as long: longer than the pauses between words, or a speaker's every breath would unlearn
/// the line; and one second of silence must be enough for everything.
const SILENCE_WINDOW: Duration = Duration::from_millis(560);

/// At most this share of a packet's duration is caught up per packet while somebody speaks: 3 ms of 20, so that
/// what plays the frames can follow without anybody hearing it.
const SHRINK: (i64, i64) = (3, 20);

/// Of a long wait this share goes with each packet if it is more: 120 ms are gone in less than half a second.
const SHRINK_SHARE: i64 = 10;

/// What the wait may be too long by, as a share of the spread: a line that stays bad is not measured anew all the time.
const HOLD: i64 = 8;

/// What matters more when one of the two must be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// One late packet within the window is tolerated, the second makes the buffer wait. What is later than the
    /// longest wait makes nobody wait: it would be lost anyway.
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
    /// The last packet waited.
    waits: bool,
    /// Since when nobody speaks.
    silent_since: Option<Time>,
    /// What the wait shrank by since that was asked last.
    sooner: i64,
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
            waits: false,
            silent_since: None,
            sooner: 0,
        }
    }

    /// Forgets everything; the next packet sets the best transit.
    pub fn reset(&mut self) {
        self.count = 0;
        self.last = None;
        self.waits = false;
        self.sooner = 0;
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

    /// By how much shorter the wait became since this was asked last.
    pub fn take_sooner(&mut self) -> Duration {
        Duration::from_nanos(std::mem::take(&mut self.sooner).max(0) as u64)
    }

    /// Takes note of a packet of `duration` nanoseconds with `transit`; silence allows shrinking in one step.
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

        self.silent_since = if silent { self.silent_since.or(Some(arrived_at)) } else { None };
        let silent = self.silent_since.is_some_and(|since| arrived_at.since(since) >= SILENCE_WINDOW);
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
        // The best is known only when all were seen: that of the packet before is near enough.
        let hopeless = match self.prefer {
            Prefer::Delay => (self.best + self.max_target) / 1_000,
            Prefer::Loss => i64::MAX,
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
            if !sample.draining && i64::from(sample.transit) <= hopeless {
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
        let (target, hold) = if spread <= GRACE { (0, 0) } else { (spread + margin, spread / HOLD) };
        let wanted = self.best + target.min(self.max_target);
        let excess = self.offset - wanted;
        let fastest = (duration * SHRINK.0 / SHRINK.1).max(excess / SHRINK_SHARE);
        let step = match () {
            () if excess <= 0 || (target == 0 && excess <= GRACE) => excess,
            () if silent => (excess - hold).max(0),
            () => (excess - hold).clamp(0, fastest),
        };
        // Where nothing waited, a best transit that varies is not noticed outside.
        if self.waits {
            self.sooner += step.max(0);
        }
        self.offset = (self.offset - step).min(self.best + self.max_target);
        self.waits = target > 0 || self.offset > wanted;
    }
}
