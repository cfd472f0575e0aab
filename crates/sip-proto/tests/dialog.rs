//! Dialogs of RFC 3261 §12: routes, targets, sequence numbers, obituaries.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail like the test")]

use offhook_sip_proto::dialog::{Dialog, Due, OutOfPlace, Phase, Retransmit2xx, Role};
use offhook_sip_proto::endpoint::{Destination, Peer, Transport};
use offhook_sip_proto::message::{Limits, Message, Method, NameAddr, Request, Response, StatusCode};
use offhook_sip_proto::transaction::Timing;
use offhook_testkit::{drive, millis_since, start};

#[test]
fn the_called_side_takes_the_recorded_route_in_order() {
    let dialog = called("Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>");

    let routes: Vec<_> = dialog.route_set().iter().map(|route| route.uri.to_string()).collect();

    assert_eq!(routes, ["sip:p2.example;lr", "sip:p1.example;lr"]);
    assert_eq!((dialog.role(), dialog.phase()), (Role::Uas, Phase::Early));
}

#[test]
fn the_calling_side_takes_the_recorded_route_in_reverse() {
    let dialog = calling("Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>");

    let routes: Vec<_> = dialog.route_set().iter().map(|route| route.uri.to_string()).collect();

    assert_eq!(routes, ["sip:p1.example;lr", "sip:p2.example;lr"]);
    assert_eq!((dialog.role(), dialog.phase()), (Role::Uac, Phase::Confirmed));
}

#[test]
fn loose_routing_keeps_the_target_in_the_request_line() {
    let mut dialog = called("Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>");

    let bye = dialog.request(Method::Bye);

    assert_eq!(bye.uri.to_string(), "sip:alice@127.0.0.2:5080");
    let routes: Vec<_> = bye.headers.routes().unwrap().iter().map(NameAddr::to_string).collect();
    assert_eq!(routes, ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]);
}

#[test]
fn a_strict_router_stands_in_the_request_line_and_the_target_at_the_end() {
    let mut dialog = called("Record-Route: <sip:p2.example;method=INVITE>, <sip:p1.example;lr>");

    let bye = dialog.request(Method::Bye);

    assert_eq!(bye.uri.to_string(), "sip:p2.example");
    let routes: Vec<_> = bye.headers.routes().unwrap().iter().map(NameAddr::to_string).collect();
    assert_eq!(routes, ["<sip:p1.example;lr>", "<sip:alice@127.0.0.2:5080>"]);
}

#[test]
fn the_ack_for_a_2xx_has_the_number_and_the_credentials_of_its_invite_and_the_route_of_the_dialog() {
    let mut invite = our_invite();
    invite.headers.push("Proxy-Authorization", "Digest a");
    let dialog = Dialog::uac(&invite, &answer("200 OK", "Record-Route: <sip:127.0.0.9;lr>")).unwrap();

    let ack = dialog.ack(&invite);

    assert_eq!(ack.method, Method::Ack);
    assert_eq!(ack.headers.cseq().unwrap().to_string(), "7 ACK");
    assert_eq!(ack.headers.get_str("Proxy-Authorization"), Some("Digest a"));
    assert_eq!(ack.headers.get_str("Route"), Some("<sip:127.0.0.9;lr>"));
    assert_eq!(ack.uri.to_string(), "sip:bob@127.0.0.3");
    assert_eq!(ack.headers.to().unwrap().tag(), Some("bob"));
}

#[test]
fn the_2xx_computes_the_route_of_an_early_dialog_anew() {
    let mut dialog =
        Dialog::uac(&our_invite(), &answer("180 Ringing", "Record-Route: <sip:old;lr>")).unwrap();
    assert_eq!(dialog.phase(), Phase::Early);

    dialog.confirm_by(&answer("200 OK", "Record-Route: <sip:new;lr>")).unwrap();

    assert_eq!(dialog.phase(), Phase::Confirmed);
    assert_eq!(dialog.route_set()[0].uri.to_string(), "sip:new;lr");
}

#[test]
fn our_requests_count_up_from_the_invite() {
    let mut dialog = calling("");

    let numbers = [Method::Info, Method::Refer, Method::Bye]
        .map(|method| dialog.request(method).headers.cseq().unwrap().to_string());

    assert_eq!(numbers, ["8 INFO", "9 REFER", "10 BYE"]);
    assert_eq!(dialog.phase(), Phase::Terminated);
}

#[test]
fn requests_of_ours_carry_both_tags_and_where_it_refreshes_the_target_our_contact() {
    let mut dialog = called("");

    let (info, reinvite) = (dialog.request(Method::Info), dialog.request(Method::Invite));

    assert_eq!(info.headers.from().unwrap().tag(), Some("us"));
    assert_eq!(info.headers.to().unwrap().tag(), Some("alice"));
    assert_eq!(info.headers.call_id().unwrap().as_str(), "call");
    assert!(!info.headers.has("Contact"));
    assert_eq!(reinvite.headers.get_str("Contact"), Some("<sip:bot@127.0.0.1:5060>"));
}

#[test]
fn an_old_sequence_number_is_refused_and_changes_nothing() {
    let mut dialog = called("");
    dialog.handle_request(&inside("INFO", 5, "alice", "us", "")).unwrap();

    let refused = dialog.handle_request(&inside("INVITE", 4, "alice", "us", "Contact: <sip:elsewhere>"));

    assert_eq!(refused, Err(OutOfPlace::OldSequence));
    assert_eq!(OutOfPlace::OldSequence.status(), StatusCode::SERVER_INTERNAL_ERROR);
    assert_eq!(dialog.remote_target().to_string(), "sip:alice@127.0.0.2:5080");
    assert_eq!(dialog.handle_request(&inside("INFO", 5, "alice", "us", "")), Ok(()));
}

#[test]
fn requests_with_other_tags_belong_to_other_dialogs() {
    let mut dialog = called("");

    for (from, to) in [("mallory", "us"), ("alice", "other"), ("us", "alice")] {
        let refused = dialog.handle_request(&inside("INFO", 2, from, to, ""));
        assert_eq!(refused, Err(OutOfPlace::OtherDialog), "{from} {to}");
    }
}

#[test]
fn after_a_bye_only_a_crossing_bye_is_taken() {
    let mut dialog = called("");
    dialog.request(Method::Bye);

    assert_eq!(dialog.handle_request(&inside("INFO", 2, "alice", "us", "")), Err(OutOfPlace::OtherDialog));
    assert_eq!(dialog.handle_request(&inside("BYE", 3, "alice", "us", "")), Ok(()));
}

#[test]
fn a_reinvite_moves_the_target_and_an_info_does_not() {
    let mut dialog = called("");

    dialog.handle_request(&inside("INFO", 2, "alice", "us", "Contact: <sip:no@127.0.0.7>")).unwrap();
    assert_eq!(dialog.remote_target().to_string(), "sip:alice@127.0.0.2:5080");
    dialog.handle_request(&inside("INVITE", 3, "alice", "us", "Contact: <sip:alice@127.0.0.7>")).unwrap();

    assert_eq!(dialog.remote_target().to_string(), "sip:alice@127.0.0.7");
}

#[test]
fn an_answer_of_481_ends_the_dialog_and_one_of_500_does_not() {
    let mut dialog = calling("");

    assert!(dialog.handle_response(&answer("500 Oops", "")));
    assert!(!dialog.handle_response(&answer("481 Gone", "")));

    assert_eq!(dialog.phase(), Phase::Terminated);
}

#[test]
fn the_next_hop_decides_the_destination_and_a_name_falls_back_to_the_last_peer() {
    let last = Peer {
        protocol: Transport::Udp,
        local: "127.0.0.1:5060".parse().unwrap(),
        remote: "127.0.0.2:33333".parse().unwrap(),
        connection: None,
    };
    let to = |route: &str| called(&format!("Record-Route: <{route}>")).destination(&last);
    let address = |protocol, remote: &str| Destination::Address { protocol, remote: remote.parse().unwrap() };

    assert_eq!(to("sip:127.0.0.9;lr"), address(Transport::Udp, "127.0.0.9:5060"));
    assert_eq!(to("sip:127.0.0.9:7000;transport=tcp;lr"), address(Transport::Tcp, "127.0.0.9:7000"));
    assert_eq!(to("sip:[::1]:7000;lr"), address(Transport::Udp, "[::1]:7000"));
    assert_eq!(to("sip:proxy.example;lr"), Destination::Peer(last));
}

#[test]
fn an_obituary_says_goodbye_with_a_number_above_all_others() {
    let mut dialog = called("Record-Route: <sip:127.0.0.9;lr>");
    assert_eq!(dialog.obituary().bye("SIP;cause=500"), None, "no BYE before the 2xx");
    dialog.confirm();
    let obituary = dialog.obituary();
    for _ in 0..50 {
        dialog.request(Method::Info);
    }

    let bye = obituary.bye("SIP;cause=500").unwrap();

    assert!(bye.headers.cseq().unwrap().number > 50);
    assert_eq!(bye.headers.get_str("Reason"), Some("SIP;cause=500"));
    assert_eq!(bye.headers.get_str("Route"), Some("<sip:127.0.0.9;lr>"));
    assert_eq!(bye.headers.to().unwrap().tag(), Some("alice"));
    assert_eq!(obituary.dialog(), dialog.id());
}

#[test]
fn a_response_of_ours_has_tag_contact_and_route_and_a_100_has_none() {
    let invite = their_invite("Record-Route: <sip:p;lr>");
    let dialog = Dialog::uas(&invite, "us", contact()).unwrap();

    let [trying, ok, busy] = [StatusCode::TRYING, StatusCode::OK, StatusCode::BUSY_HERE]
        .map(|status| dialog.response(&invite, status));

    assert_eq!(trying.headers.to().unwrap().tag(), None);
    assert_eq!(ok.headers.to().unwrap().tag(), Some("us"));
    assert_eq!((ok.headers.has("Contact"), ok.headers.has("Record-Route")), (true, true));
    assert_eq!(busy.headers.to().unwrap().tag(), Some("us"));
    assert_eq!((busy.headers.has("Contact"), busy.headers.has("Record-Route")), (false, false));
}

#[test]
fn a_peer_of_rfc_2543_without_contact_and_tag_is_called_back_at_its_from() {
    let text = "INVITE sip:bot@127.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 127.0.0.2
        From: <sip:alice@127.0.0.2>
        To: <sip:bot@127.0.0.1>
        Call-ID: old
        CSeq: 1 INVITE";
    let Message::Request(invite) = parse(text) else { panic!() };

    let mut dialog = Dialog::uas(&invite, "us", contact()).unwrap();
    let bye = dialog.request(Method::Bye);

    assert_eq!(dialog.id().remote_tag, "");
    assert_eq!(bye.uri.to_string(), "sip:alice@127.0.0.2");
    assert_eq!(bye.headers.to().unwrap().tag(), None);
}

#[test]
fn a_2xx_is_repeated_on_t1_doubling_to_t2_and_given_up_after_64_t1() {
    let mut machine = Some(Retransmit2xx::new(&Timing::default(), start()));

    let again = drive(
        &mut machine,
        |machine| machine.as_ref().map(Retransmit2xx::poll_timeout),
        |machine, now| {
            let due = machine.as_mut().and_then(|running| running.handle_timeout(now));
            if due == Some(Due::HangUp) {
                assert_eq!(millis_since(start(), &[now]), [32_000]);
                *machine = None;
            }
            due == Some(Due::SendAgain)
        },
    );

    assert_eq!(
        millis_since(start(), &again),
        [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]
    );
}

fn called(extra: &str) -> Dialog {
    Dialog::uas(&their_invite(extra), "us", contact()).unwrap()
}

fn calling(extra: &str) -> Dialog {
    Dialog::uac(&our_invite(), &answer("200 OK", extra)).unwrap()
}

fn contact() -> NameAddr {
    "<sip:bot@127.0.0.1:5060>".parse().unwrap()
}

fn their_invite(extra: &str) -> Request {
    let text = format!(
        "INVITE sip:bot@127.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK1
        From: <sip:alice@127.0.0.2>;tag=alice
        To: <sip:bot@127.0.0.1>
        Call-ID: call
        CSeq: 1 INVITE
        Contact: <sip:alice@127.0.0.2:5080>
        {extra}"
    );
    let Message::Request(request) = parse(&text) else { panic!() };
    request
}

fn inside(method: &str, cseq: u32, from: &str, to: &str, extra: &str) -> Request {
    let text = format!(
        "{method} sip:bot@127.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK1
        From: <sip:alice@127.0.0.2>;tag={from}
        To: <sip:bot@127.0.0.1>;tag={to}
        Call-ID: call
        CSeq: {cseq} {method}
        {extra}"
    );
    let Message::Request(request) = parse(&text) else { panic!() };
    request
}

fn our_invite() -> Request {
    let text = "INVITE sip:bob@127.0.0.2 SIP/2.0
        Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1
        From: <sip:bot@127.0.0.1>;tag=us
        To: <sip:bob@127.0.0.2>
        Call-ID: call
        CSeq: 7 INVITE
        Contact: <sip:bot@127.0.0.1:5060>";
    let Message::Request(request) = parse(text) else { panic!() };
    request
}

fn answer(status: &str, extra: &str) -> Response {
    let text = format!(
        "SIP/2.0 {status}
        Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1
        From: <sip:bot@127.0.0.1>;tag=us
        To: <sip:bob@127.0.0.2>;tag=bob
        Call-ID: call
        CSeq: 7 INVITE
        Contact: <sip:bob@127.0.0.3>
        {extra}"
    );
    let Message::Response(response) = parse(&text) else { panic!() };
    response
}

fn parse(text: &str) -> Message {
    let lines: Vec<&str> = text.trim().lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Message::parse(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes(), &Limits::default()).unwrap()
}
