//! Where the buffer is in the sender's time.

use offhook_time::Time;

use super::ring::{Arrival, Waiting};
use crate::RtpTimestamp;

/// Packets in a row that are two frames or more behind the timeline until it is the timeline that is wrong.
const STALE_RUN: u32 = 3;

/// Frames without any packet after which a marker is believed at once to begin a new timeline.
const MARKER_BELIEVED_AFTER: u32 = 3;

/// What was released last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// A packet.
    Audio,
    /// This many frames in a row with nothing behind them in the buffer.
    Missing(u32),
    /// The sender said that it pauses.
    Pause,
}

/// Timestamps are unfolded into signed numbers whose low 32 bits are the wire's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    base_arrival: Time,
    base_timestamp: i64,
    /// Of audio.
    pub highest_sequence: u64,
    /// Of the packet with the highest sequence.
    pub highest_timestamp: i64,
    pub next_sequence: u64,
    pub next_timestamp: i64,
    pub last: Last,
    /// The next packet does not continue what was released before it.
    pub begins: bool,
    stale: Option<Stale>,
}

/// A run of packets that are far behind the timeline.
#[derive(Clone, Copy, Debug)]
struct Stale {
    first_arrival: Time,
    first_timestamp: i64,
    count: u32,
}

/// From the latest packet to one after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Advance {
    packets: i64,
    units: i64,
}

impl Advance {
    /// Units from one packet to the one right after it.
    pub fn of_one_packet(self) -> Option<i64> {
        (self.packets == 1).then_some(self.units)
    }

    /// Whether the sender's clock was set to something else: a later packet with an earlier timestamp, or one that
    /// came far `early` although its timestamp is not what the number of packets explains.
    pub fn leaps(self, packet_samples: u32, early: bool) -> bool {
        self.units < 0 || (early && self.units != self.packets * i64::from(packet_samples))
    }
}

impl Timeline {
    pub fn new(sequence: u64, timestamp: RtpTimestamp, arrived_at: Time) -> Self {
        let timestamp = i64::from(timestamp.0);
        Timeline {
            base_arrival: arrived_at,
            base_timestamp: timestamp,
            highest_sequence: sequence,
            highest_timestamp: timestamp,
            next_sequence: sequence,
            next_timestamp: timestamp,
            last: Last::Audio,
            begins: true,
            stale: None,
        }
    }

    pub fn unfold(&self, timestamp: RtpTimestamp) -> i64 {
        self.highest_timestamp + timestamp.since(RtpTimestamp(self.highest_timestamp as u32))
    }

    pub fn wire_timestamp(&self) -> RtpTimestamp {
        RtpTimestamp(self.next_timestamp as u32)
    }

    /// The distance to a packet after the latest; `None` for one that was overtaken.
    pub fn advance(&self, sequence: u64, timestamp: i64) -> Option<Advance> {
        let packets = sequence.checked_sub(self.highest_sequence).filter(|packets| *packets > 0)? as i64;
        Some(Advance { packets, units: timestamp - self.highest_timestamp })
    }

    /// The moment `offset` nanoseconds after the media time of `timestamp`.
    pub fn moment(&self, timestamp: i64, offset: i64, clock_rate: u32) -> Time {
        let units = i128::from(timestamp - self.base_timestamp);
        let media = units * 1_000_000_000 / i128::from(clock_rate.max(1));
        let nanos = i128::from(self.base_arrival.as_nanos()) + media + i128::from(offset);
        Time::from_nanos(nanos.clamp(0, i128::from(u64::MAX)) as u64)
    }

    /// Whether all of a packet's time was released already.
    pub fn has_passed(&self, arrival: &Arrival) -> bool {
        arrival.sequence < self.next_sequence
            || arrival.timestamp + i64::from(arrival.samples) <= self.next_timestamp
    }

    /// Whether `first` follows what was released without a gap of a whole packet.
    pub fn continues_with(&self, first: &Waiting, packet_samples: u32) -> bool {
        first.timestamp < self.next_timestamp + i64::from(packet_samples)
    }

    /// Whether the delay of the line grew for good, or the sender's clock stood still while it paused. A backlog
    /// that drains is neither: its packets come faster than they were spoken.
    pub fn is_proven_wrong_by(&mut self, arrival: &Arrival, clock_rate: u32) -> bool {
        let samples = i64::from(arrival.samples);
        if arrival.timestamp + 2 * samples > self.next_timestamp {
            self.stale = None;
            return false;
        }
        let stale = self.stale.get_or_insert(Stale {
            first_arrival: arrival.arrived_at,
            first_timestamp: arrival.timestamp,
            count: 0,
        });
        stale.count += 1;
        let paused = match self.last {
            Last::Audio => false,
            Last::Missing(frames) => frames > MARKER_BELIEVED_AFTER,
            Last::Pause => true,
        };
        if arrival.marker && paused {
            return true;
        }
        let spoken = i128::from(arrival.timestamp - stale.first_timestamp) * 1_000_000_000;
        let took = i128::from(arrival.arrived_at.since(stale.first_arrival).as_nanos() as u64);
        stale.count >= STALE_RUN && took * 2 * i128::from(clock_rate) >= spoken
    }
}
