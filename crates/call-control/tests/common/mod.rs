//! A control half without anything around it: SIP events, media events and time come from the test.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use offhook_call_control::{
    AnswerPolicy, CallControl, CallEvent, CallSettings, Command, CommandId, CommandOutcome, EndCause, Input,
    Limits, Output, Role, StartedBy,
};
use offhook_call_media::{CloseReport, LineCodec, MediaCommand, MediaEvent, StreamSettings, TurnPolicy};
use offhook_conversation::Bot;
use offhook_sip_proto::endpoint::{Peer, SipAction, SipEvent, TransactionId, Transport};
use offhook_sip_proto::message::{Limits as MessageLimits, Message, Method, Request, Response};
use offhook_time::{Seed, Time, WallClock};

pub const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
    m=audio 30000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";

pub const FOREIGN: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
    m=audio 30000 RTP/AVP 18\r\n";

/// The offer with a direction, as the `version`th of its session.
pub fn offer(direction: &str, version: u32) -> String {
    OFFER.replace("o=- 1 1", &format!("o=- 1 {version}")) + &format!("a={direction}\r\n")
}

/// The call and everything it wanted.
pub struct Bench {
    pub call: CallControl,
    pub now: Time,
    pub outputs: Vec<(Time, Output)>,
    /// The media half answers `Close` as it should.
    pub media_answers: bool,
    /// The URI of the peer's Contact.
    pub contact: String,
    transactions: u64,
    cseq: u32,
}

pub fn settings() -> CallSettings {
    CallSettings {
        call_id: "call".to_owned(),
        seed: Seed::from_number(3),
        wall: WallClock::default(),
        role: Role::Echo,
        bot_name: "echo".to_owned(),
        started_by: StartedBy::Invite,
        answer: AnswerPolicy::Immediately,
        local_rtp: "127.0.0.1:20000".parse().unwrap(),
        local_contact: "127.0.0.1:5060".parse().unwrap(),
        codecs: vec![LineCodec::Pcmu, LineCodec::Pcma],
        ptime_ms: 20,
        turn_policy: TurnPolicy::default(),
        limits: Limits::default(),
        outbound: Default::default(),
        trunk: None,
        transfer_targets: BTreeMap::from([("agents".to_owned(), "sip:agents@127.0.0.3".to_owned())]),
        bot_config: BTreeMap::new(),
        has_recognizer: true,
        user_agent: "offhook".to_owned(),
    }
}

/// A bot that asks, understands one word, and hands callers over by key 0.
pub fn bot() -> Role {
    let text = "bot: small\nstart: ask\nintents: { tea: [tea] }\ntargets: { agents: { ring_time: 10s } }\nstates:\n  \
        ask: { say: \"Tea?\", listen: { intents: { tea: bye }, keys: { \"0\": person } } }\n  \
        person: { say: \"One moment.\", transfer: { to: agents, on_failed: ask } }\n  \
        bye: { say: \"Goodbye.\", hang_up: true }\n";
    Role::Bot(Arc::new(Bot::parse(text, "small.yaml").unwrap()))
}

impl Bench {
    pub fn new() -> Self {
        Bench::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut CallSettings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        Bench {
            call: CallControl::new(settings),
            now: offhook_testkit::start(),
            outputs: Vec::new(),
            media_answers: true,
            contact: "sip:alice@127.0.0.2:5080".to_owned(),
            transactions: 0,
            cseq: 1,
        }
    }

    /// A call that is up: answered and acknowledged.
    pub fn up(change: impl FnOnce(&mut CallSettings)) -> Self {
        let mut bench = Bench::with(change);
        bench.invite(OFFER);
        bench.ack("");
        bench
    }

    pub fn feed(&mut self, input: Input) {
        let now = self.now;
        self.feed_at(input, now);
    }

    fn feed_at(&mut self, input: Input, now: Time) {
        self.call.handle(input, now);
        let mut closes = false;
        while let Some(output) = self.call.poll_output() {
            closes |= output == Output::Media(MediaCommand::Close);
            self.outputs.push((now, output));
        }
        if closes && self.media_answers {
            self.feed_at(Input::Media(MediaEvent::Closed(CloseReport::default())), now);
        }
    }

    pub fn media(&mut self, event: MediaEvent) {
        self.feed(Input::Media(event));
    }

    pub fn command(&mut self, id: &str, command: Command) {
        self.feed(Input::Command { id: CommandId(id.to_owned()), command });
    }

    /// Every deadline of the next `millis` milliseconds.
    pub fn pass(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        while let Some(at) = self.call.poll_timeout().filter(|at| *at <= until) {
            self.feed_at(Input::Deadline, at);
            let next = self.call.poll_timeout();
            assert!(next.is_none_or(|next| next > at), "a deadline came and stayed: {next:?} after {at:?}");
        }
        self.now = until;
    }

    pub fn invite(&mut self, body: &str) -> TransactionId {
        self.request("INVITE", "Content-Type: application/sdp", body)
    }

    /// A request of the peer; within the dialog once there is one.
    pub fn request(&mut self, method: &str, extra: &str, body: &str) -> TransactionId {
        self.transactions += 1;
        self.cseq += 1;
        let transaction = TransactionId::server(self.transactions);
        let request = self.build(method, self.cseq, extra, body);
        self.feed(Input::Sip(SipEvent::Request { transaction, request, peer: peer() }));
        transaction
    }

    /// The ACK for the 2xx to the last INVITE.
    pub fn ack(&mut self, body: &str) {
        let request = self.build("ACK", self.cseq, "Content-Type: application/sdp", body);
        self.feed(Input::Sip(SipEvent::AckFor2xx { request, peer: peer() }));
    }

    pub fn cancel(&mut self, invite: TransactionId) {
        let request = self.build("CANCEL", self.cseq, "", "");
        self.feed(Input::Sip(SipEvent::Cancelled { invite, request }));
    }

    /// A response of the peer to the last request of ours with this method.
    pub fn respond(&mut self, method: &Method, status: u16, extra: &str, body: &str) {
        let (transaction, request) =
            self.requests().into_iter().rfind(|(_, sent)| sent.method == *method).unwrap();
        let lines = ["From", "To", "Call-ID", "CSeq"]
            .map(|name| format!("{name}: {}\r\n", request.headers.get_str(name).unwrap_or_default()));
        let [from, to, call_id, cseq] = lines;
        let to = if to.contains("tag=") { to } else { to.trim_end().to_owned() + ";tag=theirs\r\n" };
        let text = format!(
            "SIP/2.0 {status} Text\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKours\r\n{from}{to}{call_id}{cseq}\
             Contact: <{}>\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            self.contact,
            body.len()
        );
        let Ok(Message::Response(response)) = Message::parse(text.as_bytes(), &MessageLimits::default())
        else {
            panic!("no response: {text}");
        };
        self.feed(Input::Sip(SipEvent::Response { transaction, response, peer: peer() }));
    }

    pub fn notify(&mut self, status: u16, state: &str) -> TransactionId {
        let extra = format!(
            "Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag;version=2.0"
        );
        self.request("NOTIFY", &extra, &format!("SIP/2.0 {status} Text\r\n"))
    }

    fn build(&self, method: &str, cseq: u32, extra: &str, body: &str) -> Request {
        let tag = self.tag().map_or(String::new(), |tag| format!(";tag={tag}"));
        let extra = if extra.is_empty() || (body.is_empty() && extra.starts_with("Content-Type")) {
            String::new()
        } else {
            format!("{extra}\r\n")
        };
        let text = format!(
            "{method} sip:bot@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK{method}{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@127.0.0.2>;tag=alice\r\nTo: <sip:bot@127.0.0.1>{tag}\r\n\
             Call-ID: call@127.0.0.2\r\nCSeq: {cseq} {method}\r\nContact: <{}>\r\n{extra}\
             Content-Length: {}\r\n\r\n{body}",
            self.contact,
            body.len()
        );
        match Message::parse(text.as_bytes(), &MessageLimits::default()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}: {text}"),
        }
    }

    /// Our tag, once a response told it.
    fn tag(&self) -> Option<String> {
        let (_, response) = self.responses().into_iter().next()?;
        response.headers.to().ok()?.tag().map(str::to_owned)
    }

    /// Every response that was sent, repetitions apart.
    pub fn responses(&self) -> Vec<(TransactionId, Response)> {
        let of = |output: &Output| match output {
            Output::Sip(SipAction::Respond { transaction, response }) => {
                Some((*transaction, response.clone()))
            }
            _ => None,
        };
        self.outputs.iter().filter_map(|(_, output)| of(output)).collect()
    }

    /// The status codes that a transaction was answered with.
    pub fn statuses(&self, transaction: TransactionId) -> Vec<u16> {
        let responses = self.responses();
        let of_it = responses.iter().filter(|(to, _)| *to == transaction);
        of_it.map(|(_, response)| response.status.code()).collect()
    }

    pub fn body(&self, transaction: TransactionId) -> String {
        let found = self.responses().into_iter().rfind(|(to, _)| *to == transaction);
        String::from_utf8(found.map(|(_, response)| response.body.to_vec()).unwrap_or_default()).unwrap()
    }

    /// Requests of ours.
    pub fn requests(&self) -> Vec<(TransactionId, Request)> {
        let of = |output: &Output| match output {
            Output::Sip(SipAction::Request { transaction, request, .. }) => {
                Some((*transaction, request.clone()))
            }
            _ => None,
        };
        self.outputs.iter().filter_map(|(_, output)| of(output)).collect()
    }

    pub fn sent(&self, method: &Method) -> Option<Request> {
        self.requests().into_iter().map(|(_, request)| request).rfind(|request| request.method == *method)
    }

    /// When outputs left that `wanted` accepts.
    pub fn moments(&self, wanted: impl Fn(&Output) -> bool) -> Vec<Time> {
        self.outputs.iter().filter(|(_, output)| wanted(output)).map(|(at, _)| *at).collect()
    }

    /// How often the bot wanted to say something.
    pub fn requests_to_speak(&self) -> usize {
        self.moments(|output| matches!(output, Output::Speak(_))).len()
    }

    pub fn media_commands(&self) -> Vec<MediaCommand> {
        let of = |output: &Output| match output {
            Output::Media(command) => Some(command.clone()),
            _ => None,
        };
        self.outputs.iter().filter_map(|(_, output)| of(output)).collect()
    }

    /// What media was told last about the stream.
    pub fn stream(&self) -> Option<StreamSettings> {
        self.media_commands().into_iter().rev().find_map(|command| match command {
            MediaCommand::SetStream { settings, .. } => Some(settings),
            _ => None,
        })
    }

    pub fn events(&self) -> Vec<CallEvent> {
        let of = |output: &Output| match output {
            Output::Fact(fact) => Some(fact.event.clone()),
            _ => None,
        };
        self.outputs.iter().filter_map(|(_, output)| of(output)).collect()
    }

    /// The cause in the record; `None` while the call runs. Exactly one end.
    pub fn ended(&self) -> Option<EndCause> {
        let ends: Vec<EndCause> = self
            .events()
            .into_iter()
            .filter_map(|event| match event {
                CallEvent::CallEnded { cause, .. } => Some(cause),
                _ => None,
            })
            .collect();
        assert!(ends.len() <= 1, "{ends:?}");
        ends.first().copied()
    }

    /// The outcome of a command; exactly one, or none yet.
    pub fn outcome(&self, id: &str) -> Option<CommandOutcome> {
        let outcomes: Vec<CommandOutcome> = self
            .events()
            .into_iter()
            .filter_map(|event| match event {
                CallEvent::CommandFinished { command_id, outcome } if command_id == id => Some(outcome),
                _ => None,
            })
            .collect();
        assert!(outcomes.len() <= 1, "{outcomes:?}");
        outcomes.into_iter().next()
    }

    /// The code of a command's refusal.
    pub fn refusal(&self, id: &str) -> String {
        match self.outcome(id) {
            Some(CommandOutcome::Failed(refusal)) => refusal.code,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// How the last transfer ended: its failure, if any.
    pub fn transferred(&self) -> Option<Option<String>> {
        self.events().into_iter().rev().find_map(|event| match event {
            CallEvent::TransferFinished { failure, .. } => Some(failure),
            _ => None,
        })
    }

    pub fn is_over(&self) -> bool {
        let told = self.outputs.iter().filter(|(_, output)| *output == Output::Ended).count();
        assert!(told <= 1);
        told == 1
    }
}

pub fn peer() -> Peer {
    Peer {
        protocol: Transport::Udp,
        local: "127.0.0.1:5060".parse().unwrap(),
        remote: "127.0.0.2:5080".parse().unwrap(),
        connection: None,
    }
}
