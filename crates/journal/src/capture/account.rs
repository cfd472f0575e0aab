//! What became of every frame of a capture.

use std::collections::BTreeMap;

use serde::Serialize;

/// Why a frame, or a part of one, was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unused {
    /// The link type of its interface is not one of ours.
    LinkType,
    /// It names an interface that the file does not describe.
    NoInterface,
    /// Not IP: ARP, LLDP, spanning tree, ...
    NotIp,
    /// Neither UDP nor TCP.
    OtherProtocol,
    /// IPsec.
    Encrypted,
    /// Cut by the snap length before the payload begins.
    HeaderCut,
    /// Headers that contradict themselves.
    Malformed,
    /// A fragment whose datagram never became whole.
    Fragment,
    /// A TCP segment without data: handshake, acknowledgement, keep-alive.
    NoData,
    /// TCP data that came before.
    Retransmission,
    /// TCP data so far ahead of the stream that it cannot belong to it.
    OutOfWindow,
    /// An exported PDU that is not SIP or has no addresses.
    OtherPdu,
}

/// Counts of one reading of a capture. Every frame is in `datagrams`, `segments`, `messages`, `fragments_joined` or
/// `unused`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Frames in the file.
    pub frames: u64,
    /// UDP datagrams handed out.
    pub datagrams: u64,
    /// TCP segments whose data was handed out, at once or later.
    pub segments: u64,
    /// SIP messages handed out whole (exported PDUs).
    pub messages: u64,
    /// Fragments that became part of a datagram or segment, beyond the one that completed it.
    pub fragments_joined: u64,
    /// Datagrams handed out without their end, because the capture had a snap length.
    pub snapped: u64,
    /// Frames without a time stamp of their own.
    pub untimed: u64,
    /// Frames whose time stamp is before that of the frame before.
    pub out_of_order: u64,
    /// Holes in TCP streams.
    pub stream_gaps: u64,
    /// Blocks of the file that hold no packet (names, statistics, secrets, comments).
    pub other_blocks: u64,
    /// Frames not used, by reason.
    pub unused: BTreeMap<Unused, u64>,
}

impl Account {
    pub(crate) fn leave(&mut self, why: Unused) {
        *self.unused.entry(why).or_default() += 1;
    }

    /// Frames not used, for whatever reason.
    pub fn left(&self) -> u64 {
        self.unused.values().sum()
    }
}
