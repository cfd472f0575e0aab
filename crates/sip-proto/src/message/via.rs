//! Via: the path a request took, and where its responses go (RFC 3261 §18.2, RFC 3581).

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::host::{Host, host_port};
use super::lex;
use super::params::Params;
use super::value::{BadValue, FieldValue, text_by_field_value};

/// The prefix of every branch that RFC 3261 made: the rest is unique in space and time.
pub const BRANCH_COOKIE: &str = "z9hG4bK";

/// One Via element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Via {
    /// Protocol and version, `SIP/2.0`.
    pub protocol: String,
    /// The transport as it was written: `UDP`, `TCP`, `TLS`, `WSS`, or one we do not know.
    pub transport: String,
    /// Who sent it, by its own account.
    pub host: Host,
    /// The port the sender named.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and others.
    pub params: Params,
}

impl Via {
    /// A Via of ours, with a branch and an empty `rport` (RFC 3581).
    pub fn new(transport: &str, host: Host, port: Option<u16>, branch: &str) -> Self {
        let params = Params::new().with("branch", Some(branch)).with("rport", None);
        Via { protocol: "SIP/2.0".to_owned(), transport: transport.to_owned(), host, port, params }
    }

    /// The branch as it was written.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// The branch, where it is one by RFC 3261: the cookie and something after it. Without it a transaction is
    /// matched by the rules of RFC 2543 (§17.2.3).
    pub fn unique_branch(&self) -> Option<&str> {
        let cookie = BRANCH_COOKIE.len();
        self.branch().filter(|b| {
            b.len() > cookie && b.as_bytes()[..cookie].eq_ignore_ascii_case(BRANCH_COOKIE.as_bytes())
        })
    }

    /// The address the request was received from; an IPv6 address stands with or without brackets (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text).parse().ok()
    }

    /// The source port, where the server filled it in.
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport").and_then(|port| port.parse().ok())
    }

    /// Whether the sender asks for its source port (`rport`, with or without a value).
    pub fn wants_rport(&self) -> bool {
        self.params.has("rport")
    }

    /// The port responses go to when nothing better is known: the written one, or the default of the transport.
    pub fn sent_by_port(&self) -> u16 {
        let secure = self.transport.eq_ignore_ascii_case("TLS") || self.transport.eq_ignore_ascii_case("WSS");
        self.port.unwrap_or(if secure { 5061 } else { 5060 })
    }

    /// Notes where the request really came from (§18.2.1, RFC 3581 §4). What the peer itself wrote is overwritten:
    /// answers never go to an address that only the peer's word stands for.
    pub fn stamp(&mut self, source: SocketAddr) {
        let address = source.ip().to_canonical();
        let differs = self.host.ip().map(|ip| ip.to_canonical()) != Some(address);
        if self.wants_rport() {
            self.params.set("rport", Some(&source.port().to_string()));
        }
        if differs || self.wants_rport() {
            self.params.set("received", Some(&address.to_string()));
        } else {
            self.params.remove("received");
        }
    }

    /// Where a response over an unreliable transport goes (§18.2.2, RFC 3581 §4), once [`Via::stamp`] has been applied.
    /// `maddr` is not honoured: it would let a stranger aim our answers. `None` where only a name is known.
    pub fn response_address(&self) -> Option<SocketAddr> {
        let address = self.received().or_else(|| self.host.ip())?;
        Some(SocketAddr::new(address, self.rport().unwrap_or_else(|| self.sent_by_port())))
    }

    /// As much of a broken element as is needed to answer it: what stands before the first parameter.
    pub(crate) fn salvage(value: &[u8]) -> Option<Via> {
        let end = value.iter().position(|b| matches!(b, b';' | b',')).unwrap_or(value.len());
        Via::parse(&value[..end]).ok()
    }
}

impl FieldValue for Via {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        let bad = |why| BadValue::new("Via", why);
        let value = lex::trim(value);
        let params_at = value.iter().position(|b| *b == b';').unwrap_or(value.len());
        let params = Params::parse_header(&value[params_at..], "Via")?;
        let head = std::str::from_utf8(&value[..params_at]).map_err(|_| bad("not text"))?;

        // White space may stand around both slashes: `SIP  / 2.0  / TCP     host`.
        let (name, rest) = head.split_once('/').ok_or(bad("no protocol"))?;
        let (version, rest) = rest.split_once('/').ok_or(bad("no version"))?;
        let rest = rest.trim_matches([' ', '\t']);
        let (transport, sent_by) = rest.split_once([' ', '\t']).ok_or(bad("no sent-by"))?;
        let token = |text: &str| lex::token(lex::trim(text.as_bytes())).map(str::to_owned);
        let (name, version) =
            (token(name).ok_or(bad("no protocol"))?, token(version).ok_or(bad("no version"))?);
        let transport = token(transport).ok_or(bad("no transport"))?;
        let (host, port) = host_port(sent_by.trim_matches([' ', '\t'])).map_err(|error| bad(error.why))?;
        Ok(Via { protocol: format!("{name}/{version}"), transport, host, port, params })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        out.extend_from_slice(format!("{}/{} {}{port}", self.protocol, self.transport, self.host).as_bytes());
        self.params.write(out);
    }
}

text_by_field_value!(Via);

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &str) -> Via {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn white_space_may_stand_around_every_separator() {
        let parsed = via("SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8");

        assert_eq!(parsed.to_string(), "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8");
    }

    #[test]
    fn a_bare_cookie_is_no_unique_branch() {
        assert_eq!(via("SIP/2.0/UDP a;branch=z9hG4bK").unique_branch(), None);
        assert_eq!(via("SIP/2.0/UDP a;branch=390skdjuw").unique_branch(), None);
        assert_eq!(via("SIP/2.0/UDP a;branch=z9hG4bKx").unique_branch(), Some("z9hG4bKx"));
    }

    #[test]
    fn received_is_read_with_and_without_brackets() {
        let address: IpAddr = "2001:db8::9:255".parse().unwrap();

        assert_eq!(via("SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255]").received(), Some(address));
        assert_eq!(via("SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255").received(), Some(address));
    }

    #[test]
    fn answers_go_to_the_source_address_and_the_sent_by_port() {
        let source = "192.0.2.7:40000".parse().unwrap();
        let mut named = via("SIP/2.0/UDP pc.example.com:5090;branch=z9hG4bKa;received=203.0.113.1");

        named.stamp(source);

        assert_eq!(named.response_address(), Some("192.0.2.7:5090".parse().unwrap()));
    }

    #[test]
    fn answers_go_to_the_source_port_when_rport_asks_for_it() {
        let source = "192.0.2.7:40000".parse().unwrap();
        let mut behind_nat = via("SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKa");

        behind_nat.stamp(source);

        assert_eq!(
            behind_nat.to_string(),
            "SIP/2.0/UDP 10.0.0.1:5060;rport=40000;branch=z9hG4bKa;received=192.0.2.7"
        );
        assert_eq!(behind_nat.response_address(), Some(source));
    }

    #[test]
    fn broken_elements_are_refused_but_tell_who_sent_them() {
        for text in ["SIP/2.0/UDP 192.0.2.15;;", "", "SIP/2.0", "SIP/2.0/UDP", "SIP/2.0/UDP a:b", ";"] {
            assert!(text.parse::<Via>().is_err(), "{text}");
        }
        assert_eq!(
            Via::salvage(b"SIP/2.0/UDP 192.0.2.15;;,;,,").unwrap().to_string(),
            "SIP/2.0/UDP 192.0.2.15"
        );
    }
}
