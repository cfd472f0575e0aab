//! A scripted telephone: a user agent of its own, with ears and a mouth.

mod acting;
mod ears;
mod mouth;
mod referred;
mod session;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use offhook_sip_proto::dialog::Dialog;
use offhook_sip_proto::endpoint::{
    CallKey, Destination, Endpoint, EndpointConfig, EndpointEvent, Listener, Load, Peer, SipAction, SipEvent,
    TransactionId, Transport,
};
use offhook_sip_proto::message::{Host, Method, NameAddr, Request, StatusCode, Uri};
use offhook_sip_proto::sdp::Direction;
use offhook_sip_proto::transaction::Timing;
use offhook_sip_proto::user_agent::{
    Body, Invitation, InviteClient, InviteClientEvent, InviteServer, InviteServerEvent, Reinvite,
    ReinviteEvent, TransactionIds,
};
use offhook_time::{Randomness, Time};

use crate::network::{our_sip, their_sip};
use crate::plan::{OfferKind, PhonePlan};
use acting::Acting;
use ears::Ears;
use mouth::Mouth;
use session::Session;

const CALL: CallKey = CallKey(1);

/// After so long a change has reached the other side over a line that loses nothing.
const SETTLED: Duration = Duration::from_millis(400);

/// How far the telephone's call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It waits to be called, or rings.
    Waiting,
    Calling,
    Up,
    /// Our BYE is on its way.
    Leaving,
    Over,
}

/// Something that the telephone does at a moment that is known before.
#[derive(Clone, Debug)]
enum Later {
    HangUp,
    Ring,
    Answer(u16),
    /// A NOTIFY with this status line; the last one ends the subscription.
    Notify {
        status: u16,
        is_last: bool,
    },
    EndSubscription,
}

/// The other side of the call.
pub(crate) struct Phone {
    plan: PhonePlan,
    endpoint: Endpoint,
    ids: TransactionIds,
    phase: Phase,
    dialog: Option<Dialog>,
    peer: Peer,
    client: Option<InviteClient>,
    server: Option<InviteServer>,
    reinvite: Option<Reinvite>,
    /// The open re-INVITE has no offer.
    asks_for_offer: bool,
    bye: Option<TransactionId>,
    session: Session,
    ears: Ears,
    mouth: Mouth,
    acting: Acting,
    later: BTreeMap<(Time, u64), Later>,
    asked: u64,
    tag: String,
    /// Since when the session is as it is, while nobody has looked.
    changed_at: Option<Time>,
    /// What it began to say since the last look.
    pub said: VecDeque<String>,
    pub sip_out: Vec<Vec<u8>>,
    pub rtp_out: Vec<Vec<u8>>,
}

impl Phone {
    pub fn new(plan: &PhonePlan, randomness: &mut Randomness) -> Self {
        let mut config = EndpointConfig {
            listeners: vec![Listener::new(Transport::Udp, their_sip())],
            user_agent: "telephone".to_owned(),
            ..EndpointConfig::default()
        };
        config.acceptance.methods.push(Method::Refer);
        let local = their_sip();
        Phone {
            endpoint: Endpoint::new(config, randomness.fork()),
            ids: TransactionIds::new(),
            phase: Phase::Waiting,
            dialog: None,
            peer: Peer { protocol: Transport::Udp, local, remote: our_sip(), connection: None },
            client: None,
            server: None,
            reinvite: None,
            asks_for_offer: false,
            bye: None,
            session: Session::new(&plan.codecs, plan.ptime_ms),
            ears: Ears::default(),
            mouth: Mouth::new(plan.wraps, randomness),
            acting: Acting::new(plan.acts.clone()),
            later: BTreeMap::new(),
            asked: 0,
            tag: randomness.hex(16),
            changed_at: None,
            said: VecDeque::new(),
            sip_out: Vec::new(),
            rtp_out: Vec::new(),
            plan: plan.clone(),
        }
    }

    /// Calls, unless it is to be called.
    pub fn start(&mut self, randomness: &mut Randomness, now: Time) {
        if let Some(after) = self.plan.hangs_up_at {
            self.at(now + after, Later::HangUp);
        }
        if self.plan.callee.is_some() {
            return;
        }
        let offer = match self.plan.offer {
            OfferKind::Usual => Some(self.session.offer()),
            OfferKind::Absent => None,
            OfferKind::Foreign => {
                self.session.recode(&[crate::scenario::foreign()]);
                Some(self.session.offer())
            }
            OfferKind::Garbage => Some(Body::sdp(b"this is no description".to_vec())),
        };
        let bot = Uri::sip(Some("bot"), Host::from(our_sip().ip()), Some(our_sip().port()));
        let invitation = Invitation {
            target: bot.clone(),
            from: contact().with_tag(&self.tag),
            to: NameAddr::new(bot),
            contact: contact(),
            call_id: randomness.hex(24),
            route: Vec::new(),
            offer,
        };
        let mut invite = invitation.request();
        invite.headers.push("X-Queue", "simulation");
        let destination = Destination::Address { protocol: Transport::Udp, remote: our_sip() };
        self.client = Some(InviteClient::new(invite, destination, &mut self.ids));
        self.phase = Phase::Calling;
        self.flush(now);
    }

    pub fn next_moment(&self) -> Option<Time> {
        let later = self.later.first_key_value().map(|((at, _), _)| *at);
        let later = later.filter(|_| self.phase != Phase::Over);
        let packet = self.mouth.next.filter(|_| self.is_talking());
        let server = self.server.as_ref().and_then(InviteServer::poll_timeout);
        [self.endpoint.poll_timeout(), later, packet, server].into_iter().flatten().min()
    }

    pub fn handle_sip(&mut self, datagram: &[u8], now: Time) {
        self.endpoint.handle_datagram(datagram, self.peer, now);
        self.work(now);
    }

    pub fn handle_rtp(&mut self, datagram: &[u8], now: Time) {
        self.ears.hear(datagram, now);
    }

    /// Everything that is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.endpoint.handle_timeout(now);
        if let Some(server) = &mut self.server {
            server.handle_timeout(now);
        }
        self.work(now);
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let later = entry.remove();
            if self.phase != Phase::Over {
                self.do_later(&later, now);
            }
        }
        while let Some(at) = self.mouth.next.filter(|at| *at <= now && self.is_talking()) {
            self.act(at);
            let Some(stream) = self.session.stream.clone() else { break };
            self.mouth.next = Some(at + Duration::from_millis(u64::from(stream.ptime_ms)));
            self.rtp_out.extend(self.mouth.packet(&stream));
        }
        self.work(now);
    }

    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over || self.phase == Phase::Waiting
    }

    /// Once after each change: the direction that was agreed, some time after that.
    pub fn settled_session(&mut self, now: Time) -> Option<Direction> {
        let at = self.changed_at.filter(|at| self.phase == Phase::Up && now.since(*at) > SETTLED)?;
        let is_open = self.reinvite.as_ref().is_some_and(Reinvite::is_pending);
        self.changed_at = Some(at).filter(|_| is_open);
        self.session.stream.as_ref().filter(|_| !is_open).map(|stream| stream.direction)
    }

    /// What its endpoint still holds.
    pub fn load(&self) -> Load {
        self.endpoint.load()
    }

    fn is_talking(&self) -> bool {
        matches!(self.phase, Phase::Up | Phase::Leaving) && self.session.stream.is_some()
    }

    fn at(&mut self, at: Time, what: Later) {
        self.asked += 1;
        self.later.insert((at, self.asked), what);
    }

    fn do_later(&mut self, later: &Later, now: Time) {
        match later {
            Later::HangUp => self.hang_up(now),
            Later::Ring => self.respond(StatusCode::RINGING, None, now),
            Later::Answer(status) => self.answer(*status, now),
            Later::Notify { status, is_last } => self.notify(Some(*status), *is_last, now),
            Later::EndSubscription => self.notify(None, true, now),
        }
        self.work(now);
    }

    /// CANCEL before the answer, BYE after it.
    fn hang_up(&mut self, now: Time) {
        match self.phase {
            Phase::Calling => {
                if let Some(client) = &mut self.client {
                    client.cancel(&mut self.ids);
                }
            }
            Phase::Up => {
                let Some(dialog) = &mut self.dialog else { return };
                let request = dialog.request(Method::Bye);
                let (transaction, destination) = (self.ids.take(), dialog.destination(&self.peer));
                self.bye = Some(transaction);
                self.phase = Phase::Leaving;
                self.endpoint.perform(CALL, SipAction::Request { transaction, request, destination }, now);
            }
            Phase::Waiting | Phase::Leaving | Phase::Over => {}
        }
    }

    fn over(&mut self, now: Time) {
        if self.phase != Phase::Over {
            self.phase = Phase::Over;
            self.flush(now);
            self.endpoint.forget(CALL, now);
        }
    }

    /// Until nobody has anything more to say.
    fn work(&mut self, now: Time) {
        loop {
            self.flush(now);
            let Some(event) = self.endpoint.poll_event() else { break };
            match event {
                EndpointEvent::NewCall { transaction, request, peer } => {
                    self.ring(transaction, request, peer, now);
                }
                EndpointEvent::OutOfDialog { transaction, request, .. } => {
                    let response = request.response(StatusCode::CALL_DOES_NOT_EXIST, Some("nobody"));
                    self.endpoint.respond(transaction, response, now);
                }
                EndpointEvent::Call { event, .. } => self.take(&event, now),
            }
        }
        self.flush(now);
    }

    fn flush(&mut self, now: Time) {
        loop {
            let action = self
                .client
                .as_mut()
                .and_then(InviteClient::poll_action)
                .or_else(|| self.server.as_mut().and_then(InviteServer::poll_action))
                .or_else(|| self.reinvite.as_mut().and_then(Reinvite::poll_action));
            let Some(action) = action else { break };
            self.endpoint.perform(CALL, action, now);
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.sip_out.push(transmit.bytes);
        }
    }

    fn take(&mut self, event: &SipEvent, now: Time) {
        if self.client.as_mut().is_some_and(|client| client.handle(event, &mut self.ids)) {
            return self.drain_client(now);
        }
        if self.server.as_mut().is_some_and(|server| server.handle(event, now)) {
            return self.drain_server(now);
        }
        if let (Some(reinvite), Some(dialog)) = (&mut self.reinvite, &mut self.dialog)
            && reinvite.handle(event, dialog)
        {
            return self.drain_reinvite(now);
        }
        match event {
            SipEvent::Request { transaction, request, .. } => self.take_request(*transaction, request, now),
            SipEvent::Response { transaction, response, .. } => {
                if self.bye == Some(*transaction) && response.status.is_final() {
                    self.over(now);
                }
            }
            SipEvent::Failed { transaction, .. } => {
                if self.bye == Some(*transaction) {
                    self.over(now);
                }
            }
            SipEvent::AckFor2xx { .. } | SipEvent::Cancelled { .. } => {}
        }
    }

    fn take_request(&mut self, transaction: TransactionId, request: &Request, now: Time) {
        let Some(dialog) = &mut self.dialog else {
            let response = request.response(StatusCode::CALL_DOES_NOT_EXIST, Some("nobody"));
            return self.endpoint.perform(CALL, SipAction::Respond { transaction, response }, now);
        };
        let judged = dialog.handle_request(request);
        let status = match (judged, &request.method) {
            (Err(refusal), _) => refusal.status(),
            (Ok(()), Method::Refer) => self.referred(request, now),
            (Ok(()), Method::Bye) => StatusCode::OK,
            (Ok(()), _) => StatusCode::NOT_IMPLEMENTED,
        };
        if let Some(dialog) = &self.dialog {
            let response = dialog.response(request, status);
            self.endpoint.perform(CALL, SipAction::Respond { transaction, response }, now);
        }
        if request.method == Method::Bye && status == StatusCode::OK {
            self.over(now);
        }
    }

    fn drain_client(&mut self, now: Time) {
        while let Some(event) = self.client.as_mut().and_then(InviteClient::poll_event) {
            match event {
                InviteClientEvent::Provisional { .. } => {}
                InviteClientEvent::Answered { dialog, response } => {
                    self.dialog = Some(*dialog);
                    self.phase = Phase::Up;
                    if self.plan.offer == OfferKind::Absent {
                        let answer = self.session.answer(&response.body);
                        let peer = self.peer;
                        if let Some(client) = &mut self.client {
                            client.acknowledge(answer, &peer);
                        }
                    } else {
                        self.session.take_answer(&response.body);
                    }
                    self.begin_to_talk(now);
                }
                InviteClientEvent::Challenged(_)
                | InviteClientEvent::Refused(_)
                | InviteClientEvent::Cancelled
                | InviteClientEvent::Failed(_) => self.over(now),
            }
        }
    }

    fn begin_to_talk(&mut self, now: Time) {
        self.changed_at = Some(now);
        // Its clock has nothing to do with ours.
        self.mouth.next.get_or_insert(now + Duration::from_micros(7_300));
        self.acting.begin(now);
    }

    /// Somebody calls.
    fn ring(&mut self, transaction: TransactionId, invite: Request, peer: Peer, now: Time) {
        let plan = self.plan.callee.filter(|_| self.server.is_none());
        let dialog = Dialog::uas(&invite, &self.tag, contact()).ok();
        let (Some(plan), Some(dialog)) = (plan, dialog) else {
            let response = invite.response(StatusCode::BUSY_HERE, Some("busy"));
            return self.endpoint.respond(transaction, response, now);
        };
        self.endpoint.accept(transaction, CALL);
        self.peer = peer;
        self.dialog = Some(dialog);
        self.server = Some(InviteServer::new(transaction, invite, &self.tag, Timing::default()));
        self.at(now + plan.rings_after, Later::Ring);
        if let Some((after, status)) = plan.answers {
            self.at(now + plan.rings_after + after, Later::Answer(status));
        }
    }

    fn respond(&mut self, status: StatusCode, body: Option<Body>, now: Time) {
        let (Some(dialog), Some(server)) = (&self.dialog, &mut self.server) else { return };
        let mut response = dialog.response(server.invite(), status);
        if let Some(body) = body {
            response.set_body(&body.content_type, body.bytes);
        }
        server.respond(response, now);
    }

    fn answer(&mut self, status: u16, now: Time) {
        let Some(status) = StatusCode::new(status) else { return };
        if status != StatusCode::OK {
            self.respond(status, None, now);
            return self.over(now);
        }
        let offer = self.server.as_ref().map(|server| server.invite().body.clone()).unwrap_or_default();
        let Some(body) = self.session.answer(&offer) else { return };
        self.respond(status, Some(body), now);
        if let Some(dialog) = &mut self.dialog {
            dialog.confirm();
        }
        self.phase = Phase::Up;
        self.begin_to_talk(now);
    }

    fn drain_server(&mut self, now: Time) {
        while let Some(event) = self.server.as_mut().and_then(InviteServer::poll_event) {
            match event {
                InviteServerEvent::Acknowledged(_) => {}
                InviteServerEvent::Cancelled(_) | InviteServerEvent::Failed(_) => self.over(now),
                InviteServerEvent::AckMissing => self.hang_up(now),
            }
        }
    }

    /// A re-INVITE with the changed session, or one that asks the other side for its offer. False where one is open.
    fn change_session(&mut self, change: Option<impl FnOnce(&mut Session)>) -> bool {
        if self.phase != Phase::Up || self.reinvite.as_ref().is_some_and(Reinvite::is_pending) {
            return false;
        }
        let Some(dialog) = &mut self.dialog else { return false };
        self.session.begin_change();
        self.asks_for_offer = change.is_none();
        let offer = change.map(|change| {
            change(&mut self.session);
            self.session.offer()
        });
        self.reinvite = Some(Reinvite::new(dialog, offer, &self.peer, &mut self.ids));
        true
    }

    fn drain_reinvite(&mut self, now: Time) {
        while let Some(event) = self.reinvite.as_mut().and_then(Reinvite::poll_event) {
            match event {
                ReinviteEvent::Answered(response) => {
                    self.changed_at = Some(now);
                    if self.asks_for_offer {
                        let answer = self.session.answer(&response.body);
                        if let (Some(reinvite), Some(dialog)) = (&mut self.reinvite, &self.dialog) {
                            reinvite.acknowledge(dialog, answer, &self.peer);
                        }
                    } else {
                        self.session.take_answer(&response.body);
                    }
                }
                ReinviteEvent::Glare | ReinviteEvent::Refused(_) => self.session.take_back(),
                ReinviteEvent::Failed(_) => self.over(now),
            }
        }
    }
}

fn contact() -> NameAddr {
    NameAddr::new(Uri::sip(Some("alice"), Host::from(their_sip().ip()), Some(their_sip().port())))
}
