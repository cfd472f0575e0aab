//! Loss, jitter, repetition and disorder of one stream (RFC 3550 appendix A).

use std::collections::BTreeSet;

use offhook_rtp_proto::{ExtendedSequence, RtpTimestamp};
use serde::Serialize;

use super::stream::Arrived;

/// A leap that is no loss and no disorder but a sender that began anew (RFC 3550 A.1).
const RESTART: u64 = 3000;

/// One stream in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StreamStatistics {
    /// The first packet, in nanoseconds of Unix time.
    pub first_unix_ns: u64,
    /// The last one.
    pub last_unix_ns: u64,
    /// Packets, repetitions included.
    pub packets: u64,
    /// Packets that the sequence numbers say are missing.
    pub lost: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that a later one overtook.
    pub reordered: u64,
    /// How often the sequence numbers began anew.
    pub restarts: u64,
    /// Interarrival jitter at the end (RFC 3550 §6.4.1), in milliseconds.
    pub jitter_ms: f64,
    /// Its mean over all packets of audio but the first.
    pub mean_jitter_ms: f64,
    /// Its highest value.
    pub worst_jitter_ms: f64,
    /// The longest time without a packet, in milliseconds.
    pub longest_gap_ms: f64,
    /// Packets whose payload the capture has only in part.
    pub snapped: u64,
}

/// A packet's place in a count that does not wrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// New. Stretches count the restarts before.
    New { stretch: u64, extended: u64 },
    /// It came before.
    Duplicate,
}

/// Measures packets in the order of arrival; `clock_of` is `None` for packets without a clock of audio (telephone-events
/// keep their timestamp while the key is held). Answers each packet's place too.
pub(super) fn measure(
    packets: &[Arrived],
    clock_of: impl Fn(u8) -> Option<u32>,
) -> (StreamStatistics, Vec<Place>) {
    let mut statistics = StreamStatistics { packets: packets.len() as u64, ..StreamStatistics::default() };
    let mut places = Vec::with_capacity(packets.len());
    let mut sequence: Option<Run> = None;
    let mut jitter = Jitter::default();
    let mut before: Option<u64> = None;
    for packet in packets {
        if let Some(before) = before {
            let gap = packet.unix_ns.saturating_sub(before) as f64 / 1e6;
            statistics.longest_gap_ms = statistics.longest_gap_ms.max(gap);
        } else {
            statistics.first_unix_ns = packet.unix_ns;
        }
        before = Some(packet.unix_ns);
        statistics.last_unix_ns = packet.unix_ns;
        statistics.snapped += u64::from(!packet.is_whole);

        let extended = sequence.as_ref().map(|run| run.count.unfold(packet.header.sequence));
        let goes_on = sequence
            .as_mut()
            .zip(extended)
            .filter(|(run, extended)| extended.abs_diff(run.count.highest()) <= RESTART);
        let place = match goes_on {
            Some((run, extended)) => {
                let is_late = extended < run.count.highest();
                if run.seen.insert(extended) {
                    statistics.reordered += u64::from(is_late);
                    run.count.advance(extended);
                    Place::New { stretch: statistics.restarts, extended }
                } else {
                    statistics.duplicates += 1;
                    Place::Duplicate
                }
            }
            None => {
                if let Some(run) = sequence.take() {
                    statistics.restarts += 1;
                    statistics.lost += run.lost();
                    jitter.last = None;
                }
                let count = ExtendedSequence::new(packet.header.sequence);
                let extended = count.highest();
                sequence = Some(Run { count, seen: BTreeSet::from([extended]) });
                Place::New { stretch: statistics.restarts, extended }
            }
        };
        // In the order of arrival, so repetitions count too.
        if let Some(clock) = clock_of(packet.header.payload_type.number()) {
            jitter.push(packet.unix_ns, packet.header.timestamp, clock);
        }
        places.push(place);
    }
    statistics.lost += sequence.map_or(0, |run| run.lost());
    statistics.jitter_ms = rounded(jitter.value * 1000.0);
    statistics.worst_jitter_ms = rounded(jitter.worst * 1000.0);
    statistics.mean_jitter_ms = rounded(jitter.sum / (jitter.count.max(1)) as f64 * 1000.0);
    statistics.longest_gap_ms = rounded(statistics.longest_gap_ms);
    (statistics, places)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Sequence numbers without a restart.
#[derive(Debug)]
struct Run {
    count: ExtendedSequence,
    seen: BTreeSet<u64>,
}

impl Run {
    fn lost(&self) -> u64 {
        let (Some(first), Some(last)) = (self.seen.first(), self.seen.last()) else { return 0 };
        last - first + 1 - self.seen.len() as u64
    }
}

/// RFC 3550 A.8, in seconds.
#[derive(Debug, Default)]
struct Jitter {
    last: Option<(u64, RtpTimestamp)>,
    value: f64,
    worst: f64,
    sum: f64,
    count: u64,
}

impl Jitter {
    fn push(&mut self, unix_ns: u64, timestamp: RtpTimestamp, clock: u32) {
        if let Some((arrived, sent)) = self.last.replace((unix_ns, timestamp)) {
            let apart = (unix_ns as i128 - arrived as i128) as f64 / 1e9;
            let difference = apart - timestamp.since(sent) as f64 / f64::from(clock);
            self.value += (difference.abs() - self.value) / 16.0;
            self.worst = self.worst.max(self.value);
            self.sum += self.value;
            self.count += 1;
        }
    }
}
