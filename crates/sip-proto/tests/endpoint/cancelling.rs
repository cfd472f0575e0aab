//! CANCELs that come in, and their races.

use std::time::Duration;

use offhook_sip_proto::endpoint::{CallKey, EndpointEvent, SipEvent};

use crate::support::{Bench, NOTHING, TestUser, from_peer, invite, response};

#[test]
fn a_cancel_ends_a_ringing_call() {
    let mut user = TestUser::new(Bench::new(), None);
    user.receive(&invite());

    user.receive(&from_peer("CANCEL", 1, "invite", "", ""));
    user.receive(&from_peer("ACK", 1, "invite", "us1", ""));

    let sent = user.bench.sent();
    let lines: Vec<_> = sent.iter().map(crate::support::line).collect();
    assert_eq!(lines, ["180 INVITE", "200 CANCEL", "487 INVITE"]);
    let tag = |index: usize| response(&sent[index]).headers.to().unwrap().tag().map(str::to_owned);
    assert_eq!(tag(1), tag(2), "both responses name the same dialog");
    assert_eq!(user.log, ["cancelled"]);
    user.pass(100_000);
    assert_eq!(user.bench.endpoint.load(), NOTHING);
}

#[test]
fn a_cancel_that_crosses_the_200_is_answered_and_changes_nothing() {
    let mut user = TestUser::new(Bench::new(), Some(Duration::ZERO));
    user.receive(&invite());

    user.receive(&from_peer("CANCEL", 1, "invite", "", ""));
    user.receive(&from_peer("ACK", 1, "ack", "us1", ""));
    user.receive(&from_peer("BYE", 2, "bye", "us1", ""));

    assert_eq!(user.bench.lines(), ["180 INVITE", "200 INVITE", "200 CANCEL", "200 BYE"]);
    assert_eq!(user.log, ["acknowledged", "BYE 200"]);
}

#[test]
fn a_cancel_for_nothing_gets_481() {
    let mut user = TestUser::new(Bench::new(), None);
    user.receive(&invite());

    user.receive(&from_peer("CANCEL", 1, "other", "", ""));

    assert_eq!(user.bench.lines(), ["180 INVITE", "481 CANCEL"]);
    assert_eq!(user.calls.len(), 1);
}

#[test]
fn a_repeated_cancel_gets_its_200_again_and_is_told_once() {
    let mut user = TestUser::new(Bench::new(), None);
    user.receive(&invite());
    user.receive(&from_peer("CANCEL", 1, "invite", "", ""));
    user.bench.sent();

    user.receive(&from_peer("CANCEL", 1, "invite", "", ""));

    assert_eq!(user.bench.lines(), ["200 CANCEL"]);
    assert_eq!(user.log, ["cancelled"]);
}

#[test]
fn a_cancel_before_the_call_is_accepted_is_told_when_it_is() {
    let mut bench = Bench::new();
    bench.receive(&invite());
    bench.receive(&from_peer(
        "CANCEL",
        1,
        "invite",
        "",
        "Reason: SIP;cause=200;text=\"Call completed elsewhere\"",
    ));
    let (transaction, _) = bench.new_call();
    assert_eq!(bench.lines(), ["200 CANCEL"]);

    assert!(bench.endpoint.accept(transaction, CallKey(1)));

    match bench.events().as_slice() {
        [EndpointEvent::Call { call: CallKey(1), event: SipEvent::Cancelled { invite, request } }] => {
            assert_eq!(*invite, transaction);
            assert!(request.headers.get_str("Reason").unwrap().contains("elsewhere"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cancelled_reinvite_leaves_the_call_standing() {
    let mut bench = Bench::new();
    bench.receive(&invite());
    let (transaction, request) = bench.new_call();
    bench.endpoint.accept(transaction, CallKey(1));
    let ok = request.response(offhook_sip_proto::message::StatusCode::OK, Some("us"));
    bench.perform(1, offhook_sip_proto::endpoint::SipAction::Respond { transaction, response: ok });
    bench.receive(&from_peer("ACK", 1, "ack", "us", ""));
    bench.events();

    bench.receive(&from_peer("INVITE", 2, "re", "us", ""));
    bench.receive(&from_peer("CANCEL", 2, "re", "us", ""));

    let events = bench.events();
    let is_request =
        |event: &EndpointEvent| matches!(event, EndpointEvent::Call { event: SipEvent::Request { .. }, .. });
    let is_cancel = |event: &EndpointEvent| {
        matches!(event, EndpointEvent::Call { event: SipEvent::Cancelled { .. }, .. })
    };
    assert!(is_request(&events[0]) && is_cancel(&events[1]) && events.len() == 2, "{events:?}");
}
