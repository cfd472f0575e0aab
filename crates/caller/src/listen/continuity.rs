//! Whether their RTP is one unbroken stream.

use std::time::Duration;

use offhook_time::Time;
use serde::Serialize;

use crate::listen::playout::Playout;
use crate::statistics::{Summary, rounded};

/// One received packet of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpSeen {
    /// SSRC.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// When the kernel received it.
    pub arrived: Time,
}

/// What [`ContinuityMeter`] found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Continuity {
    /// Packets received, duplicates included.
    pub packets: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Sequence numbers that came again.
    pub duplicates: u64,
    /// Packets that came after their successor.
    pub reordered: u64,
    /// Steps in sequence that were not +160 of timestamp per packet.
    pub timestamp_breaks: u64,
    /// Times the SSRC changed.
    pub ssrc_changes: u64,
    /// The longest time between two arrivals.
    pub max_gap_ms: f64,
    /// Gaps above 40 ms.
    pub gaps_over_40_ms: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1) at the end.
    pub jitter_ms: f64,
    /// Arrival less RTP time, against the stream's own best.
    pub lateness_ms: Summary,
    /// The same as a histogram.
    pub lateness_histogram: Vec<LatenessBucket>,
}

impl Continuity {
    /// Sequence +1, timestamp +160, nothing lost or doubled, no gap above 40 ms, from the first packet to the last.
    pub fn is_unbroken(&self) -> bool {
        self.packets > 0
            && self.lost + self.duplicates + self.reordered + self.timestamp_breaks + self.ssrc_changes == 0
            && self.gaps_over_40_ms == 0
    }
}

/// How many packets were later than the bucket before and at most this late.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LatenessBucket {
    /// The upper bound; the last bucket has none.
    pub up_to_ms: Option<f64>,
    /// Packets in it.
    pub packets: u64,
}

const BUCKETS_MS: [f64; 10] = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0];

/// Samples of a packet at 8 kHz and 20 ms.
const STEP: u32 = 160;

/// Follows one stream packet by packet.
#[derive(Clone, Debug, Default)]
pub struct ContinuityMeter {
    stream: Option<Stream>,
    counts: Continuity,
    /// Arrival less RTP time in milliseconds, each relative to the first packet of its stream.
    transits: Vec<f32>,
    /// The sequence number of each of these, less that of the stream's first packet.
    places: Vec<i32>,
    /// The lateness of the streams before.
    finished: Vec<f32>,
    /// What a listener would have heard of them.
    played: Playout,
}

#[derive(Clone, Debug)]
struct Stream {
    first: RtpSeen,
    last_arrived: Time,
    /// Highest sequence number, extended over wraps.
    highest: i64,
    timestamp_of_highest: u32,
    /// Bit n: `highest − n` was seen.
    seen: u128,
    /// The highest was no audio.
    after_event: bool,
    jitter: f64,
    last_transit: f64,
}

impl ContinuityMeter {
    /// Nothing received yet.
    pub fn new() -> Self {
        ContinuityMeter::default()
    }

    /// A packet of audio arrived. Answers whether it is new (not a duplicate).
    pub fn push(&mut self, packet: RtpSeen) -> bool {
        self.count(packet, true)
    }

    /// A packet of the same stream that carries no audio (RFC 4733): it counts for the sequence and for gaps. Its
    /// timestamp is that of the key press, so neither it nor the step to the audio after it is judged.
    pub fn push_event(&mut self, packet: RtpSeen) {
        self.count(packet, false);
    }

    fn count(&mut self, packet: RtpSeen, is_audio: bool) -> bool {
        self.counts.packets += 1;
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.first.ssrc == packet.ssrc) else {
            self.begin(packet);
            return true;
        };
        let gap = packet.arrived.since(stream.last_arrived);
        stream.last_arrived = packet.arrived;
        self.counts.max_gap_ms = self.counts.max_gap_ms.max(gap.as_secs_f64() * 1000.0);
        self.counts.gaps_over_40_ms += u64::from(gap > Duration::from_millis(40));

        let step = i64::from(packet.sequence.wrapping_sub(stream.highest as u16) as i16);
        if step > 0 {
            self.counts.lost += step as u64 - 1;
            let elapsed = packet.timestamp.wrapping_sub(stream.timestamp_of_highest);
            let after_event = std::mem::replace(&mut stream.after_event, !is_audio);
            let is_judged = is_audio && !after_event;
            self.counts.timestamp_breaks += u64::from(is_judged && elapsed != STEP.wrapping_mul(step as u32));
            stream.highest += step;
            stream.timestamp_of_highest = packet.timestamp;
            stream.seen = if step < 128 { (stream.seen << step) | 1 } else { 1 };
        } else {
            let bit = u32::try_from(-step).ok().and_then(|back| 1u128.checked_shl(back)).unwrap_or(0);
            if stream.seen & bit != 0 {
                self.counts.duplicates += 1;
                return false;
            }
            stream.seen |= bit;
            self.counts.reordered += 1;
            self.counts.lost = self.counts.lost.saturating_sub(1);
        }
        if !is_audio {
            return true;
        }
        let transit = stream.transit(packet);
        stream.jitter += ((transit - stream.last_transit).abs() - stream.jitter) / 16.0;
        stream.last_transit = transit;
        self.transits.push(transit as f32);
        let place = if step > 0 { stream.highest } else { stream.highest + step };
        self.places.push((place - i64::from(stream.first.sequence)) as i32);
        true
    }

    /// What was found so far.
    pub fn finish(&self) -> Continuity {
        let mut lateness = self.finished.clone();
        lateness.extend(lateness_of(&self.transits));
        let mut report = self.counts.clone();
        report.max_gap_ms = rounded(report.max_gap_ms);
        report.jitter_ms = rounded(self.stream.as_ref().map_or(0.0, |stream| stream.jitter));
        report.lateness_ms = Summary::of(lateness.iter().map(|ms| f64::from(*ms)));
        report.lateness_histogram = histogram(&lateness);
        report
    }

    /// What a listener with a fixed jitter buffer would have heard, each stream against its own best.
    pub fn playout(&self) -> Playout {
        self.played.and(playout_of(&self.places, &self.transits))
    }

    /// Lateness of every packet in milliseconds, each stream against its own best.
    pub fn lateness(&self) -> Vec<f32> {
        let mut lateness = self.finished.clone();
        lateness.extend(lateness_of(&self.transits));
        lateness
    }

    fn begin(&mut self, packet: RtpSeen) {
        self.counts.ssrc_changes += u64::from(self.stream.is_some());
        let (transits, places) = (std::mem::take(&mut self.transits), std::mem::take(&mut self.places));
        self.finished.extend(lateness_of(&transits));
        self.played = self.played.and(playout_of(&places, &transits));
        self.transits.push(0.0);
        self.places.push(0);
        self.stream = Some(Stream {
            first: packet,
            last_arrived: packet.arrived,
            highest: i64::from(packet.sequence),
            timestamp_of_highest: packet.timestamp,
            seen: 1,
            after_event: false,
            jitter: 0.0,
            last_transit: 0.0,
        });
    }
}

impl Stream {
    fn transit(&self, packet: RtpSeen) -> f64 {
        let elapsed = packet.arrived.signed_since(self.first.arrived) as f64 / 1e6;
        let media = f64::from(packet.timestamp.wrapping_sub(self.first.timestamp) as i32) / 8.0;
        elapsed - media
    }
}

fn lateness_of(transits: &[f32]) -> Vec<f32> {
    let best = transits.iter().copied().fold(f32::INFINITY, f32::min);
    transits.iter().map(|transit| transit - best).collect()
}

/// A stream that jumps further than this is another one: an hour of packets.
const LONGEST_JUMP: usize = 180_000;

fn playout_of(places: &[i32], transits: &[f32]) -> Playout {
    let (Some(&first), Some(&last)) = (places.iter().min(), places.iter().max()) else {
        return Playout::default();
    };
    let length = (i64::from(last) - i64::from(first)) as usize + 1;
    let mut played = vec![None; length.min(places.len() + LONGEST_JUMP)];
    for (place, late) in places.iter().zip(lateness_of(transits)) {
        if let Some(slot) = played.get_mut((i64::from(*place) - i64::from(first)) as usize) {
            *slot = Some(f64::from(late));
        }
    }
    Playout::of(played)
}

fn histogram(lateness: &[f32]) -> Vec<LatenessBucket> {
    let mut counts = [0u64; BUCKETS_MS.len() + 1];
    for late in lateness {
        let bucket =
            BUCKETS_MS.iter().position(|limit| f64::from(*late) <= *limit).unwrap_or(BUCKETS_MS.len());
        counts[bucket] += 1;
    }
    let limits = BUCKETS_MS.iter().map(|limit| Some(*limit)).chain([None]);
    limits.zip(counts).map(|(up_to_ms, packets)| LatenessBucket { up_to_ms, packets }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet `n` of a perfect stream that starts just before both counters wrap, `late` ms late.
    fn packet(n: u32, late: u64) -> RtpSeen {
        RtpSeen {
            ssrc: 7,
            sequence: 65_530u16.wrapping_add(n as u16),
            timestamp: (u32::MAX - 500).wrapping_add(160 * n),
            arrived: Time::from_millis(5000 + 20 * u64::from(n) + late),
        }
    }

    fn measured(packets: impl IntoIterator<Item = RtpSeen>) -> Continuity {
        let mut meter = ContinuityMeter::new();
        for packet in packets {
            meter.push(packet);
        }
        meter.finish()
    }

    #[test]
    fn a_perfect_stream_is_unbroken_across_both_wraps() {
        let found = measured((0..100).map(|n| packet(n, 0)));

        assert!(found.is_unbroken(), "{found:?}");
        assert_eq!((found.packets, found.max_gap_ms, found.jitter_ms), (100, 20.0, 0.0));
    }

    #[test]
    fn loss_duplicates_and_reordering_are_told_apart() {
        let order = [0, 1, 2, 2, 5, 4, 6, 7];

        let found = measured(order.map(|n| packet(n, 0)));

        assert_eq!((found.lost, found.duplicates, found.reordered), (1, 1, 1));
        assert_eq!(found.timestamp_breaks, 0);
    }

    #[test]
    fn a_timestamp_that_jumps_is_a_break() {
        let mut jumped = packet(3, 0);
        jumped.timestamp = jumped.timestamp.wrapping_add(1);

        let found = measured([packet(0, 0), packet(1, 0), packet(2, 0), jumped]);

        assert_eq!(found.timestamp_breaks, 1);
        assert!(!found.is_unbroken());
    }

    #[test]
    fn lateness_is_against_the_best_packet_not_the_first() {
        let found = measured((0..100).map(|n| packet(n, if n == 50 { 0 } else { 3 })));

        assert_eq!((found.lateness_ms.min, found.lateness_ms.p50), (0.0, 3.0));
        assert_eq!(found.lateness_histogram[4], LatenessBucket { up_to_ms: Some(5.0), packets: 99 });
    }

    #[test]
    fn a_hole_in_time_is_a_gap_even_where_the_numbers_go_on() {
        let found = measured([packet(0, 0), packet(1, 0), packet(2, 30), packet(3, 10)]);

        assert_eq!((found.max_gap_ms, found.gaps_over_40_ms), (50.0, 1));
        assert_eq!(found.lost, 0);
    }

    #[test]
    fn a_listener_misses_what_is_lost_and_what_is_too_late() {
        let mut meter = ContinuityMeter::new();
        // 3 and 4 never come, 7 comes after its successor and 70 ms late, 9 only after its successor.
        let order = [(0, 0), (1, 0), (2, 0), (5, 0), (6, 0), (8, 0), (7, 70), (10, 0), (9, 25), (11, 0)];
        for (number, late) in order {
            meter.push(packet(number, late));
        }

        assert_eq!(meter.playout(), Playout { expected: 12, missing: 3, bursts: 2 });
        let mut other = packet(50, 0);
        other.ssrc = 8;
        meter.push(other);
        assert_eq!(meter.playout(), Playout { expected: 13, missing: 3, bursts: 2 });
    }

    #[test]
    fn keys_between_audio_break_nothing() {
        let mut meter = ContinuityMeter::new();
        meter.push(packet(0, 0));
        for n in 1..4 {
            // All packets of a key have the timestamp of its beginning.
            meter.push_event(RtpSeen { timestamp: packet(1, 0).timestamp, ..packet(n, 0) });
        }
        meter.push(packet(4, 0));
        meter.push(packet(5, 0));

        let found = meter.finish();

        assert!(found.is_unbroken(), "{found:?}");
        assert_eq!((found.packets, found.lateness_ms.count), (6, 3));
    }

    #[test]
    fn a_new_ssrc_starts_anew() {
        let mut other = packet(50, 0);
        other.ssrc = 8;

        let found = measured([packet(0, 0), packet(1, 0), other]);

        assert_eq!((found.ssrc_changes, found.lost, found.lateness_ms.max), (1, 0, 0.0));
    }
}
