//! The bookkeeping of an outgoing stream: sequence, timestamp, source, marker, counts.

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use offhook_time::Randomness;

use crate::{Malformed, PayloadType, RtpHeader, RtpTimestamp, SequenceNumber, Ssrc};

/// What a sender report says about us (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentCounts {
    /// Packets since the stream began.
    pub packets: u32,
    /// Payload octets since the stream began.
    pub octets: u32,
}

/// Numbers the packets of one outgoing stream. Every packet interval ends in exactly one of
/// [`write_audio`](Self::write_audio), [`write_event`](Self::write_event) and [`skip`](Self::skip):
/// the timestamp runs on in all three.
#[derive(Clone, Debug)]
pub struct StreamSender {
    ssrc: Ssrc,
    next_sequence: SequenceNumber,
    timestamp: RtpTimestamp,
    paused: bool,
    counts: SentCounts,
}

impl StreamSender {
    /// A stream with random source, first sequence number and first timestamp (RFC 3550 §5.1).
    pub fn new(randomness: &mut Randomness) -> Self {
        let ssrc = Ssrc(randomness.next_u32());
        let sequence = SequenceNumber(randomness.next_u32() as u16);
        StreamSender::starting_at(ssrc, sequence, RtpTimestamp(randomness.next_u32()))
    }

    /// A stream that continues from given numbers.
    pub fn starting_at(ssrc: Ssrc, sequence: SequenceNumber, timestamp: RtpTimestamp) -> Self {
        StreamSender { ssrc, next_sequence: sequence, timestamp, paused: true, counts: SentCounts::default() }
    }

    /// Who we are.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Timestamp of the interval that comes next.
    pub fn timestamp(&self) -> RtpTimestamp {
        self.timestamp
    }

    /// What was sent so far.
    pub fn counts(&self) -> SentCounts {
        self.counts
    }

    /// Writes the next packet of audio, `samples` timestamp units long, into `buffer`; answers its length.
    /// The marker is set on the first packet and after a pause.
    ///
    /// # Errors
    /// [`Malformed::BufferTooSmall`]; then the interval counts as skipped and no sequence number is used.
    pub fn write_audio(
        &mut self,
        payload_type: PayloadType,
        payload: &[u8],
        samples: u32,
        buffer: &mut [u8],
    ) -> Result<usize, Malformed> {
        let header = self.header(self.paused, payload_type, self.timestamp);
        self.send(header, payload, samples, buffer)
    }

    /// Writes a telephone event, whose `timestamp` stays that of its first packet, in place of `samples` units
    /// of audio.
    ///
    /// # Errors
    /// [`Malformed::BufferTooSmall`]; then the interval counts as skipped and no sequence number is used.
    pub fn write_event(
        &mut self,
        payload_type: PayloadType,
        event: &crate::EventPacket,
        samples: u32,
        buffer: &mut [u8],
    ) -> Result<usize, Malformed> {
        let header = self.header(event.marker, payload_type, event.timestamp);
        self.send(header, &event.payload, samples, buffer)
    }

    /// Lets `samples` units pass without a packet (hold, receive-only, before keys): the next one has the marker.
    pub fn skip(&mut self, samples: u32) {
        self.timestamp = self.timestamp.plus(samples);
        self.paused = true;
        #[cfg(feature = "planted-faults")]
        if is_planted(Fault::MarkerMissing) {
            self.paused = false;
        }
    }

    fn header(&self, marker: bool, payload_type: PayloadType, timestamp: RtpTimestamp) -> RtpHeader {
        RtpHeader { marker, payload_type, sequence: self.next_sequence, timestamp, ssrc: self.ssrc }
    }

    fn send(
        &mut self,
        header: RtpHeader,
        payload: &[u8],
        samples: u32,
        buffer: &mut [u8],
    ) -> Result<usize, Malformed> {
        let written = header.write_packet(payload, buffer);
        if written.is_err() {
            self.skip(samples);
            return written;
        }
        self.next_sequence = self.next_sequence.next();
        self.timestamp = self.timestamp.plus(samples);
        self.paused = false;
        self.counts.packets = self.counts.packets.wrapping_add(1);
        self.counts.octets = self.counts.octets.wrapping_add(payload.len() as u32);
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventPacket, RtpPacket};

    #[test]
    fn audio_counts_on_and_only_the_first_packet_has_the_marker() {
        let mut sender = sender();

        let sent: Vec<_> = (0..4).map(|_| audio(&mut sender)).collect();

        assert_eq!(sent.iter().map(|h| h.sequence.0).collect::<Vec<_>>(), [65_534, 65_535, 0, 1]);
        assert_eq!(sent.iter().map(|h| h.timestamp.0).collect::<Vec<_>>(), [u32::MAX - 159, 0, 160, 320]);
        assert_eq!(sent.iter().map(|h| h.marker).collect::<Vec<_>>(), [true, false, false, false]);
        assert_eq!(sender.counts(), SentCounts { packets: 4, octets: 640 });
    }

    #[test]
    fn the_timestamp_runs_on_while_held_and_the_next_packet_has_the_marker() {
        let mut sender = sender();
        audio(&mut sender);

        sender.skip(160);
        sender.skip(160);

        let after = audio(&mut sender);
        assert_eq!((after.sequence.0, after.timestamp.0, after.marker), (65_535, 320, true));
    }

    #[test]
    fn an_event_takes_sequence_numbers_and_time_but_keeps_its_own_timestamp() {
        let mut sender = sender();
        audio(&mut sender);
        let start = sender.timestamp();
        let event = EventPacket { payload: [5, 10, 0, 160], timestamp: start, marker: true };
        let mut buffer = [0; 64];

        for _ in 0..3 {
            let length =
                sender.write_event(PayloadType::new(101).unwrap(), &event, 160, &mut buffer).unwrap();
            assert_eq!(RtpPacket::parse(&buffer[..length]).unwrap().header.timestamp, start);
        }

        let after = audio(&mut sender);
        assert_eq!((after.sequence.0, after.timestamp.0, after.marker), (2, 480, false));
    }

    #[test]
    fn a_buffer_that_is_too_small_costs_no_sequence_number() {
        let mut sender = sender();

        let refused = sender.write_audio(PayloadType::PCMU, &[0; 160], 160, &mut [0; 20]);

        assert_eq!(refused, Err(Malformed::BufferTooSmall));
        let next = audio(&mut sender);
        assert_eq!((next.sequence.0, next.timestamp.0, next.marker), (65_534, 0, true));
    }

    fn sender() -> StreamSender {
        StreamSender::starting_at(Ssrc(7), SequenceNumber(65_534), RtpTimestamp(u32::MAX - 159))
    }

    fn audio(sender: &mut StreamSender) -> RtpHeader {
        let mut buffer = [0; 200];
        let length = sender.write_audio(PayloadType::PCMU, &[0; 160], 160, &mut buffer).unwrap();
        RtpPacket::parse(&buffer[..length]).unwrap().header
    }
}
