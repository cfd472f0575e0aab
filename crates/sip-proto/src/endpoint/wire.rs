//! Vias, and the messages that an endpoint makes from others: 100, ACK, CANCEL.

use std::net::SocketAddr;

use crate::message::{CSeq, Host, MaxForwards, Method, Request, Response, Via, header};
use crate::transaction::Reliability;

use super::{EndpointConfig, Peer, Transport};

/// Where the response to a request goes: back on its connection, else to the source address, at the source port if
/// the Via asked for that (RFC 3581) and the sent-by port if not. `via` is stamped.
pub(super) fn response_route(via: &Via, peer: Peer) -> Peer {
    match peer.protocol {
        Transport::Tcp => peer,
        Transport::Udp => {
            let mut remote = peer.remote;
            if let Some(address) = via.response_address() {
                remote.set_port(address.port());
            }
            Peer { remote, ..peer }
        }
    }
}

pub(super) fn reliability(protocol: Transport) -> Reliability {
    match protocol {
        Transport::Udp => Reliability::Unreliable,
        Transport::Tcp => Reliability::Reliable,
    }
}

/// Host and port of our Via towards `peer`.
pub(super) fn sent_by(config: &EndpointConfig, peer: &Peer) -> (Host, u16) {
    let listener =
        config.listeners.iter().find(|known| known.protocol == peer.protocol && known.local == peer.local);
    match listener {
        Some(listener) => (listener.advertised.clone(), listener.advertised_port),
        None => (peer.local.ip().into(), peer.local.port()),
    }
}

/// The socket to reach `remote` by: the first that speaks the protocol and the same kind of address.
pub(super) fn local_for(config: &EndpointConfig, protocol: Transport, remote: SocketAddr) -> SocketAddr {
    let fits = |local: SocketAddr| local.is_ipv4() == remote.is_ipv4();
    let listener = config.listeners.iter().find(|known| known.protocol == protocol && fits(known.local));
    match listener {
        Some(listener) => listener.local,
        None if remote.is_ipv4() => SocketAddr::from(([0, 0, 0, 0], 0)),
        None => SocketAddr::from(([0_u16; 8], 0)),
    }
}

pub(super) fn via(protocol: Transport, sent_by: &(Host, u16), branch: &str) -> Via {
    let transport = match protocol {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    };
    Via::new(transport, sent_by.0.clone(), Some(sent_by.1), branch)
}

/// Whether the top Via of a response is the one we sent.
pub(super) fn is_our_via(via: &Via, sent_by: &(Host, u16)) -> bool {
    via.host == sent_by.0 && via.sent_by_port() == sent_by.1
}

/// RFC 3261 §8.2.7: an answer without a transaction has the same tag each time. Equal for equal requests on every
/// machine (FNV-1a); it names no dialog, so it need not be a secret.
pub(super) fn stateless_tag(request: &Request) -> String {
    let parts = [header::VIA, header::FROM, header::CALL_ID, header::CSEQ];
    let bytes = parts.iter().filter_map(|name| request.headers.get(name)).flatten();
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The ACK for a 3xx-6xx (RFC 3261 §17.1.1.3).
pub(super) fn ack_for_failure(invite: &Request, response: &Response) -> Request {
    let mut ack = sibling(invite, Method::Ack);
    if let Some(to) = response.headers.get(header::TO) {
        ack.headers.set(header::TO, to);
    }
    ack
}

/// The CANCEL of an INVITE (RFC 3261 §9.1).
pub(super) fn cancel(invite: &Request) -> Request {
    sibling(invite, Method::Cancel)
}

/// A request that shares request line, top Via, Route, From, To, Call-ID and CSeq number with `invite`.
fn sibling(invite: &Request, method: Method) -> Request {
    let mut request = Request::new(method, invite.uri.clone());
    if let Ok(via) = invite.headers.top_via() {
        request.headers.push_value(header::VIA, &via);
    }
    request.headers.push_value(header::MAX_FORWARDS, &MaxForwards(70));
    for name in [header::ROUTE, header::FROM, header::TO, header::CALL_ID] {
        for line in invite.headers.lines(name) {
            request.headers.push(name, line);
        }
    }
    let number = invite.headers.cseq().map_or(1, |cseq| cseq.number);
    let cseq = CSeq { number, method: request.method.clone() };
    request.headers.push_value(header::CSEQ, &cseq);
    request
}
