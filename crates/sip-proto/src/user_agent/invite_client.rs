//! Calling somebody: forks, CANCEL and its races, the ACK for every 2xx.

use std::collections::{BTreeSet, VecDeque};

use crate::dialog::{Dialog, DialogId};
use crate::endpoint::{Destination, Failure, Peer, SipAction, SipEvent, TransactionId};
use crate::message::{CSeq, Method, Request, Response, StatusCode, header};

use super::{Body, TransactionIds};

/// What became of an INVITE of ours.
#[derive(Clone, Debug, PartialEq)]
pub enum InviteClientEvent {
    /// A provisional response; one with a To tag belongs to an early dialog.
    Provisional {
        /// The early dialog.
        dialog: Option<DialogId>,
        /// 100 to 199.
        response: Response,
    },
    /// The first 2xx. The dialog is the caller's from now on; other forks that answer are acknowledged and hung up here.
    /// Where the INVITE had no offer, [`InviteClient::acknowledge`] with the answer.
    Answered {
        /// The confirmed dialog.
        dialog: Box<Dialog>,
        /// The 2xx.
        response: Response,
    },
    /// Credentials are wanted (401 or 407): [`InviteClient::retry`] with them, or give up.
    Challenged(Response),
    /// Refused, redirected or busy.
    Refused(Response),
    /// [`InviteClient::cancel`] took effect: nobody is connected.
    Cancelled,
    /// No answer at all.
    Failed(Failure),
}

/// Sends one INVITE. Keep it until the call ends: it acknowledges repeated 2xx.
#[derive(Debug)]
pub struct InviteClient {
    invite: Request,
    destination: Destination,
    transaction: TransactionId,
    state: State,
    early: Vec<Dialog>,
    forks: Vec<Fork>,
    /// CANCEL and BYEs whose outcome changes nothing.
    side_errands: BTreeSet<TransactionId>,
    actions: VecDeque<SipAction>,
    events: VecDeque<InviteClientEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing came back yet. RFC 3261 §9.1: no CANCEL before the first provisional response.
    Calling { cancel_wanted: bool },
    /// A provisional response came.
    Proceeding,
    /// A CANCEL is on its way; a 2xx may still cross it.
    Cancelling,
    /// A 401 or 407 awaits [`InviteClient::retry`].
    Challenged,
    /// Somebody answered.
    Answered,
    /// It ended without an answer. A late 2xx is still acknowledged and hung up.
    Ended,
}

/// A dialog that a 2xx confirmed.
#[derive(Debug)]
struct Fork {
    dialog: Dialog,
    /// `None` while the answer is awaited that the ACK shall carry.
    ack: Option<(Request, Destination)>,
}

impl InviteClient {
    /// Sends `invite`, for example an [`Invitation`](super::Invitation)'s.
    pub fn new(invite: Request, destination: Destination, ids: &mut TransactionIds) -> Self {
        let transaction = ids.take();
        let send = SipAction::Request { transaction, request: invite.clone(), destination };
        InviteClient {
            invite,
            destination,
            transaction,
            state: State::Calling { cancel_wanted: false },
            early: Vec::new(),
            forks: Vec::new(),
            side_errands: BTreeSet::new(),
            actions: VecDeque::from([send]),
            events: VecDeque::new(),
        }
    }

    /// The INVITE as it was last sent.
    pub fn invite(&self) -> &Request {
        &self.invite
    }

    /// The early dialogs, oldest first.
    pub fn early_dialogs(&self) -> &[Dialog] {
        &self.early
    }

    /// Gives up. The CANCEL leaves with the first provisional response; whoever answers nevertheless gets ACK and BYE.
    /// Does nothing once somebody answered or refused.
    pub fn cancel(&mut self, ids: &mut TransactionIds) {
        match self.state {
            State::Calling { .. } => self.state = State::Calling { cancel_wanted: true },
            State::Proceeding => self.send_cancel(ids),
            State::Challenged => self.end(InviteClientEvent::Cancelled),
            State::Cancelling | State::Answered | State::Ended => {}
        }
    }

    /// Sends the INVITE again with credentials (`name`, `value`), next in sequence (RFC 3261 §8.1.3.5). Only after
    /// [`InviteClientEvent::Challenged`].
    pub fn retry(&mut self, credentials: &[(&str, String)], ids: &mut TransactionIds) {
        if self.state != State::Challenged {
            return;
        }
        let number = self.invite.headers.cseq().map_or(1, |cseq| cseq.number) + 1;
        self.invite.headers.set_value(header::CSEQ, &CSeq { number, method: Method::Invite });
        for (name, value) in credentials {
            self.invite.headers.set(name, value.as_bytes());
        }
        self.transaction = ids.take();
        self.state = State::Calling { cancel_wanted: false };
        self.early.clear();
        let (request, destination) = (self.invite.clone(), self.destination);
        self.actions.push_back(SipAction::Request { transaction: self.transaction, request, destination });
    }

    /// Acknowledges the dialog that was reported as answered, with the answer to the offer of its 2xx. An INVITE that
    /// carried an offer is acknowledged without this.
    pub fn acknowledge(&mut self, answer: Option<Body>, last: &Peer) {
        let Some(fork) = self.forks.first_mut().filter(|fork| fork.ack.is_none()) else { return };
        let mut ack = fork.dialog.ack(&self.invite);
        if let Some(answer) = answer {
            ack.set_body(&answer.content_type, answer.bytes);
        }
        fork.ack = Some((ack, fork.dialog.destination(last)));
        self.send_ack(0);
    }

    /// Takes an event of the call; true where it belonged to this INVITE.
    pub fn handle(&mut self, event: &SipEvent, ids: &mut TransactionIds) -> bool {
        match event {
            SipEvent::Response { transaction, response, peer } if *transaction == self.transaction => {
                self.handle_response(response, peer, ids);
                true
            }
            SipEvent::Failed { transaction, cause } if *transaction == self.transaction => {
                self.handle_failure(*cause);
                true
            }
            SipEvent::Response { transaction, .. } | SipEvent::Failed { transaction, .. } => {
                self.side_errands.contains(transaction)
            }
            SipEvent::Request { .. } | SipEvent::AckFor2xx { .. } | SipEvent::Cancelled { .. } => false,
        }
    }

    /// The next action for the endpoint.
    pub fn poll_action(&mut self) -> Option<SipAction> {
        self.actions.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<InviteClientEvent> {
        self.events.pop_front()
    }

    fn handle_response(&mut self, response: &Response, peer: &Peer, ids: &mut TransactionIds) {
        if response.status.is_provisional() {
            self.handle_provisional(response, ids);
        } else if response.status.is_success() {
            self.handle_success(response, peer, ids);
        } else {
            self.handle_refusal(response);
        }
    }

    fn handle_provisional(&mut self, response: &Response, ids: &mut TransactionIds) {
        match self.state {
            State::Calling { cancel_wanted: true } => self.send_cancel(ids),
            State::Calling { cancel_wanted: false } | State::Proceeding => {
                self.state = State::Proceeding;
                let dialog = self.early_dialog(response);
                self.events.push_back(InviteClientEvent::Provisional { dialog, response: response.clone() });
            }
            State::Cancelling | State::Challenged | State::Answered | State::Ended => {}
        }
    }

    /// RFC 3261 §12.1: a provisional response with a To tag makes or continues an early dialog.
    fn early_dialog(&mut self, response: &Response) -> Option<DialogId> {
        response.headers.to().ok()?.tag()?;
        let dialog = Dialog::uac(&self.invite, response).ok()?;
        let id = dialog.id().clone();
        match self.early.iter().position(|early| *early.id() == id) {
            Some(known) => self.early[known] = dialog,
            // A peer that rings under ever new tags must not fill our memory.
            None if self.early.len() < MAX_FORKS => self.early.push(dialog),
            None => {}
        }
        Some(id)
    }

    fn handle_success(&mut self, response: &Response, peer: &Peer, ids: &mut TransactionIds) {
        let Ok(dialog) = Dialog::uac(&self.invite, response) else { return };
        if let Some(index) = self.forks.iter().position(|fork| fork.dialog.id() == dialog.id()) {
            return self.send_ack(index);
        }
        if self.forks.len() >= MAX_FORKS {
            return;
        }
        let is_wanted = match self.state {
            State::Calling { cancel_wanted } => !cancel_wanted,
            State::Proceeding => true,
            State::Cancelling | State::Challenged | State::Answered | State::Ended => false,
        };
        let awaits_answer = is_wanted && self.invite.body.is_empty();
        let ack = (!awaits_answer).then(|| (dialog.ack(&self.invite), dialog.destination(peer)));
        self.forks.push(Fork { dialog: dialog.clone(), ack });
        self.send_ack(self.forks.len() - 1);
        if is_wanted {
            self.state = State::Answered;
            let (dialog, response) = (Box::new(dialog), response.clone());
            self.events.push_back(InviteClientEvent::Answered { dialog, response });
        } else {
            self.hang_up(dialog, peer, ids);
            if matches!(self.state, State::Cancelling | State::Calling { .. }) {
                self.end(InviteClientEvent::Cancelled);
            }
        }
    }

    fn handle_refusal(&mut self, response: &Response) {
        let wants_credentials =
            matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        match self.state {
            State::Cancelling | State::Calling { cancel_wanted: true } => {
                self.end(InviteClientEvent::Cancelled);
            }
            State::Calling { cancel_wanted: false } | State::Proceeding if wants_credentials => {
                self.state = State::Challenged;
                self.events.push_back(InviteClientEvent::Challenged(response.clone()));
            }
            State::Calling { cancel_wanted: false } | State::Proceeding => {
                self.end(InviteClientEvent::Refused(response.clone()));
            }
            State::Challenged | State::Answered | State::Ended => {}
        }
    }

    fn handle_failure(&mut self, cause: Failure) {
        match self.state {
            State::Cancelling | State::Calling { cancel_wanted: true } => {
                self.end(InviteClientEvent::Cancelled);
            }
            State::Calling { cancel_wanted: false } | State::Proceeding => {
                self.end(InviteClientEvent::Failed(cause));
            }
            State::Challenged | State::Answered | State::Ended => {}
        }
    }

    fn end(&mut self, event: InviteClientEvent) {
        self.state = State::Ended;
        self.early.clear();
        self.events.push_back(event);
    }

    fn send_cancel(&mut self, ids: &mut TransactionIds) {
        self.state = State::Cancelling;
        let transaction = ids.take();
        self.side_errands.insert(transaction);
        self.actions.push_back(SipAction::Cancel { transaction, invite: self.transaction });
    }

    fn send_ack(&mut self, fork: usize) {
        let ack = self.forks.get(fork).and_then(|fork| fork.ack.clone());
        let Some((request, destination)) = ack else { return };
        self.actions.push_back(SipAction::AckFor2xx { invite: self.transaction, request, destination });
    }

    fn hang_up(&mut self, mut dialog: Dialog, last: &Peer, ids: &mut TransactionIds) {
        let transaction = ids.take();
        self.side_errands.insert(transaction);
        let destination = dialog.destination(last);
        let request = dialog.request(Method::Bye);
        self.actions.push_back(SipAction::Request { transaction, request, destination });
    }
}

/// More branches than any hunt group rings at once for one call.
const MAX_FORKS: usize = 32;
