//! Whom to call: `sip:USER@HOST:PORT`.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};

use crate::CallerError;

/// A SIP URI and the address it resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The URI without what stands around it.
    pub uri: String,
    /// Host and port.
    pub address: SocketAddr,
}

impl Target {
    /// Parses and resolves; 5060 where there is no port.
    pub fn parse(uri: &str) -> Result<Target, CallerError> {
        let failed = |reason: &str| CallerError::Address { uri: uri.to_owned(), reason: reason.to_owned() };
        let rest = uri.strip_prefix("sip:").ok_or_else(|| failed("expected sip:USER@HOST:PORT"))?;
        let (user, host_port) = rest.rsplit_once('@').unwrap_or(("", rest));
        let host_port = host_port.split([';', '?']).next().unwrap_or(host_port);
        if user
            .chars()
            .chain(host_port.chars())
            .any(|c| c.is_whitespace() || c.is_control() || "<>\"".contains(c))
        {
            return Err(failed("contains a character that a SIP URI cannot have"));
        }
        let bracketed = host_port.starts_with('[');
        let has_port = if bracketed { host_port.contains("]:") } else { host_port.contains(':') };
        let with_port = if has_port { host_port.to_owned() } else { format!("{host_port}:5060") };
        let addresses: Vec<SocketAddr> =
            with_port.to_socket_addrs().map_err(|error| failed(&error.to_string()))?.collect();
        // `localhost` is both; servers that listen on one of the two listen on IPv4.
        let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
        let address = *address.ok_or_else(|| failed("the host has no address"))?;
        Ok(Target { uri: uri.to_owned(), address })
    }

    /// Our own address towards it: `bind` where given, else what the system routes from.
    pub fn local_ip(&self, bind: Option<IpAddr>) -> Result<IpAddr, CallerError> {
        if let Some(ip) = bind {
            return Ok(ip);
        }
        let any: IpAddr = if self.address.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let probe = UdpSocket::bind((any, 0)).map_err(CallerError::io("finding our own address"))?;
        probe.connect(self.address).map_err(CallerError::io("finding our own address"))?;
        Ok(probe.local_addr().map_err(CallerError::io("finding our own address"))?.ip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_found_in_every_form() {
        let address = |uri: &str| Target::parse(uri).map(|target| target.address.to_string()).ok();

        assert_eq!(address("sip:echo@127.0.0.1:5070").as_deref(), Some("127.0.0.1:5070"));
        assert_eq!(address("sip:echo@127.0.0.1").as_deref(), Some("127.0.0.1:5060"));
        assert_eq!(address("sip:127.0.0.1:5070;transport=udp").as_deref(), Some("127.0.0.1:5070"));
        assert_eq!(address("sip:echo@[::1]:5070").as_deref(), Some("[::1]:5070"));
        assert_eq!(address("sip:echo@[::1]").as_deref(), Some("[::1]:5060"));
    }

    #[test]
    fn what_is_no_sip_uri_is_refused_with_the_reason() {
        let error = Target::parse("echo@127.0.0.1").unwrap_err().to_string();

        assert_eq!(error, "echo@127.0.0.1: expected sip:USER@HOST:PORT");
        assert!(Target::parse("sip:a\r\nb@127.0.0.1").is_err());
    }

    #[test]
    fn our_own_address_is_the_one_that_is_routed_from() {
        let target = Target::parse("sip:echo@127.0.0.1:5070").unwrap();

        assert_eq!(target.local_ip(None).unwrap().to_string(), "127.0.0.1");
    }
}
