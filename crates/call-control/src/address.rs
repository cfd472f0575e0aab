//! Where requests of ours may go: the guard against toll fraud.

use std::net::IpAddr;

use offhook_sip_proto::endpoint::{Destination, Peer};
use offhook_sip_proto::message::Uri;
use serde::{Deserialize, Serialize};

/// Where outgoing requests may point. The default allows loopback and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundPolicy {
    /// The trunks: each allows its networks and host names.
    pub trunks: Vec<TrunkPolicy>,
}

/// What one trunk allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkPolicy {
    /// Its name.
    pub name: String,
    /// Its networks: address and prefix length.
    pub networks: Vec<(IpAddr, u8)>,
    /// Host names that it vouches for; compared without case.
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
    /// No trunk has the name that was asked for.
    #[error("there is no trunk '{0}': name one of the configuration's [[trunk]]s")]
    NoSuchTrunk(String),
    /// The trunk that was asked for does not lead there.
    #[error("trunk '{trunk}' does not lead to {host}: add it to its allow or hosts, or name another trunk")]
    OtherTrunk {
        /// The trunk.
        trunk: String,
        /// Address or name.
        host: String,
    },
}

impl OutboundPolicy {
    /// The trunk that an address belongs to: the most specific network wins, of equal ones the first.
    pub fn trunk_of(&self, address: IpAddr) -> Option<&TrunkPolicy> {
        let address = address.to_canonical();
        let mut best: Option<(u8, &TrunkPolicy)> = None;
        for trunk in &self.trunks {
            for network in trunk.networks.iter().filter(|network| contains(**network, address)) {
                if best.is_none_or(|(prefix, _)| network.1 > prefix) {
                    best = Some((network.1, trunk));
                }
            }
        }
        best.map(|(_, trunk)| trunk)
    }

    /// Whether a request may go to `address`, and by which trunk: `None` for loopback that no trunk claims. Judged on
    /// the resolved address, each time.
    ///
    /// # Errors
    /// Why not.
    pub fn check_address(&self, address: IpAddr) -> Result<Option<&TrunkPolicy>, OutboundRefusal> {
        let address = address.to_canonical();
        match self.trunk_of(address) {
            Some(trunk) => Ok(Some(trunk)),
            None if address.is_loopback() => Ok(None),
            None => Err(OutboundRefusal::Address(address)),
        }
    }

    /// Whether a request may point to `uri`: a SIP URI whose host is allowed, without anything that leads elsewhere.
    /// `named` is the trunk that was asked for; without one the host finds it.
    ///
    /// # Errors
    /// Why not.
    pub fn check_uri(&self, uri: &Uri, named: Option<&str>) -> Result<Option<&TrunkPolicy>, OutboundRefusal> {
        let Some(sip) = uri.as_sip() else { return Err(OutboundRefusal::NotSip(uri.to_string())) };
        if uri.param("maddr").is_some() {
            return Err(OutboundRefusal::Detour("maddr".into()));
        }
        if let Some((name, _)) = sip.unescaped_headers().first() {
            return Err(OutboundRefusal::Detour(name.clone()));
        }
        let host = sip.host.to_string();
        match named {
            Some(name) => self.check_named(name, &host).map(Some),
            None => self.check_host(&host),
        }
    }

    /// Whether a request may point to `host`, an address (IPv6 with or without brackets) or a name.
    ///
    /// # Errors
    /// Why not.
    pub fn check_host(&self, host: &str) -> Result<Option<&TrunkPolicy>, OutboundRefusal> {
        let bare = without_brackets(host);
        match bare.parse::<IpAddr>() {
            Ok(address) => self.check_address(address),
            Err(_) => match self.trunks.iter().find(|trunk| trunk.knows(bare)) {
                Some(trunk) => Ok(Some(trunk)),
                None => Err(OutboundRefusal::Host(bare.to_owned())),
            },
        }
    }

    fn check_named(&self, name: &str, host: &str) -> Result<&TrunkPolicy, OutboundRefusal> {
        let trunk = self.trunks.iter().find(|trunk| trunk.name == name);
        let trunk = trunk.ok_or_else(|| OutboundRefusal::NoSuchTrunk(name.to_owned()))?;
        let bare = without_brackets(host);
        let leads_there = match bare.parse::<IpAddr>() {
            Ok(address) => trunk.leads_to(address.to_canonical()),
            Err(_) => trunk.knows(bare),
        };
        let refusal = || OutboundRefusal::OtherTrunk { trunk: name.to_owned(), host: bare.to_owned() };
        if leads_there { Ok(trunk) } else { Err(refusal()) }
    }

    /// Where a request inside a dialog may go. Contact and Record-Route are the peer's word: they are followed to the
    /// address that the peer's own messages come from, to a trunk, and from this machine to this machine; else the
    /// request takes the way back to where the peer's messages come from. Loopback is not for those who call from
    /// elsewhere: their word must not make us knock at services that listen for this machine alone.
    pub fn judge_next_hop(&self, destination: Destination, source: &Peer) -> Result<Destination, IpAddr> {
        let Destination::Address { remote, .. } = destination else { return Ok(destination) };
        let (hop, from) = (remote.ip().to_canonical(), source.remote.ip().to_canonical());
        let is_local = from.is_loopback() || from == source.local.ip().to_canonical();
        if hop == from || (is_local && hop.is_loopback()) || self.trunk_of(hop).is_some() {
            Ok(destination)
        } else {
            Err(hop)
        }
    }
}

impl TrunkPolicy {
    /// Whether one of its networks holds the address.
    fn leads_to(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| contains(*network, address))
    }

    fn knows(&self, name: &str) -> bool {
        self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

fn without_brackets(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
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
    use offhook_sip_proto::endpoint::Transport;

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
        let check = |uri: &str| policy.check_uri(&uri.parse().unwrap(), None).map(|_| ());

        assert!(check("sip:agents@127.0.0.1:5070;transport=tcp").is_ok());
        assert!(check("sip:x@127.0.0.1;maddr=203.0.113.9").is_err());
        assert!(check("sip:x@127.0.0.1?Route=%3Csip:203.0.113.9%3E").is_err());
        assert!(check("tel:+900123456").is_err());
    }

    #[test]
    fn a_trunk_allows_its_network_and_names_and_no_more() {
        let policy = policy();

        assert!(policy.check_host("198.51.100.77").is_ok());
        assert!(policy.check_host("198.51.101.1").is_err());
        assert!(policy.check_host("PBX.example.net").is_ok());
        assert!(policy.check_host("evil.pbx.example.net").is_err());
    }

    #[test]
    fn the_most_specific_network_names_the_trunk() {
        let policy = policy();
        let name = |address: &str| policy.trunk_of(address.parse().unwrap()).map(|trunk| trunk.name.as_str());

        assert_eq!(name("198.51.100.77"), Some("carrier"));
        assert_eq!(name("198.51.100.9"), Some("pbx"));
        assert_eq!(name("::ffff:198.51.100.9"), Some("pbx"));
        assert_eq!(name("2001:db8::1"), None);
    }

    #[test]
    fn a_trunk_that_is_named_must_lead_there() {
        let policy = policy();
        let check = |uri: &str, trunk| policy.check_uri(&uri.parse().unwrap(), Some(trunk)).map(|_| ());

        assert!(check("sip:1@198.51.100.77", "carrier").is_ok());
        assert!(check("sip:1@198.51.100.77", "pbx").is_err());
        assert!(check("sip:1@pbx.example.net", "carrier").is_ok());
        assert!(check("sip:1@127.0.0.1", "carrier").is_err(), "loopback is no carrier");
        assert_eq!(
            check("sip:1@127.0.0.1", "nobody"),
            Err(OutboundRefusal::NoSuchTrunk("nobody".to_owned()))
        );
    }

    #[test]
    fn a_next_hop_is_where_the_peer_is_or_a_trunk_or_this_machine_for_itself() {
        let policy = policy();
        for (from, hop, is_followed) in [
            ("203.0.113.5", "203.0.113.5", true),
            ("203.0.113.5", "::ffff:203.0.113.5", true),
            ("203.0.113.5", "203.0.113.6", false),
            ("203.0.113.5", "198.51.100.1", true),
            ("203.0.113.5", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.9", true),
            ("127.0.0.1", "203.0.113.6", false),
            ("127.0.0.1", "::1", true),
            ("192.0.2.1", "127.0.0.1", true),
        ] {
            let source = Peer {
                protocol: Transport::Udp,
                local: "192.0.2.1:5060".parse().unwrap(),
                remote: format!("{from}:40000").parse().unwrap(),
                connection: None,
            };
            let hop: IpAddr = hop.parse().unwrap();
            let wanted = Destination::Address { protocol: Transport::Udp, remote: (hop, 5060).into() };

            let judged = policy.judge_next_hop(wanted, &source);

            let expected = if is_followed { Ok(wanted) } else { Err(hop) };
            assert_eq!(judged, expected, "{from} names {hop}");
        }
    }

    fn policy() -> OutboundPolicy {
        let trunk = |name: &str, network: &str, prefix, hosts: &[&str]| TrunkPolicy {
            name: name.to_owned(),
            networks: vec![(network.parse().unwrap(), prefix)],
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        };
        OutboundPolicy {
            trunks: vec![
                trunk("carrier", "198.51.100.0", 24, &["pbx.example.net"]),
                trunk("pbx", "198.51.100.9", 32, &[]),
            ],
        }
    }
}
