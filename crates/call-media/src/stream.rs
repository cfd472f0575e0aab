//! What was negotiated for one RTP stream.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The codec on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineCodec {
    /// G.711 µ-law, 8 kHz.
    Pcmu,
    /// G.711 A-law, 8 kHz.
    Pcma,
}

/// The negotiated direction, from our side (RFC 3264 §6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendReceive,
    /// We only send.
    SendOnly,
    /// We only receive: no RTP leaves, only RTCP.
    ReceiveOnly,
    /// Neither: only RTCP leaves.
    Inactive,
}

impl Direction {
    /// Whether RTP may leave.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendReceive | Direction::SendOnly)
    }

    /// Whether RTP is expected.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendReceive | Direction::ReceiveOnly)
    }
}

/// What offer and answer settled for one stream. Plain memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSettings {
    /// Where RTP goes; `None` until the peer named an address.
    pub remote_rtp: Option<SocketAddr>,
    /// Where RTCP goes.
    pub remote_rtcp: Option<SocketAddr>,
    /// Codec of both directions.
    pub codec: LineCodec,
    /// Payload type number of the codec, both directions.
    pub payload_type: u8,
    /// Payload type number of telephone events (RFC 4733), where negotiated.
    pub telephone_event: Option<u8>,
    /// Milliseconds of audio in each packet we send (20 unless the peer asked otherwise).
    pub ptime_ms: u8,
    /// Who sends.
    pub direction: Direction,
}
