//! The lines of a description, as types.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::attribute::{Direction, RtpMap};

/// A whole session description. Unknown attributes are kept in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDescription {
    /// `o=`
    pub origin: Origin,
    /// `s=`, `-` where there is no name.
    pub name: String,
    /// `c=` of the session, for media without one of their own.
    pub connection: Option<Connection>,
    /// `t=` as written; `0 0` for a session without bounds.
    pub timing: String,
    /// `b=` and other lines of the session that we do not interpret, as `(letter, text)`.
    pub other: Vec<(char, String)>,
    /// `a=` of the session, as written after the equals sign.
    pub attributes: Vec<String>,
    /// `m=` and what belongs to it.
    pub media: Vec<MediaDescription>,
}

/// `o=`: who described which version of which session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// User name, `-` where there is none.
    pub username: String,
    /// Session id: decimal digits of any length by the RFC, kept as written.
    pub session_id: String,
    /// Session version; raised by one with every change (RFC 3264 §8).
    pub version: String,
    /// Network type, address type and address, as written.
    pub address: Connection,
}

/// `c=`, and the address part of `o=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// `IN IP6` rather than `IN IP4`.
    pub is_ipv6: bool,
    /// The address or a name, without TTL.
    pub host: String,
}

/// One `m=` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaDescription {
    /// `audio`, `video`, `image` ...
    pub kind: String,
    /// The RTP port; 0 rejects or removes the stream.
    pub port: u16,
    /// The transport, `RTP/AVP`.
    pub protocol: String,
    /// The formats as written: payload types for RTP.
    pub formats: Vec<String>,
    /// `c=` of this stream.
    pub connection: Option<Connection>,
    /// Other lines (`i=`, `b=`, `k=`), as `(letter, text)`.
    pub other: Vec<(char, String)>,
    /// `a=`, as written after the equals sign.
    pub attributes: Vec<String>,
}

impl Connection {
    /// A connection to an address.
    pub fn new(address: IpAddr) -> Self {
        Connection { is_ipv6: address.is_ipv6(), host: address.to_string() }
    }

    /// The address; `None` for a name, which we do not resolve.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// `0.0.0.0`, which RFC 2543 user agents put on hold with.
    pub fn is_hold(&self) -> bool {
        self.ip() == Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

impl SessionDescription {
    /// The connection that holds for a stream.
    pub fn connection_of<'a>(&'a self, media: &'a MediaDescription) -> Option<&'a Connection> {
        media.connection.as_ref().or(self.connection.as_ref())
    }

    /// The direction that holds for a stream, by attribute: of the stream, else of the session, else both ways.
    pub fn direction_of(&self, media: &MediaDescription) -> Direction {
        let find = |attributes: &[String]| attributes.iter().find_map(|a| Direction::from_name(a.trim()));
        find(&media.attributes).or_else(|| find(&self.attributes)).unwrap_or(Direction::SendRecv)
    }

    /// Where the writer wants RTP of a stream; `None` for a name or no connection at all.
    pub fn rtp_address_of(&self, media: &MediaDescription) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.connection_of(media)?.ip()?, media.port))
    }

    /// Where the writer wants RTCP of a stream: the RTP port where both sides agreed to share it (`muxed`), else what
    /// `a=rtcp` says (RFC 3605), else the next port. An `a=rtcp` that makes no sense is overlooked.
    pub fn rtcp_address_of(&self, media: &MediaDescription, muxed: bool) -> Option<SocketAddr> {
        let rtp = self.rtp_address_of(media)?;
        if muxed {
            return Some(rtp);
        }
        if let Some(written) = media.attribute("rtcp").and_then(|value| rtcp_attribute(value, rtp.ip())) {
            return Some(written);
        }
        Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1).unwrap_or(rtp.port())))
    }

    /// The packet time that holds for a stream.
    pub fn ptime_of(&self, media: &MediaDescription) -> Option<u16> {
        media.ptime().or_else(|| value_of(&self.attributes, "ptime").and_then(millis))
    }

    /// This description as the successor of `previous` in one session: the same session id, and the version raised
    /// by one where anything else differs (RFC 3264 §8).
    pub fn following(mut self, previous: &SessionDescription) -> Self {
        self.origin = previous.origin.clone();
        if self != *previous {
            let version = previous.origin.version.parse().unwrap_or(0_u64);
            self.origin.version = version.wrapping_add(1).to_string();
        }
        self
    }

    /// The description as it goes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl MediaDescription {
    /// The value of the first `a=name:value`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        value_of(&self.attributes, name)
    }

    /// All values of `a=name:value`, such as `crypto`, raw.
    pub fn attributes_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.attributes.iter().filter_map(move |attribute| named(attribute, name))
    }

    /// Whether `a=name` stands there without a value.
    pub fn has_flag(&self, name: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute.trim().eq_ignore_ascii_case(name))
    }

    /// Payload types in the order of preference; formats that are none are left out.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.formats.iter().filter_map(|format| format.parse().ok()).filter(|pt| *pt < 128)
    }

    /// What a payload type stands for, by `a=rtpmap` or by RFC 3551.
    pub fn rtpmap(&self, payload_type: u8) -> Option<RtpMap> {
        let written = self.for_payload_type("rtpmap", payload_type).map(RtpMap::parse);
        written.unwrap_or_else(|| RtpMap::of_static(payload_type))
    }

    /// The format parameters of a payload type.
    pub fn fmtp(&self, payload_type: u8) -> Option<&str> {
        self.for_payload_type("fmtp", payload_type)
    }

    /// Milliseconds per packet that the writer wants to receive.
    pub fn ptime(&self) -> Option<u16> {
        self.attribute("ptime").and_then(millis)
    }

    /// The most milliseconds per packet that the writer takes.
    pub fn maxptime(&self) -> Option<u16> {
        self.attribute("maxptime").and_then(millis)
    }

    fn for_payload_type(&self, name: &str, payload_type: u8) -> Option<&str> {
        self.attributes.iter().filter_map(|attribute| named(attribute, name)).find_map(|value| {
            let (number, rest) = value.trim().split_once([' ', '\t'])?;
            (number.parse() == Ok(payload_type)).then(|| rest.trim())
        })
    }
}

/// `port [IN IP4 address]`.
fn rtcp_attribute(value: &str, rtp: IpAddr) -> Option<SocketAddr> {
    let mut words = value.split_whitespace();
    let port = words.next()?.parse().ok().filter(|port| *port != 0)?;
    let address = words
        .nth(2)
        .and_then(|address| address.parse().ok())
        .filter(|address: &IpAddr| !address.is_unspecified());
    Some(SocketAddr::new(address.unwrap_or(rtp), port))
}

/// Some devices write `20.0`; more than a second is nonsense.
fn millis(text: &str) -> Option<u16> {
    let whole = text.trim().split('.').next()?;
    whole.parse().ok().filter(|ms| (1..=1000).contains(ms))
}

fn value_of<'a>(attributes: &'a [String], name: &str) -> Option<&'a str> {
    attributes.iter().find_map(|attribute| named(attribute, name))
}

fn named<'a>(attribute: &'a str, name: &str) -> Option<&'a str> {
    let (written, value) = attribute.split_once(':')?;
    written.trim().eq_ignore_ascii_case(name).then_some(value)
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IN {} {}", if self.is_ipv6 { "IP6" } else { "IP4" }, self.host)
    }
}

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = &self.origin;
        write!(
            f,
            "v=0\r\no={} {} {} {}\r\n",
            origin.username, origin.session_id, origin.version, origin.address
        )?;
        write!(f, "s={}\r\n", self.name)?;
        let before_time = |letter: char| matches!(letter, 'i' | 'u' | 'e' | 'p');
        other_lines(f, &self.other, before_time)?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        other_lines(f, &self.other, |letter| letter == 'b')?;
        write!(f, "t={}\r\n", self.timing)?;
        other_lines(f, &self.other, |letter| !before_time(letter) && letter != 'b')?;
        for attribute in &self.attributes {
            write!(f, "a={attribute}\r\n")?;
        }
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

impl fmt::Display for MediaDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {} {}", self.kind, self.port, self.protocol)?;
        for format in &self.formats {
            write!(f, " {format}")?;
        }
        f.write_str("\r\n")?;
        other_lines(f, &self.other, |letter| letter == 'i')?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        other_lines(f, &self.other, |letter| letter != 'i')?;
        for attribute in &self.attributes {
            write!(f, "a={attribute}\r\n")?;
        }
        Ok(())
    }
}

fn other_lines(
    f: &mut fmt::Formatter<'_>,
    lines: &[(char, String)],
    wanted: impl Fn(char) -> bool,
) -> fmt::Result {
    lines
        .iter()
        .filter(|(letter, _)| wanted(*letter))
        .try_for_each(|(letter, text)| write!(f, "{letter}={text}\r\n"))
}
