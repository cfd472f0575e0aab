//! The blocks that every reader of captures knows: section, interfaces, packets.

use super::custom::{ENTERPRISE, OPTION_MAGIC};
use super::{Direction, Meta, Packet, PacketKind, wire};
use crate::pcapng::{
    INTERFACE, ORDER_MARK, PACKET, SECTION, begin_block, code, end_block, option, option_end, pad,
};

/// Wireshark refuses a file with a longer packet.
const LONGEST_PACKET: usize = 256 << 10;
/// Room for headers or tags before the payload.
const HEADERS: usize = 256;
/// if_tsresol: ten to the minus nine.
const NANOSECONDS: u8 = 9;

const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// Appends the Section Header Block.
pub(super) fn section(out: &mut Vec<u8>, meta: &Meta) {
    let start = begin_block(out, SECTION);
    out.extend_from_slice(&ORDER_MARK.to_le_bytes());
    out.extend_from_slice(&[1, 0, 0, 0]);
    // The length of the section is not known before its end.
    out.extend_from_slice(&(-1_i64).to_le_bytes());
    for (code, text) in [(code::HARDWARE, &meta.cpu_class), (code::OS, &meta.os)] {
        if !text.is_empty() {
            option(out, code, text.as_bytes());
        }
    }
    option(out, code::APPLICATION, format!("offhook {}", meta.build).as_bytes());
    option_end(out);
    end_block(out, start);
}

/// Appends one Interface Description Block for each kind of packet.
pub(super) fn interfaces(out: &mut Vec<u8>) {
    for kind in PacketKind::ALL {
        let start = begin_block(out, INTERFACE);
        let link = if kind.is_stream() { wire::LINK_PDU } else { wire::LINK_RAW };
        out.extend_from_slice(&link.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&(LONGEST_PACKET as u32).to_le_bytes());
        option(out, code::NAME, kind.name().as_bytes());
        option(out, code::DESCRIPTION, description(kind).as_bytes());
        option(out, code::TIME_RESOLUTION, &[NANOSECONDS]);
        option_end(out);
        end_block(out, start);
    }
}

fn description(kind: PacketKind) -> &'static str {
    match kind {
        PacketKind::SipUdp => "SIP over UDP",
        PacketKind::SipTcp => "SIP over TCP, message by message",
        PacketKind::SipTls => "SIP over TLS, decrypted, message by message",
        PacketKind::Rtp => "RTP, before protection",
        PacketKind::Rtcp => "RTCP, before protection",
    }
}

/// Appends an Enhanced Packet Block with the first `kept` bytes of the packet and an option of ours that `records`
/// fills; answers its length. `None` where the packet is too long; nothing is appended then.
pub(super) fn packet(
    out: &mut Vec<u8>,
    packet: &Packet<'_>,
    kept: usize,
    origin: i64,
    records: impl FnOnce(&mut Vec<u8>),
) -> Option<usize> {
    if packet.bytes.len() > LONGEST_PACKET - HEADERS {
        return None;
    }
    let start = begin_block(out, PACKET);
    let unix_ns = packet.at.as_nanos().wrapping_add_signed(origin);
    out.extend_from_slice(&packet.kind.interface().to_le_bytes());
    out.extend_from_slice(&((unix_ns >> 32) as u32).to_le_bytes());
    out.extend_from_slice(&(unix_ns as u32).to_le_bytes());
    let lengths = out.len();
    out.extend_from_slice(&[0; 8]);
    let data = out.len();
    let Ok(original) = wire::write(out, packet.kind, (packet.source, packet.destination), packet.bytes, kept)
    else {
        out.truncate(start);
        return None;
    };
    let captured = out.len() - data;
    if let Some(place) = out.get_mut(lengths..data) {
        place[..4].copy_from_slice(&(captured as u32).to_le_bytes());
        place[4..].copy_from_slice(&(original as u32).to_le_bytes());
    }
    pad(out, data);
    let flags = match packet.direction {
        Direction::Inbound => INBOUND,
        Direction::Outbound => OUTBOUND,
    };
    option(out, code::FLAGS, &flags.to_le_bytes());
    ours(out, records);
    option_end(out);
    Some(end_block(out, start))
}

/// The direction that the flags of a packet name.
pub(super) fn direction(flags: u32) -> Option<Direction> {
    match flags & 3 {
        INBOUND => Some(Direction::Inbound),
        OUTBOUND => Some(Direction::Outbound),
        _ => None,
    }
}

fn ours(out: &mut Vec<u8>, records: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&code::CUSTOM_BINARY.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&ENTERPRISE.to_le_bytes());
    out.extend_from_slice(&OPTION_MAGIC);
    records(out);
    let length = out.len() - start - 4;
    if let Some(place) = out.get_mut(start + 2..start + 4) {
        place.copy_from_slice(&(length as u16).to_le_bytes());
    }
    pad(out, start);
}
