//! A bench with an endpoint, a clock, a scripted peer and a small transaction user.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use offhook_sip_proto::dialog::Dialog;
use offhook_sip_proto::endpoint::{
    CallKey, ConnectionId, Destination, Endpoint, EndpointConfig, EndpointEvent, Listener, Load, Peer,
    SipAction, SipEvent, TransactionId, Transmit, Transport,
};
use offhook_sip_proto::message::{Limits, Message, Method, NameAddr, Request, Response, StatusCode};
use offhook_sip_proto::transaction::Timing;
use offhook_sip_proto::user_agent::{InviteServer, InviteServerEvent, TransactionIds};
use offhook_time::{Seed, Time};

pub const US: &str = "127.0.0.1:5060";
pub const THEM: &str = "127.0.0.2:5080";

/// The endpoint, the moment, and what left it.
pub struct Bench {
    pub endpoint: Endpoint,
    pub now: Time,
    /// Everything sent so far, with its moment.
    pub sent: Vec<(Time, Transmit)>,
    seen: usize,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut EndpointConfig)) -> Self {
        let mut config = EndpointConfig {
            listeners: vec![
                Listener::new(Transport::Udp, address(US)),
                Listener::new(Transport::Tcp, address(US)),
            ],
            ..EndpointConfig::default()
        };
        // INFO as well: how requests inside a dialog are treated does not depend on their method.
        config.acceptance.methods.push(Method::Info);
        change(&mut config);
        Bench {
            endpoint: Endpoint::new(config, Seed::from_number(7)),
            now: Time::from_millis(1_000),
            sent: Vec::new(),
            seen: 0,
        }
    }

    /// A datagram from [`THEM`].
    pub fn receive(&mut self, text: &str) {
        self.receive_from(THEM, text);
    }

    pub fn receive_from(&mut self, from: &str, text: &str) {
        self.endpoint.handle_datagram(wire(text).as_bytes(), udp(from), self.now);
        self.collect();
    }

    pub fn receive_stream(&mut self, connection: u64, bytes: &[u8]) {
        self.endpoint.handle_stream(ConnectionId(connection), bytes, self.now);
        self.collect();
    }

    pub fn perform(&mut self, call: u64, action: SipAction) {
        self.endpoint.perform(CallKey(call), action, self.now);
        self.collect();
    }

    pub fn respond(&mut self, transaction: TransactionId, response: Response) {
        self.endpoint.respond(transaction, response, self.now);
        self.collect();
    }

    pub fn forget(&mut self, call: u64) {
        self.endpoint.forget(CallKey(call), self.now);
        self.collect();
    }

    /// Feeds every deadline up to `millis` from now.
    pub fn pass(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= until) {
            self.now = at;
            self.endpoint.handle_timeout(at);
            self.collect();
        }
        self.now = until;
    }

    /// The messages that left since the last look.
    pub fn sent(&mut self) -> Vec<Message> {
        let new = self.sent[self.seen..].iter();
        let messages = new.filter(|(_, t)| !t.bytes.is_empty()).map(|(_, t)| parse(&t.bytes)).collect();
        self.seen = self.sent.len();
        messages
    }

    /// The same as start lines without their ends: `INVITE`, `200 INVITE`.
    pub fn lines(&mut self) -> Vec<String> {
        self.sent().iter().map(line).collect()
    }

    pub fn events(&mut self) -> Vec<EndpointEvent> {
        std::iter::from_fn(|| self.endpoint.poll_event()).collect()
    }

    pub fn new_call(&mut self) -> (TransactionId, Request) {
        match self.events().as_slice() {
            [EndpointEvent::NewCall { transaction, request, .. }] => (*transaction, request.clone()),
            other => panic!("not one new call: {other:?}"),
        }
    }

    fn collect(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.sent.push((self.now, transmit));
        }
    }
}

/// A call of the small transaction user.
pub struct TestCall {
    pub dialog: Dialog,
    pub invite: InviteServer,
    pub ids: TransactionIds,
    pub peer: Peer,
    pub ended: bool,
}

/// Answers every INVITE with 180 and, `answer_after` later, with 200; hangs up when the ACK never comes; answers
/// whatever else arrives. Forgets a call once it ended.
pub struct TestUser {
    pub bench: Bench,
    pub calls: BTreeMap<u64, TestCall>,
    pub log: Vec<String>,
    answers: BTreeMap<u64, Time>,
    answer_after: Option<Duration>,
    next_call: u64,
}

impl TestUser {
    /// `answer_after` of `None` lets it ring for ever.
    pub fn new(bench: Bench, answer_after: Option<Duration>) -> Self {
        TestUser {
            bench,
            calls: BTreeMap::new(),
            log: Vec::new(),
            answers: BTreeMap::new(),
            answer_after,
            next_call: 0,
        }
    }

    pub fn receive(&mut self, text: &str) {
        self.bench.receive(text);
        self.work();
    }

    pub fn receive_stream(&mut self, connection: u64, bytes: &[u8]) {
        self.bench.receive_stream(connection, bytes);
        self.work();
    }

    pub fn receive_bytes(&mut self, bytes: &[u8], peer: Peer) {
        self.bench.endpoint.handle_datagram(bytes, peer, self.bench.now);
        self.work();
    }

    pub fn next_deadline(&self) -> Option<Time> {
        let answers = self.answers.values().min().copied();
        let calls = self.calls.values().filter_map(|call| call.invite.poll_timeout()).min();
        [self.bench.endpoint.poll_timeout(), answers, calls].into_iter().flatten().min()
    }

    pub fn pass(&mut self, millis: u64) {
        let until = self.bench.now + Duration::from_millis(millis);
        while let Some(at) = self.next_deadline().filter(|at| *at <= until) {
            self.bench.now = at;
            self.bench.endpoint.handle_timeout(at);
            self.answer_due(at);
            for call in self.calls.values_mut() {
                call.invite.handle_timeout(at);
            }
            self.work();
        }
        self.bench.now = until;
    }

    fn work(&mut self) {
        loop {
            let mut any = false;
            while let Some(event) = self.bench.endpoint.poll_event() {
                any = true;
                self.take(event);
            }
            any |= self.pump();
            if !any {
                break;
            }
        }
        let over: Vec<u64> = self.calls.iter().filter(|(_, call)| call.ended).map(|(key, _)| *key).collect();
        for key in over {
            self.calls.remove(&key);
            self.answers.remove(&key);
            self.bench.forget(key);
        }
        self.bench.collect();
    }

    fn take(&mut self, event: EndpointEvent) {
        match event {
            EndpointEvent::NewCall { transaction, request, peer } => self.ring(transaction, request, peer),
            EndpointEvent::OutOfDialog { transaction, request, .. } => {
                let status = if request.method == Method::Options { StatusCode::OK } else { not_allowed() };
                self.bench.respond(transaction, request.response(status, Some("outside")));
            }
            EndpointEvent::Call { call: CallKey(key), event } => self.take_for(key, event),
        }
    }

    fn ring(&mut self, transaction: TransactionId, request: Request, peer: Peer) {
        self.next_call += 1;
        let key = self.next_call;
        let tag = format!("us{key}");
        let Ok(dialog) = Dialog::uas(&request, &tag, contact()) else {
            self.bench.respond(transaction, request.response(StatusCode::BAD_REQUEST, Some(&tag)));
            return;
        };
        assert!(self.bench.endpoint.accept(transaction, CallKey(key)));
        let mut invite = InviteServer::new(transaction, request.clone(), &tag, Timing::default());
        invite.respond(dialog.response(&request, StatusCode::RINGING), self.bench.now);
        if let Some(after) = self.answer_after {
            self.answers.insert(key, self.bench.now + after);
        }
        let ids = TransactionIds::new();
        self.calls.insert(key, TestCall { dialog, invite, ids, peer, ended: false });
        self.answer_due(self.bench.now);
    }

    fn answer_due(&mut self, now: Time) {
        let due: Vec<u64> = self.answers.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
        for key in due {
            self.answers.remove(&key);
            let Some(call) = self.calls.get_mut(&key) else { continue };
            let response = call.dialog.response(call.invite.invite(), StatusCode::OK);
            if call.invite.respond(response, now) {
                call.dialog.confirm();
            }
        }
    }

    fn take_for(&mut self, key: u64, event: SipEvent) {
        let now = self.bench.now;
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.invite.handle(&event, now) {
            return;
        }
        match event {
            SipEvent::Request { transaction, request, peer } => {
                call.peer = peer;
                let status = match call.dialog.handle_request(&request) {
                    Ok(()) if request.method == Method::Invite => StatusCode::NOT_ACCEPTABLE_HERE,
                    Ok(()) => StatusCode::OK,
                    Err(refusal) => refusal.status(),
                };
                self.log.push(format!("{} {status}", request.method));
                let response = call.dialog.response(&request, status);
                if request.method == Method::Bye && status.is_success() {
                    call.ended = true;
                }
                self.bench.perform(key, SipAction::Respond { transaction, response });
            }
            SipEvent::Response { response, .. } => self.log.push(format!("response {}", response.status)),
            SipEvent::Failed { cause, .. } => self.log.push(format!("failed {cause:?}")),
            SipEvent::AckFor2xx { .. } => self.log.push("late ack".to_owned()),
            SipEvent::Cancelled { .. } => self.log.push("cancelled, not its own".to_owned()),
        }
    }

    fn pump(&mut self) -> bool {
        let mut any = false;
        for key in self.calls.keys().copied().collect::<Vec<_>>() {
            while let Some(action) = self.calls.get_mut(&key).and_then(|call| call.invite.poll_action()) {
                any = true;
                self.bench.perform(key, action);
            }
            while let Some(event) = self.calls.get_mut(&key).and_then(|call| call.invite.poll_event()) {
                any = true;
                self.take_outcome(key, event);
            }
        }
        any
    }

    fn take_outcome(&mut self, key: u64, event: InviteServerEvent) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        match event {
            InviteServerEvent::Acknowledged(_) => self.log.push("acknowledged".to_owned()),
            InviteServerEvent::Cancelled(_) => {
                self.log.push("cancelled".to_owned());
                call.ended = true;
            }
            InviteServerEvent::Failed(cause) => {
                self.log.push(format!("invite failed {cause:?}"));
                call.ended = true;
            }
            InviteServerEvent::AckMissing => {
                self.log.push("no ack".to_owned());
                call.ended = true;
                let transaction = call.ids.take();
                let destination = call.dialog.destination(&call.peer);
                let request = call.dialog.request(Method::Bye);
                self.bench.perform(key, SipAction::Request { transaction, request, destination });
            }
        }
    }
}

fn not_allowed() -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub fn udp(remote: &str) -> Peer {
    Peer { protocol: Transport::Udp, local: address(US), remote: address(remote), connection: None }
}

pub fn tcp(remote: &str, connection: u64) -> Peer {
    let connection = Some(ConnectionId(connection));
    Peer { protocol: Transport::Tcp, local: address(US), remote: address(remote), connection }
}

pub fn them() -> Destination {
    Destination::Address { protocol: Transport::Udp, remote: address(THEM) }
}

pub fn contact() -> NameAddr {
    "<sip:bot@127.0.0.1:5060>".parse().unwrap()
}

pub fn parse(bytes: &[u8]) -> Message {
    Message::parse(bytes, &Limits::default()).unwrap()
}

pub fn response(message: &Message) -> &Response {
    match message {
        Message::Response(response) => response,
        Message::Request(request) => panic!("a request: {request:?}"),
    }
}

pub fn request(message: &Message) -> &Request {
    match message {
        Message::Request(request) => request,
        Message::Response(response) => panic!("a response: {response:?}"),
    }
}

pub fn line(message: &Message) -> String {
    match message {
        Message::Request(request) => request.method.to_string(),
        Message::Response(response) => {
            format!("{} {}", response.status, response.headers.cseq().unwrap().method)
        }
    }
}

/// Lines of a test as they go on the wire, with the empty line at the end.
pub fn wire(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().map(str::trim).collect();
    format!("{}\r\n\r\n", lines.join("\r\n"))
}

/// A request of the scripted peer.
pub fn from_peer(method: &str, cseq: u32, branch: &str, to_tag: &str, extra: &str) -> String {
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    let cseq_method = if method == "ACK" { "ACK" } else { method };
    format!(
        "{method} sip:bot@127.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP {THEM};branch=z9hG4bK{branch};rport
        Max-Forwards: 70
        From: <sip:alice@127.0.0.2>;tag=alice
        To: <sip:bot@127.0.0.1>{to_tag}
        Call-ID: call@127.0.0.2
        CSeq: {cseq} {cseq_method}
        Contact: <sip:alice@{THEM}>
        {extra}
        Content-Length: 0"
    )
    .lines()
    .filter(|line| !line.trim().is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

pub fn invite() -> String {
    from_peer("INVITE", 1, "invite", "", "")
}

/// What remains when everything is over.
pub const NOTHING: Load = Load {
    server_transactions: 0,
    pending_invites: 0,
    client_transactions: 0,
    dialogs: 0,
    calls: 0,
    connections: 0,
    timers: 0,
};
