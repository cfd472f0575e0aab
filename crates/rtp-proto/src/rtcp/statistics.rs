//! What a receiver counts (RFC 3550 §6.4.1, A.3, A.8).

use std::time::Duration;

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use offhook_time::Time;

use super::ReportBlock;
use super::packet::to_short;
use crate::{ExtendedSequence, RtpPacket, RtpTimestamp, Ssrc};

/// A leap in sequence numbers that is a restart and not a loss (RFC 3550 A.1 has the same value).
const MAX_DROPOUT: u64 = 3000;

/// Counts the packets of one source and writes them into report blocks.
#[derive(Clone, Debug)]
pub struct ReceptionStatistics {
    clock_rate: u32,
    source: Option<Counted>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    ssrc: Ssrc,
    sequence: ExtendedSequence,
    base: u64,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    /// Arrival less timestamp of the last packet, in timestamp units.
    transit: Option<u32>,
    /// Sixteen times the jitter, so that the division by 16 loses nothing (RFC 3550 A.8).
    jitter_times_16: u64,
    last_sender_report: Option<(u32, Time)>,
}

impl ReceptionStatistics {
    /// Nothing received yet of a stream with an RTP clock of `clock_rate` Hz.
    pub fn new(clock_rate: u32) -> Self {
        ReceptionStatistics { clock_rate, source: None }
    }

    /// Counts a packet that carries media time. A new source or a leap in sequence numbers starts afresh.
    pub fn note_packet(&mut self, packet: &RtpPacket<'_>, arrived_at: Time) {
        let transit = self.units(arrived_at).wrapping_sub(packet.header.timestamp.0);
        let source = self.count(packet);
        if let Some(last) = source.transit.replace(transit) {
            let difference = RtpTimestamp(transit).since(RtpTimestamp(last)).unsigned_abs();
            let jitter = source.jitter_times_16;
            source.jitter_times_16 = jitter + difference - ((jitter + 8) >> 4);
            #[cfg(feature = "planted-faults")]
            if is_planted(Fault::JitterNotRounded) {
                source.jitter_times_16 = jitter + difference - (jitter >> 4);
            }
        }
    }

    /// Counts a packet whose timestamp stands still (telephone events): it says nothing of jitter.
    pub fn note_event(&mut self, packet: &RtpPacket<'_>) {
        self.count(packet);
    }

    /// Takes note of a sender report, so that the peer can compute its round trip from our next block.
    pub fn note_sender_report(&mut self, ssrc: Ssrc, ntp_middle: u32, arrived_at: Time) {
        if let Some(source) = self.source.as_mut().filter(|source| source.ssrc == ssrc) {
            source.last_sender_report = Some((ntp_middle, arrived_at));
        }
    }

    /// The block for the next report; the fraction lost counts from the block before. `None` before the first packet.
    pub fn take_report_block(&mut self, now: Time) -> Option<ReportBlock> {
        let source = self.source.as_mut()?;
        let expected = source.sequence.highest() - source.base + 1;
        let expected_interval = expected - source.expected_prior;
        let received_interval = source.received - source.received_prior;
        source.expected_prior = expected;
        source.received_prior = source.received;
        let lost_interval = expected_interval.saturating_sub(received_interval);
        let (last_sender_report, received_at) = source.last_sender_report.unwrap_or((0, now));

        Some(ReportBlock {
            ssrc: source.ssrc,
            fraction_lost: (lost_interval * 256 / expected_interval.max(1)).min(255) as u8,
            cumulative_lost: source.cumulative_lost(),
            extended_highest: source.sequence.highest() as u32,
            jitter: (source.jitter_times_16 >> 4) as u32,
            last_sender_report,
            delay_since_last_sender_report: to_short(now.since(received_at)),
        })
    }

    /// Packets received, duplicates and late ones included.
    pub fn received(&self) -> u64 {
        self.source.map_or(0, |source| source.received)
    }

    /// Packets lost since the source appeared; negative where duplicates outnumber losses.
    pub fn cumulative_lost(&self) -> i32 {
        self.source.map_or(0, |source| source.cumulative_lost())
    }

    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub fn jitter(&self) -> Duration {
        let units = self.source.map_or(0, |source| source.jitter_times_16 >> 4);
        Duration::from_nanos(units * 1_000_000_000 / u64::from(self.clock_rate.max(1)))
    }

    fn units(&self, at: Time) -> u32 {
        (u128::from(at.as_nanos()) * u128::from(self.clock_rate) / 1_000_000_000) as u32
    }

    fn count(&mut self, packet: &RtpPacket<'_>) -> &mut Counted {
        let header = packet.header;
        let fresh = Counted::new(header.ssrc, ExtendedSequence::new(header.sequence));
        let source = self.source.get_or_insert(fresh);
        let extended = source.sequence.unfold(header.sequence);
        let leap = extended.abs_diff(source.sequence.highest()) > MAX_DROPOUT;
        if source.ssrc != header.ssrc || leap {
            *source = fresh;
        } else {
            source.sequence.advance(extended);
        }
        source.received += 1;
        source
    }
}

impl Counted {
    fn new(ssrc: Ssrc, sequence: ExtendedSequence) -> Self {
        Counted {
            ssrc,
            sequence,
            base: sequence.highest(),
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            transit: None,
            jitter_times_16: 0,
            last_sender_report: None,
        }
    }

    fn cumulative_lost(&self) -> i32 {
        let expected = self.sequence.highest() - self.base + 1;
        (expected as i64 - self.received as i64).clamp(-0x80_0000, 0x7f_ffff) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PayloadType, RtpHeader, SequenceNumber};

    #[test]
    fn loss_is_counted_across_the_wrap_and_per_interval() {
        let mut statistics = ReceptionStatistics::new(8000);
        for sequence in (0..100u16).filter(|n| n % 10 != 3) {
            note(&mut statistics, sequence.wrapping_add(65_500), u64::from(sequence) * 20);
        }

        let first = statistics.take_report_block(Time::from_millis(2_000)).unwrap();
        assert_eq!((first.cumulative_lost, first.fraction_lost), (10, 25));
        assert_eq!(first.extended_highest & 0x1_ffff, 0x1_0000 + 63);

        for sequence in 100..200u16 {
            note(&mut statistics, sequence.wrapping_add(65_500), u64::from(sequence) * 20);
        }
        let second = statistics.take_report_block(Time::from_millis(4_000)).unwrap();
        assert_eq!((second.cumulative_lost, second.fraction_lost), (10, 0));
    }

    #[test]
    fn a_steady_stream_has_no_jitter_and_an_alternating_one_has_its_own() {
        let mut steady = ReceptionStatistics::new(8000);
        let mut alternating = ReceptionStatistics::new(8000);
        for sequence in 0..500u16 {
            note(&mut steady, sequence, u64::from(sequence) * 20);
            note(&mut alternating, sequence, u64::from(sequence) * 20 + u64::from(sequence % 2) * 10);
        }

        assert_eq!(steady.jitter(), Duration::ZERO);
        let jitter = alternating.jitter().as_micros();
        assert!((9_500..=10_000).contains(&jitter), "10 ms from packet to packet, measured {jitter} µs");
    }

    #[test]
    fn a_new_source_starts_afresh() {
        let mut statistics = ReceptionStatistics::new(8000);
        note(&mut statistics, 1, 0);
        note(&mut statistics, 40_000, 20);

        assert_eq!(statistics.cumulative_lost(), 0);
        assert_eq!(statistics.received(), 1);
    }

    #[test]
    fn the_block_tells_the_peer_how_long_its_report_lay_here() {
        let mut statistics = ReceptionStatistics::new(8000);
        note(&mut statistics, 1, 0);
        statistics.note_sender_report(Ssrc(9), 0xabcd, Time::from_millis(1_000));

        let block = statistics.take_report_block(Time::from_millis(3_500)).unwrap();

        assert_eq!(block.last_sender_report, 0xabcd);
        assert_eq!(block.delay_since_last_sender_report, 65_536 * 5 / 2);
    }

    fn note(statistics: &mut ReceptionStatistics, sequence: u16, at_ms: u64) {
        let header = RtpHeader {
            marker: false,
            payload_type: PayloadType::PCMU,
            sequence: SequenceNumber(sequence),
            timestamp: RtpTimestamp(u32::from(sequence.wrapping_sub(65_500)) * 160),
            ssrc: Ssrc(9),
        };
        let packet = RtpPacket { header, csrcs: &[], extension: None, payload: &[0; 160] };
        statistics.note_packet(&packet, Time::from_millis(at_ms));
    }
}
