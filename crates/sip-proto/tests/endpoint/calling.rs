//! Calls that go out: forks, races with CANCEL, lost calls.

use offhook_sip_proto::dialog::Dialog;
use offhook_sip_proto::endpoint::{EndpointEvent, Failure, SipAction, SipEvent, TransactionId};
use offhook_sip_proto::message::{Message, Method, NameAddr, Request};
use offhook_sip_proto::user_agent::{
    Body, Invitation, InviteClient, InviteClientEvent, Reinvite, ReinviteEvent, TransactionIds,
};
use offhook_time::{Randomness, Seed};

use crate::support::{Bench, NOTHING, THEM, address, contact, from_peer, request, them, udp};

#[test]
fn a_call_rings_is_answered_and_acknowledged_along_the_dialog() {
    let mut caller = Caller::new(true);

    caller.answer(100, "", "");
    caller.answer(180, "bob", "");
    caller.answer(200, "bob", "Contact: <sip:bob@127.0.0.3:5090>");

    assert_eq!(caller.told(), ["100 no dialog", "180 bob", "200 bob"]);
    let sent = caller.bench.sent();
    let lines: Vec<_> = sent.iter().map(crate::support::line).collect();
    assert_eq!(lines, ["INVITE", "ACK"]);
    let ack = request(&sent[1]);
    assert_eq!(ack.uri.to_string(), "sip:bob@127.0.0.3:5090");
    assert_eq!(ack.headers.cseq().unwrap().number, 1);
    assert_ne!(branch(&sent[0]), branch(&sent[1]), "the ACK for a 2xx is a transaction of its own");
    assert_eq!(caller.bench.sent.last().unwrap().1.peer.remote, "127.0.0.3:5090".parse().unwrap());
}

#[test]
fn every_repeated_200_gets_the_same_ack() {
    let mut caller = Caller::new(true);
    caller.answer(200, "bob", "");

    caller.answer(200, "bob", "");
    caller.answer(200, "bob", "");

    let acks: Vec<_> = caller.bench.sent.iter().skip(1).map(|(_, t)| t.bytes.clone()).collect();
    assert_eq!(acks.len(), 3);
    assert!(acks.iter().all(|ack| *ack == acks[0]));
    assert_eq!(caller.told(), ["200 bob"]);
}

#[test]
fn an_invite_without_an_offer_is_acknowledged_with_the_answer() {
    let mut caller = Caller::new(false);
    caller.answer(200, "bob", "");
    assert_eq!(caller.bench.lines(), ["INVITE"]);

    caller.client.acknowledge(Some(Body::sdp("v=0\r\n")), &udp(THEM));
    caller.pump();

    let sent = caller.bench.sent();
    assert_eq!(request(&sent[0]).method, Method::Ack);
    assert_eq!(request(&sent[0]).body, b"v=0\r\n");
}

#[test]
fn a_second_fork_that_answers_is_acknowledged_and_hung_up() {
    let mut caller = Caller::new(true);
    caller.answer(180, "bob", "");
    caller.answer(180, "carol", "");
    caller.answer(200, "carol", "");

    caller.answer(200, "bob", "Contact: <sip:bob@127.0.0.4:5090>");

    let sent = caller.bench.sent();
    let lines: Vec<_> = sent.iter().map(crate::support::line).collect();
    assert_eq!(lines, ["INVITE", "ACK", "ACK", "BYE"]);
    let tag = |index: usize| request(&sent[index]).headers.to().unwrap().tag().map(str::to_owned);
    assert_eq!((tag(1).as_deref(), tag(2).as_deref()), (Some("carol"), Some("bob")));
    assert_eq!(request(&sent[3]).uri.to_string(), "sip:bob@127.0.0.4:5090");
    assert_eq!(caller.told(), ["180 bob", "180 carol", "200 carol"]);
}

#[test]
fn a_refusal_is_acknowledged_with_the_branch_of_the_invite() {
    let mut caller = Caller::new(true);

    caller.answer(486, "bob", "");
    caller.answer(486, "bob", "");

    let sent = caller.bench.sent();
    let lines: Vec<_> = sent.iter().map(crate::support::line).collect();
    assert_eq!(lines, ["INVITE", "ACK", "ACK"]);
    assert_eq!(branch(&sent[0]), branch(&sent[1]));
    assert_eq!(caller.told(), ["refused 486"]);
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let mut caller = Caller::new(true);

    caller.cancel();
    assert_eq!(caller.bench.lines(), ["INVITE"]);
    caller.answer(180, "bob", "");

    let sent = caller.bench.sent();
    let cancel = request(&sent[0]);
    assert_eq!(cancel.method, Method::Cancel);
    assert_eq!(branch(&sent[0]), branch(&caller.invite()));
    assert_eq!(cancel.headers.to().unwrap().tag(), None);
    caller.answer_to("CANCEL", 1, 200, "bob", "");
    caller.answer(487, "bob", "");
    assert_eq!(caller.told(), ["cancelled"]);
    assert_eq!(caller.bench.lines(), ["ACK"]);
}

#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let mut caller = Caller::new(true);
    caller.answer(180, "bob", "");
    caller.cancel();

    caller.answer(200, "bob", "");

    assert_eq!(caller.bench.lines(), ["INVITE", "CANCEL", "ACK", "BYE"]);
    assert_eq!(caller.told(), ["180 bob", "cancelled"]);
}

#[test]
fn a_cancel_before_any_response_hangs_up_whoever_answers_at_once() {
    let mut caller = Caller::new(true);
    caller.cancel();

    caller.answer(200, "bob", "");

    assert_eq!(caller.bench.lines(), ["INVITE", "ACK", "BYE"]);
    assert_eq!(caller.told(), ["cancelled"]);
}

#[test]
fn a_peer_that_ignores_the_cancel_is_given_32_seconds() {
    let mut caller = Caller::new(true);
    caller.answer(180, "bob", "");
    caller.cancel();

    caller.pass(31_999);
    assert_eq!(caller.told(), ["180 bob"]);
    caller.pass(1);

    assert_eq!(caller.told(), ["cancelled"]);
}

#[test]
fn nobody_there_is_a_timeout_after_32_seconds() {
    let mut caller = Caller::new(true);

    caller.pass(32_000);

    assert_eq!(caller.told(), ["failed Timeout"]);
    assert_eq!(caller.bench.lines().len(), 7, "the INVITE and six repetitions");
}

#[test]
fn an_unreachable_host_fails_at_once() {
    let mut caller = Caller::new(true);

    caller.bench.endpoint.transport_failed(&udp(THEM), caller.bench.now);
    caller.pump();

    assert_eq!(caller.told(), ["failed Transport"]);
}

#[test]
fn a_challenge_is_answered_with_the_next_number_and_the_credentials() {
    let mut caller = Caller::new(true);
    caller.answer(401, "proxy", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"");
    assert_eq!(caller.told(), ["challenged"]);
    caller.bench.sent();

    caller.client.retry(&[("Authorization", "Digest username=\"u\"".to_owned())], &mut caller.ids);
    caller.pump();

    let again = caller.invite();
    assert_eq!(request(&again).headers.cseq().unwrap().number, 2);
    assert_eq!(request(&again).headers.get_str("Authorization"), Some("Digest username=\"u\""));
    caller.answer_to("INVITE", 2, 200, "bob", "");
    assert_eq!(caller.told(), ["200 bob"]);
    let sent = caller.bench.sent();
    let ack = request(sent.last().unwrap());
    assert_eq!(ack.headers.cseq().unwrap().number, 2);
    assert_eq!(ack.headers.get_str("Authorization"), Some("Digest username=\"u\""));
}

#[test]
fn a_lost_call_cancels_its_invite_and_hangs_up_whoever_answers() {
    let mut ringing = Caller::new(true);
    ringing.answer(180, "bob", "");
    let mut calling = Caller::new(true);

    ringing.bench.forget(1);
    calling.bench.forget(1);
    ringing.answer(200, "bob", "");
    ringing.answer(200, "bob", "");
    calling.answer(180, "bob", "");

    assert_eq!(ringing.bench.lines(), ["INVITE", "CANCEL", "ACK", "BYE", "ACK"]);
    assert_eq!(calling.bench.lines(), ["INVITE", "CANCEL"]);
    ringing.pass(100_000);
    calling.pass(100_000);
    assert_eq!(ringing.bench.endpoint.load(), NOTHING);
    assert_eq!(calling.bench.endpoint.load(), NOTHING);
}

/// Nobody is left who could judge the Contact of the 200.
#[test]
fn who_answers_a_lost_call_is_hung_up_on_where_the_answer_came_from() {
    let mut caller = Caller::new(true);
    caller.answer(180, "bob", "");
    caller.bench.forget(1);
    caller.bench.sent();

    caller.answer(200, "bob", "Contact: <sip:bob@203.0.113.9>");
    caller.answer(200, "bob", "Contact: <sip:bob@203.0.113.9>");

    assert_eq!(caller.bench.lines(), ["ACK", "BYE", "ACK"]);
    let strays = caller.bench.sent.iter().filter(|(_, transmit)| transmit.peer.remote != address(THEM));
    assert_eq!(strays.count(), 0);
}

#[test]
fn a_200_repeated_after_the_call_was_forgotten_is_acknowledged_still() {
    let mut caller = Caller::new(true);
    caller.answer(200, "bob", "");
    caller.bench.forget(1);
    caller.bench.sent();

    caller.answer(200, "bob", "");

    assert_eq!(caller.bench.lines(), ["ACK"]);
}

#[test]
fn requests_of_the_called_side_reach_the_call() {
    let mut caller = Caller::new(true);
    caller.answer(200, "bob", "");
    let bye = |tag: &str, branch: &str| {
        format!(
            "BYE sip:bot@127.0.0.1 SIP/2.0
            Via: SIP/2.0/UDP {THEM};branch=z9hG4bK{branch}
            From: <sip:bob@127.0.0.2>;tag={tag}
            To: <sip:bot@127.0.0.1>;tag=ours
            Call-ID: out@127.0.0.1
            CSeq: 1 BYE
            Max-Forwards: 70"
        )
    };
    caller.bench.sent();

    caller.bench.receive(&bye("mallory", "a"));
    assert_eq!(caller.bench.lines(), ["481 BYE"]);
    caller.bench.receive(&bye("bob", "b"));

    match caller.bench.events().as_slice() {
        [EndpointEvent::Call { event: SipEvent::Request { request, .. }, .. }] => {
            assert_eq!(request.method, Method::Bye);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reinvite_of_ours_is_acknowledged_and_glare_is_told() {
    let mut caller = Caller::new(true);
    caller.answer(200, "bob", "");
    let mut dialog = caller.dialog.take().unwrap();

    let mut first = Reinvite::new(&mut dialog, Some(Body::sdp("v=0\r\n")), &udp(THEM), &mut caller.ids);
    let outcome = caller.run(&mut first, &mut dialog, 491);
    let mut second = Reinvite::new(&mut dialog, Some(Body::sdp("v=0\r\n")), &udp(THEM), &mut caller.ids);
    let answered = caller.run(&mut second, &mut dialog, 200);

    assert_eq!(outcome, Some(ReinviteEvent::Glare));
    assert!(matches!(answered, Some(ReinviteEvent::Answered(_))));
    assert_eq!(caller.bench.lines(), ["INVITE", "ACK", "INVITE", "ACK", "INVITE", "ACK"]);
}

#[test]
fn more_requests_than_the_limit_fail_at_once() {
    let mut bench = Bench::with(|config| config.tables.client_transactions = 0);
    let transaction = TransactionId::client(1);

    let action = SipAction::Request { transaction, request: invitation(true).request(), destination: them() };
    bench.perform(1, action);

    match bench.events().as_slice() {
        [EndpointEvent::Call { event: SipEvent::Failed { cause: Failure::Overload, .. }, .. }] => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_called_side_may_hang_up_early_dialogs_it_made() {
    let mut caller = Caller::new(true);
    caller.answer(180, "bob", "");

    let tags: Vec<_> =
        caller.client.early_dialogs().iter().map(|dialog| dialog.id().remote_tag.clone()).collect();

    assert_eq!(tags, ["bob"]);
    caller.bench.receive(&from_peer("BYE", 1, "stray", "ours", ""));
    assert_eq!(caller.bench.lines().last().map(String::as_str), Some("481 BYE"));
}

#[test]
fn whatever_answers_come_in_whatever_order_a_call_ends_and_leaves_nothing() {
    let mut ends = std::collections::BTreeSet::new();

    for seed in 0..1_000 {
        let mut randomness = Randomness::new(Seed::from_number(seed));
        let mut caller = Caller::new(randomness.below(4) != 0);
        let mut told = Vec::new();
        for _ in 0..12 {
            match randomness.below(8) {
                0 => caller.cancel(),
                1 => caller.pass(randomness.below(20_000)),
                2 => caller.client.acknowledge(None, &udp(THEM)),
                3 => caller.answer_to("CANCEL", 1, 200, "bob", ""),
                4 => caller.answer_to("BYE", 2, 200, "bob", ""),
                _ => {
                    let status = [100, 180, 183, 200, 200, 302, 401, 487, 500][randomness.below(9) as usize];
                    let tag = ["", "bob", "carol"][randomness.below(3) as usize];
                    caller.answer(status, tag, "");
                }
            }
            told.extend(caller.told());
        }
        caller.cancel();
        caller.pass(100_000);
        told.extend(caller.told());
        caller.bench.forget(1);
        caller.pass(100_000);

        assert_eq!(caller.bench.endpoint.load(), NOTHING, "seed {seed}");
        let finals: Vec<_> = told.into_iter().filter(|told| !told.starts_with('1')).collect();
        let (end, before) = finals.split_last().unwrap_or_else(|| panic!("seed {seed}: no end"));
        assert!(before.iter().all(|told| told == "challenged"), "seed {seed}: two ends: {finals:?}");
        ends.insert(end.clone());
    }

    let expected = ["200 ", "200 bob", "200 carol", "cancelled", "refused 302", "refused 487", "refused 500"];
    assert!(expected.iter().all(|end| ends.contains(*end)), "{ends:?}");
}

/// A call of ours, number 1, to a scripted peer.
struct Caller {
    bench: Bench,
    client: InviteClient,
    ids: TransactionIds,
    told: Vec<String>,
    dialog: Option<Dialog>,
}

impl Caller {
    fn new(with_offer: bool) -> Self {
        let mut ids = TransactionIds::new();
        let client = InviteClient::new(invitation(with_offer).request(), them(), &mut ids);
        let mut caller = Caller { bench: Bench::new(), client, ids, told: Vec::new(), dialog: None };
        caller.pump();
        caller
    }

    /// The peer answers the last INVITE.
    fn answer(&mut self, status: u16, tag: &str, extra: &str) {
        self.answer_to("INVITE", 1, status, tag, extra);
    }

    fn answer_to(&mut self, method: &str, cseq: u32, status: u16, tag: &str, extra: &str) {
        let via = request(&self.invite()).headers.top_via().unwrap();
        self.bench.receive(&answer(&via.to_string(), method, cseq, status, tag, extra));
        self.pump();
    }

    /// The peer answers a re-INVITE; what it came to.
    fn run(&mut self, reinvite: &mut Reinvite, dialog: &mut Dialog, status: u16) -> Option<ReinviteEvent> {
        while let Some(action) = reinvite.poll_action() {
            self.bench.perform(1, action);
        }
        let message = self.invite();
        let (via, cseq) =
            (request(&message).headers.top_via().unwrap(), request(&message).headers.cseq().unwrap());
        self.bench.receive(&answer(&via.to_string(), "INVITE", cseq.number, status, "bob", ""));
        for event in self.bench.events() {
            let EndpointEvent::Call { event, .. } = event else { panic!("not for the call") };
            assert!(reinvite.handle(&event, dialog));
        }
        while let Some(action) = reinvite.poll_action() {
            self.bench.perform(1, action);
        }
        reinvite.poll_event()
    }

    fn cancel(&mut self) {
        self.client.cancel(&mut self.ids);
        self.pump();
    }

    fn pass(&mut self, millis: u64) {
        self.bench.pass(millis);
        self.pump();
    }

    /// The INVITE that was sent last.
    fn invite(&self) -> Message {
        let is_invite = |bytes: &[u8]| bytes.starts_with(b"INVITE");
        let sent = self.bench.sent.iter().rev().find(|(_, t)| is_invite(&t.bytes));
        crate::support::parse(&sent.unwrap().1.bytes)
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    fn pump(&mut self) {
        for event in self.bench.events() {
            let EndpointEvent::Call { event, .. } = event else { panic!("not for the call") };
            self.client.handle(&event, &mut self.ids);
        }
        while let Some(action) = self.client.poll_action() {
            self.bench.perform(1, action);
        }
        while let Some(event) = self.client.poll_event() {
            self.told.push(match event {
                InviteClientEvent::Provisional { dialog, response } => {
                    let dialog = dialog.map_or("no dialog".to_owned(), |id| id.remote_tag);
                    format!("{} {dialog}", response.status)
                }
                InviteClientEvent::Answered { dialog, response } => {
                    let told = format!("{} {}", response.status, dialog.id().remote_tag);
                    self.dialog = Some(*dialog);
                    told
                }
                InviteClientEvent::Challenged(_) => "challenged".to_owned(),
                InviteClientEvent::Refused(response) => format!("refused {}", response.status),
                InviteClientEvent::Cancelled => "cancelled".to_owned(),
                InviteClientEvent::Failed(cause) => format!("failed {cause:?}"),
            });
        }
    }
}

fn invitation(with_offer: bool) -> Invitation {
    let address = |text: &str| text.parse::<NameAddr>().unwrap();
    Invitation {
        target: "sip:bob@127.0.0.2:5080".parse().unwrap(),
        from: address("<sip:bot@127.0.0.1>;tag=ours"),
        to: address("<sip:bob@127.0.0.2>"),
        contact: contact(),
        call_id: "out@127.0.0.1".to_owned(),
        route: Vec::new(),
        offer: with_offer.then(|| Body::sdp("v=0\r\n")),
    }
}

fn answer(via: &str, method: &str, cseq: u32, status: u16, tag: &str, extra: &str) -> String {
    let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let contact = if extra.contains("Contact") { "" } else { "Contact: <sip:bob@127.0.0.2:5080>" };
    format!(
        "SIP/2.0 {status} Whatever
        Via: {via}
        From: <sip:bot@127.0.0.1>;tag=ours
        To: <sip:bob@127.0.0.2>{tag}
        Call-ID: out@127.0.0.1
        CSeq: {cseq} {method}
        {contact}
        {extra}
        Content-Length: 0"
    )
    .lines()
    .filter(|line| !line.trim().is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

fn branch(message: &Message) -> String {
    let request: &Request = request(message);
    request.headers.top_via().unwrap().branch().unwrap().to_owned()
}
