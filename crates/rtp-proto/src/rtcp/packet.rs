//! RTCP packets on the wire (RFC 3550 §6.4-6.6).

use std::time::Duration;

use offhook_time::{Time, WallClock};

use crate::packet::without_padding;
use crate::{Malformed, RtpTimestamp, Ssrc};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const CNAME_ITEM: u8 = 1;

/// Octets of one report block.
const BLOCK_LEN: usize = 24;

/// Seconds between the NTP era (1900) and Unix time (1970).
const NTP_EPOCH: u64 = 2_208_988_800;

/// Wall-clock time in 2^-32 seconds since 1900 (RFC 3550 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NtpTimestamp(pub u64);

impl NtpTimestamp {
    /// What `wall` shows at `now`.
    pub fn at(wall: WallClock, now: Time) -> Self {
        let nanos = i128::from(wall.unix_ms_at_zero) * 1_000_000 + i128::from(now.as_nanos());
        let seconds = (nanos.div_euclid(1_000_000_000) as u64).wrapping_add(NTP_EPOCH);
        let fraction = ((nanos.rem_euclid(1_000_000_000) as u64) << 32) / 1_000_000_000;
        NtpTimestamp(seconds << 32 | fraction)
    }

    /// The middle 32 bits, which reports carry: 2^-16 seconds.
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// A duration in the 2^-16 seconds of reports.
pub(super) fn to_short(duration: Duration) -> u32 {
    (duration.as_nanos() * 65_536 / 1_000_000_000).min(u128::from(u32::MAX)) as u32
}

/// 2^-16 seconds as a duration.
pub(super) fn from_short(short: u32) -> Duration {
    Duration::from_nanos(u64::from(short) * 1_000_000_000 / 65_536)
}

/// What a sender says of itself (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall clock at the moment of the report.
    pub ntp: NtpTimestamp,
    /// The same moment on the RTP clock.
    pub rtp: RtpTimestamp,
    /// Packets sent.
    pub packets: u32,
    /// Payload octets sent.
    pub octets: u32,
}

/// What a receiver says of one source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source it is about.
    pub ssrc: Ssrc,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning; negative where duplicates outnumber losses. 24 bits on the wire.
    pub cumulative_lost: i32,
    /// Wraps and highest sequence number.
    pub extended_highest: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle bits of the last sender report received; 0 where there was none.
    pub last_sender_report: u32,
    /// From receiving it to sending this, in 2^-16 seconds.
    pub delay_since_last_sender_report: u32,
}

impl ReportBlock {
    fn parse(octets: &[u8; BLOCK_LEN]) -> Self {
        let word =
            |at: usize| u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        ReportBlock {
            ssrc: Ssrc(word(0)),
            fraction_lost: octets[4],
            // Shifting up and down again extends the sign of the 24 bits.
            cumulative_lost: ((word(4) << 8) as i32) >> 8,
            extended_highest: word(8),
            jitter: word(12),
            last_sender_report: word(16),
            delay_since_last_sender_report: word(20),
        }
    }

    fn words(&self) -> [u32; 6] {
        let lost = (self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32) & 0xff_ffff;
        [
            self.ssrc.0,
            u32::from(self.fraction_lost) << 24 | lost,
            self.extended_highest,
            self.jitter,
            self.last_sender_report,
            self.delay_since_last_sender_report,
        ]
    }
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtcpPacket<'a> {
    /// SR: who sends, what it sent, and what it hears.
    SenderReport {
        /// The sender of the report.
        ssrc: Ssrc,
        /// What it sent.
        info: SenderInfo,
        /// What it hears, 24 octets each; read with [`RtcpPacket::report_blocks`].
        blocks: &'a [u8],
    },
    /// RR: what somebody hears who does not send.
    ReceiverReport {
        /// The sender of the report.
        ssrc: Ssrc,
        /// What it hears, 24 octets each; read with [`RtcpPacket::report_blocks`].
        blocks: &'a [u8],
    },
    /// SDES: the first chunk's canonical name, where it has one.
    SourceDescription {
        /// The first source described.
        ssrc: Option<Ssrc>,
        /// Its canonical name.
        cname: Option<&'a [u8]>,
    },
    /// BYE: sources that leave. Never a command: anybody can send it; a call ends by SIP.
    Bye {
        /// The sources, four octets each.
        sources: &'a [u8],
    },
    /// APP, feedback (RFC 4585), extended reports (RFC 3611) and what is not known yet.
    Other {
        /// Its packet type.
        packet_type: u8,
    },
}

impl<'a> RtcpPacket<'a> {
    /// The report blocks of a report; nothing of another packet.
    pub fn report_blocks(&self) -> impl Iterator<Item = ReportBlock> + 'a {
        let blocks: &'a [u8] = match self {
            RtcpPacket::SenderReport { blocks, .. } | RtcpPacket::ReceiverReport { blocks, .. } => blocks,
            RtcpPacket::SourceDescription { .. } | RtcpPacket::Bye { .. } | RtcpPacket::Other { .. } => &[],
        };
        blocks.as_chunks::<BLOCK_LEN>().0.iter().map(ReportBlock::parse)
    }

    fn parse(packet_type: u8, count: usize, body: &'a [u8]) -> Result<Self, Malformed> {
        match packet_type {
            SENDER_REPORT => {
                let (head, rest) = body.split_first_chunk::<24>().ok_or(Malformed::TooShort)?;
                let word =
                    |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
                let info = SenderInfo {
                    ntp: NtpTimestamp(u64::from(word(4)) << 32 | u64::from(word(8))),
                    rtp: RtpTimestamp(word(12)),
                    packets: word(16),
                    octets: word(20),
                };
                let blocks = rest.get(..count * BLOCK_LEN).ok_or(Malformed::TooShort)?;
                Ok(RtcpPacket::SenderReport { ssrc: Ssrc(word(0)), info, blocks })
            }
            RECEIVER_REPORT => {
                let (head, rest) = body.split_first_chunk::<4>().ok_or(Malformed::TooShort)?;
                let blocks = rest.get(..count * BLOCK_LEN).ok_or(Malformed::TooShort)?;
                Ok(RtcpPacket::ReceiverReport { ssrc: Ssrc(u32::from_be_bytes(*head)), blocks })
            }
            SOURCE_DESCRIPTION => Self::parse_description(count, body),
            BYE => {
                let sources = body.get(..count * 4).ok_or(Malformed::TooShort)?;
                Ok(RtcpPacket::Bye { sources })
            }
            packet_type => Ok(RtcpPacket::Other { packet_type }),
        }
    }

    fn parse_description(count: usize, body: &'a [u8]) -> Result<Self, Malformed> {
        if count == 0 {
            return Ok(RtcpPacket::SourceDescription { ssrc: None, cname: None });
        }
        let (ssrc, mut items) = body.split_first_chunk::<4>().ok_or(Malformed::TooShort)?;
        let ssrc = Some(Ssrc(u32::from_be_bytes(*ssrc)));
        while let [kind, length, rest @ ..] = items {
            if *kind == 0 {
                break;
            }
            let (text, rest) = rest.split_at_checked(usize::from(*length)).ok_or(Malformed::TooShort)?;
            if *kind == CNAME_ITEM {
                return Ok(RtcpPacket::SourceDescription { ssrc, cname: Some(text) });
            }
            items = rest;
        }
        Ok(RtcpPacket::SourceDescription { ssrc, cname: None })
    }
}

/// The packets of one datagram, in order. Ends after the first that is malformed.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Opens a datagram.
    ///
    /// # Errors
    /// [`Malformed::NoReport`]: it begins with something else than a report or feedback (RFC 5506 allows the
    /// latter alone).
    pub fn open(datagram: &'a [u8]) -> Result<Self, Malformed> {
        match datagram {
            [first, SENDER_REPORT | RECEIVER_REPORT | 205 | 206, ..] if first >> 6 == 2 => {
                Ok(Compound { rest: datagram })
            }
            [first, _, ..] if first >> 6 == 2 => Err(Malformed::NoReport),
            [_, ..] => Err(Malformed::Version),
            [] => Err(Malformed::TooShort),
        }
    }

    fn split_next(&mut self) -> Result<RtcpPacket<'a>, Malformed> {
        let (head, _) = self.rest.split_first_chunk::<4>().ok_or(Malformed::TooShort)?;
        if head[0] >> 6 != 2 {
            return Err(Malformed::Version);
        }
        let length = 4 + usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
        let (packet, rest) = self.rest.split_at_checked(length).ok_or(Malformed::TooShort)?;
        let body = &packet[4..];
        let body = if head[0] & 0x20 == 0 { body } else { without_padding(body)? };
        let parsed = RtcpPacket::parse(head[1], usize::from(head[0] & 0x1f), body)?;
        self.rest = rest;
        Ok(parsed)
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Result<RtcpPacket<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let packet = self.split_next();
        if packet.is_err() {
            self.rest = &[];
        }
        Some(packet)
    }
}

/// Writes SR (with `info`) or RR (without); answers the octets used.
///
/// # Errors
/// [`Malformed::BufferTooSmall`].
pub fn write_report(
    ssrc: Ssrc,
    info: Option<SenderInfo>,
    block: Option<&ReportBlock>,
    buffer: &mut [u8],
) -> Result<usize, Malformed> {
    let mut writer = Writer { buffer, at: 0 };
    let words = 1 + if info.is_some() { 5 } else { 0 } + if block.is_some() { 6 } else { 0 };
    let packet_type = if info.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    writer.header(u8::from(block.is_some()), packet_type, words)?;
    writer.word(ssrc.0)?;
    if let Some(info) = info {
        writer.word((info.ntp.0 >> 32) as u32)?;
        writer.word(info.ntp.0 as u32)?;
        writer.word(info.rtp.0)?;
        writer.word(info.packets)?;
        writer.word(info.octets)?;
    }
    if let Some(block) = block {
        block.words().into_iter().try_for_each(|word| writer.word(word))?;
    }
    Ok(writer.at)
}

/// Writes SDES with a canonical name; answers the octets used.
///
/// # Errors
/// [`Malformed::BufferTooSmall`].
pub fn write_source_description(ssrc: Ssrc, cname: &[u8], buffer: &mut [u8]) -> Result<usize, Malformed> {
    let cname = &cname[..cname.len().min(255)];
    // At least one zero octet ends the items, and the chunk fills whole words.
    let items = (2 + cname.len()) / 4 * 4 + 4;
    let mut writer = Writer { buffer, at: 0 };
    writer.header(1, SOURCE_DESCRIPTION, 1 + items / 4)?;
    writer.word(ssrc.0)?;
    writer.octets(&[CNAME_ITEM, cname.len() as u8])?;
    writer.octets(cname)?;
    writer.octets(&[0; 4][..items - 2 - cname.len()])?;
    Ok(writer.at)
}

/// Writes BYE without a reason; answers the octets used.
///
/// # Errors
/// [`Malformed::BufferTooSmall`].
pub fn write_bye(ssrc: Ssrc, buffer: &mut [u8]) -> Result<usize, Malformed> {
    let mut writer = Writer { buffer, at: 0 };
    writer.header(1, BYE, 1)?;
    writer.word(ssrc.0)?;
    Ok(writer.at)
}

struct Writer<'a> {
    buffer: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn header(&mut self, count: u8, packet_type: u8, words: usize) -> Result<(), Malformed> {
        let [high, low] = (words as u16).to_be_bytes();
        self.octets(&[2 << 6 | count, packet_type, high, low])
    }

    fn word(&mut self, word: u32) -> Result<(), Malformed> {
        self.octets(&word.to_be_bytes())
    }

    fn octets(&mut self, octets: &[u8]) -> Result<(), Malformed> {
        let end = self.at + octets.len();
        let target = self.buffer.get_mut(self.at..end).ok_or(Malformed::BufferTooSmall)?;
        target.copy_from_slice(octets);
        self.at = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_compound_is_read_back_as_it_was_written() {
        let info = SenderInfo { ntp: NtpTimestamp(7 << 32 | 9), rtp: RtpTimestamp(3), packets: 4, octets: 5 };
        let block = ReportBlock { ssrc: Ssrc(2), fraction_lost: 12, cumulative_lost: -3, ..block() };
        let mut buffer = [0; 200];

        let mut end = write_report(Ssrc(1), Some(info), Some(&block), &mut buffer).unwrap();
        end += write_source_description(Ssrc(1), b"a@example", &mut buffer[end..]).unwrap();
        end += write_bye(Ssrc(1), &mut buffer[end..]).unwrap();

        let packets: Vec<_> = Compound::open(&buffer[..end]).unwrap().map(Result::unwrap).collect();
        assert!(
            matches!(packets[0], RtcpPacket::SenderReport { ssrc: Ssrc(1), info: read, .. } if read == info)
        );
        assert_eq!(packets[0].report_blocks().collect::<Vec<_>>(), [block]);
        assert_eq!(
            packets[1],
            RtcpPacket::SourceDescription { ssrc: Some(Ssrc(1)), cname: Some(b"a@example") }
        );
        assert_eq!(packets[2], RtcpPacket::Bye { sources: &[0, 0, 0, 1] });
    }

    #[test]
    fn every_length_of_name_fills_whole_words() {
        for length in 0..=255 {
            let name = vec![b'x'; length];
            let mut buffer = [0; 400];

            let mut end = write_report(Ssrc(1), None, None, &mut buffer).unwrap();
            end += write_source_description(Ssrc(1), &name, &mut buffer[end..]).unwrap();

            let last = Compound::open(&buffer[..end]).unwrap().last().unwrap().unwrap();
            assert_eq!(last, RtcpPacket::SourceDescription { ssrc: Some(Ssrc(1)), cname: Some(&name[..]) });
        }
    }

    #[test]
    fn a_compound_begins_with_a_report() {
        let mut buffer = [0; 8];
        let end = write_bye(Ssrc(1), &mut buffer).unwrap();

        assert!(matches!(Compound::open(&buffer[..end]), Err(Malformed::NoReport)));
    }

    #[test]
    fn the_wall_clock_becomes_ntp_time() {
        let wall = WallClock { unix_ms_at_zero: 1_500, utc_offset_seconds: 3600 };

        let ntp = NtpTimestamp::at(wall, Time::from_millis(250));

        assert_eq!(ntp.0 >> 32, NTP_EPOCH + 1);
        assert_eq!(ntp.0 as u32, 3 << 30, "a quarter before the next second");
        assert_eq!(from_short(to_short(Duration::from_millis(5_250))), Duration::from_millis(5_250));
    }

    proptest! {
        #[test]
        fn no_datagram_makes_the_parser_panic(mut datagram in prop::collection::vec(any::<u8>(), 2..160)) {
            datagram[0] = 0x80 | datagram[0] & 0x3f;
            datagram[1] = 200 + datagram[1] % 8;
            for packet in Compound::open(&datagram).into_iter().flatten().flatten() {
                prop_assert!(packet.report_blocks().count() <= 31);
            }
        }
    }

    fn block() -> ReportBlock {
        ReportBlock {
            extended_highest: 70_000,
            jitter: 11,
            last_sender_report: 12,
            delay_since_last_sender_report: 13,
            ..ReportBlock::default()
        }
    }
}
