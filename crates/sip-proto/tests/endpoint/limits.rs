//! Full tables.

use std::time::Duration;

use offhook_sip_proto::message::StatusCode;

use crate::support::{Bench, NOTHING, TestUser, from_peer, response};

#[test]
fn more_half_open_invites_than_the_limit_get_503_and_cost_nothing() {
    let mut bench = Bench::with(|config| config.tables.pending_invites = 10);

    for number in 0..1_000 {
        bench.receive(&stranger(number));
    }

    let load = bench.endpoint.load();
    assert_eq!((load.pending_invites, load.server_transactions), (10, 10));
    assert_eq!(bench.endpoint.counters().overload, 990);
    let sent = bench.sent();
    let refusal = response(&sent[0]);
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refusal.headers.get_str("Retry-After"), Some("5"));
}

#[test]
fn a_flood_without_acks_leaves_nothing_behind() {
    let mut bench = Bench::with(|config| config.tables.pending_invites = 100);
    for number in 0..1_000 {
        bench.receive(&stranger(number));
        for event in bench.events() {
            if let offhook_sip_proto::endpoint::EndpointEvent::NewCall { transaction, request, .. } = event {
                bench.respond(transaction, request.response(StatusCode::NOT_FOUND, Some("t")));
            }
        }
    }

    bench.pass(40_000);

    assert_eq!(bench.endpoint.load(), NOTHING);
}

#[test]
fn the_same_503_answers_a_repeated_request() {
    let mut bench = Bench::with(|config| config.tables.pending_invites = 0);

    bench.receive(&stranger(1));
    bench.receive(&stranger(1));

    let sent = bench.sent();
    assert_eq!(sent[0], sent[1]);
}

#[test]
fn a_full_table_still_lets_calls_hang_up() {
    let bench = Bench::with(|config| config.tables.server_transactions = 16);
    let mut user = TestUser::new(bench, Some(Duration::ZERO));
    user.receive(&crate::support::invite());
    user.receive(&from_peer("ACK", 1, "ack", "us1", ""));
    for number in 0..100 {
        user.receive(&stranger(number));
    }
    assert_eq!(user.bench.endpoint.load().server_transactions, 16);

    user.receive(&from_peer("BYE", 2, "bye", "us1", ""));

    assert_eq!(user.log.last().map(String::as_str), Some("BYE 200"));
}

#[test]
fn a_peer_with_ever_new_tags_does_not_grow_the_dialog_table() {
    let mut bench = Bench::new();
    let transaction = offhook_sip_proto::endpoint::TransactionId::client(1);
    let invite = "INVITE sip:bob@127.0.0.2 SIP/2.0
        From: <sip:bot@127.0.0.1>;tag=ours
        To: <sip:bob@127.0.0.2>
        Call-ID: out
        CSeq: 1 INVITE
        Via: SIP/2.0/UDP x";
    let message = crate::support::parse(crate::support::wire(invite).as_bytes());
    let mut request = crate::support::request(&message).clone();
    request.headers.remove("Via");
    let destination = crate::support::them();
    bench.perform(1, offhook_sip_proto::endpoint::SipAction::Request { transaction, request, destination });
    let sent = bench.sent();
    let via = crate::support::request(&sent[0]).headers.get_str("Via").unwrap().to_owned();

    for number in 0..1_000 {
        bench.receive(&format!(
            "SIP/2.0 180 Ringing
            Via: {via}
            From: <sip:bot@127.0.0.1>;tag=ours
            To: <sip:bob@127.0.0.2>;tag={number}
            Call-ID: out
            CSeq: 1 INVITE"
        ));
        bench.events();
    }

    assert_eq!(bench.endpoint.load().dialogs, 1);
    let known = |tag: u32| {
        bench.endpoint.call_of(&offhook_sip_proto::dialog::DialogId {
            call_id: "out".to_owned(),
            local_tag: "ours".to_owned(),
            remote_tag: tag.to_string(),
        })
    };
    assert_eq!((0..1_000).filter(|tag| known(*tag).is_some()).count(), 32);
}

/// An INVITE of its own call.
fn stranger(number: u32) -> String {
    from_peer("INVITE", 1, &format!("s{number}"), "", "").replace("call@", &format!("call{number}@"))
}
