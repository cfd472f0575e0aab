//! Captures of others: pcap and pcapng from tcpdump, Wireshark or an SBC, down to UDP payloads and TCP data.
//!
//! [`Capture`] is an iterator of [`Found`]; its [`Account`] says what became of every frame. It must not know SIP
//! or RTP. Reassembles IP fragments and TCP streams, within bounds.

mod account;
mod fragments;
mod frames;
pub(crate) mod ip;
mod link;
pub(crate) mod pdu;
mod streams;

use std::collections::VecDeque;
use std::io::Read;
use std::net::SocketAddr;

pub use account::{Account, Unused};

use crate::Ending;
use fragments::{Fragments, Joined};
use frames::{Frame, Frames};
use ip::IpPacket;
use streams::Streams;

/// Something that a capture carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A UDP datagram.
    Datagram(Datagram),
    /// The next data of a TCP stream, in order.
    Stream(StreamData),
    /// A whole SIP message out of a stream that was taken apart before (LINKTYPE_WIRESHARK_UPPER_PDU).
    Message(Datagram),
}

/// The payload of a datagram, or a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// When it was captured, in nanoseconds of Unix time. A frame without a time stamp has that of the frame before.
    pub unix_ns: u64,
    /// Who sent it.
    pub source: SocketAddr,
    /// Who was to have it.
    pub destination: SocketAddr,
    /// Its bytes, as far as they were captured.
    pub bytes: Vec<u8>,
    /// How many there were on the wire.
    pub original_length: usize,
}

/// Data of one direction of a TCP connection, in order and without what came twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamData {
    /// When the segment was captured that completed it.
    pub unix_ns: u64,
    /// Who sent it.
    pub source: SocketAddr,
    /// Who was to have it.
    pub destination: SocketAddr,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Bytes in front of these are missing: what was begun before cannot be finished. Also set where the capture began
    /// in the middle of a connection.
    pub after_gap: bool,
}

/// The file is no capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// It begins with none of the marks of pcap and pcapng.
    #[error("neither a pcap nor a pcapng file")]
    NotACapture,
    /// A pcap file that ends within its header.
    #[error("the capture ends within its header")]
    Cut,
    /// It cannot be read.
    #[error("reading failed: {0}")]
    Io(std::io::ErrorKind),
}

/// Reads a capture, frame by frame. Never panics and never stops at a single bad frame; when it has no more,
/// [`ending`](Self::ending) says why.
#[derive(Debug)]
pub struct Capture<R> {
    frames: Frames<R>,
    network: Network,
    ending: Option<Ending>,
}

impl<R: Read> Capture<R> {
    /// Recognizes the format. Give it a buffered input.
    pub fn open(input: R) -> Result<Self, CaptureError> {
        Ok(Capture { frames: Frames::open(input)?, network: Network::default(), ending: None })
    }

    /// What became of the frames read so far.
    pub fn account(&self) -> &Account {
        &self.network.account
    }

    /// How far the file could be read; `None` while more may come. A capture has no end mark: one that was cut between
    /// two packets is complete.
    pub fn ending(&self) -> Option<Ending> {
        self.ending.filter(|_| self.network.queue.is_empty())
    }
}

impl<R: Read> Iterator for Capture<R> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            if let Some(found) = self.network.queue.pop_front() {
                return Some(found);
            }
            if self.ending.is_some() {
                return None;
            }
            match self.frames.read(&mut self.network.account) {
                Ok(frame) => self.network.handle(&frame),
                Err(ending) => {
                    self.ending = Some(ending);
                    self.network.finish();
                }
            }
        }
    }
}

/// Everything between a frame and what it carried.
#[derive(Debug, Default)]
struct Network {
    fragments: Fragments,
    streams: Streams,
    account: Account,
    queue: VecDeque<Found>,
    last_ns: u64,
}

impl Network {
    fn handle(&mut self, frame: &Frame<'_>) {
        self.account.frames += 1;
        let now = match frame.unix_ns {
            Some(now) => now,
            None => {
                self.account.untimed += 1;
                self.last_ns
            }
        };
        if now < self.last_ns {
            self.account.out_of_order += 1;
        }
        self.last_ns = now;
        if let Err(why) = self.frame(frame, now) {
            self.account.leave(why);
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, now: u64) -> Result<(), Unused> {
        match link::strip(frame.link.ok_or(Unused::NoInterface)?, frame.bytes)? {
            link::Carried::Ip(bytes) => self.packet(&ip::parse(bytes)?, now),
            link::Carried::Pdu(bytes) => {
                let pdu = pdu::read(bytes)?;
                let missing = frame.original_length.saturating_sub(frame.bytes.len());
                let original_length = pdu.payload.len() + missing;
                self.account.messages += 1;
                self.account.snapped += u64::from(missing > 0);
                self.queue.push_back(Found::Message(Datagram {
                    unix_ns: now,
                    source: pdu.source,
                    destination: pdu.destination,
                    bytes: pdu.payload.to_vec(),
                    original_length,
                }));
                Ok(())
            }
        }
    }

    fn packet(&mut self, packet: &IpPacket<'_>, now: u64) -> Result<(), Unused> {
        let Some(fragment) = packet.fragment else { return self.transport(packet, now) };
        match self.fragments.handle(packet, fragment, &mut self.account)? {
            Joined::Waiting => Ok(()),
            Joined::Whole { first, payload, parts } => {
                let rest = ip::extensions(first, &payload);
                let result = rest.and_then(|(protocol, skipped, again)| {
                    let payload = payload.get(skipped..).unwrap_or_default();
                    let whole =
                        IpPacket { protocol, payload, length: payload.len(), fragment: None, ..*packet };
                    if again.is_some() { Err(Unused::Malformed) } else { self.transport(&whole, now) }
                });
                // The one that completed it is counted by what it completed.
                match result {
                    Ok(()) => self.account.fragments_joined += parts - 1,
                    Err(why) => (1..parts).for_each(|_| self.account.leave(why)),
                }
                result
            }
        }
    }

    fn transport(&mut self, packet: &IpPacket<'_>, now: u64) -> Result<(), Unused> {
        match packet.protocol {
            ip::UDP => {
                let udp = ip::parse_udp(packet.payload, packet.length)?;
                self.account.datagrams += 1;
                self.account.snapped += u64::from(udp.payload.len() < udp.length);
                self.queue.push_back(Found::Datagram(Datagram {
                    unix_ns: now,
                    source: SocketAddr::new(packet.source, udp.source),
                    destination: SocketAddr::new(packet.destination, udp.destination),
                    bytes: udp.payload.to_vec(),
                    original_length: udp.length,
                }));
                Ok(())
            }
            ip::TCP => {
                let Network { streams, account, queue, .. } = self;
                streams.handle(packet, account, now, &mut |data| queue.push_back(Found::Stream(data)))
            }
            // A header with no payload that the capture kept ("no next header" is 59).
            _ if packet.length > 0 && packet.payload.is_empty() => Err(Unused::HeaderCut),
            _ => Err(Unused::OtherProtocol),
        }
    }

    fn finish(&mut self) {
        let Network { fragments, streams, account, queue, .. } = self;
        fragments.finish(account);
        streams.finish(account, &mut |data| queue.push_back(Found::Stream(data)));
    }
}
