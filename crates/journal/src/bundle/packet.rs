//! What a bundle holds, as its writer is given it.

use std::net::SocketAddr;

use offhook_time::{Half, Time};

/// Which way a packet went, seen from offhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// It reached us.
    Inbound,
    /// We sent it.
    Outbound,
}

/// What a packet is: each kind is an interface of its own in Wireshark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PacketKind {
    /// A SIP message in a datagram.
    SipUdp,
    /// A SIP message out of a TCP stream.
    SipTcp,
    /// A SIP message out of a TLS stream, decrypted.
    SipTls,
    /// RTP, or SRTP after decryption.
    Rtp,
    /// RTCP, or SRTCP after decryption.
    Rtcp,
}

impl PacketKind {
    /// All kinds, in the order of their interfaces.
    pub const ALL: [PacketKind; 5] =
        [PacketKind::SipUdp, PacketKind::SipTcp, PacketKind::SipTls, PacketKind::Rtp, PacketKind::Rtcp];

    /// The name of its interface.
    pub fn name(self) -> &'static str {
        match self {
            PacketKind::SipUdp => "sip-udp",
            PacketKind::SipTcp => "sip-tcp",
            PacketKind::SipTls => "sip-tls",
            PacketKind::Rtp => "rtp",
            PacketKind::Rtcp => "rtcp",
        }
    }

    /// The kind whose interface is called `name`.
    pub fn from_name(name: &[u8]) -> Option<PacketKind> {
        PacketKind::ALL.into_iter().find(|kind| kind.name().as_bytes() == name)
    }

    /// Whether it is stored without IP and UDP headers, as a PDU that a stream carried.
    pub fn is_stream(self) -> bool {
        match self {
            PacketKind::SipTcp | PacketKind::SipTls => true,
            PacketKind::SipUdp | PacketKind::Rtp | PacketKind::Rtcp => false,
        }
    }

    pub(super) fn interface(self) -> u32 {
        match self {
            PacketKind::SipUdp => 0,
            PacketKind::SipTcp => 1,
            PacketKind::SipTls => 2,
            PacketKind::Rtp => 3,
            PacketKind::Rtcp => 4,
        }
    }
}

/// A packet that came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is.
    pub kind: PacketKind,
    /// Which way it went.
    pub direction: Direction,
    /// When it reached the host (kernel stamp) or was handed to the socket.
    pub at: Time,
    /// Who sent it.
    pub source: SocketAddr,
    /// Who was to have it.
    pub destination: SocketAddr,
    /// The datagram or message, without IP, UDP and TCP headers.
    pub bytes: &'a [u8],
}

/// How much of a packet is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of it.
    Whole,
    /// For RTP: the header with its extension in full, the payload as a hash. Anything else is kept whole.
    Header,
}

/// A step or an output without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepHead {
    /// The half that handled it.
    pub half: Half,
    /// Counts the inputs of this half. For an output: the step that caused it.
    pub sequence: u64,
    /// The moment it was handled at.
    pub now: Time,
}

/// What stands in `payload` before and after `shared`: how a step that holds a packet's bytes is taken apart for
/// [`Writer::packet_step`](super::Writer::packet_step). `None` where it does not hold them.
pub fn around<'a>(payload: &'a [u8], shared: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = match shared.len() {
        0 => payload.len(),
        length => payload.windows(length).position(|window| window == shared)?,
    };
    Some((&payload[..at], &payload[at + shared.len()..]))
}

/// Bytes in front of the payload of an RTP packet (RFC 3550 §5.1, §5.3.1); `None` where it is no RTP packet.
pub fn rtp_header_length(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if first >> 6 != 2 {
        return None;
    }
    let mut length = 12 + 4 * usize::from(first & 0xF);
    if first & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4)?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    (length <= packet.len()).then_some(length)
}
