//! What enters the media half.

use std::net::SocketAddr;

use offhook_audio::{AudioChunk, Frame};
use offhook_engine_api::UtteranceId;
use offhook_time::Time;

use crate::{LegId, MediaCommand};

/// One input. Deadlines are inputs too: the driver feeds each with its own nominal time as `now`.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram from a leg's RTP socket (RTP, or RTCP with rtcp-mux).
    Rtp {
        /// Whose socket.
        leg: LegId,
        /// The datagram.
        datagram: &'a [u8],
        /// Who sent it.
        source: SocketAddr,
        /// When it reached the host.
        arrived_at: Time,
    },
    /// A datagram from a leg's RTCP socket.
    Rtcp {
        /// Whose socket.
        leg: LegId,
        /// The datagram.
        datagram: &'a [u8],
        /// Who sent it.
        source: SocketAddr,
        /// When it reached the host.
        arrived_at: Time,
    },
    /// The moment that [`CallMedia::poll_timeout`](crate::CallMedia::poll_timeout) named.
    Deadline,
    /// From `call-control`.
    Command(MediaCommand),
    /// Synthesized or recorded audio.
    Speech {
        /// What it belongs to.
        utterance: UtteranceId,
        /// The samples; shared, so nothing is copied here.
        chunk: AudioChunk,
    },
    /// 20 ms from the application behind the bridge, at the bridge's rate.
    Application(&'a Frame),
}
