//! One HEPv3 packet: `HEP3`, its length, and chunks of vendor, type, length and value, all in network order (HEP3 network
//! protocol specification, rev. 12).

use std::net::{IpAddr, SocketAddr};

/// Vendor of the generic chunks.
const GENERIC: u16 = 0;

const IP_FAMILY: u16 = 0x01;
const IP_PROTOCOL: u16 = 0x02;
const SOURCE_V4: u16 = 0x03;
const DESTINATION_V4: u16 = 0x04;
const SOURCE_V6: u16 = 0x05;
const DESTINATION_V6: u16 = 0x06;
const SOURCE_PORT: u16 = 0x07;
const DESTINATION_PORT: u16 = 0x08;
const SECONDS: u16 = 0x09;
const MICROS: u16 = 0x0A;
const PROTOCOL_TYPE: u16 = 0x0B;
const CAPTURE_ID: u16 = 0x0C;
const KEEP_ALIVE_TIMER: u16 = 0x0D;
const KEY: u16 = 0x0E;
const PAYLOAD: u16 = 0x0F;
const CORRELATION: u16 = 0x11;

/// `AF_INET` and `AF_INET6` as the specification numbers them.
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;

/// Value of the protocol type chunk.
const SIP: u8 = 1;

/// Seconds that a packet without a message names.
const KEEP_ALIVE: u16 = 30;

/// What every packet of ours says of who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Tells capture agents apart.
    pub capture_id: u32,
    /// What the server wants to be shown.
    pub key: Option<String>,
}

/// A SIP message that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// Who got it.
    pub destination: SocketAddr,
    /// By TCP, else UDP.
    pub is_stream: bool,
    /// Unix time in microseconds.
    pub unix_micros: u64,
    /// The SIP Call-ID: Homer brings together what has the same.
    pub correlation: Option<&'a [u8]>,
    /// The message.
    pub payload: &'a [u8],
}

/// The packet of a message; `None` where it would be longer than a datagram can be.
pub fn encode(sender: &Sender, captured: &Captured<'_>) -> Option<Vec<u8>> {
    let Captured { source, destination, is_stream, unix_micros, correlation, payload } = captured;
    let mut packet = Packet::begin(payload.len() + 256);
    // An IPv4 peer of an IPv6 socket is told as what it is.
    let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
    let protocol = if *is_stream { 6 } else { 17 };
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet.chunk(IP_FAMILY, &[FAMILY_V4])?;
            packet.chunk(IP_PROTOCOL, &[protocol])?;
            packet.chunk(SOURCE_V4, &from.octets())?;
            packet.chunk(DESTINATION_V4, &to.octets())?;
        }
        (from, to) => {
            packet.chunk(IP_FAMILY, &[FAMILY_V6])?;
            packet.chunk(IP_PROTOCOL, &[protocol])?;
            packet.chunk(SOURCE_V6, &v6(from))?;
            packet.chunk(DESTINATION_V6, &v6(to))?;
        }
    }
    packet.chunk(SOURCE_PORT, &source.port().to_be_bytes())?;
    packet.chunk(DESTINATION_PORT, &destination.port().to_be_bytes())?;
    // The field has 32 bits and ends in 2106.
    packet.chunk(SECONDS, &((unix_micros / 1_000_000) as u32).to_be_bytes())?;
    packet.chunk(MICROS, &((unix_micros % 1_000_000) as u32).to_be_bytes())?;
    packet.chunk(PROTOCOL_TYPE, &[SIP])?;
    packet.sender(sender)?;
    if let Some(correlation) = correlation {
        packet.chunk(CORRELATION, correlation)?;
    }
    packet.chunk(PAYLOAD, payload)?;
    packet.end()
}

/// A packet without a message, for who wants to know whether anybody listens.
pub fn keep_alive(sender: &Sender) -> Option<Vec<u8>> {
    let mut packet = Packet::begin(64);
    packet.sender(sender)?;
    packet.chunk(KEEP_ALIVE_TIMER, &KEEP_ALIVE.to_be_bytes())?;
    packet.end()
}

struct Packet(Vec<u8>);

impl Packet {
    fn begin(room: usize) -> Self {
        let mut bytes = Vec::with_capacity(room);
        bytes.extend(b"HEP3\0\0");
        Packet(bytes)
    }

    fn sender(&mut self, sender: &Sender) -> Option<()> {
        self.chunk(CAPTURE_ID, &sender.capture_id.to_be_bytes())?;
        match &sender.key {
            Some(key) => self.chunk(KEY, key.as_bytes()),
            None => Some(()),
        }
    }

    /// `None` where the chunk is too long: its length counts its own head.
    fn chunk(&mut self, kind: u16, value: &[u8]) -> Option<()> {
        let length = u16::try_from(value.len() + 6).ok()?;
        self.0.extend(GENERIC.to_be_bytes());
        self.0.extend(kind.to_be_bytes());
        self.0.extend(length.to_be_bytes());
        self.0.extend(value);
        Some(())
    }

    fn end(mut self) -> Option<Vec<u8>> {
        /// What an IPv4 datagram can hold.
        const LONGEST: usize = 65_507;
        let length = u16::try_from(self.0.len()).ok().filter(|length| usize::from(*length) <= LONGEST)?;
        self.0[4..6].copy_from_slice(&length.to_be_bytes());
        Some(self.0)
    }
}

fn v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_over_ipv4_has_the_bytes_of_the_specification() {
        let sender = Sender { capture_id: 2001, key: Some("key".into()) };
        let captured = Captured {
            source: "192.0.2.1:5060".parse().unwrap(),
            destination: "192.0.2.2:5061".parse().unwrap(),
            is_stream: false,
            unix_micros: 1_000_000_000_000_007,
            correlation: Some(b"a@b"),
            payload: b"SIP",
        };

        let packet = encode(&sender, &captured).unwrap();

        let mut expected = b"HEP3\x00\x78".to_vec();
        expected.extend(b"\0\0\0\x01\0\x07\x02\0\0\0\x02\0\x07\x11");
        expected.extend(b"\0\0\0\x03\0\x0A\xC0\0\x02\x01\0\0\0\x04\0\x0A\xC0\0\x02\x02");
        expected.extend(b"\0\0\0\x07\0\x08\x13\xC4\0\0\0\x08\0\x08\x13\xC5");
        expected.extend(b"\0\0\0\x09\0\x0A\x3B\x9A\xCA\0\0\0\0\x0A\0\x0A\0\0\0\x07");
        expected.extend(b"\0\0\0\x0B\0\x07\x01\0\0\0\x0C\0\x0A\0\0\x07\xD1");
        expected.extend(b"\0\0\0\x0E\0\x09key\0\0\0\x11\0\x09a@b\0\0\0\x0F\0\x09SIP");
        assert_eq!(packet.len(), 0x78);
        assert_eq!(packet, expected);
    }

    #[test]
    fn ipv6_and_tcp_are_told_as_such_and_a_mapped_address_as_ipv4() {
        let sender = Sender { capture_id: 1, key: None };
        let mut captured = Captured {
            source: "[2001:db8::1]:5060".parse().unwrap(),
            destination: "[2001:db8::2]:5060".parse().unwrap(),
            is_stream: true,
            unix_micros: 0,
            correlation: None,
            payload: b"x",
        };

        let packet = encode(&sender, &captured).unwrap();
        captured.source = "[::ffff:192.0.2.1]:5060".parse().unwrap();
        captured.destination = "192.0.2.2:5060".parse().unwrap();
        let mapped = encode(&sender, &captured).unwrap();

        assert_eq!(packet[6..20], *b"\0\0\0\x01\0\x07\x0A\0\0\0\x02\0\x07\x06");
        assert_eq!(packet[20..26], *b"\0\0\0\x05\0\x16");
        assert_eq!(mapped[6..13], *b"\0\0\0\x01\0\x07\x02");
        assert_eq!(
            keep_alive(&sender).unwrap(),
            b"HEP3\0\x18\0\0\0\x0C\0\x0A\0\0\0\x01\0\0\0\x0D\0\x08\0\x1E"
        );
    }

    #[test]
    fn what_no_datagram_can_hold_is_no_packet() {
        let sender = Sender { capture_id: 1, key: None };
        let payload = vec![b'x'; 65_500];
        let captured = Captured {
            source: "192.0.2.1:5060".parse().unwrap(),
            destination: "192.0.2.2:5060".parse().unwrap(),
            is_stream: true,
            unix_micros: 0,
            correlation: None,
            payload: &payload,
        };

        assert_eq!(encode(&sender, &captured), None);
    }
}
