//! An INVITE of ours inside a dialog: hold, resume, a new codec, a session refresh (RFC 3261 §14.1).

use std::collections::VecDeque;

use crate::dialog::Dialog;
use crate::endpoint::{Destination, Failure, Peer, SipAction, SipEvent, TransactionId};
use crate::message::{Method, Request, Response, StatusCode};

use super::{Body, TransactionIds};

/// What became of a re-INVITE of ours.
#[derive(Clone, Debug, PartialEq)]
pub enum ReinviteEvent {
    /// A 2xx came. Where the re-INVITE had no offer, [`Reinvite::acknowledge`] it with the answer.
    Answered(Response),
    /// The other side changed the session at the same time: try again after a
    /// [`glare_pause`](super::glare_pause). The session stays as it was.
    Glare,
    /// It was refused; the session stays as it was.
    Refused(Response),
    /// No answer: treat a time-out as the end of the dialog (RFC 3261 §14.1).
    Failed(Failure),
}

/// Sends one re-INVITE and acknowledges its 2xx as often as it comes.
#[derive(Debug)]
pub struct Reinvite {
    transaction: TransactionId,
    invite: Request,
    state: State,
    actions: VecDeque<SipAction>,
    events: VecDeque<ReinviteEvent>,
}

#[derive(Debug)]
enum State {
    Pending,
    /// A 2xx came; the ACK waits for its body.
    Answered,
    Acknowledged {
        ack: Box<Request>,
        destination: Destination,
    },
    Done,
}

impl Reinvite {
    /// Sends a re-INVITE along `dialog`; `last` is where its messages come from.
    pub fn new(dialog: &mut Dialog, offer: Option<Body>, last: &Peer, ids: &mut TransactionIds) -> Self {
        let mut invite = dialog.request(Method::Invite);
        if let Some(offer) = offer {
            invite.set_body(&offer.content_type, offer.bytes);
        }
        let transaction = ids.take();
        let destination = dialog.destination(last);
        let send = SipAction::Request { transaction, request: invite.clone(), destination };
        Reinvite {
            transaction,
            invite,
            state: State::Pending,
            actions: VecDeque::from([send]),
            events: VecDeque::new(),
        }
    }

    /// Whether the other side has not answered finally: another INVITE of theirs gets a 491 meanwhile.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Pending)
    }

    /// Takes an event of the call; true where it belonged to this re-INVITE.
    pub fn handle(&mut self, event: &SipEvent, dialog: &mut Dialog) -> bool {
        match event {
            SipEvent::Response { transaction, response, peer } if *transaction == self.transaction => {
                self.handle_response(response, dialog, peer);
                true
            }
            SipEvent::Failed { transaction, cause } if *transaction == self.transaction => {
                if self.is_pending() {
                    self.state = State::Done;
                    self.events.push_back(ReinviteEvent::Failed(*cause));
                }
                true
            }
            SipEvent::Response { .. }
            | SipEvent::Failed { .. }
            | SipEvent::Request { .. }
            | SipEvent::AckFor2xx { .. }
            | SipEvent::Cancelled { .. } => false,
        }
    }

    /// Sends the ACK, with the answer where the 2xx carried an offer.
    pub fn acknowledge(&mut self, dialog: &Dialog, answer: Option<Body>, last: &Peer) {
        if !matches!(self.state, State::Answered) {
            return;
        }
        let mut ack = dialog.ack(&self.invite);
        if let Some(answer) = answer {
            ack.set_body(&answer.content_type, answer.bytes);
        }
        self.state = State::Acknowledged { ack: Box::new(ack), destination: dialog.destination(last) };
        self.send_ack();
    }

    /// The next action for the endpoint.
    pub fn poll_action(&mut self) -> Option<SipAction> {
        self.actions.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<ReinviteEvent> {
        self.events.pop_front()
    }

    fn handle_response(&mut self, response: &Response, dialog: &mut Dialog, peer: &Peer) {
        match self.state {
            State::Pending if response.status.is_provisional() => {}
            State::Pending if response.status.is_success() => {
                dialog.handle_response(response);
                self.state = State::Answered;
                self.events.push_back(ReinviteEvent::Answered(response.clone()));
                if !self.invite.body.is_empty() {
                    self.acknowledge(dialog, None, peer);
                }
            }
            State::Pending => {
                dialog.handle_response(response);
                self.state = State::Done;
                self.events.push_back(if response.status == StatusCode::REQUEST_PENDING {
                    ReinviteEvent::Glare
                } else {
                    ReinviteEvent::Refused(response.clone())
                });
            }
            State::Acknowledged { .. } if response.status.is_success() => self.send_ack(),
            State::Answered | State::Acknowledged { .. } | State::Done => {}
        }
    }

    fn send_ack(&mut self) {
        let State::Acknowledged { ack, destination } = &self.state else { return };
        let (request, destination) = ((**ack).clone(), *destination);
        self.actions.push_back(SipAction::AckFor2xx { invite: self.transaction, request, destination });
    }
}
