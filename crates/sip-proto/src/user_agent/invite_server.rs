//! Answering an INVITE: the first one of a call, or one that changes the session.

use std::collections::VecDeque;

use offhook_time::Time;

use crate::dialog::{Due, Retransmit2xx};
use crate::endpoint::{Failure, SipAction, SipEvent, TransactionId};
use crate::message::{Request, Response, StatusCode};
use crate::transaction::Timing;

/// What became of an INVITE that we answer.
#[derive(Clone, Debug, PartialEq)]
pub enum InviteServerEvent {
    /// The ACK for our 2xx came. It carries the SDP answer where the INVITE had no offer.
    Acknowledged(Request),
    /// The caller gave up before our final response; its CANCEL may say why. The 487 is sent.
    Cancelled(Request),
    /// The 2xx was sent for 64·T1 and never acknowledged: end the dialog with a BYE (RFC 3261 §13.3.1.4).
    AckMissing,
    /// Our answer could not be delivered.
    Failed(Failure),
}

/// Answers one INVITE. Owns the repetition of the 2xx.
#[derive(Debug)]
pub struct InviteServer {
    transaction: TransactionId,
    invite: Request,
    local_tag: String,
    timing: Timing,
    state: State,
    actions: VecDeque<SipAction>,
    events: VecDeque<InviteServerEvent>,
}

#[derive(Debug)]
enum State {
    /// No final response yet.
    Pending,
    /// A 2xx was sent; its ACK is awaited.
    Accepted { response: Box<Response>, retransmit: Retransmit2xx },
    /// Acknowledged, refused, cancelled or given up.
    Done,
}

impl InviteServer {
    /// Begins with the INVITE. `local_tag` is the To tag of its dialog.
    pub fn new(transaction: TransactionId, invite: Request, local_tag: &str, timing: Timing) -> Self {
        InviteServer {
            transaction,
            invite,
            local_tag: local_tag.to_owned(),
            timing,
            state: State::Pending,
            actions: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The INVITE.
    pub fn invite(&self) -> &Request {
        &self.invite
    }

    /// Its transaction.
    pub fn transaction(&self) -> TransactionId {
        self.transaction
    }

    /// Whether a final response is still owed.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Pending)
    }

    /// Whether a 2xx waits for its ACK.
    pub fn awaits_ack(&self) -> bool {
        matches!(self.state, State::Accepted { .. })
    }

    /// Sends a response, best made by [`Dialog::response`](crate::dialog::Dialog::response). False where a final one
    /// was sent before: the caller may have cancelled meanwhile.
    pub fn respond(&mut self, response: Response, now: Time) -> bool {
        if !self.is_pending() {
            return false;
        }
        if response.status.is_success() {
            let retransmit = Retransmit2xx::new(&self.timing, now);
            self.state = State::Accepted { response: Box::new(response.clone()), retransmit };
        } else if response.status.is_final() {
            self.state = State::Done;
        }
        self.actions.push_back(SipAction::Respond { transaction: self.transaction, response });
        true
    }

    /// Takes an event of the call; true where it belonged to this INVITE.
    pub fn handle(&mut self, event: &SipEvent, now: Time) -> bool {
        match event {
            SipEvent::AckFor2xx { request, .. } => self.handle_ack(request),
            SipEvent::Cancelled { invite, request } if *invite == self.transaction => {
                self.handle_cancelled(request, now);
                true
            }
            SipEvent::Failed { transaction, cause } if *transaction == self.transaction => {
                self.state = State::Done;
                self.events.push_back(InviteServerEvent::Failed(*cause));
                true
            }
            SipEvent::Cancelled { .. }
            | SipEvent::Failed { .. }
            | SipEvent::Request { .. }
            | SipEvent::Response { .. } => false,
        }
    }

    /// The next deadline.
    pub fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Accepted { retransmit, .. } => Some(retransmit.poll_timeout()),
            State::Pending | State::Done => None,
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Time) {
        let State::Accepted { response, retransmit } = &mut self.state else { return };
        match retransmit.handle_timeout(now) {
            Some(Due::SendAgain) => {
                let (transaction, response) = (self.transaction, (**response).clone());
                self.actions.push_back(SipAction::Retransmit2xx { transaction, response });
            }
            Some(Due::HangUp) => {
                self.state = State::Done;
                self.events.push_back(InviteServerEvent::AckMissing);
            }
            None => {}
        }
    }

    /// The next action for the endpoint.
    pub fn poll_action(&mut self) -> Option<SipAction> {
        self.actions.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<InviteServerEvent> {
        self.events.pop_front()
    }

    fn handle_ack(&mut self, ack: &Request) -> bool {
        let number = |request: &Request| request.headers.cseq().map(|cseq| cseq.number).ok();
        if !self.awaits_ack() || number(ack) != number(&self.invite) {
            return false;
        }
        self.state = State::Done;
        self.events.push_back(InviteServerEvent::Acknowledged(ack.clone()));
        true
    }

    /// RFC 3261 §9.2: a CANCEL has no effect once a final response was sent.
    fn handle_cancelled(&mut self, cancel: &Request, now: Time) {
        let terminated = self.invite.response(StatusCode::REQUEST_TERMINATED, Some(&self.local_tag));
        if self.respond(terminated, now) {
            self.events.push_back(InviteServerEvent::Cancelled(cancel.clone()));
        }
    }
}
