//! The caller's SIP: it calls, hangs up, and takes a transfer for accepted.

use offhook_audio::G711;
use offhook_sip_proto::dialog::Dialog;
use offhook_sip_proto::endpoint::{
    CallKey, Destination, Endpoint, EndpointConfig, EndpointEvent, Listener, Peer, SipAction, SipEvent,
    TransactionId, Transport,
};
use offhook_sip_proto::message::{Host, Method, NameAddr, Request, StatusCode, Uri, header};
use offhook_sip_proto::sdp::{self, Codec, LocalCapabilities};
use offhook_sip_proto::user_agent::{Body, Invitation, InviteClient, InviteClientEvent, TransactionIds};
use offhook_time::{Randomness, Time};

use super::{OUR_SIP, THEIR_RTP, THEIR_SIP};

/// The one call.
const CALL: CallKey = CallKey(1);

/// How far the call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Calling,
    Up,
    Leaving,
    Over,
}

/// The far end of an encounter.
#[derive(Debug)]
pub(super) struct Telephone {
    endpoint: Endpoint,
    ids: TransactionIds,
    phase: Phase,
    dialog: Option<Dialog>,
    client: InviteClient,
    bye: Option<TransactionId>,
    /// When the 200 came.
    pub answered_at: Option<Time>,
    /// How often it was asked to call somebody else.
    pub referred: u32,
    /// Why it was not answered.
    pub refused: Option<String>,
    pub out: Vec<Vec<u8>>,
}

impl Telephone {
    /// Calls `called` as `caller`.
    pub fn call(caller: &str, called: &str, law: G711, randomness: &mut Randomness, now: Time) -> Telephone {
        let mut config = EndpointConfig {
            listeners: vec![Listener::new(Transport::Udp, THEIR_SIP)],
            user_agent: "caller".to_owned(),
            ..EndpointConfig::default()
        };
        config.acceptance.methods.push(Method::Refer);
        let codec = match law {
            G711::MuLaw => Codec::pcmu(),
            G711::ALaw => Codec::pcma(),
        };
        let codecs = vec![codec, Codec::telephone_event()];
        let offer = sdp::offer(&LocalCapabilities { codecs, ..LocalCapabilities::g711(THEIR_RTP, 1) });
        let target = Uri::sip(Some(called), Host::from(OUR_SIP.ip()), Some(OUR_SIP.port()));
        let user = (!caller.is_empty()).then_some(caller);
        let contact = NameAddr::new(Uri::sip(user, Host::from(THEIR_SIP.ip()), Some(THEIR_SIP.port())));
        let invitation = Invitation {
            target: target.clone(),
            from: contact.clone().with_tag(&randomness.hex(16)),
            to: NameAddr::new(target),
            contact,
            call_id: randomness.hex(24),
            route: Vec::new(),
            offer: Some(Body::sdp(offer.to_bytes())),
        };
        let mut ids = TransactionIds::new();
        let destination = Destination::Address { protocol: Transport::Udp, remote: OUR_SIP };
        let client = InviteClient::new(invitation.request(), destination, &mut ids);
        let mut telephone = Telephone {
            endpoint: Endpoint::new(config, randomness.fork()),
            ids,
            phase: Phase::Calling,
            dialog: None,
            client,
            bye: None,
            answered_at: None,
            referred: 0,
            refused: None,
            out: Vec::new(),
        };
        telephone.flush(now);
        telephone
    }

    pub fn handle(&mut self, datagram: &[u8], now: Time) {
        self.endpoint.handle_datagram(datagram, peer(), now);
        self.work(now);
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.endpoint.poll_timeout()
    }

    pub fn handle_timeout(&mut self, now: Time) {
        self.endpoint.handle_timeout(now);
        self.work(now);
    }

    /// Whether the call is up.
    pub fn is_up(&self) -> bool {
        self.phase == Phase::Up
    }

    /// Gives up, or says goodbye.
    pub fn hang_up(&mut self, now: Time) {
        match self.phase {
            Phase::Calling => self.client.cancel(&mut self.ids),
            Phase::Up => {
                self.phase = Phase::Leaving;
                self.bye = self.send(Method::Bye, |_| {}, now);
            }
            Phase::Leaving | Phase::Over => {}
        }
        self.work(now);
    }

    fn send(&mut self, method: Method, fill: impl FnOnce(&mut Request), now: Time) -> Option<TransactionId> {
        let dialog = self.dialog.as_mut()?;
        let mut request = dialog.request(method);
        fill(&mut request);
        let (transaction, destination) = (self.ids.take(), dialog.destination(&peer()));
        self.endpoint.perform(CALL, SipAction::Request { transaction, request, destination }, now);
        Some(transaction)
    }

    fn over(&mut self, now: Time) {
        if self.phase != Phase::Over {
            self.phase = Phase::Over;
            self.flush(now);
            self.endpoint.forget(CALL, now);
        }
    }

    fn work(&mut self, now: Time) {
        loop {
            self.flush(now);
            let Some(event) = self.endpoint.poll_event() else { break };
            match event {
                EndpointEvent::NewCall { transaction, request, .. }
                | EndpointEvent::OutOfDialog { transaction, request, .. } => {
                    let response = request.response(StatusCode::BUSY_HERE, Some("recorded"));
                    self.endpoint.respond(transaction, response, now);
                }
                EndpointEvent::Call { event, .. } => self.take(&event, now),
            }
        }
        self.flush(now);
    }

    fn flush(&mut self, now: Time) {
        while let Some(action) = self.client.poll_action() {
            self.endpoint.perform(CALL, action, now);
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.out.push(transmit.bytes);
        }
    }

    fn take(&mut self, event: &SipEvent, now: Time) {
        if self.client.handle(event, &mut self.ids) {
            return self.drain_client(now);
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

    fn drain_client(&mut self, now: Time) {
        while let Some(event) = self.client.poll_event() {
            match event {
                InviteClientEvent::Provisional { .. } => {}
                InviteClientEvent::Answered { dialog, .. } => {
                    self.dialog = Some(*dialog);
                    self.phase = Phase::Up;
                    self.answered_at = Some(now);
                }
                InviteClientEvent::Refused(response) => {
                    self.refused = Some(format!("refused with {}", response.status.code()));
                    self.over(now);
                }
                InviteClientEvent::Challenged(_)
                | InviteClientEvent::Cancelled
                | InviteClientEvent::Failed(_) => self.over(now),
            }
        }
    }

    fn take_request(&mut self, transaction: TransactionId, request: &Request, now: Time) {
        let Some(dialog) = &mut self.dialog else {
            let response = request.response(StatusCode::CALL_DOES_NOT_EXIST, Some("nobody"));
            return self.endpoint.perform(CALL, SipAction::Respond { transaction, response }, now);
        };
        let status = match (dialog.handle_request(request), &request.method) {
            (Err(refusal), _) => refusal.status(),
            (Ok(()), Method::Refer) => StatusCode::ACCEPTED,
            (Ok(()), Method::Bye) => StatusCode::OK,
            (Ok(()), _) => StatusCode::NOT_IMPLEMENTED,
        };
        let response = dialog.response(request, status);
        self.endpoint.perform(CALL, SipAction::Respond { transaction, response }, now);
        if status == StatusCode::ACCEPTED {
            self.referred += 1;
            // The target is said to have answered: nobody was called (RFC 3515 §2.4.4).
            let answered = |notify: &mut Request| {
                notify.headers.push(header::EVENT, "refer");
                notify.headers.push(header::SUBSCRIPTION_STATE, "terminated;reason=noresource");
                notify.set_body("message/sipfrag;version=2.0", b"SIP/2.0 200 OK\r\n".to_vec());
            };
            self.send(Method::Notify, answered, now);
        }
        if request.method == Method::Bye && status == StatusCode::OK {
            self.over(now);
        }
    }
}

/// Where our SIP comes from.
fn peer() -> Peer {
    Peer { protocol: Transport::Udp, local: THEIR_SIP, remote: OUR_SIP, connection: None }
}
