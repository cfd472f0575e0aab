//! TCP: framing, connections that come and go.

use std::time::Duration;

use offhook_sip_proto::endpoint::{
    CallKey, ConnectionId, Destination, EndpointEvent, SipAction, TransactionId, Transport,
};
use offhook_sip_proto::message::StatusCode;

use crate::support::{Bench, NOTHING, TestUser, address, contact, from_peer, tcp, udp, wire};

const PEER: &str = "127.0.0.2:41000";

#[test]
fn a_message_byte_by_byte_is_one_message() {
    let mut bench = connected();

    for byte in over_tcp("INVITE", 1, "a", "").bytes() {
        bench.receive_stream(1, &[byte]);
    }

    bench.new_call();
    assert_eq!(bench.endpoint.poll_timeout().map(|at| at.since(bench.now)), Some(Duration::from_millis(200)));
}

#[test]
fn answers_go_back_on_the_connection_and_are_never_repeated() {
    let mut bench = connected();
    bench.receive_stream(1, over_tcp("INVITE", 1, "a", "").as_bytes());
    let (transaction, request) = bench.new_call();

    bench.respond(transaction, request.response(StatusCode::BUSY_HERE, Some("t")));
    bench.pass(10_000);

    assert_eq!(bench.sent.len(), 1);
    assert_eq!(bench.sent[0].1.peer, tcp(PEER, 1));
}

#[test]
fn an_answer_owed_to_a_closed_connection_opens_one_to_the_sent_by_port() {
    let mut bench = connected();
    bench.receive_stream(1, over_tcp("INVITE", 1, "a", "").as_bytes());
    let (transaction, request) = bench.new_call();

    bench.endpoint.connection_closed(ConnectionId(1), bench.now);
    bench.respond(transaction, request.response(StatusCode::BUSY_HERE, Some("t")));

    let peer = bench.sent[0].1.peer;
    assert_eq!((peer.connection, peer.remote), (None, address("127.0.0.2:5080")));
}

#[test]
fn a_broken_frame_is_answered_and_the_connection_closed() {
    let mut bench = connected();
    let text = over_tcp("OPTIONS", 1, "a", "").replace("Content-Length: 0", "Content-Length: -999");

    bench.receive_stream(1, text.as_bytes());
    bench.receive_stream(1, over_tcp("OPTIONS", 2, "b", "").as_bytes());

    assert_eq!(bench.sent.len(), 1);
    assert!(bench.sent[0].1.close_after);
    assert!(bench.sent[0].1.bytes.starts_with(b"SIP/2.0 400"));
    assert_eq!(bench.endpoint.load(), NOTHING);
}

#[test]
fn half_a_message_is_waited_for_32_seconds() {
    let mut bench = connected();
    let text = over_tcp("OPTIONS", 1, "a", "");
    bench.receive_stream(1, &text.as_bytes()[..40]);

    bench.pass(20_000);
    bench.receive_stream(1, &text.as_bytes()[40..50]);
    bench.pass(11_999);
    assert!(bench.sent.is_empty());
    bench.pass(1);

    assert!(bench.sent[0].1.close_after);
    assert_eq!(bench.endpoint.load(), NOTHING);
}

#[test]
fn an_idle_connection_may_stay() {
    let mut bench = connected();
    bench.receive_stream(1, over_tcp("ACK", 1, "a", "x").as_bytes());

    bench.pass(1_000_000);

    assert_eq!(bench.endpoint.load().connections, 1);
    assert!(bench.sent.is_empty());
}

#[test]
fn a_ping_gets_its_pong() {
    let mut bench = connected();

    bench.receive_stream(1, b"\r\n\r\n");

    assert_eq!(bench.sent[0].1.bytes, b"\r\n");
}

#[test]
fn a_request_without_connection_asks_for_one_and_uses_it_when_it_stands() {
    let mut bench = Bench::new();
    let destination = Destination::Address { protocol: Transport::Tcp, remote: address(PEER) };
    let send = |bench: &mut Bench, number: u64| {
        let message = crate::support::parse(over_tcp("OPTIONS", 1, "x", "").as_bytes());
        let mut request = crate::support::request(&message).clone();
        request.headers.remove("Via");
        let transaction = TransactionId::client(number);
        bench.perform(1, SipAction::Request { transaction, request, destination });
    };

    send(&mut bench, 1);
    bench.endpoint.connection_opened(ConnectionId(9), tcp(PEER, 9), bench.now);
    send(&mut bench, 2);

    let connections: Vec<_> = bench.sent.iter().map(|(_, t)| t.peer.connection).collect();
    assert_eq!(connections, [None, Some(ConnectionId(9))]);
    let sent = bench.sent();
    let via = crate::support::request(&sent[0]).headers.get_str("Via").unwrap();
    assert!(via.starts_with("SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bK"), "{via}");
    bench.pass(40_000);
    assert_eq!(bench.sent.len(), 2, "nothing is repeated on a reliable transport");
    assert_eq!(bench.events().len(), 2, "both time out");
}

#[test]
fn a_refused_connection_fails_the_requests_that_wait_for_it() {
    let mut bench = Bench::new();
    let destination = Destination::Address { protocol: Transport::Tcp, remote: address(PEER) };
    let message = crate::support::parse(over_tcp("OPTIONS", 1, "x", "").as_bytes());
    let request = crate::support::request(&message).clone();
    let transaction = TransactionId::client(1);
    bench.perform(1, SipAction::Request { transaction, request, destination });

    bench.endpoint.transport_failed(&bench.sent[0].1.peer.clone(), bench.now);

    assert!(matches!(bench.events().as_slice(), [EndpointEvent::Call { call: CallKey(1), .. }]));
    assert_eq!(bench.endpoint.load().client_transactions, 0);
}

#[test]
fn a_dialog_over_tcp_uses_its_connection_again() {
    let mut bench = connected();
    bench.receive_stream(1, over_tcp("INVITE", 1, "a", "").as_bytes());
    let (_, request) = bench.new_call();
    let dialog = offhook_sip_proto::dialog::Dialog::uas(&request, "us", contact()).unwrap();

    assert_eq!(dialog.destination(&tcp(PEER, 1)), Destination::Peer(tcp(PEER, 1)));
    let elsewhere = Destination::Address { protocol: Transport::Udp, remote: address("127.0.0.2:5080") };
    assert_eq!(dialog.destination(&udp("127.0.0.2:5080")), elsewhere);
}

#[test]
fn connections_beyond_the_limit_are_closed() {
    let mut bench = Bench::with(|config| config.tables.connections = 1);

    bench.endpoint.connection_opened(ConnectionId(1), tcp(PEER, 1), bench.now);
    bench.endpoint.connection_opened(ConnectionId(2), tcp("127.0.0.2:41001", 2), bench.now);

    let closed = bench.endpoint.poll_transmit().unwrap();
    assert_eq!((closed.peer.connection, closed.close_after), (Some(ConnectionId(2)), true));
    assert_eq!(bench.endpoint.load().connections, 1);
}

#[test]
fn a_whole_call_over_tcp_leaves_only_the_dialog_behind() {
    let mut user = TestUser::new(connected(), Some(Duration::ZERO));
    for text in [
        over_tcp("INVITE", 1, "invite", ""),
        over_tcp("ACK", 1, "ack", "us1"),
        over_tcp("BYE", 2, "bye", "us1"),
    ] {
        user.receive_stream(1, text.as_bytes());
    }

    assert_eq!(user.bench.lines(), ["180 INVITE", "200 INVITE", "200 BYE"]);
    assert_eq!(user.log, ["acknowledged", "BYE 200"]);
    let load = user.bench.endpoint.load();
    assert_eq!((load.server_transactions, load.calls), (1, 1), "the accepted INVITE waits for timer L");
    user.pass(32_000);
    user.bench.endpoint.connection_closed(ConnectionId(1), user.bench.now);
    assert_eq!(user.bench.endpoint.load(), NOTHING);
}

fn connected() -> Bench {
    let mut bench = Bench::new();
    bench.endpoint.connection_opened(ConnectionId(1), tcp(PEER, 1), bench.now);
    bench
}

fn over_tcp(method: &str, cseq: u32, branch: &str, to_tag: &str) -> String {
    wire(&from_peer(method, cseq, branch, to_tag, "").replace("SIP/2.0/UDP", "SIP/2.0/TCP"))
}
