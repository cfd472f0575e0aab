//! One call through the `Endpoint`: INVITE, 180, 200, ACK, BYE, 200, and every timer after it.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use offhook_sip_proto::dialog::Dialog;
use offhook_sip_proto::endpoint::{
    CallKey, Endpoint, EndpointConfig, EndpointEvent, Listener, Peer, SipAction, SipEvent, Transport,
};
use offhook_sip_proto::message::{NameAddr, StatusCode};
use offhook_sip_proto::transaction::Timing;
use offhook_sip_proto::user_agent::InviteServer;
use offhook_time::{Seed, Time};

/// Longer than any transaction or dialog is remembered: every call meets an endpoint that holds nothing.
const BETWEEN_CALLS: Duration = Duration::from_secs(80);

fn main() {
    let local = SocketAddr::from(([127, 0, 0, 1], 5060));
    let remote = SocketAddr::from(([127, 0, 0, 2], 5080));
    let peer = Peer { protocol: Transport::Udp, local, remote, connection: None };
    let contact: NameAddr = "<sip:bot@127.0.0.1:5060>".parse().expect("a contact");
    let config =
        EndpointConfig { listeners: vec![Listener::new(Transport::Udp, local)], ..EndpointConfig::default() };
    let mut endpoint = Endpoint::new(config, Seed::from_number(7));

    let mut now = Time::from_millis(1_000);
    for number in 1..=offhook_benches::iterations() {
        place_call(&mut endpoint, CallKey(number), &peer, &contact, now);
        let until = now + BETWEEN_CALLS;
        while let Some(deadline) = endpoint.poll_timeout().filter(|deadline| *deadline <= until) {
            endpoint.handle_timeout(deadline);
        }
        now = until;
        let load = endpoint.load();
        assert_eq!((load.calls, load.dialogs, load.server_transactions, load.timers), (0, 0, 0, 0));
    }
}

/// Both sides of one call: the caller's datagrams are text, ours come from the machines.
fn place_call(endpoint: &mut Endpoint, key: CallKey, peer: &Peer, contact: &NameAddr, now: Time) {
    endpoint.handle_datagram(&request("INVITE", key.0, 1, ""), *peer, now);
    let Some(EndpointEvent::NewCall { transaction, request: invite, .. }) = endpoint.poll_event() else {
        panic!("no new call");
    };
    let mut dialog = Dialog::uas(&invite, "bot", contact.clone()).expect("a dialog");
    assert!(endpoint.accept(transaction, key));
    let mut server = InviteServer::new(transaction, invite.clone(), "bot", Timing::default());
    assert!(server.respond(dialog.response(&invite, StatusCode::RINGING), now));
    assert!(server.respond(dialog.response(&invite, StatusCode::OK), now));
    dialog.confirm();
    while let Some(action) = server.poll_action() {
        endpoint.perform(key, action, now);
    }
    assert!(sent(endpoint) >= 2, "no 180 and 200");

    endpoint.handle_datagram(&request("ACK", key.0, 1, ";tag=bot"), *peer, now);
    let ack = call_event(endpoint);
    assert!(server.handle(&ack, now), "the ACK is not for the INVITE: {ack:?}");

    endpoint.handle_datagram(&request("BYE", key.0, 2, ";tag=bot"), *peer, now);
    let SipEvent::Request { transaction, request: bye, .. } = call_event(endpoint) else {
        panic!("no BYE");
    };
    assert!(dialog.handle_request(&bye).is_ok());
    let response = dialog.response(&bye, StatusCode::OK);
    endpoint.perform(key, SipAction::Respond { transaction, response }, now);
    endpoint.forget(key, now);
    assert_eq!(sent(endpoint), 1, "no 200 for the BYE");
}

fn call_event(endpoint: &mut Endpoint) -> SipEvent {
    match endpoint.poll_event() {
        Some(EndpointEvent::Call { event, .. }) => event,
        other => panic!("no event of the call: {other:?}"),
    }
}

fn sent(endpoint: &mut Endpoint) -> usize {
    std::iter::from_fn(|| endpoint.poll_transmit()).map(black_box).count()
}

fn request(method: &str, call: u64, cseq: u32, to_tag: &str) -> Vec<u8> {
    format!(
        "{method} sip:bot@127.0.0.1 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK{method}{call};rport\r\n\
        Max-Forwards: 70\r\n\
        From: <sip:alice@127.0.0.2>;tag=alice{call}\r\n\
        To: <sip:bot@127.0.0.1>{to_tag}\r\n\
        Call-ID: {call}@127.0.0.2\r\n\
        CSeq: {cseq} {method}\r\n\
        Contact: <sip:alice@127.0.0.2:5080>\r\n\
        Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}
