//! From the first INVITE, or the API's wish, to the answer.

use offhook_call_media::{LegId, MediaCommand};
use offhook_conversation::Conversation;
use offhook_engine_api::Voice;
use offhook_sip_proto::dialog::Dialog;
use offhook_sip_proto::endpoint::{Destination, Peer, TransactionId, Transport};
use offhook_sip_proto::message::{Host, NameAddr, Request, StatusCode, Uri, header};
use offhook_sip_proto::transaction::Timing;
use offhook_sip_proto::user_agent::{Body, Invitation, InviteClient, InviteServer};
use offhook_time::Time;

use super::offer::Offer;
use super::{CallControl, Phase};
use crate::fact::CallEvent;
use crate::{AnswerPolicy, EndCause, Output, Role, StartedBy, TraceContext};

/// The methods that a dialog of ours takes.
pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY";

impl CallControl {
    /// The INVITE that the call begins with.
    pub(super) fn begin(&mut self, transaction: TransactionId, invite: Request, peer: Peer, now: Time) {
        let tag = self.randomness.hex(16);
        self.leg.peer = Some(peer);
        self.media_open = true;
        let caller = invite.headers.from().ok().and_then(|from| from.uri.user()).unwrap_or_default();
        let called = invite.uri.user().unwrap_or_default();
        let sip_call_id = invite.headers.call_id().map(|id| id.to_string()).unwrap_or_default();
        self.leg.dialog = Dialog::uas(&invite, &tag, self.contact(&called)).ok();
        self.leg.server = Some(InviteServer::new(transaction, invite.clone(), &tag, Timing::default()));
        self.phase = Phase::Ringing;
        let trace = TraceContext::of_invite(&invite, &self.settings.call_id);
        self.start_fact(caller, called, sip_call_id, "inbound", trace, now);
        self.session.take_offer(&invite.headers, &invite.body);
        match self.session.prepare_answer(&self.settings) {
            Offer::Usable | Offer::Absent => {}
            Offer::NoCommonCodec => return self.end(EndCause::NoCommonCodec, None, now),
            Offer::Unreadable => return self.end(EndCause::BadOffer, None, now),
        }
        self.deadlines.ring = Some(now + self.settings.limits.ring_time);
        match (&self.settings.role, self.settings.answer) {
            // The caller is not answered before somebody is there to speak with.
            (Role::Bridge(bridge), _) => {
                let metadata = self.bridge_metadata();
                self.outputs.push_back(Output::OpenBridge { settings: *bridge, metadata });
            }
            (Role::Echo | Role::Bot(_), AnswerPolicy::Immediately) => self.answer(now),
            (Role::Echo | Role::Bot(_), AnswerPolicy::WaitForApi) => self.ring(now),
        }
    }

    fn ring(&mut self, now: Time) {
        self.respond_to_invite(StatusCode::RINGING, None, now);
        self.fact(CallEvent::CallRinging, now);
    }

    /// Answers the INVITE with a 200.
    pub(super) fn answer(&mut self, now: Time) {
        if self.phase != Phase::Ringing {
            return;
        }
        let body = self.session.answer_or_offer(&self.settings);
        if let Some(dialog) = &mut self.leg.dialog {
            dialog.confirm();
        }
        self.respond_to_invite(StatusCode::OK, Some(body), now);
        self.phase = Phase::Answered;
        self.is_answered(now);
    }

    /// What follows from an answer, ours or the far end's.
    pub(super) fn is_answered(&mut self, now: Time) {
        self.deadlines.ring = None;
        self.deadlines.call_time = Some(now + self.settings.limits.call_time);
        self.apply_stream(now);
        let codec = self.session.codec_name();
        self.fact(CallEvent::CallAnswered { codec }, now);
        if let Role::Bot(bot) = &self.settings.role {
            let voice = Voice {
                language: bot.language().to_owned(),
                name: bot.voice().unwrap_or_default().to_owned(),
            };
            let recognizer = self.settings.has_recognizer;
            self.listening.available = recognizer;
            self.outputs.push_back(Output::OpenSpeech { voice, recognizer });
        }
    }

    /// Tells media what was negotiated, where that changed.
    pub(super) fn apply_stream(&mut self, now: Time) {
        let Some(settings) = self.session.stream().filter(|settled| Some(*settled) != self.stream) else {
            return;
        };
        let was_held = self.is_held();
        self.stream = Some(settings);
        self.outputs.push_back(Output::Media(MediaCommand::SetStream { leg: LegId::CALLER, settings }));
        if !settings.direction.receives() {
            self.deadlines.rtp = None;
        }
        if was_held && !self.is_held() {
            self.resume(now);
        }
    }

    /// The far end hears nothing of us: it put us on hold.
    pub(super) fn is_held(&self) -> bool {
        self.stream.is_some_and(|stream| !stream.direction.sends())
    }

    /// Back from hold. What waited for the caller waits anew, so that nobody is hung up on for music's sake.
    fn resume(&mut self, now: Time) {
        if self.speech.synthesizer_deadline.is_some() {
            self.speech.synthesizer_deadline = Some(now + self.settings.limits.synthesizer);
        }
        self.reset_silence(now);
        let due = self.conversation.as_ref().and_then(Conversation::poll_timeout);
        if due.is_some_and(|due| due <= now) {
            self.tell_conversation(offhook_conversation::Input::Deadline, now);
        }
    }

    /// Both sides know that the call is up: the bot may speak.
    pub(super) fn is_confirmed(&mut self, now: Time) {
        if self.phase != Phase::Answered {
            return;
        }
        self.phase = Phase::Up;
        self.start_conversation(now);
        self.run_commands_before_ack(now);
    }

    /// Sends a response to the open INVITE.
    pub(super) fn respond_to_invite(&mut self, status: StatusCode, body: Option<Body>, now: Time) {
        let told = self.cause.filter(|_| self.reason_text.is_some() && status.code() >= 300);
        let reason = told.map(|cause| self.reason(cause));
        let (Some(dialog), Some(server)) = (&self.leg.dialog, &mut self.leg.server) else { return };
        let mut response = dialog.response(server.invite(), status);
        if status == StatusCode::OK || status.is_provisional() {
            response.headers.push(header::ALLOW, ALLOW);
            response.headers.push(header::SERVER, self.settings.user_agent.as_str());
        }
        if let Some(reason) = reason {
            response.headers.push(header::REASON, reason);
        }
        if status == StatusCode::NOT_ACCEPTABLE_HERE
            && let Some(warning) = self.session.warning()
        {
            response.headers.push(header::WARNING, warning);
        }
        if let Some(body) = body {
            response.set_body(&body.content_type, body.bytes);
        }
        server.respond(response, now);
    }

    /// Calls somebody.
    pub(super) fn dial(&mut self, now: Time) {
        let StartedBy::Api { target, caller } = self.settings.started_by.clone() else { return };
        if self.phase != Phase::New {
            return;
        }
        self.media_open = true;
        let call_id = format!("{}@offhook", self.randomness.hex(24));
        let uri: Option<Uri> = target.parse().ok();
        let called = uri.as_ref().and_then(Uri::user).unwrap_or_default();
        let trace = TraceContext::of_call(&self.settings.call_id);
        self.start_fact(caller.clone(), called, call_id.clone(), "outbound", trace, now);
        self.phase = Phase::Dialing;
        // Judged here too, whoever asked for it: this is where the request is made.
        let trunk = self.settings.trunk.as_deref();
        let allowed = uri.filter(|uri| self.settings.outbound.check_uri(uri, trunk).is_ok());
        let Some((uri, remote)) = allowed.and_then(|uri| address_of(&uri).map(|remote| (uri, remote))) else {
            return self.end(EndCause::Unreachable, None, now);
        };
        let tag = self.randomness.hex(16);
        let contact = self.contact(&caller);
        let invitation = Invitation {
            target: uri.clone(),
            from: contact.clone().with_tag(&tag),
            to: NameAddr::new(uri.clone()),
            contact,
            call_id,
            route: Vec::new(),
            offer: Some(self.session.offer(&self.settings)),
        };
        let mut request = invitation.request();
        request.headers.push(header::ALLOW, ALLOW);
        request.headers.push(header::USER_AGENT, self.settings.user_agent.as_str());
        let tcp = uri.param("transport").is_some_and(|transport| transport.eq_ignore_ascii_case("tcp"));
        let protocol = if tcp { Transport::Tcp } else { Transport::Udp };
        let destination = Destination::Address { protocol, remote };
        self.leg.client = Some(InviteClient::new(request, destination, &mut self.ids));
        self.deadlines.ring = Some(now + self.settings.limits.ring_time);
    }

    /// Our Contact with `user`.
    pub(super) fn contact(&self, user: &str) -> NameAddr {
        let local = self.settings.local_contact;
        let user = (!user.is_empty()).then_some(user);
        let mut uri = Uri::sip(user, Host::from(local.ip()), Some(local.port()));
        if self.leg.peer.is_some_and(|peer| peer.protocol == Transport::Tcp)
            && let Some(uri) = uri.as_sip_mut()
        {
            uri.params.set("transport", Some("tcp"));
        }
        NameAddr::new(uri)
    }

    fn start_fact(
        &mut self,
        caller: String,
        called: String,
        sip_call_id: String,
        direction: &str,
        trace: TraceContext,
        now: Time,
    ) {
        let bot_version = match &self.settings.role {
            Role::Bot(bot) => bot.version().to_owned(),
            Role::Echo | Role::Bridge(_) => String::new(),
        };
        let bot = self.settings.bot_name.clone();
        let direction = direction.to_owned();
        let trunk = self.settings.trunk.clone();
        let trace_id = trace.trace_id();
        let started = CallEvent::CallStarted {
            caller,
            called,
            sip_call_id,
            bot,
            bot_version,
            direction,
            trunk,
            trace_id,
        };
        self.fact(started, now);
    }
}

/// The socket address of a URI whose host is an address; names are resolved by the driver before the call begins.
pub(super) fn address_of(uri: &Uri) -> Option<std::net::SocketAddr> {
    let ip = uri.host()?.to_string().trim_matches(['[', ']']).parse().ok()?;
    Some(std::net::SocketAddr::new(ip, uri.port().unwrap_or(5060)))
}
