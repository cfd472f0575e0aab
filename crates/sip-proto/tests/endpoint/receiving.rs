//! Calls that come in.

use std::time::Duration;

use offhook_sip_proto::message::StatusCode;
use offhook_testkit::millis_since;

use crate::support::{Bench, NOTHING, TestUser, from_peer, invite, request, response};

#[test]
fn a_call_rings_is_answered_acknowledged_and_hung_up() {
    let mut user = ringing_for(1_000);

    user.receive(&invite());
    user.pass(1_000);
    user.receive(&from_peer("ACK", 1, "ack", "us1", ""));
    user.receive(&from_peer("BYE", 2, "bye", "us1", ""));

    assert_eq!(user.bench.lines(), ["180 INVITE", "200 INVITE", "200 BYE"]);
    assert_eq!(user.log, ["acknowledged", "BYE 200"]);
    user.pass(70_000);
    assert_eq!(user.bench.endpoint.load(), NOTHING);
}

#[test]
fn a_repeated_invite_gets_the_same_response_byte_for_byte() {
    let mut user = TestUser::new(Bench::new(), None);
    user.receive(&invite());

    user.receive(&invite());
    user.receive(&invite());

    let sent: Vec<_> = user.bench.sent.iter().map(|(_, transmit)| transmit.clone()).collect();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|transmit| *transmit == sent[0]));
    assert_eq!(user.calls.len(), 1);
    assert_eq!(user.bench.endpoint.counters().retransmissions, 2);
}

#[test]
fn an_unacknowledged_200_is_repeated_and_the_call_hung_up_after_32_seconds() {
    let mut user = ringing_for(0);
    let start = user.bench.now;

    user.receive(&invite());
    user.pass(100_000);

    let oks: Vec<_> = user
        .bench
        .sent
        .iter()
        .filter(|(_, transmit)| transmit.bytes.starts_with(b"SIP/2.0 200"))
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(
        millis_since(start, &oks),
        [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]
    );
    let byes: Vec<_> = user
        .bench
        .sent
        .iter()
        .filter(|(_, transmit)| transmit.bytes.starts_with(b"BYE"))
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(millis_since(start, &byes[..2]), [32_000, 32_500]);
    assert_eq!(user.log, ["no ack"]);
    assert_eq!(user.bench.endpoint.load(), NOTHING);
}

#[test]
fn a_lost_ack_is_made_good_by_the_ack_to_a_repeated_200() {
    let mut user = ringing_for(0);
    user.receive(&invite());

    user.pass(600);
    user.receive(&from_peer("ACK", 1, "ack", "us1", ""));
    user.pass(40_000);

    assert_eq!(user.bench.lines(), ["180 INVITE", "200 INVITE", "200 INVITE"]);
    assert_eq!(user.log, ["acknowledged"]);
}

#[test]
fn an_invite_that_is_repeated_after_the_200_is_absorbed() {
    let mut user = ringing_for(0);
    user.receive(&invite());
    user.receive(&from_peer("ACK", 1, "ack", "us1", ""));
    user.bench.sent();

    user.receive(&invite());

    assert!(user.bench.sent().is_empty());
    assert_eq!(user.calls.len(), 1);
}

#[test]
fn a_bye_that_overtakes_the_ack_ends_the_call() {
    let mut user = ringing_for(0);
    user.receive(&invite());

    user.receive(&from_peer("BYE", 2, "bye", "us1", ""));
    user.receive(&from_peer("ACK", 1, "ack", "us1", ""));
    user.pass(100_000);

    assert_eq!(user.bench.lines(), ["180 INVITE", "200 INVITE", "200 BYE"]);
    assert_eq!(user.log, ["BYE 200"], "the late ACK matters to nobody");
    assert_eq!(user.bench.endpoint.load(), NOTHING);
}

#[test]
fn a_bye_that_is_repeated_after_the_call_was_forgotten_gets_its_200_again() {
    let mut user = ringing_for(0);
    user.receive(&invite());
    user.receive(&from_peer("ACK", 1, "ack", "us1", ""));
    user.receive(&from_peer("BYE", 2, "bye", "us1", ""));
    assert!(user.calls.is_empty());
    user.bench.sent();

    user.pass(500);
    user.receive(&from_peer("BYE", 2, "bye", "us1", ""));
    user.receive(&from_peer("BYE", 3, "bye-again", "us1", ""));
    user.receive(&from_peer("INFO", 4, "info", "us1", ""));

    assert_eq!(user.bench.lines(), ["200 BYE", "200 BYE", "481 INFO"]);
    assert_eq!(user.log, ["acknowledged", "BYE 200"]);
}

#[test]
fn requests_that_arrive_in_the_wrong_order_are_refused_with_500() {
    let mut user = ringing_for(0);
    user.receive(&invite());
    user.receive(&from_peer("ACK", 1, "ack", "us1", ""));
    user.receive(&from_peer("INFO", 5, "info5", "us1", ""));

    user.receive(&from_peer("INFO", 4, "info4", "us1", ""));

    assert_eq!(user.log, ["acknowledged", "INFO 200", "INFO 500"]);
}

#[test]
fn a_storm_of_repetitions_costs_one_transaction() {
    let mut user = TestUser::new(Bench::new(), None);

    for _ in 0..5_000 {
        user.receive(&invite());
    }

    assert_eq!(user.bench.endpoint.load().server_transactions, 1);
    assert_eq!(user.calls.len(), 1);
    assert_eq!(user.bench.sent.len(), 5_000);
}

#[test]
fn a_slow_user_is_covered_by_a_100_and_the_invite_is_routed_before_it_leaves() {
    let mut bench = Bench::new();
    bench.receive(&invite());
    assert!(bench.lines().is_empty());

    bench.pass(199);
    assert!(bench.lines().is_empty());
    bench.pass(1);
    assert_eq!(bench.lines(), ["100 INVITE"]);

    bench.receive(&from_peer("CANCEL", 1, "invite", "", ""));
    assert_eq!(bench.lines(), ["200 CANCEL"]);
}

#[test]
fn a_peer_of_rfc_2543_calls_without_branch_and_tags() {
    let mut user = ringing_for(0);
    let message = |method: &str, cseq: u32, to_tag: &str| {
        format!(
            "{method} sip:bot@127.0.0.1 SIP/2.0
            Via: SIP/2.0/UDP 127.0.0.2:5080
            From: <sip:alice@127.0.0.2:5080>
            To: <sip:bot@127.0.0.1>{to_tag}
            Call-ID: old@127.0.0.2
            CSeq: {cseq} {method}"
        )
    };

    user.receive(&message("INVITE", 1, ""));
    user.receive(&message("INVITE", 1, ""));
    user.receive(&message("ACK", 1, ";tag=us1"));
    user.receive(&message("BYE", 2, ";tag=us1"));
    user.receive(&message("BYE", 2, ";tag=us1"));

    assert_eq!(user.bench.lines(), ["180 INVITE", "200 INVITE", "200 BYE", "200 BYE"]);
    assert_eq!(user.log, ["acknowledged", "BYE 200"]);
}

#[test]
fn a_refusal_to_a_peer_of_rfc_2543_is_ended_by_its_ack() {
    let mut bench = Bench::new();
    let message = |method: &str, to_tag: &str| {
        format!(
            "{method} sip:nobody@127.0.0.1 SIP/2.0
            Via: SIP/2.0/UDP 127.0.0.2:5080
            From: <sip:alice@127.0.0.2:5080>
            To: <sip:nobody@127.0.0.1>{to_tag}
            Call-ID: old@127.0.0.2
            CSeq: 1 {method}"
        )
    };
    bench.receive(&message("INVITE", ""));
    let (transaction, invite) = bench.new_call();
    bench.respond(transaction, invite.response(StatusCode::NOT_FOUND, Some("gone")));

    bench.receive(&message("ACK", ";tag=gone"));
    bench.pass(4_000);

    assert_eq!(bench.lines(), ["404 INVITE"], "nothing is repeated after the ACK");
    bench.pass(2_000);
    assert_eq!(bench.endpoint.load(), NOTHING);
}

#[test]
fn a_refusal_is_repeated_until_its_ack_and_the_ack_reaches_nobody() {
    let mut bench = Bench::new();
    bench.receive(&invite());
    let (transaction, request) = bench.new_call();
    bench.respond(transaction, request.response(StatusCode::BUSY_HERE, Some("busy")));

    bench.pass(600);
    bench.receive(&from_peer("ACK", 1, "invite", "busy", ""));
    bench.pass(60_000);

    assert_eq!(bench.lines(), ["486 INVITE", "486 INVITE"]);
    assert!(bench.events().is_empty());
    assert_eq!(bench.endpoint.load(), NOTHING);
}

#[test]
fn responses_carry_record_route_contact_and_the_server_name() {
    let mut user = ringing_for(0);

    user.receive(&from_peer("INVITE", 1, "invite", "", "Record-Route: <sip:p2;lr>, <sip:p1;lr>"));

    let sent = user.bench.sent();
    let ok = response(&sent[1]);
    assert_eq!(ok.headers.get_str("Record-Route"), Some("<sip:p2;lr>, <sip:p1;lr>"));
    assert_eq!(ok.headers.get_str("Contact"), Some("<sip:bot@127.0.0.1:5060>"));
    assert_eq!(ok.headers.get_str("Server"), Some("offhook"));
}

#[test]
fn the_bye_of_a_lost_ack_goes_along_the_recorded_route() {
    let mut user = ringing_for(0);
    user.receive(&from_peer("INVITE", 1, "invite", "", "Record-Route: <sip:127.0.0.9:5070;lr>"));

    user.pass(32_000);

    let (_, transmit) = user.bench.sent.last().cloned().unwrap();
    assert_eq!(transmit.peer.remote, "127.0.0.9:5070".parse().unwrap());
    let message = crate::support::parse(&transmit.bytes);
    let bye = request(&message);
    assert_eq!(bye.uri.to_string(), "sip:alice@127.0.0.2:5080");
    assert_eq!(bye.headers.get_str("Route"), Some("<sip:127.0.0.9:5070;lr>"));
}

fn ringing_for(millis: u64) -> TestUser {
    TestUser::new(Bench::new(), Some(Duration::from_millis(millis)))
}
