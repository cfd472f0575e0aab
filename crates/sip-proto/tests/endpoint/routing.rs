//! Where messages go: Vias, merged requests, dialogs of others, rubbish.

use offhook_sip_proto::dialog::DialogId;
use offhook_sip_proto::endpoint::{CallKey, EndpointEvent, SipAction};
use offhook_sip_proto::message::{Method, StatusCode};

use crate::support::{Bench, NOTHING, from_peer, invite, response, wire};

#[test]
fn rport_sends_the_answer_to_the_source_port() {
    let mut bench = Bench::new();

    bench.receive_from("127.0.0.77:40000", &options("SIP/2.0/UDP host.example;branch=z9hG4bK1;rport"));
    answer_options(&mut bench);

    assert_eq!(bench.sent[0].1.peer.remote, "127.0.0.77:40000".parse().unwrap());
    let sent = bench.sent();
    let via = response(&sent[0]).headers.get_str("Via").unwrap().to_owned();
    assert!(via.contains("rport=40000") && via.contains("received=127.0.0.77"), "{via}");
}

#[test]
fn without_rport_the_answer_goes_to_the_source_host_and_the_sent_by_port() {
    let mut bench = Bench::new();

    bench.receive_from("127.0.0.77:40000", &options("SIP/2.0/UDP 127.0.0.77:5099;branch=z9hG4bK1"));
    answer_options(&mut bench);
    bench.receive_from("127.0.0.77:40000", &options("SIP/2.0/UDP 127.0.0.77;branch=z9hG4bK2"));
    answer_options(&mut bench);

    let ports: Vec<_> = bench.sent.iter().map(|(_, t)| t.peer.remote.to_string()).collect();
    assert_eq!(ports, ["127.0.0.77:5099", "127.0.0.77:5060"]);
}

#[test]
fn a_received_that_the_peer_wrote_is_overwritten_and_maddr_ignored() {
    let mut bench = Bench::new();
    let via = "SIP/2.0/UDP 10.9.9.9:5060;branch=z9hG4bK1;received=192.0.2.1;maddr=192.0.2.2";

    bench.receive_from("127.0.0.77:40000", &options(via));
    answer_options(&mut bench);

    assert_eq!(bench.sent[0].1.peer.remote, "127.0.0.77:5060".parse().unwrap());
}

#[test]
fn a_request_that_comes_along_two_paths_is_merged() {
    let mut bench = Bench::new();
    bench.receive(&invite());
    bench.new_call();

    bench.receive(&from_peer("INVITE", 1, "other-path", "", ""));

    assert_eq!(bench.lines(), ["482 INVITE"]);
    assert!(bench.events().is_empty());
    assert_eq!(bench.endpoint.counters().merged, 1);
}

#[test]
fn a_request_of_an_unknown_dialog_gets_481_and_an_ack_nothing() {
    let mut bench = Bench::new();

    for method in ["BYE", "INFO", "INVITE", "OPTIONS"] {
        bench.receive(&from_peer(method, 9, method, "nobody", ""));
    }
    bench.receive(&from_peer("ACK", 9, "ack", "nobody", ""));

    assert_eq!(bench.lines(), ["481 BYE", "481 INFO", "481 INVITE", "481 OPTIONS"]);
    assert!(bench.events().is_empty());
    assert_eq!(bench.endpoint.counters().stray_acks, 1);
}

#[test]
fn a_malformed_request_is_answered_without_keeping_anything() {
    let mut bench = Bench::new();
    let broken = "INVITE sip:bot@127.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK1
        From: <sip:alice@127.0.0.2>;tag=a
        Call-ID: c
        CSeq: 1 INVITE";

    bench.receive(broken);
    bench.receive(broken);

    let sent: Vec<_> = bench.sent.iter().map(|(_, transmit)| transmit.clone()).collect();
    assert!(sent[0].bytes.starts_with(b"SIP/2.0 400"));
    assert_eq!(sent[0], sent[1]);
    assert_eq!(bench.endpoint.load(), NOTHING);
    assert_eq!(bench.endpoint.counters().refused_malformed, 2);
}

#[test]
fn what_cannot_be_answered_is_dropped_and_counted() {
    let mut bench = Bench::new();
    let no_via = "OPTIONS sip:bot@127.0.0.1 SIP/2.0
        From: <sip:a@b>;tag=a
        To: <sip:bot@127.0.0.1>
        Call-ID: c
        CSeq: 1 OPTIONS";
    let stray = "SIP/2.0 200 OK
        Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKnever
        From: <sip:a@b>;tag=a
        To: <sip:bot@127.0.0.1>;tag=b
        Call-ID: c
        CSeq: 1 INVITE";

    bench.receive(no_via);
    bench.receive("HELO there");
    bench.receive(stray);
    bench.receive("SIP/2.0 9999 Much");
    bench.receive("");

    assert!(bench.sent.is_empty());
    let counters = bench.endpoint.counters();
    assert_eq!((counters.dropped_malformed, counters.stray_responses), (3, 1));
}

#[test]
fn a_response_with_a_second_via_or_anothers_sent_by_is_not_ours() {
    let mut bench = Bench::new();
    bench.receive(&invite());
    let (transaction, request) = bench.new_call();
    bench.endpoint.accept(transaction, CallKey(1));
    let ok = request.response(StatusCode::OK, Some("us"));
    bench.perform(1, SipAction::Respond { transaction, response: ok });
    bench.sent();
    let info = offhook_sip_proto::dialog::Dialog::uas(&request, "us", crate::support::contact())
        .unwrap()
        .request(Method::Info);
    let transaction = offhook_sip_proto::endpoint::TransactionId::client(1);
    bench.perform(1, SipAction::Request { transaction, request: info, destination: crate::support::them() });
    let sent = bench.sent();
    let via = crate::support::request(&sent[0]).headers.get_str("Via").unwrap().to_owned();
    let ok = |via: &str, more: &str| {
        format!(
            "SIP/2.0 200 OK\nVia: {via}\n{more}From: <sip:bot@127.0.0.1>;tag=us\nTo: <sip:a@b>;tag=alice\nCall-ID: call@127.0.0.2\nCSeq: 1 INFO"
        )
    };
    bench.events();

    bench.receive(&ok(&via, "Via: SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKx\n"));
    bench.receive(&ok(&via.replace("127.0.0.1", "127.0.0.8"), ""));
    assert!(bench.events().is_empty());
    bench.receive(&ok(&via, ""));

    assert_eq!(bench.events().len(), 1);
    assert_eq!(bench.endpoint.counters().stray_responses, 2);
}

#[test]
fn what_nobody_can_do_is_refused_before_anybody_hears_of_it() {
    let mut bench = Bench::new();

    bench.receive(&from_peer("REGISTER", 1, "a", "", ""));
    bench.receive(&from_peer("INVITE", 2, "b", "", "Require: teleport"));
    bench.receive(&from_peer("NOSUCH", 3, "c", "", ""));

    let lines = bench.lines();
    assert_eq!(lines, ["405 REGISTER", "420 INVITE", "501 NOSUCH"]);
    assert!(bench.events().is_empty());
}

#[test]
fn a_replaces_header_finds_its_call_until_the_call_ends() {
    let mut bench = Bench::new();
    bench.receive(&invite());
    let (transaction, request) = bench.new_call();
    bench.endpoint.accept(transaction, CallKey(4));
    let ringing = request.response(StatusCode::RINGING, Some("us"));
    bench.perform(4, SipAction::Respond { transaction, response: ringing });
    let id = |remote: &str| DialogId {
        call_id: "call@127.0.0.2".to_owned(),
        local_tag: "us".to_owned(),
        remote_tag: remote.to_owned(),
    };

    assert_eq!(bench.endpoint.call_of(&id("alice")), Some(CallKey(4)));
    assert_eq!(bench.endpoint.call_of(&id("mallory")), None);
    bench.forget(4);
    assert_eq!(bench.endpoint.call_of(&id("alice")), None);
}

#[test]
fn a_lost_call_refuses_what_it_owes() {
    let mut bench = Bench::new();
    bench.receive(&invite());
    let (transaction, _) = bench.new_call();
    bench.endpoint.accept(transaction, CallKey(1));

    bench.forget(1);
    bench.receive(&from_peer("ACK", 1, "invite", "", ""));
    bench.pass(100_000);

    assert_eq!(bench.lines(), ["500 INVITE"]);
    assert_eq!(bench.endpoint.load(), NOTHING);
}

#[test]
fn keep_alives_are_no_errors() {
    let mut bench = Bench::new();

    bench.endpoint.handle_datagram(b"\r\n\r\n", crate::support::udp("127.0.0.2:5080"), bench.now);
    bench.endpoint.handle_datagram(b"", crate::support::udp("127.0.0.2:5080"), bench.now);

    assert_eq!(bench.endpoint.counters(), Default::default());
    assert!(bench.sent().is_empty());
}

fn options(via: &str) -> String {
    let branch = via.split("branch=").nth(1).unwrap();
    wire(&format!(
        "OPTIONS sip:bot@127.0.0.1 SIP/2.0
        Via: {via}
        Max-Forwards: 70
        From: <sip:alice@127.0.0.2>;tag=alice
        To: <sip:bot@127.0.0.1>
        Call-ID: {}
        CSeq: 1 OPTIONS",
        branch.split(';').next().unwrap()
    ))
}

fn answer_options(bench: &mut Bench) {
    match bench.events().as_slice() {
        [EndpointEvent::OutOfDialog { transaction, request, .. }] => {
            bench.respond(*transaction, request.response(StatusCode::OK, Some("us")));
        }
        other => panic!("{other:?}"),
    }
}
