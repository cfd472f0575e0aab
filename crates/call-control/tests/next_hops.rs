//! Where the requests of a dialog go: the peer's word is followed as far as the policy allows.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod common;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use common::{Bench, OFFER, peer};
use offhook_call_control::{
    CallEvent, CallSettings, Command, EndCause, Input, OutboundPolicy, Output, StartedBy, TrunkPolicy,
};
use offhook_sip_proto::endpoint::{Destination, SipAction, Transport};
use offhook_sip_proto::message::Method;

/// An address of nobody that this call has to do with.
const ELSEWHERE: &str = "198.51.100.66";

const HANG_UP: Command = Command::HangUp { status: None, reason: None };

#[test]
fn a_bye_goes_to_the_contact_where_that_is_the_caller_itself() {
    let mut bench = Bench::up(|_| {});

    bench.command("end", HANG_UP);

    assert_eq!(destinations(&bench), [at("127.0.0.2:5080")]);
    assert!(detours(&bench).is_empty());
}

#[test]
fn a_contact_that_names_somebody_else_gets_nothing() {
    let mut bench = answered(|_| {}, "sip:alice@198.51.100.66:5060", "");

    let target = "sip:agents@127.0.0.3".to_owned();
    bench.command("over", Command::Transfer { target, trunk: None });
    bench.command("end", HANG_UP);

    assert!(bench.sent(&Method::Refer).is_some() && bench.sent(&Method::Bye).is_some());
    assert_eq!(destinations(&bench), [Destination::Peer(peer()); 2]);
    assert_eq!(detours(&bench), [ELSEWHERE.parse::<IpAddr>().unwrap()], "told once");
}

#[test]
fn a_record_route_that_names_somebody_else_gets_nothing() {
    let route = "Record-Route: <sip:198.51.100.66;lr>";
    let mut bench = answered(|_| {}, "sip:alice@127.0.0.2:5080", route);

    bench.command("end", HANG_UP);

    assert_eq!(destinations(&bench), [Destination::Peer(peer())]);
    assert_eq!(
        bench.sent(&Method::Bye).unwrap().headers.get_str("Route"),
        Some("<sip:198.51.100.66;lr>"),
        "the message is as the dialog wants it, only its way is another"
    );
    assert_eq!(detours(&bench).len(), 1);
}

#[test]
fn a_trunk_may_be_named_as_the_next_hop() {
    let mut bench = answered(with_trunk, "sip:alice@198.51.100.66:5062", "");

    bench.command("end", HANG_UP);

    assert_eq!(destinations(&bench), [at("198.51.100.66:5062")]);
    assert!(detours(&bench).is_empty());
}

#[test]
fn a_contact_that_changes_within_the_dialog_is_judged_again() {
    let mut bench = Bench::up(|_| {});
    assert!(detours(&bench).is_empty());

    bench.contact = "sip:alice@198.51.100.66".to_owned();
    bench.invite(&common::offer("sendrecv", 2));
    bench.ack("");
    bench.command("end", HANG_UP);

    assert_eq!(destinations(&bench), [Destination::Peer(peer())]);
    assert_eq!(detours(&bench).len(), 1);
}

#[test]
fn the_bye_of_a_call_that_is_lost_goes_nowhere_else_either() {
    let bench = answered(|_| {}, "sip:alice@198.51.100.66", "");

    let (_, destination) = bench.call.obituary().unwrap();

    assert_eq!(destination, Destination::Peer(peer()));
}

#[test]
fn the_ack_of_an_outgoing_call_is_judged_like_its_requests() {
    let mut bench = Bench::with(|settings| calls(settings, "sip:bob@127.0.0.2:5080"));
    bench.feed(Input::Dial);
    bench.contact = "sip:bob@198.51.100.66".to_owned();

    bench.respond(&Method::Invite, 200, "Content-Type: application/sdp\r\n", OFFER);
    bench.command("end", HANG_UP);

    let acks: Vec<Destination> = bench
        .outputs
        .iter()
        .filter_map(|(_, output)| match output {
            Output::Sip(SipAction::AckFor2xx { destination, .. }) => Some(*destination),
            _ => None,
        })
        .collect();
    assert_eq!(acks, [Destination::Peer(peer())]);
    assert_eq!(destinations(&bench), [at("127.0.0.2:5080"), Destination::Peer(peer())]);
    assert_eq!(detours(&bench).len(), 1);
}

#[test]
fn a_call_to_where_no_trunk_leads_is_not_even_begun() {
    for (target, change, is_sent) in [
        ("sip:bob@198.51.100.66", None, false),
        ("sip:bob@198.51.100.66", Some("carrier"), true),
        ("sip:bob@127.0.0.2", Some("carrier"), false),
        ("sip:bob@198.51.100.66;maddr=203.0.113.1", Some("carrier"), false),
    ] {
        let mut bench = Bench::with(|settings| {
            calls(settings, target);
            if change.is_some() {
                with_trunk(settings);
            }
            settings.trunk = change.map(str::to_owned);
        });

        bench.feed(Input::Dial);

        assert_eq!(bench.sent(&Method::Invite).is_some(), is_sent, "{target} by {change:?}");
        assert_eq!(bench.ended(), (!is_sent).then_some(EndCause::Unreachable));
    }
}

#[test]
fn a_transfer_tells_its_trunk_and_goes_by_the_one_that_is_named() {
    for (target, named, trunk, code) in [
        ("sip:1@198.51.100.66", None, Some("carrier"), None),
        ("sip:1@PBX.example.net", Some("carrier"), Some("carrier"), None),
        ("sip:1@127.0.0.3", None, None, None),
        ("sip:1@127.0.0.3", Some("carrier"), None, Some("not_allowed")),
        ("sip:1@127.0.0.3", Some("nobody"), None, Some("bad_argument")),
    ] {
        let mut bench = Bench::up(with_trunk);

        let by = named.map(str::to_owned);
        bench.command("t", Command::Transfer { target: target.to_owned(), trunk: by });

        let told = bench.events().into_iter().find_map(|event| match event {
            CallEvent::TransferStarted { trunk, .. } => Some(trunk),
            _ => None,
        });
        assert_eq!(told, Some(trunk.map(str::to_owned)), "{target} by {named:?}");
        assert_eq!(bench.sent(&Method::Refer).is_some(), code.is_none());
        if let Some(code) = code {
            assert_eq!(bench.refusal("t"), code);
        }
    }
}

/// A call that is up, whose caller says to be reached at `contact`.
fn answered(change: fn(&mut CallSettings), contact: &str, extra: &str) -> Bench {
    let mut bench = Bench::with(change);
    bench.contact = contact.to_owned();
    let headers = ["Content-Type: application/sdp", extra].join("\r\n");
    bench.request("INVITE", headers.trim_end(), OFFER);
    bench.ack("");
    bench
}

fn with_trunk(settings: &mut CallSettings) {
    let trunk = TrunkPolicy {
        name: "carrier".to_owned(),
        networks: vec![("198.51.100.0".parse().unwrap(), 24)],
        hosts: vec!["pbx.example.net".to_owned()],
    };
    settings.outbound = Arc::new(OutboundPolicy { trunks: vec![trunk] });
}

fn calls(settings: &mut CallSettings, target: &str) {
    settings.started_by = StartedBy::Api { target: target.to_owned(), caller: "offhook".to_owned() };
}

fn at(remote: &str) -> Destination {
    Destination::Address { protocol: Transport::Udp, remote: remote.parse::<SocketAddr>().unwrap() }
}

/// Where our requests went.
fn destinations(bench: &Bench) -> Vec<Destination> {
    let of = |output: &Output| match output {
        Output::Sip(SipAction::Request { destination, .. }) => Some(*destination),
        _ => None,
    };
    bench.outputs.iter().filter_map(|(_, output)| of(output)).collect()
}

fn detours(bench: &Bench) -> Vec<IpAddr> {
    let of = |event| match event {
        CallEvent::NextHopRefused { address } => Some(address),
        _ => None,
    };
    bench.events().into_iter().filter_map(of).collect()
}
