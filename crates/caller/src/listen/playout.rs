//! What a listener with a fixed jitter buffer would have heard of a stream: the model behind the MOS estimate.

use serde::Serialize;

use crate::mos::{LineQuality, MosEstimate};

/// How long the assumed listener waits for packets, beyond the earliest: a fixed buffer of three packets.
pub const LISTENER_BUFFER_MS: f64 = 60.0;

/// A packet's own length is part of the way from mouth to ear.
const PACKET_MS: f64 = 20.0;

/// Packets in the order in which they would be played, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Playout {
    /// Packets that should have been played.
    pub expected: u64,
    /// Those that never came, or later than the listener waits.
    pub missing: u64,
    /// Runs of missing ones.
    pub bursts: u64,
}

impl Playout {
    /// Of packets in order of their sequence: how late each was against the earliest, `None` for one that never came.
    pub fn of(packets: impl IntoIterator<Item = Option<f64>>) -> Self {
        let mut playout = Playout::default();
        let mut was_missing = false;
        for late in packets {
            let is_missing = late.is_none_or(|late| late > LISTENER_BUFFER_MS);
            playout.expected += 1;
            playout.missing += u64::from(is_missing);
            playout.bursts += u64::from(is_missing && !was_missing);
            was_missing = is_missing;
        }
        playout
    }

    /// Both.
    pub fn and(self, other: Playout) -> Self {
        Playout {
            expected: self.expected + other.expected,
            missing: self.missing + other.missing,
            bursts: self.bursts + other.bursts,
        }
    }

    /// Where fewer than `expected` packets were counted, the rest is missing in one run: the stream ended early.
    pub fn at_least(self, expected: u64) -> Self {
        let short = expected.saturating_sub(self.expected);
        Playout {
            expected: self.expected + short,
            missing: self.missing + short,
            bursts: self.bursts + u64::from(short > 0),
        }
    }

    /// Share of missing packets, 0 to 1.
    fn loss(self) -> f64 {
        if self.expected == 0 { 0.0 } else { self.missing as f64 / self.expected as f64 }
    }

    /// Mean length of a run of missing packets over what independent losses of this share would have, 1 / (1 − loss).
    pub fn burst_ratio(self) -> f64 {
        if self.bursts == 0 {
            return 1.0;
        }
        let mean = self.missing as f64 / self.bursts as f64;
        (mean * (1.0 - self.loss())).max(1.0)
    }

    /// What G.107 makes of it for a listener that conceals, `network_ms` away: with it packet and buffer are the delay.
    /// `None` where nothing was expected.
    pub fn estimate(self, network_ms: f64) -> Option<MosEstimate> {
        (self.expected > 0).then(|| {
            MosEstimate::of(LineQuality {
                delay_ms: PACKET_MS + network_ms.max(0.0) + LISTENER_BUFFER_MS,
                loss_percent: 100.0 * self.loss(),
                burst_ratio: self.burst_ratio(),
                concealed: true,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_too_late_are_missing_and_neighbours_are_one_burst() {
        let played = Playout::of([Some(0.0), None, Some(61.0), Some(60.0), None, Some(5.0)]);

        assert_eq!(played, Playout { expected: 6, missing: 3, bursts: 2 });
    }

    #[test]
    fn the_burst_ratio_is_one_for_single_losses_and_grows_with_runs() {
        // 10 of 100 in one run: mean 10, independent losses of 10 % have 1 / 0.9.
        let run = Playout { expected: 100, missing: 10, bursts: 1 };
        assert!((run.burst_ratio() - 9.0).abs() < 1e-9);
        assert_eq!(Playout { expected: 100, missing: 1, bursts: 1 }.burst_ratio(), 1.0);
        assert_eq!(Playout { expected: 100, missing: 0, bursts: 0 }.burst_ratio(), 1.0);
    }

    #[test]
    fn a_stream_that_ends_early_is_lost_to_its_end() {
        let played = Playout { expected: 90, missing: 1, bursts: 1 };

        assert_eq!(played.at_least(100), Playout { expected: 100, missing: 11, bursts: 2 });
        assert_eq!(played.at_least(90), played);
    }

    #[test]
    fn a_clean_stream_beside_us_is_rated_with_packet_and_buffer_only() {
        let clean = Playout::of((0..100).map(|_| Some(0.0))).estimate(0.0).unwrap();

        assert_eq!((clean.delay_ms, clean.loss_percent, clean.burst_ratio), (80.0, 0.0, 1.0));
        assert!((4.3..4.41).contains(&clean.mos), "{clean:?}");
        assert_eq!(Playout::default().estimate(0.0), None);
    }
}
