//! RTP packets on the wire (RFC 3550 §5.1), parsed in place and written into a caller's buffer.

use crate::{Malformed, PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

/// Octets of a header without contributing sources and extension.
pub const HEADER_LEN: usize = 12;

/// What a datagram on a media port is, by its first octets (RFC 5761 §4, RFC 7983 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramKind {
    /// Media.
    Rtp,
    /// Control of media, also where it shares the port.
    Rtcp,
    /// STUN or TURN channel data, DTLS, ZRTP, or nothing known.
    Other,
}

impl DatagramKind {
    /// Looks at two octets; the rest may still be malformed.
    pub fn of(datagram: &[u8]) -> Self {
        match datagram {
            // RFC 5761 §4: RTCP packet types 192-223 are payload types 64-95 with the marker set.
            [first, 192..=223, ..] if first >> 6 == 2 => DatagramKind::Rtcp,
            [first, _, ..] if first >> 6 == 2 => DatagramKind::Rtp,
            _ => DatagramKind::Other,
        }
    }
}

/// The fixed header of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Set on the first packet after a pause (RFC 3551 §4.1) and on the first of an event (RFC 4733 §2.2.1).
    pub marker: bool,
    /// What the payload is.
    pub payload_type: PayloadType,
    /// Counts packets.
    pub sequence: SequenceNumber,
    /// Sampling instant of the first octet.
    pub timestamp: RtpTimestamp,
    /// Who sent it.
    pub ssrc: Ssrc,
}

impl RtpHeader {
    /// The header as it goes onto the wire.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = 2 << 6;
        bytes[1] = u8::from(self.marker) << 7 | self.payload_type.number();
        bytes[2..4].copy_from_slice(&self.sequence.0.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.0.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.0.to_be_bytes());
        bytes
    }

    /// Writes header and payload into `buffer`; answers the octets used.
    ///
    /// # Errors
    /// [`Malformed::BufferTooSmall`] where they do not fit; nothing is written then.
    pub fn write_packet(&self, payload: &[u8], buffer: &mut [u8]) -> Result<usize, Malformed> {
        let end = HEADER_LEN + payload.len();
        let Some(target) = buffer.get_mut(..end) else { return Err(Malformed::BufferTooSmall) };
        target[..HEADER_LEN].copy_from_slice(&self.to_bytes());
        target[HEADER_LEN..].copy_from_slice(payload);
        Ok(end)
    }
}

/// A header extension (RFC 3550 §5.3.1): found so that it can be skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Defined by the profile.
    pub profile: u16,
    /// Whole 32-bit words.
    pub data: &'a [u8],
}

/// A parsed packet; the payload stays where the socket put it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// The fixed header.
    pub header: RtpHeader,
    /// Contributing sources, four octets each.
    pub csrcs: &'a [u8],
    /// The header extension, where there is one.
    pub extension: Option<Extension<'a>>,
    /// The payload without padding.
    pub payload: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Reads one datagram.
    ///
    /// # Errors
    /// [`Malformed`]: not version 2, cut short, or padding that is longer than the packet.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, rest) = datagram.split_first_chunk::<HEADER_LEN>().ok_or(Malformed::TooShort)?;
        if fixed[0] >> 6 != 2 {
            return Err(Malformed::Version);
        }
        let (csrcs, rest) =
            rest.split_at_checked(usize::from(fixed[0] & 0x0f) * 4).ok_or(Malformed::TooShort)?;
        let (extension, rest) =
            if fixed[0] & 0x10 == 0 { (None, rest) } else { Self::split_extension(rest)? };
        let payload = if fixed[0] & 0x20 == 0 { rest } else { without_padding(rest)? };

        Ok(RtpPacket { header: Self::fixed_header(fixed), csrcs, extension, payload })
    }

    fn fixed_header(fixed: &[u8; HEADER_LEN]) -> RtpHeader {
        RtpHeader {
            marker: fixed[1] & 0x80 != 0,
            payload_type: PayloadType::from_low_bits(fixed[1]),
            sequence: SequenceNumber(u16::from_be_bytes([fixed[2], fixed[3]])),
            timestamp: RtpTimestamp(u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]])),
            ssrc: Ssrc(u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]])),
        }
    }

    fn split_extension(rest: &'a [u8]) -> Result<(Option<Extension<'a>>, &'a [u8]), Malformed> {
        let (head, rest) = rest.split_first_chunk::<4>().ok_or(Malformed::TooShort)?;
        let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (data, rest) = rest.split_at_checked(words * 4).ok_or(Malformed::TooShort)?;
        Ok((Some(Extension { profile: u16::from_be_bytes([head[0], head[1]]), data }), rest))
    }
}

/// RFC 3550 §5.1: the last octet counts the padding, itself included.
pub(crate) fn without_padding(padded: &[u8]) -> Result<&[u8], Malformed> {
    let count = usize::from(*padded.last().ok_or(Malformed::Padding)?);
    if count == 0 {
        return Err(Malformed::Padding);
    }
    padded.len().checked_sub(count).map(|end| &padded[..end]).ok_or(Malformed::Padding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_packet_with_sources_extension_and_padding_is_read() {
        let mut datagram = vec![0xb1, 0x80 | 8, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef];
        datagram.extend([1, 2, 3, 4]);
        datagram.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        datagram.extend([7, 7, 7, 0, 0, 3]);

        let packet = RtpPacket::parse(&datagram).unwrap();

        assert_eq!(packet.header, header());
        assert_eq!(packet.csrcs, [1, 2, 3, 4]);
        assert_eq!(packet.extension, Some(Extension { profile: 0xbede, data: &[9, 9, 9, 9] }));
        assert_eq!(packet.payload, [7, 7, 7]);
    }

    #[test]
    fn what_is_cut_short_or_lies_about_its_length_is_malformed() {
        let mut whole = [0; 32];
        let length = header().write_packet(&[1, 2, 3], &mut whole).unwrap();

        assert!((0..HEADER_LEN).all(|cut| RtpPacket::parse(&whole[..cut]) == Err(Malformed::TooShort)));
        whole[0] = 1 << 6;
        assert_eq!(RtpPacket::parse(&whole[..length]), Err(Malformed::Version));
        whole[0] = 2 << 6 | 0x10;
        assert_eq!(RtpPacket::parse(&whole[..length]), Err(Malformed::TooShort));
        whole[0] = 2 << 6 | 0x20;
        whole[length - 1] = 4;
        assert_eq!(RtpPacket::parse(&whole[..length]), Err(Malformed::Padding));
        whole[length - 1] = 0;
        assert_eq!(RtpPacket::parse(&whole[..length]), Err(Malformed::Padding));
    }

    #[test]
    fn control_is_told_from_media_on_a_shared_port() {
        assert_eq!(DatagramKind::of(&[0x80, 200, 0, 6]), DatagramKind::Rtcp);
        assert_eq!(DatagramKind::of(&[0x80, 0x80 | 8, 0, 1]), DatagramKind::Rtp);
        assert_eq!(DatagramKind::of(&[0x80, 0x80 | 101, 0, 1]), DatagramKind::Rtp);
        assert_eq!(DatagramKind::of(&[0, 1, 0, 0]), DatagramKind::Other);
        assert_eq!(DatagramKind::of(&[0x80]), DatagramKind::Other);
    }

    #[test]
    fn a_packet_that_does_not_fit_is_refused_and_nothing_is_written() {
        let mut buffer = [9; 14];

        assert_eq!(header().write_packet(&[1, 2, 3], &mut buffer), Err(Malformed::BufferTooSmall));
        assert_eq!(buffer, [9; 14]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            marker: bool, pt in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
            payload in prop::collection::vec(any::<u8>(), 0..500),
        ) {
            let header = RtpHeader {
                marker,
                payload_type: PayloadType::new(pt).unwrap(),
                sequence: SequenceNumber(sequence),
                timestamp: RtpTimestamp(timestamp),
                ssrc: Ssrc(ssrc),
            };
            let mut buffer = [0; 600];

            let length = header.write_packet(&payload, &mut buffer).unwrap();

            let packet = RtpPacket::parse(&buffer[..length]).unwrap();
            prop_assert_eq!(packet.header, header);
            prop_assert_eq!(packet.payload, &payload[..]);
        }

        #[test]
        fn no_datagram_makes_the_parser_panic(datagram in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(packet) = RtpPacket::parse(&datagram) {
                prop_assert!(packet.payload.len() + HEADER_LEN <= datagram.len());
            }
        }
    }

    fn header() -> RtpHeader {
        RtpHeader {
            marker: true,
            payload_type: PayloadType::PCMA,
            sequence: SequenceNumber(0x1234),
            timestamp: RtpTimestamp(160),
            ssrc: Ssrc(0xdead_beef),
        }
    }
}
