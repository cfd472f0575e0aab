//! The host part of a URI or a Via.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::value::BadValue;

/// A host name or an address. IPv6 addresses are written in brackets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Host {
    /// A name to be resolved, as it was written.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
}

impl Host {
    /// Reads a host as it stands in a URI: a name, an IPv4 address or an IPv6 reference in brackets.
    ///
    /// # Errors
    /// [`BadValue`] when it is none of them.
    pub fn parse(text: &str) -> Result<Self, BadValue> {
        if let Some(inside) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            return v6(inside).map(Host::V6).ok_or(BadValue::new("host", "not an IPv6 address"));
        }
        if let Ok(address) = text.parse() {
            return Ok(Host::V4(address));
        }
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if text.is_empty() || !text.bytes().all(legal) {
            return Err(BadValue::new("host", "neither a name nor an address"));
        }
        Ok(Host::Name(text.to_owned()))
    }

    /// The address, where it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Name(_) => None,
            Host::V4(address) => Some(IpAddr::V4(*address)),
            Host::V6(address) => Some(IpAddr::V6(*address)),
        }
    }
}

/// An IPv6 address. RFC 5118 §4.10: the grammar of RFC 3261 allowed three colons before an embedded IPv4 address,
/// so some implementations write them; they mean two.
fn v6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| text.replacen(":::", "::", 1).parse().ok())
}

/// `host[:port]`, port 0 refused.
pub(crate) fn host_port(text: &str) -> Result<(Host, Option<u16>), BadValue> {
    let split_at = match text.rfind(']') {
        Some(bracket) => bracket + 1,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(split_at);
    // Via allows white space around the colon.
    let host = Host::parse(host.trim_end_matches([' ', '\t']))?;
    let rest = rest.trim_matches([' ', '\t']);
    let Some(port) = rest.strip_prefix(':') else {
        return if rest.is_empty() { Ok((host, None)) } else { Err(BadValue::new("port", "not a number")) };
    };
    let port = port.trim_matches([' ', '\t']);
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse() {
        Ok(port) if digits && port != 0 => Ok((host, Some(port))),
        Ok(_) | Err(_) => Err(BadValue::new("port", "not a number from 1 to 65535")),
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Host::V4(address),
            IpAddr::V6(address) => Host::V6(address),
        }
    }
}

/// Names compare case-insensitively.
impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (Host::Name(_), Host::V4(_) | Host::V6(_)) | (Host::V4(_) | Host::V6(_), Host::Name(_)) => false,
            (Host::V4(_) | Host::V6(_), Host::V4(_) | Host::V6(_)) => self.ip() == other.ip(),
        }
    }
}

impl Eq for Host {}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::V4(address) => write!(f, "{address}"),
            Host::V6(address) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_after_the_bracket_is_a_port_and_inside_it_is_not() {
        assert_eq!(host_port("[2001:db8::10]:5070").unwrap().1, Some(5070));
        assert_eq!(host_port("[2001:db8::10:5070]").unwrap().1, None);
    }

    #[test]
    fn an_ipv6_address_without_brackets_is_refused() {
        assert!(host_port("2001:db8::10").is_err());
    }

    #[test]
    fn three_colons_before_an_embedded_ipv4_address_mean_two() {
        assert_eq!(
            Host::parse("[2001:db8:::192.0.2.1]").unwrap(),
            Host::parse("[2001:db8::192.0.2.1]").unwrap()
        );
    }
}
