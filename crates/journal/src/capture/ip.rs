//! IPv4 (RFC 791), IPv6 (RFC 8200) and UDP (RFC 768) headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Unused;

pub(crate) const UDP: u8 = 17;
pub(crate) const TCP: u8 = 6;
const MORE_FRAGMENTS: u16 = 0x2000;

/// An IP packet. `payload` may be shorter than `length` says where the capture had a snap length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IpPacket<'a> {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub payload: &'a [u8],
    /// Bytes of the payload on the wire.
    pub length: usize,
    pub fragment: Option<Fragment>,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment {
    pub id: u32,
    pub offset: usize,
    pub more: bool,
}

/// Reads the headers in front of UDP or TCP.
pub(crate) fn parse(bytes: &[u8]) -> Result<IpPacket<'_>, Unused> {
    match bytes.first().ok_or(Unused::HeaderCut)? >> 4 {
        4 => parse_v4(bytes),
        6 => parse_v6(bytes),
        _ => Err(Unused::NotIp),
    }
}

fn parse_v4(bytes: &[u8]) -> Result<IpPacket<'_>, Unused> {
    let header = usize::from(bytes[0] & 0xF) * 4;
    if header < 20 {
        return Err(Unused::Malformed);
    }
    if bytes.len() < header {
        return Err(Unused::HeaderCut);
    }
    let total = match usize::from(word(bytes, 2)?) {
        // Segmentation offload: the card fills the length in later.
        0 => bytes.len(),
        total if total < header => return Err(Unused::Malformed),
        total => total,
    };
    let flags = word(bytes, 6)?;
    let offset = usize::from(flags & 0x1FFF) * 8;
    let more = flags & MORE_FRAGMENTS != 0;
    let fragment = (more || offset > 0).then_some(Fragment { id: u32::from(word(bytes, 4)?), offset, more });
    Ok(IpPacket {
        source: IpAddr::V4(Ipv4Addr::from(array::<4>(bytes, 12)?)),
        destination: IpAddr::V4(Ipv4Addr::from(array::<4>(bytes, 16)?)),
        protocol: bytes[9],
        payload: &bytes[header..total.min(bytes.len())],
        length: total - header,
        fragment,
    })
}

fn parse_v6(bytes: &[u8]) -> Result<IpPacket<'_>, Unused> {
    let rest = bytes.get(40..).ok_or(Unused::HeaderCut)?;
    let length = match usize::from(word(bytes, 4)?) {
        0 => rest.len(),
        length => length,
    };
    let payload = &rest[..length.min(rest.len())];
    let (protocol, skipped, fragment) = extensions(bytes[6], payload)?;
    Ok(IpPacket {
        source: IpAddr::V6(Ipv6Addr::from(array::<16>(bytes, 8)?)),
        destination: IpAddr::V6(Ipv6Addr::from(array::<16>(bytes, 24)?)),
        protocol,
        payload: &payload[skipped..],
        length: length - skipped,
        fragment,
    })
}

/// Steps over the extension headers of IPv6: what follows them, and how long they are. Stops after a fragment header
/// that really is one.
pub(crate) fn extensions(first: u8, payload: &[u8]) -> Result<(u8, usize, Option<Fragment>), Unused> {
    let mut protocol = first;
    let mut at = 0;
    loop {
        let length = match protocol {
            // Hop-by-hop, routing, destination options, mobility.
            0 | 43 | 60 | 135 => (octet(payload, at + 1)? + 1) * 8,
            // Authentication header counts in other units.
            51 => (octet(payload, at + 1)? + 2) * 4,
            44 => {
                let flags = word(payload, at + 2)?;
                let id = u32::from_be_bytes(array(payload, at + 4)?);
                let fragment = Fragment { id, offset: usize::from(flags & !7), more: flags & 1 != 0 };
                let next = payload[at];
                if fragment.more || fragment.offset > 0 {
                    return Ok((next, at + 8, Some(fragment)));
                }
                8
            }
            50 => return Err(Unused::Encrypted),
            _ => return Ok((protocol, at, None)),
        };
        protocol = octet(payload, at)? as u8;
        at += length;
        if at > payload.len() {
            return Err(Unused::HeaderCut);
        }
    }
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Udp<'a> {
    pub source: u16,
    pub destination: u16,
    pub payload: &'a [u8],
    /// Bytes of the payload on the wire.
    pub length: usize,
}

/// Reads a UDP header in a packet whose payload had `length` bytes on the wire.
pub(crate) fn parse_udp(bytes: &[u8], length: usize) -> Result<Udp<'_>, Unused> {
    let rest = bytes.get(8..).ok_or(Unused::HeaderCut)?;
    let said = match usize::from(word(bytes, 4)?) {
        // A jumbogram, or offload.
        0 => length,
        said => said,
    };
    if said < 8 || said > length {
        return Err(Unused::Malformed);
    }
    Ok(Udp {
        source: word(bytes, 0)?,
        destination: word(bytes, 2)?,
        payload: &rest[..(said - 8).min(rest.len())],
        length: said - 8,
    })
}

/// The big-endian 16 bits at `at`.
pub(crate) fn word(bytes: &[u8], at: usize) -> Result<u16, Unused> {
    array::<2>(bytes, at).map(u16::from_be_bytes)
}

fn octet(bytes: &[u8], at: usize) -> Result<usize, Unused> {
    bytes.get(at).map(|octet| usize::from(*octet)).ok_or(Unused::HeaderCut)
}

/// The `N` bytes at `at`.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Unused> {
    bytes.get(at..at + N).and_then(|found| found.try_into().ok()).ok_or(Unused::HeaderCut)
}

/// The one's complement sum of RFC 1071 over `bytes`, added to `sum`.
pub(crate) fn add_to_checksum(sum: u64, bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(4);
    let tail = words.remainder();
    let mut sum = words
        .map(|word| u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]])))
        .fold(sum, |sum, word| sum + word);
    for pair in tail.chunks(2) {
        sum += u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low));
    }
    sum
}

/// The checksum that goes into the header.
pub(crate) fn fold_checksum(mut sum: u64) -> u16 {
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}
