//! One SIP dialog of ours and its audio.

use std::sync::Arc;

use offhook_sip_proto::dialog::Dialog;
use offhook_sip_proto::endpoint::{
    CallKey, Destination, Peer, SipAction, SipEvent, TransactionId, Transport as Protocol,
};
use offhook_sip_proto::message::{Method, NameAddr, Request, Response, StatusCode, Uri, header};
use offhook_sip_proto::transaction::Timing;
use offhook_sip_proto::user_agent::{
    Body, Invitation, InviteClient, InviteClientEvent, InviteServer, InviteServerEvent, TransactionIds,
};
use offhook_time::{Randomness, Time};

use crate::CallerError;
use crate::call::media::{Line, Media, MediaResult, MediaSocket};
use crate::call::options::{CallOptions, Transport};
use crate::call::playback::Playback;
use crate::call::signalling::Signalling;
use crate::clock;
use crate::g711::Law;
use crate::sdp;
use crate::target::Target;

/// What a leg has to say.
#[derive(Debug)]
pub(crate) enum LegEvent {
    /// A provisional response.
    Provisional(u16),
    /// They answered, and audio runs.
    Answered,
    /// A final response other than 2xx.
    Refused { status: u16, reason: String },
    /// No answer, or one that we cannot use.
    Failed(String),
    /// Our CANCEL took effect.
    Cancelled,
    /// They hung up.
    HungUp,
    /// Our BYE is answered, or never will be.
    Ended,
    /// They want us to call somebody else.
    Referred { transaction: TransactionId, request: Box<Request> },
    /// Something for people.
    Told(String),
}

/// How far a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The INVITE is out.
    Calling,
    /// It is answered.
    Up,
    /// Our BYE is out.
    Ending,
    /// Nothing more will happen.
    Over,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Leg {
    pub key: CallKey,
    pub call_id: String,
    pub phase: Phase,
    /// They answered the INVITE with something, be it 100.
    pub is_heard: bool,
    pub law: Option<Law>,
    pub media: Option<Media>,
    /// What the audio was, once it is over.
    pub heard: Option<MediaResult>,
    ids: TransactionIds,
    client: InviteClient,
    dialog: Option<Dialog>,
    peer: Peer,
    socket: Option<MediaSocket>,
    rtp_local: std::net::SocketAddr,
    laws: Vec<Law>,
    description_version: u64,
    reinvites: Vec<InviteServer>,
    bye: Option<TransactionId>,
    impairment: Option<crate::impair::Impairment>,
    realtime: bool,
    playback: Option<Arc<Playback>>,
    media_seed: u64,
}

/// Whom a leg calls.
#[derive(Clone, Debug)]
pub(crate) struct Callee {
    /// The request line, without headers.
    pub uri: Uri,
    /// Where it goes.
    pub target: Target,
    /// Further headers of the INVITE.
    pub headers: Vec<(String, String)>,
}

impl Leg {
    /// Sends the INVITE.
    pub fn call(
        key: CallKey,
        callee: &Callee,
        options: &CallOptions,
        signalling: &mut Signalling,
        randomness: &mut Randomness,
    ) -> Result<Leg, CallerError> {
        let contact_at = signalling.local(options.transport);
        let socket = MediaSocket::open(contact_at.ip())?;
        let rtp_local = socket.local();
        let bad =
            |reason: &str| CallerError::Address { uri: callee.target.uri.clone(), reason: reason.to_owned() };
        let mut contact = Uri::sip(Some(&options.from_user), contact_at.ip().into(), Some(contact_at.port()));
        let mut from = NameAddr::new(contact.clone()).with_tag(&randomness.hex(16));
        if let Some(name) = &options.display_name {
            from = from.with_display(name);
        }
        if options.transport == Transport::Tcp {
            let tcp = format!("{contact};transport=tcp");
            contact = tcp.parse().map_err(|_| bad("the caller's own name is not a SIP user"))?;
        }
        let invitation = Invitation {
            target: callee.uri.clone(),
            from,
            to: NameAddr::new(callee.uri.clone()),
            contact: NameAddr::new(contact),
            call_id: format!("{}@{}", randomness.hex(24), contact_at.ip()),
            route: Vec::new(),
            offer: Some(Body::sdp(sdp::describe(rtp_local, &options.codecs, 1, "sendrecv"))),
        };
        let mut invite = invitation.request();
        invite.headers.push(header::ALLOW, "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, NOTIFY, REFER");
        for (name, value) in &callee.headers {
            invite.headers.push(name, value.as_bytes());
        }
        let protocol = match options.transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp => Protocol::Tcp,
        };
        let remote = callee.target.address;
        let mut ids = TransactionIds::new();
        let client = InviteClient::new(invite, Destination::Address { protocol, remote }, &mut ids);
        let mut leg = Leg {
            key,
            call_id: invitation.call_id,
            phase: Phase::Calling,
            is_heard: false,
            law: None,
            media: None,
            heard: None,
            ids,
            client,
            dialog: None,
            peer: Peer { protocol, local: contact_at, remote, connection: None },
            socket: Some(socket),
            rtp_local,
            laws: options.codecs.clone(),
            description_version: 1,
            reinvites: Vec::new(),
            bye: None,
            impairment: options.impairment,
            realtime: options.realtime,
            playback: options.playback.clone(),
            media_seed: randomness.next_u64(),
        };
        leg.perform_all(signalling);
        Ok(leg)
    }

    /// Gives up before the answer.
    pub fn cancel(&mut self, signalling: &mut Signalling) {
        self.client.cancel(&mut self.ids);
        self.perform_all(signalling);
    }

    /// Ends the audio: nothing is sent after a BYE.
    pub fn stop_media(&mut self) -> Result<(), CallerError> {
        if let Some(media) = self.media.take() {
            self.heard = Some(media.finish()?);
        }
        Ok(())
    }

    /// Hangs up after it. The audio is to be ended before.
    pub fn hang_up(&mut self, signalling: &mut Signalling) {
        let Some(dialog) = self.dialog.as_mut().filter(|_| self.phase == Phase::Up) else { return };
        let transaction = self.ids.take();
        let destination = dialog.destination(&self.peer);
        let request = dialog.request(Method::Bye);
        self.phase = Phase::Ending;
        self.bye = Some(transaction);
        signalling.perform(self.key, SipAction::Request { transaction, request, destination });
    }

    /// Tells how the transfer goes that they asked for in `refer` (RFC 3515 §2.4.4).
    pub fn notify(&mut self, refer: &Request, status: StatusCode, signalling: &mut Signalling) {
        let Some(dialog) = self.dialog.as_mut().filter(|_| self.phase == Phase::Up) else { return };
        let mut request = dialog.request(Method::Notify);
        let id = refer.headers.cseq().map_or(0, |cseq| cseq.number);
        request.headers.push(header::EVENT, format!("refer;id={id}"));
        let state = if status.is_final() { "terminated;reason=noresource" } else { "active;expires=60" };
        request.headers.push(header::SUBSCRIPTION_STATE, state);
        request.set_body(
            "message/sipfrag;version=2.0",
            format!("SIP/2.0 {} {}\r\n", status.code(), status.reason()),
        );
        let destination = dialog.destination(&self.peer);
        let transaction = self.ids.take();
        signalling.perform(self.key, SipAction::Request { transaction, request, destination });
    }

    /// Answers a request that was handed out.
    pub fn respond(
        &mut self,
        transaction: TransactionId,
        request: &Request,
        status: StatusCode,
        to: &mut Signalling,
    ) {
        let Some(dialog) = &self.dialog else { return };
        let response = dialog.response(request, status);
        to.perform(self.key, SipAction::Respond { transaction, response });
    }

    /// Takes what the endpoint has for this leg.
    pub fn handle(&mut self, event: &SipEvent, signalling: &mut Signalling) -> Vec<LegEvent> {
        let now = clock::now();
        let mut out = Vec::new();
        if self.client.handle(event, &mut self.ids) {
            while let Some(event) = self.client.poll_event() {
                self.handle_client(event, signalling, &mut out);
            }
        } else {
            let reinvite = self.reinvites.iter_mut().position(|reinvite| reinvite.handle(event, now));
            if let Some(at) = reinvite {
                self.handle_reinvite(at, signalling);
            } else {
                self.handle_other(event, signalling, &mut out, now);
            }
        }
        self.perform_all(signalling);
        out
    }

    /// The next deadline of an answer that waits for its ACK.
    pub fn handle_timeout(&mut self, signalling: &mut Signalling, now: Time) {
        for reinvite in &mut self.reinvites {
            if reinvite.poll_timeout().is_some_and(|at| at <= now) {
                reinvite.handle_timeout(now);
            }
        }
        for at in (0..self.reinvites.len()).rev() {
            self.handle_reinvite(at, signalling);
        }
        self.perform_all(signalling);
    }

    fn handle_client(
        &mut self,
        event: InviteClientEvent,
        signalling: &mut Signalling,
        out: &mut Vec<LegEvent>,
    ) {
        match event {
            InviteClientEvent::Provisional { response, .. } => {
                self.is_heard = true;
                out.push(LegEvent::Provisional(response.status.code()));
            }
            InviteClientEvent::Answered { dialog, response } => {
                self.dialog = Some(*dialog);
                self.phase = Phase::Up;
                match self.start_media(&response) {
                    Ok(()) => out.push(LegEvent::Answered),
                    Err(reason) => {
                        // The ACK leaves before the BYE.
                        self.perform_all(signalling);
                        self.hang_up(signalling);
                        out.push(LegEvent::Failed(reason));
                    }
                }
            }
            InviteClientEvent::Challenged(response) | InviteClientEvent::Refused(response) => {
                self.phase = Phase::Over;
                let reason = String::from_utf8_lossy(&response.reason).into_owned();
                out.push(LegEvent::Refused { status: response.status.code(), reason });
            }
            InviteClientEvent::Cancelled => {
                self.phase = Phase::Over;
                out.push(LegEvent::Cancelled);
            }
            InviteClientEvent::Failed(failure) => {
                self.phase = Phase::Over;
                let remote = self.peer.remote;
                out.push(LegEvent::Failed(if signalling.was_refused(remote) {
                    format!("nothing listens at {remote}: is the server running there?")
                } else {
                    format!("no answer to the INVITE ({failure:?})")
                }));
            }
        }
    }

    fn start_media(&mut self, response: &Response) -> Result<(), String> {
        let remote = std::str::from_utf8(&response.body)
            .ok()
            .and_then(sdp::read)
            .filter(|remote| self.laws.contains(&remote.law))
            .ok_or("they answered without a codec that we offered")?;
        let socket = self.socket.take().ok_or("they answered twice")?;
        let line = Line { impairment: self.impairment, seed: self.media_seed, realtime: self.realtime };
        let media = Media::start(socket, remote, line, self.playback.clone());
        self.media = Some(media.map_err(|error| error.to_string())?);
        self.law = Some(remote.law);
        Ok(())
    }

    fn handle_other(
        &mut self,
        event: &SipEvent,
        signalling: &mut Signalling,
        out: &mut Vec<LegEvent>,
        now: Time,
    ) {
        match event {
            SipEvent::Request { transaction, request, peer } => {
                self.peer = *peer;
                self.handle_request(*transaction, request, signalling, out, now);
            }
            SipEvent::Response { transaction, response, .. } => {
                let lives = self.dialog.as_mut().is_none_or(|dialog| dialog.handle_response(response));
                if Some(*transaction) == self.bye && response.status.is_final() {
                    self.phase = Phase::Over;
                    out.push(LegEvent::Ended);
                } else if !lives && self.phase == Phase::Up {
                    self.phase = Phase::Over;
                    out.push(LegEvent::Failed(format!("the dialog broke: {}", response.status.code())));
                }
            }
            SipEvent::Failed { transaction, .. } if Some(*transaction) == self.bye => {
                self.phase = Phase::Over;
                out.push(LegEvent::Ended);
            }
            SipEvent::Failed { cause, .. } => {
                out.push(LegEvent::Told(format!("a request of ours was not answered ({cause:?})")));
            }
            SipEvent::AckFor2xx { .. } | SipEvent::Cancelled { .. } => {}
        }
    }

    fn handle_request(
        &mut self,
        transaction: TransactionId,
        request: &Request,
        signalling: &mut Signalling,
        out: &mut Vec<LegEvent>,
        now: Time,
    ) {
        let Some(dialog) = self.dialog.as_mut() else {
            let response = request.response(StatusCode::CALL_DOES_NOT_EXIST, None);
            return signalling.perform(self.key, SipAction::Respond { transaction, response });
        };
        if let Err(out_of_place) = dialog.handle_request(request) {
            return self.respond(transaction, request, out_of_place.status(), signalling);
        }
        match request.method {
            Method::Bye => {
                self.respond(transaction, request, StatusCode::OK, signalling);
                if self.phase == Phase::Up {
                    out.push(LegEvent::HungUp);
                }
                self.phase = Phase::Over;
            }
            Method::Invite => {
                let tag = dialog.id().local_tag.clone();
                let mut server = InviteServer::new(transaction, request.clone(), &tag, Timing::default());
                server.respond(self.session_response(request), now);
                self.reinvites.push(server);
                out.push(LegEvent::Told("they changed the session".to_owned()));
            }
            Method::Update => {
                let response = self.session_response(request);
                signalling.perform(self.key, SipAction::Respond { transaction, response });
            }
            Method::Refer => out.push(LegEvent::Referred { transaction, request: Box::new(request.clone()) }),
            Method::Options | Method::Info => self.respond(transaction, request, StatusCode::OK, signalling),
            // We have subscribed to nothing.
            Method::Notify => self.respond(transaction, request, StatusCode::CALL_DOES_NOT_EXIST, signalling),
            Method::Ack
            | Method::Cancel
            | Method::Message
            | Method::Prack
            | Method::Publish
            | Method::Register
            | Method::Subscribe
            | Method::Other(_) => {
                self.respond(transaction, request, StatusCode::METHOD_NOT_ALLOWED, signalling)
            }
        }
    }

    /// The answer to an offer inside the dialog, or our offer where there is none.
    fn session_response(&mut self, request: &Request) -> Response {
        let Some(dialog) = &self.dialog else {
            return request.response(StatusCode::CALL_DOES_NOT_EXIST, None);
        };
        if request.body.is_empty() && request.method == Method::Update {
            return dialog.response(request, StatusCode::OK);
        }
        let remote = std::str::from_utf8(&request.body).ok().and_then(sdp::read);
        let remote = remote.filter(|remote| self.laws.contains(&remote.law));
        self.description_version += 1;
        let (laws, direction) = match (&remote, request.body.is_empty()) {
            (None, false) => return dialog.response(request, StatusCode::NOT_ACCEPTABLE_HERE),
            (None, true) => (self.laws.clone(), "sendrecv"),
            (Some(remote), _) => (vec![remote.law], direction(remote.receives, remote.sends)),
        };
        let mut response = dialog.response(request, StatusCode::OK);
        response.set_body(
            "application/sdp",
            sdp::describe(self.rtp_local, &laws, self.description_version, direction),
        );
        if let (Some(remote), Some(media)) = (remote, &self.media) {
            self.law = Some(remote.law);
            media.set_remote(remote);
        }
        response
    }

    /// What became of our answer to a re-INVITE.
    fn handle_reinvite(&mut self, at: usize, signalling: &mut Signalling) {
        let Some(reinvite) = self.reinvites.get_mut(at) else { return };
        while let Some(event) = reinvite.poll_event() {
            match event {
                InviteServerEvent::Acknowledged(ack) => {
                    let answer = std::str::from_utf8(&ack.body).ok().and_then(sdp::read);
                    if let (Some(remote), Some(media)) = (answer, &self.media) {
                        media.set_remote(remote);
                    }
                }
                InviteServerEvent::AckMissing => return self.hang_up(signalling),
                InviteServerEvent::Cancelled(_) | InviteServerEvent::Failed(_) => {}
            }
        }
    }

    fn perform_all(&mut self, signalling: &mut Signalling) {
        while let Some(action) = self.client.poll_action() {
            signalling.perform(self.key, action);
        }
        for reinvite in &mut self.reinvites {
            while let Some(action) = reinvite.poll_action() {
                signalling.perform(self.key, action);
            }
        }
        self.reinvites.retain(|reinvite| reinvite.is_pending() || reinvite.awaits_ack());
    }
}

/// The direction of our answer (RFC 3264 §6.1), from what they are ready for.
fn direction(they_receive: bool, they_send: bool) -> &'static str {
    match (they_receive, they_send) {
        (true, true) => "sendrecv",
        (true, false) => "sendonly",
        (false, true) => "recvonly",
        (false, false) => "inactive",
    }
}
