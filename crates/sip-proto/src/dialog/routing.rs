//! The request line and the Route headers of requests inside a dialog, and where they go first (RFC 3261 §12.2.1.1).

use std::net::SocketAddr;

use crate::endpoint::{Destination, Peer, Transport};
use crate::message::{CSeq, MaxForwards, Method, NameAddr, Request, SipUri, Uri, header};

use super::{Dialog, refreshes_target};

/// The default port of SIP over UDP and TCP.
const SIP_PORT: u16 = 5060;

impl Dialog {
    /// The URI whose host gets the next request: the first route, or the remote target without one.
    pub fn next_hop(&self) -> &Uri {
        match self.route_set.first() {
            Some(route) => &route.uri,
            None => &self.remote_target,
        }
    }

    /// Where the next request goes. `last` is where messages of this dialog came from: its open connection is used
    /// again when it leads to the same host, and it stands in for a next hop that is a name and not an address.
    pub fn destination(&self, last: &Peer) -> Destination {
        destination(self.next_hop(), last)
    }

    pub(super) fn build(&self, method: Method, number: u32) -> Request {
        let (uri, routes) = self.request_line();
        let mut request = Request::new(method, uri);
        for route in &routes {
            request.headers.push_value(header::ROUTE, route);
        }
        request.headers.push_value(header::MAX_FORWARDS, &MaxForwards(70));
        request.headers.push_value(header::FROM, &self.local);
        request.headers.push_value(header::TO, &self.remote);
        request.headers.push(header::CALL_ID, self.id.call_id.as_bytes());
        let cseq = CSeq { number, method: request.method.clone() };
        request.headers.push_value(header::CSEQ, &cseq);
        if refreshes_target(&request.method) {
            request.headers.push_value(header::CONTACT, &self.contact);
        }
        request
    }

    /// Loose routing keeps the remote target in the request line. A strict router, known by the missing `lr`,
    /// expects itself there and the remote target at the end of the Route.
    fn request_line(&self) -> (Uri, Vec<NameAddr>) {
        match self.route_set.split_first() {
            Some((first, rest)) if !first.uri.is_loose_router() => {
                let mut routes = rest.to_vec();
                routes.push(NameAddr::new(self.remote_target.clone()));
                (for_request_line(&first.uri), routes)
            }
            Some(_) => (self.remote_target.clone(), self.route_set.clone()),
            None => (for_request_line(&self.remote_target), Vec::new()),
        }
    }
}

/// Where a request to `next_hop` goes; see [`Dialog::destination`].
pub fn destination(next_hop: &Uri, last: &Peer) -> Destination {
    let Some(uri) = next_hop.as_sip() else { return Destination::Peer(*last) };
    let Some(ip) = uri.host.ip() else { return Destination::Peer(*last) };
    let protocol = protocol_of(uri).unwrap_or(last.protocol);
    let is_same_stream = last.connection.is_some() && last.protocol == protocol && last.remote.ip() == ip;
    if is_same_stream {
        return Destination::Peer(*last);
    }
    Destination::Address { protocol, remote: SocketAddr::new(ip, uri.port.unwrap_or(SIP_PORT)) }
}

/// What the `transport` parameter demands. Without one RFC 3263 §4.1 says UDP for an address; many peers leave it out
/// whatever they speak, so the dialog stays with what it began on.
fn protocol_of(uri: &SipUri) -> Option<Transport> {
    match uri.params.get("transport")? {
        name if name.eq_ignore_ascii_case("tcp") => Some(Transport::Tcp),
        name if name.eq_ignore_ascii_case("udp") => Some(Transport::Udp),
        _ => None,
    }
}

/// RFC 3261 §19.1.1: a request line carries neither headers nor a `method` parameter.
fn for_request_line(uri: &Uri) -> Uri {
    let mut uri = uri.clone();
    if let Some(sip) = uri.as_sip_mut() {
        sip.headers.clear();
        sip.params.remove("method");
    }
    uri
}
