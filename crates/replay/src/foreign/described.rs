//! What SDP says about the audio of a call: where each side wants it, and what payload types mean.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use offhook_sip_proto::sdp::{MediaDescription, RtpMap, SessionDescription};

use super::call::Party;

/// A media stream that a description offers or accepts.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub party: Party,
    pub address: SocketAddr,
    pub is_audio: bool,
    /// SRTP: nobody but the two can hear it.
    pub is_encrypted: bool,
    pub formats: BTreeMap<u8, RtpMap>,
}

/// Reads a body that is or contains SDP. Whatever message carries it, it says where its sender wants to receive:
/// INVITE and 200, 183, a 200 and ACK after an INVITE without one, PRACK, UPDATE.
pub(super) fn read(body: &[u8], party: Party) -> Vec<Described> {
    let Some(description) = sdp_of(body).and_then(|sdp| SessionDescription::parse(sdp).ok()) else {
        return Vec::new();
    };
    let of = |media: &MediaDescription| {
        let address = description.rtp_address_of(media)?;
        let formats = media.payload_types().filter_map(|kind| Some((kind, media.rtpmap(kind)?))).collect();
        Some(Described {
            party,
            address,
            is_audio: media.kind == "audio",
            is_encrypted: media.protocol.contains("SAVP"),
            formats,
        })
    };
    let wanted = description.media.iter().filter(|media| media.port != 0);
    wanted.filter_map(of).filter(|described| !described.address.ip().is_unspecified()).collect()
}

/// The SDP of a body, also where it is one part of several (RFC 2046 §5.1).
fn sdp_of(body: &[u8]) -> Option<&[u8]> {
    let begin = body.windows(4).position(|window| window == b"v=0\r" || window == b"v=0\n")?;
    let rest = body.get(begin..)?;
    let end = rest.windows(4).position(|window| window == b"\r\n--").map_or(rest.len(), |end| end + 2);
    rest.get(..end)
}

/// What a payload type means without any description (RFC 3551 §6).
pub(super) fn static_meaning(payload_type: u8) -> Option<RtpMap> {
    let nothing = MediaDescription {
        kind: String::new(),
        port: 0,
        protocol: String::new(),
        formats: Vec::new(),
        connection: None,
        other: Vec::new(),
        attributes: Vec::new(),
    };
    nothing.rtpmap(payload_type)
}
