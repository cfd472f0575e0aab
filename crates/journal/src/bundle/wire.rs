//! The headers that make Wireshark see a packet where we had only its payload and two addresses.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::PacketKind;
use crate::capture::ip::{self, add_to_checksum, fold_checksum};
use crate::capture::pdu;

/// LINKTYPE_RAW: the packet begins with its IP header.
pub(super) const LINK_RAW: u16 = 101;
/// LINKTYPE_WIRESHARK_UPPER_PDU: tags, then the PDU.
pub(super) const LINK_PDU: u16 = 252;

const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const UDP_HEADER: usize = 8;
/// Hops that a packet of ours may take; any value shows the same.
const HOPS: u8 = 64;
const DO_NOT_FRAGMENT: [u8; 2] = [0x40, 0];

/// The payload does not fit into one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DoesNotFit;

/// Appends the packet with `keep` bytes of its payload; answers its length on the wire.
pub(super) fn write(
    out: &mut Vec<u8>,
    kind: PacketKind,
    (source, destination): (SocketAddr, SocketAddr),
    payload: &[u8],
    keep: usize,
) -> Result<usize, DoesNotFit> {
    let start = out.len();
    let (from, to) = one_family(source.ip(), destination.ip());
    if kind.is_stream() {
        pdu::write(out, (from, source.port()), (to, destination.port()));
    } else {
        let udp = UDP_HEADER + payload.len();
        if udp > usize::from(u16::MAX) - IPV4_HEADER {
            return Err(DoesNotFit);
        }
        let pseudo = match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => ipv4(out, from.octets(), to.octets(), udp as u16),
            (IpAddr::V6(from), IpAddr::V6(to)) => ipv6(out, from.octets(), to.octets(), udp as u16),
            // `one_family` saw to it.
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return Err(DoesNotFit),
        };
        udp_header(out, pseudo, source.port(), destination.port(), payload);
    }
    let length = out.len() - start + payload.len();
    out.extend_from_slice(payload.get(..keep).unwrap_or(payload));
    Ok(length)
}

/// What [`write`] wrote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read<'a> {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    /// What was kept of the payload.
    pub payload: &'a [u8],
    /// Bytes of the payload on the wire.
    pub length: usize,
    /// Whether the checksums are right, as far as they can be checked.
    pub intact: bool,
}

/// Reads a packet back that had `original` bytes on the wire.
pub(super) fn read(kind: PacketKind, bytes: &[u8], original: usize) -> Option<Read<'_>> {
    if kind.is_stream() {
        let found = pdu::read(bytes).ok()?;
        let headers = bytes.len() - found.payload.len();
        return Some(Read {
            source: found.source,
            destination: found.destination,
            payload: found.payload,
            length: original.saturating_sub(headers),
            intact: true,
        });
    }
    let packet = ip::parse(bytes).ok()?;
    if packet.protocol != ip::UDP || packet.fragment.is_some() {
        return None;
    }
    let udp = ip::parse_udp(packet.payload, packet.length).ok()?;
    let whole = udp.payload.len() == udp.length;
    Some(Read {
        source: SocketAddr::new(packet.source, udp.source),
        destination: SocketAddr::new(packet.destination, udp.destination),
        payload: udp.payload,
        length: udp.length,
        intact: !whole || checksums_hold(bytes, &packet),
    })
}

/// Both addresses in one family: an IPv4 address beside an IPv6 one becomes `::ffff:a.b.c.d`.
fn one_family(a: IpAddr, b: IpAddr) -> (IpAddr, IpAddr) {
    match (a.to_canonical(), b.to_canonical()) {
        (a @ IpAddr::V4(_), b @ IpAddr::V4(_)) => (a, b),
        (a, b) => (IpAddr::V6(as_v6(a)), IpAddr::V6(as_v6(b))),
    }
}

fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// Appends an IPv4 header; answers the sum over the pseudo header of UDP.
fn ipv4(out: &mut Vec<u8>, from: [u8; 4], to: [u8; 4], udp: u16) -> u64 {
    let mut header = [0; IPV4_HEADER];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&(IPV4_HEADER as u16 + udp).to_be_bytes());
    header[6..8].copy_from_slice(&DO_NOT_FRAGMENT);
    header[8] = HOPS;
    header[9] = ip::UDP;
    header[12..16].copy_from_slice(&from);
    header[16..20].copy_from_slice(&to);
    let checksum = fold_checksum(add_to_checksum(0, &header));
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    out.extend_from_slice(&header);
    pseudo_sum(&from, &to, udp)
}

/// Appends an IPv6 header; answers the sum over the pseudo header of UDP.
fn ipv6(out: &mut Vec<u8>, from: [u8; 16], to: [u8; 16], udp: u16) -> u64 {
    let mut header = [0; IPV6_HEADER];
    header[0] = 0x60;
    header[4..6].copy_from_slice(&udp.to_be_bytes());
    header[6] = ip::UDP;
    header[7] = HOPS;
    header[8..24].copy_from_slice(&from);
    header[24..40].copy_from_slice(&to);
    out.extend_from_slice(&header);
    pseudo_sum(&from, &to, udp)
}

fn pseudo_sum(from: &[u8], to: &[u8], udp: u16) -> u64 {
    add_to_checksum(add_to_checksum(0, from), to) + u64::from(ip::UDP) + u64::from(udp)
}

fn udp_header(out: &mut Vec<u8>, pseudo: u64, from: u16, to: u16, payload: &[u8]) {
    let mut header = [0; UDP_HEADER];
    header[..2].copy_from_slice(&from.to_be_bytes());
    header[2..4].copy_from_slice(&to.to_be_bytes());
    header[4..6].copy_from_slice(&((UDP_HEADER + payload.len()) as u16).to_be_bytes());
    // RFC 768: a computed zero is sent as all ones, because zero says "no checksum", which IPv6 forbids.
    let checksum = match fold_checksum(add_to_checksum(add_to_checksum(pseudo, &header), payload)) {
        0 => u16::MAX,
        checksum => checksum,
    };
    header[6..8].copy_from_slice(&checksum.to_be_bytes());
    out.extend_from_slice(&header);
}

fn checksums_hold(bytes: &[u8], packet: &ip::IpPacket<'_>) -> bool {
    let pseudo = match (packet.source, packet.destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = bytes.get(..bytes.len() - packet.payload.len()).unwrap_or_default();
            if fold_checksum(add_to_checksum(0, header)) != 0 {
                return false;
            }
            pseudo_sum(&from.octets(), &to.octets(), packet.length as u16)
        }
        (from, to) => pseudo_sum(&as_v6(from).octets(), &as_v6(to).octets(), packet.length as u16),
    };
    fold_checksum(add_to_checksum(pseudo, packet.payload)) == 0
}
