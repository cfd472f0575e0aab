//! Reading a description, as tolerantly as deployed devices need.

use thiserror::Error;

use super::description::{Connection, MediaDescription, Origin, SessionDescription};

/// A body that is no session description: their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("bad session description, line {line}: {why}")]
pub struct SdpError {
    /// Which line, from 1; 0 where something is missing altogether.
    pub line: usize,
    /// What is wrong.
    pub why: &'static str,
}

/// More streams than this are no call.
const MAX_MEDIA: usize = 32;

/// There are no more payload types than this.
const MAX_FORMATS: usize = 128;

/// More lines than this are no description of a call.
const MAX_LINES: usize = 2000;

impl SessionDescription {
    /// Reads a description. Line ends may be LF alone, lines may come out of order within their section, names may
    /// be of any character set (they are decoded lossily), `s=` and `t=` may be missing.
    ///
    /// # Errors
    /// [`SdpError`] names the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, SdpError> {
        let text = String::from_utf8_lossy(bytes);
        let mut reader = Reader::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end_matches(['\r', '\0', ' ']);
            if line.is_empty() {
                continue;
            }
            let at = |why| SdpError { line: index + 1, why };
            if index >= MAX_LINES {
                return Err(at("too many lines"));
            }
            let mut chars = line.chars();
            let (letter, equals) = (chars.next().unwrap_or('='), chars.next());
            if equals != Some('=') || !letter.is_ascii_alphabetic() {
                return Err(at("not letter=value"));
            }
            reader.line(letter, chars.as_str().trim_start()).map_err(at)?;
        }
        reader.finish()
    }
}

#[derive(Default)]
struct Reader {
    version_seen: bool,
    origin: Option<Origin>,
    name: Option<String>,
    connection: Option<Connection>,
    timing: Option<String>,
    other: Vec<(char, String)>,
    attributes: Vec<String>,
    media: Vec<MediaDescription>,
}

impl Reader {
    fn line(&mut self, letter: char, value: &str) -> Result<(), &'static str> {
        if !self.version_seen {
            if letter != 'v' || value != "0" {
                return Err("v=0 must come first");
            }
            self.version_seen = true;
            return Ok(());
        }
        if letter == 'm' {
            if self.media.len() == MAX_MEDIA {
                return Err("too many streams");
            }
            self.media.push(media(value)?);
            return Ok(());
        }
        match self.media.last_mut() {
            Some(media) => match letter {
                // Several addresses of one stream are layers of multicast; the first is ours.
                'c' if media.connection.is_some() => {}
                'c' => media.connection = Some(connection(value)?),
                'a' => media.attributes.push(value.to_owned()),
                _ => media.other.push((letter, value.to_owned())),
            },
            None => match letter {
                'o' => self.origin = Some(origin(value)?),
                's' => self.name = Some(value.to_owned()),
                'c' => self.connection = Some(connection(value)?),
                't' if self.timing.is_none() => self.timing = Some(value.to_owned()),
                'a' => self.attributes.push(value.to_owned()),
                _ => self.other.push((letter, value.to_owned())),
            },
        }
        Ok(())
    }

    fn finish(self) -> Result<SessionDescription, SdpError> {
        let missing = |why| SdpError { line: 0, why };
        if !self.version_seen {
            return Err(missing("no v="));
        }
        Ok(SessionDescription {
            origin: self.origin.ok_or(missing("no o="))?,
            name: self.name.filter(|name| !name.is_empty()).unwrap_or_else(|| "-".to_owned()),
            connection: self.connection,
            timing: self.timing.unwrap_or_else(|| "0 0".to_owned()),
            other: self.other,
            attributes: self.attributes,
            media: self.media,
        })
    }
}

fn origin(value: &str) -> Result<Origin, &'static str> {
    let words: Vec<_> = value.split_whitespace().collect();
    // A user name with spaces is illegal and seen; the five words at the end are what counts.
    let [.., session_id, version, net, kind, address] = words[..] else { return Err("o= has too few words") };
    let username = words[..words.len() - 5].join("_");
    let username = if username.is_empty() { "-".to_owned() } else { username };
    let address = address_of(net, kind, address)?;
    Ok(Origin { username, session_id: session_id.to_owned(), version: version.to_owned(), address })
}

fn connection(value: &str) -> Result<Connection, &'static str> {
    let mut words = value.split_whitespace();
    let (Some(net), Some(kind), Some(address)) = (words.next(), words.next(), words.next()) else {
        return Err("c= has too few words");
    };
    address_of(net, kind, address)
}

fn address_of(net: &str, kind: &str, address: &str) -> Result<Connection, &'static str> {
    if !net.eq_ignore_ascii_case("IN") {
        return Err("a network other than the Internet");
    }
    let is_ipv6 = match kind.to_ascii_uppercase().as_str() {
        "IP4" => false,
        "IP6" => true,
        _ => return Err("neither IP4 nor IP6"),
    };
    let host = address.split('/').next().unwrap_or_default().trim_matches(['[', ']']);
    if host.is_empty() { Err("no address") } else { Ok(Connection { is_ipv6, host: host.to_owned() }) }
}

fn media(value: &str) -> Result<MediaDescription, &'static str> {
    let mut words = value.split_whitespace();
    let (Some(kind), Some(port), Some(protocol)) = (words.next(), words.next(), words.next()) else {
        return Err("m= has too few words");
    };
    // `49170/2` announces a run of ports; the first is the one that is used.
    let port = port.split('/').next().and_then(|port| port.parse().ok()).ok_or("m= has no port")?;
    Ok(MediaDescription {
        kind: kind.to_ascii_lowercase(),
        port,
        protocol: protocol.to_owned(),
        formats: words.take(MAX_FORMATS).map(str::to_owned).collect(),
        connection: None,
        other: Vec::new(),
        attributes: Vec::new(),
    })
}
