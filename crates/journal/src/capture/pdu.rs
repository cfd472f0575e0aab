//! LINKTYPE_WIRESHARK_UPPER_PDU: a PDU behind tags that say what it is and where it went.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Unused;
use super::ip::{array, word};

const END: u16 = 0;
const DISSECTOR: u16 = 12;
const IPV4_SOURCE: u16 = 20;
const IPV4_DESTINATION: u16 = 21;
const IPV6_SOURCE: u16 = 22;
const IPV6_DESTINATION: u16 = 23;
const PORT_TYPE: u16 = 24;
const SOURCE_PORT: u16 = 25;
const DESTINATION_PORT: u16 = 26;
const PORT_TYPE_TCP: u32 = 2;

/// A SIP message and its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pdu<'a> {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub payload: &'a [u8],
}

/// Appends the tags of a SIP message that a TCP stream carried. Both addresses are of one family.
pub(crate) fn write(out: &mut Vec<u8>, source: (IpAddr, u16), destination: (IpAddr, u16)) {
    tag(out, DISSECTOR, b"sip\0");
    address(out, IPV4_SOURCE, IPV6_SOURCE, source.0);
    address(out, IPV4_DESTINATION, IPV6_DESTINATION, destination.0);
    tag(out, PORT_TYPE, &PORT_TYPE_TCP.to_be_bytes());
    tag(out, SOURCE_PORT, &u32::from(source.1).to_be_bytes());
    tag(out, DESTINATION_PORT, &u32::from(destination.1).to_be_bytes());
    tag(out, END, &[]);
}

/// Reads the tags of a SIP message.
pub(crate) fn read(bytes: &[u8]) -> Result<Pdu<'_>, Unused> {
    let mut at = 0;
    let (mut source, mut destination, mut ports, mut is_sip) = (None, None, (0, 0), false);
    loop {
        let (code, length) = (word(bytes, at)?, usize::from(word(bytes, at + 2)?));
        let value = bytes.get(at + 4..at + 4 + length).ok_or(Unused::HeaderCut)?;
        at += 4 + length;
        match code {
            END => break,
            // "sip" or "sip.tcp", the name padded with zeros.
            DISSECTOR => is_sip = value.starts_with(b"sip") && matches!(value.get(3), None | Some(0 | b'.')),
            IPV4_SOURCE => source = Some(v4(value)?),
            IPV4_DESTINATION => destination = Some(v4(value)?),
            IPV6_SOURCE => source = Some(v6(value)?),
            IPV6_DESTINATION => destination = Some(v6(value)?),
            SOURCE_PORT => ports.0 = u32::from_be_bytes(array(value, 0)?) as u16,
            DESTINATION_PORT => ports.1 = u32::from_be_bytes(array(value, 0)?) as u16,
            _ => {}
        }
    }
    let (Some(source), Some(destination), true) = (source, destination, is_sip) else {
        return Err(Unused::OtherPdu);
    };
    Ok(Pdu {
        source: SocketAddr::new(source, ports.0),
        destination: SocketAddr::new(destination, ports.1),
        payload: bytes.get(at..).unwrap_or_default(),
    })
}

fn address(out: &mut Vec<u8>, v4: u16, v6: u16, address: IpAddr) {
    match address {
        IpAddr::V4(address) => tag(out, v4, &address.octets()),
        IpAddr::V6(address) => tag(out, v6, &address.octets()),
    }
}

/// All our values are multiples of four bytes long, so nothing needs padding.
fn tag(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
}

fn v4(value: &[u8]) -> Result<IpAddr, Unused> {
    array::<4>(value, 0).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)))
}

fn v6(value: &[u8]) -> Result<IpAddr, Unused> {
    array::<16>(value, 0).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))
}
