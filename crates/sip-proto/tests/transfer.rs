//! Transfers by REFER: how their outcome is learned (RFC 3515, RFC 6665).

#![allow(clippy::unwrap_used, reason = "helpers of a test fail like the test")]

use std::time::Duration;

use offhook_sip_proto::dialog::Dialog;
use offhook_sip_proto::endpoint::{Failure, Peer, SipAction, SipEvent, TransactionId, Transport};
use offhook_sip_proto::message::{Limits, Message, Method, NameAddr, Request, StatusCode};
use offhook_sip_proto::user_agent::{ReferClient, ReferProgress, TransactionIds};
use offhook_testkit::start;
use offhook_time::Time;

use ReferProgress::{Failed, PeerLeft, Ringing, Succeeded, Timeout, Trying};

#[test]
fn the_refer_names_target_and_referrer_and_goes_along_the_dialog() {
    let mut transfer = Transfer::new();

    let refer = transfer.refer();

    assert_eq!(refer.method, Method::Refer);
    assert_eq!(refer.headers.get_str("Refer-To"), Some("<sip:agent@127.0.0.5>"));
    assert_eq!(refer.headers.get_str("Referred-By"), Some("<sip:bot@127.0.0.1>"));
    assert_eq!(refer.headers.get_str("Contact"), Some("<sip:bot@127.0.0.1:5060>"));
    assert_eq!(refer.uri.to_string(), "sip:alice@127.0.0.2:5080");
}

#[test]
fn a_transfer_tries_rings_and_succeeds() {
    let mut transfer = Transfer::new();

    transfer.respond(202);
    transfer.notify("100 Trying", "active;expires=60");
    transfer.notify("180 Ringing", "active;expires=60");
    let answered = transfer.notify("200 OK", "terminated;reason=noresource");

    assert_eq!(transfer.progress(), [Trying, Ringing, Succeeded]);
    assert_eq!(answered, Some(StatusCode::OK));
    assert!(!transfer.client.is_open());
    assert_eq!(transfer.client.poll_timeout(), None);
}

#[test]
fn only_news_is_told() {
    let mut transfer = Transfer::new();
    transfer.respond(202);
    assert_eq!(transfer.progress(), [Trying]);

    transfer.notify("100 Trying", "active");
    transfer.notify("180 Ringing", "active");
    assert_eq!(transfer.progress(), [Ringing]);
    transfer.notify("183 Session Progress", "active");

    assert_eq!(transfer.progress(), []);
}

#[test]
fn a_busy_target_fails_the_transfer_with_its_status() {
    let mut transfer = Transfer::new();
    transfer.respond(202);

    transfer.notify("486 Busy Here", "terminated;reason=noresource");

    assert_eq!(transfer.progress(), [Trying, Failed(StatusCode::BUSY_HERE)]);
}

#[test]
fn a_refused_refer_fails_at_once() {
    let mut transfer = Transfer::new();

    transfer.respond(603);

    assert_eq!(transfer.progress(), [Failed(StatusCode::DECLINE)]);
}

#[test]
fn a_refer_that_nobody_answers_fails_like_a_408() {
    let mut transfer = Transfer::new();
    let transaction = transfer.transaction();

    transfer.handle(SipEvent::Failed { transaction, cause: Failure::Timeout });

    assert_eq!(transfer.progress(), [Failed(StatusCode::REQUEST_TIMEOUT)]);
}

#[test]
fn no_notify_at_all_times_out() {
    let mut transfer = Transfer::new();
    transfer.respond(202);

    assert_eq!(transfer.client.poll_timeout(), Some(start() + PATIENCE));
    transfer.now = start() + PATIENCE;
    transfer.client.handle_timeout(transfer.now);

    assert_eq!(transfer.progress(), [Trying, Timeout]);
}

#[test]
fn each_notify_prolongs_the_wait_but_not_beyond_our_patience() {
    let mut transfer = Transfer::new();
    transfer.respond(202);
    transfer.now = start() + Duration::from_secs(20);

    transfer.notify("180 Ringing", "active;expires=3600");
    assert_eq!(transfer.client.poll_timeout(), Some(transfer.now + PATIENCE));
    transfer.notify("180 Ringing", "active;expires=5");

    assert_eq!(transfer.client.poll_timeout(), Some(transfer.now + Duration::from_secs(5)));
}

#[test]
fn a_notify_may_overtake_the_202() {
    let mut transfer = Transfer::new();

    transfer.notify("200 OK", "terminated");
    transfer.respond(202);

    assert_eq!(transfer.progress(), [Succeeded]);
}

#[test]
fn a_peer_that_hangs_up_without_a_word_has_left() {
    let mut transfer = Transfer::new();
    transfer.respond(202);

    let is_ours = transfer.request("BYE", "", "");

    assert!(!is_ours, "the call answers the BYE");
    assert_eq!(transfer.progress(), [Trying, PeerLeft]);
}

#[test]
fn a_bye_after_the_outcome_changes_nothing() {
    let mut transfer = Transfer::new();
    transfer.respond(202);
    transfer.notify("200 OK", "terminated");

    transfer.request("BYE", "", "");

    assert_eq!(transfer.progress(), [Trying, Succeeded]);
}

#[test]
fn a_subscription_that_ends_without_an_outcome_is_a_timeout() {
    let mut transfer = Transfer::new();
    transfer.respond(202);

    transfer.notify("100 Trying", "terminated;reason=timeout");

    assert_eq!(transfer.progress(), [Trying, Timeout]);
}

#[test]
fn notifies_of_other_events_and_other_refers_are_not_ours() {
    let mut transfer = Transfer::new();
    transfer.respond(202);

    assert!(!transfer.request("NOTIFY", "Event: message-summary", ""));
    assert!(!transfer.request("NOTIFY", "Event: refer;id=9999", "SIP/2.0 200 OK"));
    assert!(!transfer.request("NOTIFY", "", "SIP/2.0 200 OK"));
    assert_eq!(transfer.progress(), [Trying]);
    assert!(transfer.request(
        "NOTIFY",
        "Event: refer;id=1\nSubscription-State: active",
        "SIP/2.0 180 Ringing"
    ));

    assert_eq!(transfer.progress(), [Ringing]);
}

#[test]
fn a_device_that_leaves_the_subscription_state_out_is_understood() {
    let mut transfer = Transfer::new();
    transfer.respond(202);

    assert!(transfer.request("NOTIFY", "o: refer", "SIP/2.0 200 OK\r\n"));

    assert_eq!(transfer.progress(), [Trying, Succeeded]);
}

const PATIENCE: Duration = Duration::from_secs(30);

struct Transfer {
    client: ReferClient,
    dialog: Dialog,
    ids: TransactionIds,
    now: Time,
    number: u64,
}

impl Transfer {
    fn new() -> Self {
        let invite = parse(
            "INVITE sip:bot@127.0.0.1 SIP/2.0
            Via: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK1
            From: <sip:alice@127.0.0.2>;tag=alice
            To: <sip:bot@127.0.0.1>
            Call-ID: call
            CSeq: 1 INVITE
            Contact: <sip:alice@127.0.0.2:5080>",
            "",
        );
        let Message::Request(invite) = invite else { panic!() };
        let name = |text: &str| text.parse::<NameAddr>().unwrap();
        let mut dialog = Dialog::uas(&invite, "us", name("<sip:bot@127.0.0.1:5060>")).unwrap();
        dialog.confirm();
        let mut ids = TransactionIds::new();
        let (target, by) = (name("<sip:agent@127.0.0.5>"), name("<sip:bot@127.0.0.1>"));
        let client = ReferClient::new(&mut dialog, &target, Some(&by), PATIENCE, &peer(), &mut ids);
        Transfer { client, dialog, ids, now: start(), number: 0 }
    }

    fn refer(&mut self) -> Request {
        match self.client.poll_action() {
            Some(SipAction::Request { request, .. }) => request,
            other => panic!("{other:?}"),
        }
    }

    fn transaction(&mut self) -> TransactionId {
        assert_eq!(self.ids.take(), TransactionId::client(2), "the REFER took the first");
        TransactionId::client(1)
    }

    fn respond(&mut self, status: u16) {
        let response =
            self.dialog.obituary().bye("x").unwrap().response(StatusCode::new(status).unwrap(), None);
        self.handle(SipEvent::Response { transaction: TransactionId::client(1), response, peer: peer() });
    }

    /// A NOTIFY of this transfer; what it is answered with.
    fn notify(&mut self, status: &str, subscription: &str) -> Option<StatusCode> {
        let headers = format!("Event: refer\nSubscription-State: {subscription}");
        self.request("NOTIFY", &headers, &format!("SIP/2.0 {status}\r\n"));
        while let Some(action) = self.client.poll_action() {
            if let SipAction::Respond { response, .. } = action {
                return Some(response.status);
            }
        }
        None
    }

    fn request(&mut self, method: &str, headers: &str, body: &str) -> bool {
        self.number += 1;
        let text = format!(
            "{method} sip:bot@127.0.0.1 SIP/2.0
            Via: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bKn{}
            From: <sip:alice@127.0.0.2>;tag=alice
            To: <sip:bot@127.0.0.1>;tag=us
            Call-ID: call
            CSeq: {} {method}
            {headers}
            Content-Type: message/sipfrag",
            self.number,
            self.number + 1
        );
        let Message::Request(request) = parse(&text, body) else { panic!() };
        let transaction = TransactionId::server(self.number);
        self.handle(SipEvent::Request { transaction, request, peer: peer() })
    }

    fn handle(&mut self, event: SipEvent) -> bool {
        self.client.handle(&event, &self.dialog, self.now)
    }

    fn progress(&mut self) -> Vec<ReferProgress> {
        std::iter::from_fn(|| self.client.poll_progress()).collect()
    }
}

fn peer() -> Peer {
    Peer {
        protocol: Transport::Udp,
        local: "127.0.0.1:5060".parse().unwrap(),
        remote: "127.0.0.2:5080".parse().unwrap(),
        connection: None,
    }
}

fn parse(text: &str, body: &str) -> Message {
    let lines: Vec<&str> = text.trim().lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Message::parse(format!("{}\r\n\r\n{body}", lines.join("\r\n")).as_bytes(), &Limits::default()).unwrap()
}
