//! From what the capture carried to SIP messages and RTP flows.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use offhook_journal::capture::{Datagram, Found, StreamData};
use offhook_rtp_proto::{DatagramKind, RtpPacket, Ssrc};
use offhook_sip_proto::framing::{Framed, StreamFramer};
use offhook_sip_proto::message::{Limits, Message};

use super::account::{Account, Unused};
use super::stream::Arrived;

/// A SIP message and its way.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub unix_ns: u64,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub message: Message,
}

/// Who sends what to whom.
pub(super) type FlowKey = (SocketAddr, SocketAddr, Ssrc);

/// Everything that might be RTP, by flow.
pub(super) type Flows = BTreeMap<FlowKey, Vec<Arrived>>;

/// RFC 8489 §5.
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// A stream that was searched this far for SIP has none.
const SEARCHED: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Collected {
    messages: Vec<Seen>,
    flows: Flows,
    connections: BTreeMap<(SocketAddr, SocketAddr), Connection>,
    account: Account,
}

/// One direction of a TCP connection.
#[derive(Debug, Default)]
struct Connection {
    /// `None` while the beginning of a message is looked for.
    framer: Option<StreamFramer>,
    searched: Vec<u8>,
    pieces: u64,
    messages: u64,
    is_tls: bool,
}

impl Collected {
    pub fn handle(&mut self, found: Found) {
        match found {
            Found::Datagram(datagram) | Found::Message(datagram) => self.datagram(datagram),
            Found::Stream(data) => self.stream(data),
        }
    }

    /// Messages by time, flows with their packets by time. File order is kept where times are equal.
    pub fn finish(mut self, account: &mut Account) -> (Vec<Seen>, Flows) {
        for connection in self.connections.values().filter(|connection| connection.messages == 0) {
            let why = if connection.is_tls { Unused::Tls } else { Unused::OtherTcp };
            self.account.looked_at += connection.pieces;
            self.account.leave(why, connection.pieces);
        }
        account.looked_at = self.account.looked_at;
        account.unused = self.account.unused;
        self.messages.sort_by_key(|seen| seen.unix_ns);
        for packets in self.flows.values_mut() {
            packets.sort_by_key(|packet| packet.unix_ns);
        }
        (self.messages, self.flows)
    }

    fn datagram(&mut self, datagram: Datagram) {
        self.account.looked_at += 1;
        if let Err(why) = self.try_datagram(datagram) {
            self.account.leave(why, 1);
        }
    }

    fn try_datagram(&mut self, datagram: Datagram) -> Result<(), Unused> {
        let Datagram { unix_ns, source, destination, bytes, original_length } = datagram;
        let is_whole = bytes.len() >= original_length;
        if bytes.iter().all(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
            return Err(Unused::KeepAlive);
        }
        if first_line_is_sip(&bytes) {
            return match Message::parse(&bytes, &Limits::default()) {
                Ok(message) => {
                    self.messages.push(Seen { unix_ns, source, destination, message });
                    Ok(())
                }
                Err(_) if !is_whole => Err(Unused::SipCut),
                Err(_) => Err(Unused::SipMalformed),
            };
        }
        if bytes.get(4..8) == Some(&STUN_COOKIE) {
            return Err(Unused::Stun);
        }
        match DatagramKind::of(&bytes) {
            DatagramKind::Rtcp => return Err(Unused::Rtcp),
            DatagramKind::Other => return Err(Unused::OtherUdp),
            DatagramKind::Rtp => {}
        }
        // The padding count of a cut packet is not there: its payload is read without.
        let mut copy;
        let mut readable = &bytes;
        if !is_whole {
            copy = bytes.clone();
            if let Some(first) = copy.first_mut() {
                *first &= !0x20;
            }
            readable = &copy;
        }
        let packet = RtpPacket::parse(readable).map_err(|_| Unused::RtpMalformed)?;
        let arrived = Arrived { unix_ns, header: packet.header, payload: packet.payload.to_vec(), is_whole };
        self.flows.entry((source, destination, packet.header.ssrc)).or_default().push(arrived);
        Ok(())
    }

    fn stream(&mut self, data: StreamData) {
        let StreamData { unix_ns, source, destination, bytes, after_gap } = data;
        let connection = self.connections.entry((source, destination)).or_default();
        connection.pieces += 1;
        // A record of TLS 1.x.
        connection.is_tls |= connection.pieces == 1 && matches!(bytes.as_slice(), [20..=23, 3, 0..=4, ..]);
        if after_gap {
            // What was begun before is over; the rest of it is skipped to where a message begins.
            connection.framer = None;
            connection.searched.clear();
        }
        let mut bytes = bytes;
        while let Some(messages) = connection.push(&bytes, &mut self.account) {
            for message in messages {
                connection.messages += 1;
                self.messages.push(Seen { unix_ns, source, destination, message });
            }
            bytes = Vec::new();
            if connection.framer.is_some() || connection.searched.is_empty() {
                break;
            }
        }
    }
}

impl Connection {
    /// `None` where no message has begun.
    fn push(&mut self, bytes: &[u8], account: &mut Account) -> Option<Vec<Message>> {
        let framer = match &mut self.framer {
            Some(framer) => {
                framer.push(bytes);
                framer
            }
            None => {
                self.searched.extend_from_slice(bytes);
                let Some(begin) = start_line(&self.searched) else {
                    if self.searched.len() > SEARCHED {
                        self.searched.clear();
                    }
                    return None;
                };
                let rest = std::mem::take(&mut self.searched);
                let framer = self.framer.insert(StreamFramer::new(Limits::default()));
                framer.push(rest.get(begin..).unwrap_or_default());
                framer
            }
        };
        let mut messages = Vec::new();
        while let Some(framed) = framer.next() {
            match framed {
                Ok(Framed::Message(message)) => {
                    account.looked_at += 1;
                    messages.push(*message);
                }
                Ok(Framed::Ping) => {}
                Err(_) => {
                    account.looked_at += 1;
                    account.leave(Unused::SipMalformed, 1);
                }
            }
        }
        if framer.must_close() {
            self.framer = None;
        }
        Some(messages)
    }
}

fn first_line_is_sip(bytes: &[u8]) -> bool {
    let begin = bytes.iter().position(|octet| !matches!(octet, b'\r' | b'\n')).unwrap_or(0);
    let rest = bytes.get(begin..).unwrap_or_default();
    let line = rest.split(|octet| *octet == b'\n').next().unwrap_or_default();
    is_start_line(line)
}

/// Where the first line is that begins a message.
fn start_line(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    for line in bytes.split_inclusive(|octet| *octet == b'\n') {
        if line.ends_with(b"\n") && is_start_line(line) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

fn is_start_line(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.starts_with(b"SIP/2.0 ")
        || (line.ends_with(b" SIP/2.0") && line.first().is_some_and(u8::is_ascii_alphabetic))
}
