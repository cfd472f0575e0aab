//! Where INVITE and REFER may go: the guard against toll fraud.

use std::net::IpAddr;

use offhook_sip_proto::message::Uri;
use serde::{Deserialize, Serialize};

/// Where outgoing requests may point. The default allows loopback and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundPolicy {
    /// Networks of trunks: address and prefix length.
    pub networks: Vec<(IpAddr, u8)>,
    /// Host names that a trunk vouches for; compared without case.
    pub hosts: Vec<String>,
}

/// Why a target is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundRefusal {
    /// Not a SIP URI.
    #[error("'{0}' is not a SIP URI: write sip:USER@HOST")]
    NotSip(String),
    /// The address is in no trunk's allow list.
    #[error("{0} is outside every trunk's allow list: add a [[trunk]] with allow = [\"{0}\"]")]
    Address(IpAddr),
    /// A parameter or header that could send the request elsewhere than to its host.
    #[error("'{0}' is not allowed in a target: write sip:USER@HOST and no more")]
    Detour(String),
    /// A host name needs a trunk.
    #[error("host name '{0}' belongs to no trunk: add it to a [[trunk]]'s hosts, or use an address")]
    Host(String),
}

impl OutboundPolicy {
    /// Whether a request may go to `address`. Judged on the resolved address, each time.
    pub fn check_address(&self, address: IpAddr) -> Result<(), OutboundRefusal> {
        let address = address.to_canonical();
        if address.is_loopback() || self.networks.iter().any(|network| contains(*network, address)) {
            Ok(())
        } else {
            Err(OutboundRefusal::Address(address))
        }
    }

    /// Whether a request may point to `uri`: a SIP URI whose host is allowed, without anything that leads elsewhere.
    pub fn check_uri(&self, uri: &Uri) -> Result<(), OutboundRefusal> {
        let Some(sip) = uri.as_sip() else { return Err(OutboundRefusal::NotSip(uri.to_string())) };
        if uri.param("maddr").is_some() {
            return Err(OutboundRefusal::Detour("maddr".into()));
        }
        if let Some((name, _)) = sip.unescaped_headers().first() {
            return Err(OutboundRefusal::Detour(name.clone()));
        }
        self.check_host(&sip.host.to_string())
    }

    /// Whether a request may point to `host`, an address (IPv6 with or without brackets) or a name.
    pub fn check_host(&self, host: &str) -> Result<(), OutboundRefusal> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) => self.check_address(address),
            Err(_) if self.hosts.iter().any(|known| known.eq_ignore_ascii_case(bare)) => Ok(()),
            Err(_) => Err(OutboundRefusal::Host(bare.to_owned())),
        }
    }
}

/// Whether `address` lies in `network`.
fn contains(network: (IpAddr, u8), address: IpAddr) -> bool {
    match (network.0.to_canonical(), address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => {
            prefix_equal(u128::from(base.to_bits()), u128::from(address.to_bits()), 32, network.1)
        }
        (IpAddr::V6(base), IpAddr::V6(address)) => {
            prefix_equal(base.to_bits(), address.to_bits(), 128, network.1)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn prefix_equal(left: u128, right: u128, width: u32, prefix: u8) -> bool {
    let ignored = width.saturating_sub(u32::from(prefix));
    ignored >= width || (left >> ignored) == (right >> ignored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_configuration_only_loopback_is_allowed() {
        let policy = OutboundPolicy::default();

        assert!(policy.check_host("127.0.0.1").is_ok());
        assert!(policy.check_host("[::1]").is_ok());
        assert!(policy.check_host("::ffff:127.0.0.1").is_ok());
        assert!(policy.check_host("192.0.2.1").is_err());
        assert!(policy.check_host("localhost").is_err(), "a name needs a trunk");
    }

    #[test]
    fn nothing_in_a_target_may_lead_elsewhere() {
        let policy = OutboundPolicy::default();
        let check = |uri: &str| policy.check_uri(&uri.parse().unwrap());

        assert!(check("sip:agents@127.0.0.1:5070;transport=tcp").is_ok());
        assert!(check("sip:x@127.0.0.1;maddr=203.0.113.9").is_err());
        assert!(check("sip:x@127.0.0.1?Route=%3Csip:203.0.113.9%3E").is_err());
        assert!(check("tel:+900123456").is_err());
    }

    #[test]
    fn a_trunk_allows_its_network_and_names_and_no_more() {
        let policy = OutboundPolicy {
            networks: vec![("198.51.100.0".parse().unwrap(), 24)],
            hosts: vec!["pbx.example.net".into()],
        };

        assert!(policy.check_host("198.51.100.77").is_ok());
        assert!(policy.check_host("198.51.101.1").is_err());
        assert!(policy.check_host("PBX.example.net").is_ok());
        assert!(policy.check_host("evil.pbx.example.net").is_err());
    }
}
