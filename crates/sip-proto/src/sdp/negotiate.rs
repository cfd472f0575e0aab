//! Offer and answer (RFC 3264).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use thiserror::Error;

use super::attribute::Direction;
use super::description::{Connection, MediaDescription, Origin, SessionDescription};
use super::stream::{Codec, LocalCapabilities, NegotiatedStream};

/// Our answer and what it means.
pub type Negotiated = (SessionDescription, NegotiatedStream);

/// Why no stream came out: legal bytes that lead nowhere, answered 488 with a Warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NegotiationError {
    /// No audio stream over plain RTP at all, or all of them are switched off.
    #[error("no audio stream")]
    NoAudio,
    /// No codec that both know.
    #[error("no codec in common")]
    NoCommonCodec,
    /// The peer's media address is missing, a name, or of an address family that we do not speak there.
    #[error("no usable media address")]
    NoAddress,
    /// The answer does not fit the offer.
    #[error("the answer does not match the offer")]
    AnswerMismatch,
}

impl NegotiationError {
    /// The Warning code that goes with a 488 (RFC 3261 §20.43).
    pub const fn warning_code(self) -> u16 {
        match self {
            NegotiationError::NoAudio => 304,
            NegotiationError::NoCommonCodec => 305,
            NegotiationError::NoAddress => 301,
            NegotiationError::AnswerMismatch => 399,
        }
    }
}

/// Answers an offer: the first audio stream that we can take, all others rejected with port 0.
///
/// # Errors
/// [`NegotiationError`] when no stream is left; answer the request with 488.
pub fn answer(offer: &SessionDescription, local: &LocalCapabilities) -> Result<Negotiated, NegotiationError> {
    let mut failure = NegotiationError::NoAudio;
    for (index, media) in offer.media.iter().enumerate() {
        if !is_plain_audio(media) || media.port == 0 {
            continue;
        }
        match choose(offer, index, local) {
            Ok(chosen) => return Ok(build_answer(offer, local, chosen)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Our own offer.
pub fn offer(local: &LocalCapabilities) -> SessionDescription {
    let mut media = audio(local, "RTP/AVP");
    for codec in &local.codecs {
        add_codec(&mut media, codec, codec.payload_type);
    }
    finish_audio(&mut media, local, local.direction, local.rtcp_mux);
    describe(local, vec![media])
}

/// A new offer within a session: as many streams as `previous` (our last description) had, its payload type numbers
/// and its session id, the version raised by one where anything changed (RFC 3264 §8).
pub fn reoffer(previous: &SessionDescription, local: &LocalCapabilities) -> SessionDescription {
    let is_ours = |media: &MediaDescription| media.kind == "audio" && media.port != 0;
    let Some(slot) = previous.media.iter().position(is_ours) else { return offer(local).following(previous) };
    let before = &previous.media[slot];
    let mut audio = audio(local, &before.protocol);
    for codec in &local.codecs {
        let numbered =
            |payload_type: &u8| before.rtpmap(*payload_type).is_some_and(|map| codec.matches(&map));
        let payload_type = before.payload_types().find(numbered).unwrap_or(codec.payload_type);
        add_codec(&mut audio, codec, payload_type);
    }
    finish_audio(&mut audio, local, local.direction, local.rtcp_mux);
    let media = previous.media.iter().enumerate();
    let media = media.map(|(index, old)| if index == slot { audio.clone() } else { reject(old) }).collect();
    describe(local, media).following(previous)
}

/// Takes the answer to our offer.
///
/// # Errors
/// [`NegotiationError`] when it rejects our stream or does not fit the offer: hang up (or keep the old session, for a re-offer).
pub fn apply_answer(
    offer: &SessionDescription,
    answer: &SessionDescription,
    local: &LocalCapabilities,
) -> Result<NegotiatedStream, NegotiationError> {
    // RFC 3264 §6: as many streams as in the offer. Fewer are seen; more are nonsense.
    if answer.media.len() > offer.media.len() {
        return Err(NegotiationError::AnswerMismatch);
    }
    let index =
        offer.media.iter().position(|media| media.kind == "audio").ok_or(NegotiationError::NoAudio)?;
    let theirs = answer.media.get(index).ok_or(NegotiationError::AnswerMismatch)?;
    if theirs.kind != "audio" {
        return Err(NegotiationError::AnswerMismatch);
    }
    if theirs.port == 0 {
        return Err(NegotiationError::NoAudio);
    }
    // In an answer the order is the answerer's, and what we did not offer is not agreed on.
    let rtcp_mux = offer.media[index].has_flag("rtcp-mux");
    let local = &LocalCapabilities { prefer_own_order: false, rtcp_mux, ..local.clone() };
    let mut stream = choose(answer, index, local)?;
    // What we receive carries the numbers of our offer.
    let ours = &offer.media[index];
    let number = |wanted: &Codec| {
        ours.payload_types().find(|pt| ours.rtpmap(*pt).is_some_and(|map| wanted.matches(&map)))
    };
    stream.receive_payload_type = number(&stream.codec).unwrap_or(stream.payload_type);
    stream.receive_telephone_event = stream.telephone_event.and(telephone_event(ours, local, &stream.codec));
    Ok(stream)
}

/// Finds codec, addresses and direction of one stream that the peer described.
fn choose(
    theirs: &SessionDescription,
    index: usize,
    local: &LocalCapabilities,
) -> Result<NegotiatedStream, NegotiationError> {
    let media = &theirs.media[index];
    let (codec, payload_type) = common_codec(media, local).ok_or(NegotiationError::NoCommonCodec)?;
    let connection = theirs.connection_of(media).ok_or(NegotiationError::NoAddress)?;
    let remote_rtp = theirs.rtp_address_of(media).ok_or(NegotiationError::NoAddress)?;
    let rtcp_mux = local.rtcp_mux && media.has_flag("rtcp-mux");
    let remote_rtcp = theirs.rtcp_address_of(media, rtcp_mux).ok_or(NegotiationError::NoAddress)?;
    // An IPv4 address in IPv6 clothes is reached over IPv4 (RFC 5118 §4.9).
    let [remote_rtp, remote_rtcp] =
        [remote_rtp, remote_rtcp].map(|a| SocketAddr::new(a.ip().to_canonical(), a.port()));
    let is_hold = connection.is_hold();
    if !is_hold && remote_rtp.is_ipv6() != local.rtp.ip().to_canonical().is_ipv6() {
        return Err(NegotiationError::NoAddress);
    }
    if [remote_rtp, remote_rtcp].iter().any(|address| reaches_many(address.ip())) {
        return Err(NegotiationError::NoAddress);
    }
    let events = telephone_event(media, local, &codec);
    // Their hold by address means that they want nothing from us (RFC 3264 §8.4).
    let their_view = theirs.direction_of(media).and(Direction::new(true, !is_hold));
    let our_view = their_view.reversed();
    #[cfg(feature = "planted-faults")]
    let our_view = if is_planted(Fault::DirectionNotReversed) { their_view } else { our_view };
    Ok(NegotiatedStream {
        media_index: index,
        remote_rtp,
        remote_rtcp,
        rtcp_mux,
        telephone_event: events,
        receive_telephone_event: events,
        codec,
        payload_type,
        receive_payload_type: payload_type,
        ptime_ms: packet_time(theirs, media, local),
        direction: our_view.and(local.direction),
        crypto: media.attributes_named("crypto").map(|line| line.trim().to_owned()).collect(),
    })
}

/// The codec and the peer's number for it, by the peer's order or by ours.
fn common_codec(media: &MediaDescription, local: &LocalCapabilities) -> Option<(Codec, u8)> {
    let mut common = Vec::new();
    for payload_type in media.payload_types() {
        let Some(map) = media.rtpmap(payload_type) else { continue };
        let ours = local.codecs.iter().position(|codec| !codec.is_telephone_event() && codec.matches(&map));
        common.extend(ours.map(|rank| (rank, payload_type)));
    }
    let chosen =
        if local.prefer_own_order { common.iter().min_by_key(|(rank, _)| *rank) } else { common.first() };
    chosen.map(|(rank, payload_type)| (local.codecs[*rank].clone(), *payload_type))
}

/// RFC 4733 §2.1: events run on the clock of the audio they accompany.
fn telephone_event(media: &MediaDescription, local: &LocalCapabilities, codec: &Codec) -> Option<u8> {
    if !local
        .codecs
        .iter()
        .any(|ours| ours.is_telephone_event() && ours.map.clock_rate == codec.map.clock_rate)
    {
        return None;
    }
    media.payload_types().find(|payload_type| {
        media.rtpmap(*payload_type).is_some_and(|map| {
            map.encoding.eq_ignore_ascii_case("telephone-event") && map.clock_rate == codec.map.clock_rate
        })
    })
}

/// What they like to receive, within what they can take; a multiple of 10 ms, at most 60 (our frames).
fn packet_time(theirs: &SessionDescription, media: &MediaDescription, local: &LocalCapabilities) -> u16 {
    let wanted = theirs.ptime_of(media).unwrap_or(local.ptime_ms);
    let most = media.maxptime().unwrap_or(u16::MAX);
    (wanted.min(most) / 10 * 10).clamp(10, 60)
}

fn build_answer(
    offer: &SessionDescription,
    local: &LocalCapabilities,
    stream: NegotiatedStream,
) -> Negotiated {
    let media = offer.media.iter().enumerate().map(|(index, theirs)| {
        if index == stream.media_index { accept(theirs, local, &stream) } else { reject(theirs) }
    });
    let mut description = describe(local, media.collect());
    // RFC 3264 §6: the answer's t= equals that of the offer.
    description.timing.clone_from(&offer.timing);
    (description, stream)
}

fn accept(
    theirs: &MediaDescription,
    local: &LocalCapabilities,
    stream: &NegotiatedStream,
) -> MediaDescription {
    let mut media = audio(local, &theirs.protocol);
    add_codec(&mut media, &stream.codec, stream.payload_type);
    let events = local
        .codecs
        .iter()
        .find(|c| c.is_telephone_event() && c.map.clock_rate == stream.codec.map.clock_rate);
    if let (Some(payload_type), Some(events)) = (stream.telephone_event, events) {
        add_codec(&mut media, events, payload_type);
    }
    finish_audio(&mut media, local, stream.direction, stream.rtcp_mux);
    media
}

/// RFC 3264 §6: port 0; the formats stay, since a media line needs one.
fn reject(theirs: &MediaDescription) -> MediaDescription {
    let formats = if theirs.formats.is_empty() { vec!["0".to_owned()] } else { theirs.formats.clone() };
    MediaDescription {
        kind: theirs.kind.clone(),
        port: 0,
        protocol: theirs.protocol.clone(),
        formats,
        connection: None,
        other: Vec::new(),
        attributes: Vec::new(),
    }
}

fn audio(local: &LocalCapabilities, protocol: &str) -> MediaDescription {
    MediaDescription {
        kind: "audio".to_owned(),
        port: local.rtp.port(),
        protocol: protocol.to_owned(),
        formats: Vec::new(),
        connection: None,
        other: Vec::new(),
        attributes: Vec::new(),
    }
}

fn add_codec(media: &mut MediaDescription, codec: &Codec, payload_type: u8) {
    media.formats.push(payload_type.to_string());
    media.attributes.push(format!("rtpmap:{payload_type} {}", codec.map));
    if let Some(fmtp) = &codec.fmtp {
        media.attributes.push(format!("fmtp:{payload_type} {fmtp}"));
    }
}

fn finish_audio(
    media: &mut MediaDescription,
    local: &LocalCapabilities,
    direction: Direction,
    rtcp_mux: bool,
) {
    media.attributes.push(format!("ptime:{}", local.ptime_ms));
    media.attributes.push(direction.to_string());
    if let Some(port) = local.rtcp_port {
        media.attributes.push(format!("rtcp:{port}"));
    }
    if rtcp_mux {
        media.attributes.push("rtcp-mux".to_owned());
    }
}

fn describe(local: &LocalCapabilities, media: Vec<MediaDescription>) -> SessionDescription {
    let address = Connection::new(local.rtp.ip());
    let origin = Origin {
        username: "-".to_owned(),
        session_id: local.session_id.to_string(),
        version: local.session_version.to_string(),
        address: address.clone(),
    };
    SessionDescription {
        origin,
        name: "-".to_owned(),
        connection: Some(address),
        timing: "0 0".to_owned(),
        other: Vec::new(),
        attributes: Vec::new(),
        media,
    }
}

/// RTP/AVP, and its feedback profile, whose extras an answer may leave unused. SRTP profiles need keys that are
/// negotiated elsewhere.
fn is_plain_audio(media: &MediaDescription) -> bool {
    let profile = media.protocol.to_ascii_uppercase();
    media.kind == "audio" && matches!(profile.as_str(), "RTP/AVP" | "RTP/AVPF")
}

/// A call is between two; an address of many would make us flood a network.
fn reaches_many(address: IpAddr) -> bool {
    address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST)
}
