//! How audio stands in a binary message.

use offhook_audio::{Frame, FrameFlags};
use offhook_time::Time;

use super::Framing;

/// Bytes before the samples in framing `offhook`.
pub(super) const HEADER_BYTES: usize = 20;
/// First byte of the header.
const VERSION: u8 = 1;
const CONCEALED: u8 = 1;
const SILENCE: u8 = 2;
const DISCONTINUITY: u8 = 4;

/// What a header says about the first sample after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) sequence: u32,
    pub(super) rtp_timestamp: u32,
    pub(super) arrived_at: Time,
    pub(super) flags: FrameFlags,
}

impl Header {
    fn of(sequence: u32, frame: &Frame) -> Self {
        Header {
            sequence,
            rtp_timestamp: frame.rtp_timestamp,
            arrived_at: frame.arrived_at,
            flags: frame.flags,
        }
    }

    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = VERSION;
        let flags = [
            (self.flags.concealed, CONCEALED),
            (self.flags.silence, SILENCE),
            (self.flags.discontinuity, DISCONTINUITY),
        ];
        bytes[1] = flags.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum();
        bytes[2..4].copy_from_slice(&(HEADER_BYTES as u16).to_le_bytes());
        bytes[4..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.rtp_timestamp.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.arrived_at.as_nanos().to_le_bytes());
        bytes
    }

    /// The header and how many bytes it takes; none where the message is not of this protocol.
    pub(super) fn decode(message: &[u8]) -> Option<(Header, usize)> {
        let bytes = message.first_chunk::<HEADER_BYTES>()?;
        let [version, flags, length0, length1, s0, s1, s2, s3, t0, t1, t2, t3, arrival @ ..] = *bytes;
        let length = usize::from(u16::from_le_bytes([length0, length1]));
        if version != VERSION || length < HEADER_BYTES || length > message.len() {
            return None;
        }
        let header = Header {
            sequence: u32::from_le_bytes([s0, s1, s2, s3]),
            rtp_timestamp: u32::from_le_bytes([t0, t1, t2, t3]),
            arrived_at: Time::from_nanos(u64::from_le_bytes(arrival)),
            flags: FrameFlags {
                concealed: flags & CONCEALED != 0,
                silence: flags & SILENCE != 0,
                discontinuity: flags & DISCONTINUITY != 0,
            },
        };
        Some((header, length))
    }
}

/// The binary message that carries `frame`.
pub(super) fn encode(framing: Framing, sequence: u32, frame: &Frame) -> Vec<u8> {
    let samples = frame.samples();
    let mut message = Vec::with_capacity(HEADER_BYTES + samples.len() * 2);
    match framing {
        Framing::Offhook => message.extend_from_slice(&Header::of(sequence, frame).encode()),
        Framing::Raw => {}
    }
    message.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_the_offhook_framing() {
        let mut frame = Frame::from_samples(&[1, -2, 3]);
        frame.rtp_timestamp = 0x0102_0304;
        frame.arrived_at = Time::from_nanos(987_654_321_012);
        frame.flags = FrameFlags { concealed: true, silence: false, discontinuity: true };

        let message = encode(Framing::Offhook, 77, &frame);
        let (header, length) = Header::decode(&message).unwrap();

        assert_eq!(header, Header::of(77, &frame));
        assert_eq!(&message[length..], [1, 0, 0xfe, 0xff, 3, 0]);
    }

    #[test]
    fn the_header_stands_where_the_document_says() {
        let mut frame = Frame::from_samples(&[]);
        frame.rtp_timestamp = 0x0a0b_0c0d;
        frame.arrived_at = Time::from_nanos(1);
        frame.flags.silence = true;

        let message = encode(Framing::Offhook, 0x0102_0304, &frame);

        assert_eq!(message, [1, 2, 20, 0, 4, 3, 2, 1, 0xd, 0xc, 0xb, 0xa, 1, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_longer_header_of_a_later_version_is_skipped_and_a_foreign_one_refused() {
        let mut message = encode(Framing::Offhook, 1, &Frame::silence(8_000));
        message[2] = 24;

        assert_eq!(Header::decode(&message).map(|(_, length)| length), Some(24));
        message[0] = 9;
        assert_eq!(Header::decode(&message), None);
        assert_eq!(Header::decode(&message[..10]), None);
    }

    #[test]
    fn raw_is_samples_alone() {
        assert_eq!(encode(Framing::Raw, 5, &Frame::from_samples(&[256, -1])), [0, 1, 0xff, 0xff]);
    }
}
