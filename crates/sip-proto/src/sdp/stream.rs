//! What we bring to a negotiation, and what comes out of it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::attribute::{Direction, RtpMap};

/// A codec that we offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codec {
    /// Encoding, clock rate, channels.
    pub map: RtpMap,
    /// The payload type in our own offers. In an answer the offer's number is used.
    pub payload_type: u8,
    /// Format parameters that we write.
    pub fmtp: Option<String>,
}

impl Codec {
    /// G.711 µ-law.
    pub fn pcmu() -> Self {
        Codec::new("PCMU", 8000, 0, None)
    }

    /// G.711 A-law.
    pub fn pcma() -> Self {
        Codec::new("PCMA", 8000, 8, None)
    }

    /// Telephone events 0 to 15: the sixteen DTMF keys (RFC 4733).
    pub fn telephone_event() -> Self {
        Codec::new("telephone-event", 8000, 101, Some("0-15"))
    }

    /// Any codec. `payload_type` is the one of our own offers.
    pub fn new(encoding: &str, clock_rate: u32, payload_type: u8, fmtp: Option<&str>) -> Self {
        let map = RtpMap { encoding: encoding.to_owned(), clock_rate, channels: 1 };
        Codec { map, payload_type, fmtp: fmtp.map(str::to_owned) }
    }

    /// Whether this is no audio but the keys of RFC 4733.
    pub fn is_telephone_event(&self) -> bool {
        self.map.encoding.eq_ignore_ascii_case("telephone-event")
    }

    /// Whether a mapping of the peer means this codec.
    pub fn matches(&self, theirs: &RtpMap) -> bool {
        self.map.encoding.eq_ignore_ascii_case(&theirs.encoding)
            && self.map.clock_rate == theirs.clock_rate
            && self.map.channels == theirs.channels
    }
}

/// What we can do and where we listen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalCapabilities {
    /// Codecs, the best first; telephone-event among them.
    pub codecs: Vec<Codec>,
    /// The address and port to be written for RTP: the advertised ones.
    pub rtp: SocketAddr,
    /// The port of RTCP, where it is not the next one.
    pub rtcp_port: Option<u16>,
    /// Whether RTP and RTCP may share a port where the peer offers it (RFC 5761).
    pub rtcp_mux: bool,
    /// Milliseconds per packet that we like to receive.
    pub ptime_ms: u16,
    /// What we want: `SendRecv` normally, `SendOnly` to put the peer on hold.
    pub direction: Direction,
    /// Session id of our `o=`; the same in all descriptions of a dialog.
    pub session_id: u64,
    /// Session version of our `o=`; raise it by one with every description that differs from the one before.
    pub session_version: u64,
    /// Whether our order of codecs counts when we answer, or the offerer's.
    pub prefer_own_order: bool,
}

impl LocalCapabilities {
    /// G.711 and keys, 20 ms, both ways, first version.
    pub fn g711(rtp: SocketAddr, session_id: u64) -> Self {
        LocalCapabilities {
            codecs: vec![Codec::pcmu(), Codec::pcma(), Codec::telephone_event()],
            rtp,
            rtcp_port: None,
            rtcp_mux: true,
            ptime_ms: 20,
            direction: Direction::SendRecv,
            session_id,
            session_version: 1,
            prefer_own_order: false,
        }
    }
}

/// One audio stream that both sides agreed on, seen from our side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NegotiatedStream {
    /// Which `m=` section it is.
    pub media_index: usize,
    /// What the peer wrote for RTP; `0.0.0.0` on hold. Send to [`NegotiatedStream::rtp_target`].
    pub remote_rtp: SocketAddr,
    /// What the peer wrote for RTCP. Send to [`NegotiatedStream::rtcp_target`].
    pub remote_rtcp: SocketAddr,
    /// RTP and RTCP share a port (RFC 5761).
    pub rtcp_mux: bool,
    /// The codec; of ours, so its order and parameters are known.
    pub codec: Codec,
    /// The payload type we send it with: the peer's number.
    pub payload_type: u8,
    /// The payload type the peer sends it with: our own number (RFC 3264 §5.1), which differs from the peer's only
    /// where the peer answered our offer with another one.
    pub receive_payload_type: u8,
    /// The payload type of telephone events that we send, where both know them at the codec's clock rate.
    pub telephone_event: Option<u8>,
    /// The payload type the peer sends telephone events with.
    pub receive_telephone_event: Option<u8>,
    /// Milliseconds per packet that we send.
    pub ptime_ms: u16,
    /// Our own view: `sends()` means that we send.
    pub direction: Direction,
    /// `a=crypto` lines of the peer, raw.
    pub crypto: Vec<String>,
}

impl NegotiatedStream {
    /// Where RTP goes now; `None` while the direction lets us send nothing.
    pub fn rtp_target(&self) -> Option<SocketAddr> {
        Some(self.remote_rtp).filter(|address| self.direction.sends() && !address.ip().is_unspecified())
    }

    /// Where RTCP goes, on hold too; `None` while the peer names no address.
    pub fn rtcp_target(&self) -> Option<SocketAddr> {
        Some(self.remote_rtcp).filter(|address| !address.ip().is_unspecified())
    }
}
