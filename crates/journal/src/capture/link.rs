//! From a frame to the IP packet in it, by link type.

use super::Unused;
use super::ip::word;

/// BSD loopback.
const NULL: u32 = 0;
const ETHERNET: u32 = 1;
/// Raw IP as tcpdump on some systems numbers it.
const RAW_BSD: u32 = 12;
const RAW_OPENBSD: u32 = 14;
const RAW: u32 = 101;
/// OpenBSD loopback.
const LOOP: u32 = 108;
/// `tcpdump -i any`.
const LINUX_COOKED: u32 = 113;
const IPV4: u32 = 228;
const IPV6: u32 = 229;
const UPPER_PDU: u32 = 252;
/// `tcpdump -i any` since 2020.
const LINUX_COOKED_2: u32 = 276;

const TYPE_IPV4: u16 = 0x0800;
const TYPE_IPV6: u16 = 0x86DD;
/// IEEE 802.1Q, 802.1ad, and what was used before it.
const TAGS: [u16; 3] = [0x8100, 0x88A8, 0x9100];

/// What a frame carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carried<'a> {
    Ip(&'a [u8]),
    Pdu(&'a [u8]),
}

/// Takes the link header off.
pub(super) fn strip(link: u32, frame: &[u8]) -> Result<Carried<'_>, Unused> {
    // The upper half of the word may say how long the frame check sequence is.
    let (kind, header) = match link & 0xFFFF {
        RAW | RAW_BSD | RAW_OPENBSD | IPV4 | IPV6 => return Ok(Carried::Ip(frame)),
        UPPER_PDU => return Ok(Carried::Pdu(frame)),
        // Four bytes with the address family in the order of the machine; the IP version says the same.
        NULL | LOOP => return Ok(Carried::Ip(frame.get(4..).ok_or(Unused::HeaderCut)?)),
        ETHERNET => (word(frame, 12)?, 14),
        LINUX_COOKED => (word(frame, 14)?, 16),
        LINUX_COOKED_2 => (word(frame, 0)?, 20),
        _ => return Err(Unused::LinkType),
    };
    ip_behind_tags(kind, frame, header)
}

fn ip_behind_tags(mut kind: u16, frame: &[u8], mut at: usize) -> Result<Carried<'_>, Unused> {
    while TAGS.contains(&kind) {
        kind = word(frame, at + 2)?;
        at += 4;
    }
    if kind != TYPE_IPV4 && kind != TYPE_IPV6 {
        return Err(Unused::NotIp);
    }
    Ok(Carried::Ip(frame.get(at..).ok_or(Unused::HeaderCut)?))
}
