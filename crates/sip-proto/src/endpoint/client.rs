//! Requests that go out: numbered, sent, matched with their responses.

use offhook_time::Time;

use crate::dialog::Dialog;
use crate::message::{BRANCH_COOKIE, Host, Method, Request, Response, header};
use crate::transaction::{
    Cause, ClientKey, InviteClientTransaction, NonInviteClientTransaction, invite_client,
};

use super::tables::{ClientEntry, ClientMachine, DialogKey, Owner};
use super::{CallKey, Destination, Endpoint, Failure, Peer, SipEvent, TransactionId, wire};

/// The call and its name for a transaction.
type User = Option<(CallKey, TransactionId)>;

impl Endpoint {
    pub(super) fn request_for(
        &mut self,
        call: CallKey,
        transaction: TransactionId,
        request: Request,
        destination: Destination,
        now: Time,
    ) {
        let entry = self.calls.calls.entry(call).or_default();
        if entry.is_over || entry.clients.contains_key(&transaction) {
            return;
        }
        if self.clients.len() >= self.config.tables.client_transactions {
            self.counters.overload += 1;
            return self.tell(call, SipEvent::Failed { transaction, cause: Failure::Overload });
        }
        self.bind_request(call, &request);
        self.start_client(Some((call, transaction)), request, destination, now);
    }

    pub(super) fn ack_2xx_for(
        &mut self,
        call: CallKey,
        invite: TransactionId,
        request: Request,
        destination: Destination,
    ) {
        let number = self.calls.calls.get(&call).and_then(|entry| entry.clients.get(&invite).copied());
        self.send_ack(number, request, destination);
    }

    pub(super) fn cancel_for(
        &mut self,
        call: CallKey,
        cancel: TransactionId,
        invite: TransactionId,
        now: Time,
    ) {
        let number = self.calls.calls.get(&call).and_then(|entry| entry.clients.get(&invite).copied());
        if let Some(number) = number {
            self.cancel(number, Some((call, cancel)), now);
        }
    }

    /// Cancels an INVITE, now or with its first provisional response.
    pub(super) fn cancel(&mut self, number: u64, user: User, now: Time) {
        let Some(entry) = self.clients.get_mut(&number) else { return };
        let ClientMachine::Invite(machine) = &mut entry.machine else { return };
        match machine.state() {
            invite_client::State::Calling { .. } => {
                entry.cancel_wanted = Some(user.map(|(_, transaction)| transaction));
            }
            invite_client::State::Proceeding { cancelled_until: None } => {
                machine.cancelled(now);
                let Some(invite) = &entry.invite else { return };
                let (cancel, peer, sent_by) = (wire::cancel(invite), entry.peer, entry.sent_by.clone());
                let key = ClientKey { branch: entry.key.branch.clone(), method: Method::Cancel };
                self.insert_client(user, key, cancel, peer, sent_by, now);
                self.settle_client(number);
            }
            invite_client::State::Proceeding { cancelled_until: Some(_) }
            | invite_client::State::Completed { .. }
            | invite_client::State::Accepted { .. }
            | invite_client::State::Terminated(_) => {}
        }
    }

    pub(super) fn handle_response(&mut self, response: Response, peer: Peer, now: Time) {
        let Some(number) = self.client_of(&response) else {
            self.counters.stray_responses += 1;
            return;
        };
        let Some(entry) = self.clients.get_mut(&number) else { return };
        let status = response.status.code();
        let is_told = match (&mut entry.machine, &entry.invite) {
            (ClientMachine::Invite(machine), Some(invite)) => {
                let ack = || wire::ack_for_failure(invite, &response).to_bytes();
                machine.handle_response(status, ack, now)
            }
            (ClientMachine::Invite(machine), None) => machine.handle_response(status, Vec::new, now),
            (ClientMachine::Other(machine), _) => machine.handle_response(status, now),
        };
        let (user, is_invite) = (entry.user, entry.invite.is_some());
        let wants_cancel = if response.status.is_provisional() { entry.cancel_wanted.take() } else { None };
        if is_told {
            self.deliver(number, user, is_invite, response, peer, now);
        }
        if let Some(cancel) = wants_cancel {
            let user = user.zip(cancel).map(|((call, _), transaction)| (call, transaction));
            self.cancel(number, user, now);
        }
        self.settle_client(number);
    }

    pub(super) fn handle_client_timeout(&mut self, number: u64, now: Time) {
        let Some(entry) = self.clients.get_mut(&number) else { return };
        match &mut entry.machine {
            ClientMachine::Invite(machine) => machine.handle_timeout(now),
            ClientMachine::Other(machine) => machine.handle_timeout(now),
        }
        self.settle_client(number);
    }

    pub(super) fn fail_clients(&mut self, peer: &Peer) {
        let is_there =
            |entry: &ClientEntry| entry.peer.protocol == peer.protocol && entry.peer.remote == peer.remote;
        let failed: Vec<u64> =
            self.clients.iter().filter(|(_, entry)| is_there(entry)).map(|(number, _)| *number).collect();
        for number in failed {
            let Some(entry) = self.clients.get_mut(&number) else { continue };
            match &mut entry.machine {
                ClientMachine::Invite(machine) => machine.handle_transport_error(),
                ClientMachine::Other(machine) => machine.handle_transport_error(),
            }
            self.settle_client(number);
        }
    }

    /// The transaction of a response: one Via only, ours, with a branch of ours.
    fn client_of(&self, response: &Response) -> Option<u64> {
        if response.headers.all(header::VIA).len() != 1 {
            return None;
        }
        let via = response.headers.top_via().ok()?;
        let key =
            ClientKey { branch: via.branch()?.to_owned(), method: response.headers.cseq().ok()?.method };
        let number = *self.client_keys.get(&key)?;
        let entry = self.clients.get(&number)?;
        wire::is_our_via(&via, &entry.sent_by).then_some(number)
    }

    fn deliver(
        &mut self,
        number: u64,
        user: User,
        is_invite: bool,
        response: Response,
        peer: Peer,
        now: Time,
    ) {
        match user {
            Some((call, transaction)) if self.calls.is_live(call) => {
                if !response.status.is_failure() {
                    self.bind_peer(call, &response);
                }
                self.tell(call, SipEvent::Response { transaction, response, peer });
            }
            Some(_) | None if is_invite && response.status.is_success() => {
                self.hang_up_orphan(number, &response, peer, now);
            }
            Some(_) | None => {}
        }
    }

    /// A 2xx for a call that is lost: the ACK that was sent before, or ACK and BYE.
    fn hang_up_orphan(&mut self, number: u64, response: &Response, peer: Peer, now: Time) {
        let Some(entry) = self.clients.get(&number) else { return };
        let tag = to_tag(response);
        if let Some((_, peer, ack)) = entry.acks.iter().find(|(known, ..)| *known == tag).cloned() {
            return self.transmit(peer, ack);
        }
        let Some(invite) = &entry.invite else { return };
        let Ok(mut dialog) = Dialog::uac(invite, response) else { return };
        let ack = dialog.ack(invite);
        // Whoever judges next hops is lost with the call: nothing is sent but to where the 2xx came from.
        let destination = Destination::Peer(peer);
        self.send_ack(Some(number), ack, destination);
        self.start_client(None, dialog.request(Method::Bye), destination, now);
    }

    fn send_ack(&mut self, invite: Option<u64>, mut request: Request, destination: Destination) {
        let tag = request.headers.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        let sent = invite
            .and_then(|number| self.clients.get(&number))
            .and_then(|entry| entry.acks.iter().find(|(known, ..)| *known == tag).cloned());
        if let Some((_, peer, bytes)) = sent {
            return self.transmit(peer, bytes);
        }
        let peer = self.peer_of(destination);
        let sent_by = wire::sent_by(&self.config, &peer);
        self.stamp(&mut request, &peer, &sent_by);
        let bytes = request.to_bytes();
        if let Some(entry) = invite.and_then(|number| self.clients.get_mut(&number)) {
            entry.acks.push((tag, peer, bytes.clone()));
        }
        self.transmit(peer, bytes);
    }

    fn start_client(&mut self, user: User, mut request: Request, destination: Destination, now: Time) {
        let peer = self.peer_of(destination);
        let sent_by = wire::sent_by(&self.config, &peer);
        let branch = self.stamp(&mut request, &peer, &sent_by);
        let key = ClientKey { branch, method: request.method.clone() };
        self.insert_client(user, key, request, peer, sent_by, now);
    }

    fn insert_client(
        &mut self,
        user: User,
        key: ClientKey,
        request: Request,
        peer: Peer,
        sent_by: (Host, u16),
        now: Time,
    ) {
        let number = self.number();
        let (timing, reliability) = (self.config.timing, wire::reliability(peer.protocol));
        let bytes = request.to_bytes();
        let (machine, invite) = if request.method == Method::Invite {
            let machine = InviteClientTransaction::new(bytes, timing, reliability, now);
            (ClientMachine::Invite(machine), Some(Box::new(request)))
        } else {
            (ClientMachine::Other(NonInviteClientTransaction::new(bytes, timing, reliability, now)), None)
        };
        if let Some((call, transaction)) = user
            && let Some(known) = self.calls.calls.get_mut(&call)
        {
            known.clients.insert(transaction, number);
        }
        self.client_keys.insert(key.clone(), number);
        let acks = Vec::new();
        let entry = ClientEntry { machine, key, user, peer, sent_by, invite, cancel_wanted: None, acks };
        self.clients.insert(number, Box::new(entry));
        self.settle_client(number);
    }

    /// Adds our Via and our name; answers the branch.
    fn stamp(&mut self, request: &mut Request, peer: &Peer, sent_by: &(Host, u16)) -> String {
        let branch = format!("{BRANCH_COOKIE}{}", self.randomness.hex(20));
        let via = wire::via(peer.protocol, sent_by, &branch);
        request.headers.insert_first(header::VIA, via.to_string());
        if !self.config.user_agent.is_empty() && !request.headers.has(header::USER_AGENT) {
            request.headers.push(header::USER_AGENT, self.config.user_agent.as_bytes());
        }
        branch
    }

    fn peer_of(&self, destination: Destination) -> Peer {
        let peer = match destination {
            Destination::Peer(peer) => peer,
            Destination::Address { protocol, remote } => {
                let local = wire::local_for(&self.config, protocol, remote);
                Peer { protocol, local, remote, connection: None }
            }
        };
        self.connections.resolve(peer)
    }

    /// Requests of the peer inside a dialog that our INVITE makes can come before its answer.
    fn bind_request(&mut self, call: CallKey, request: &Request) {
        let (Ok(from), Ok(to), Ok(call_id)) =
            (request.headers.from(), request.headers.to(), request.headers.call_id())
        else {
            return;
        };
        if super::makes_dialog(&request.method)
            && to.tag().is_none()
            && let Some(tag) = from.tag()
        {
            self.calls.bind(call, DialogKey::new(call_id.as_str(), tag), None);
        }
    }

    /// The To tag of a response that makes a dialog is a peer from which requests may come.
    fn bind_peer(&mut self, call: CallKey, response: &Response) {
        let (Ok(from), Ok(call_id)) = (response.headers.from(), response.headers.call_id()) else { return };
        let Some(local_tag) = from.tag() else { return };
        let key = DialogKey::new(call_id.as_str(), local_tag);
        let tag = to_tag(response);
        // A tagless provisional response makes no dialog; a tagless 2xx is one of RFC 2543.
        if response.status.is_provisional() && tag.is_empty() || !self.calls.dialogs.contains_key(&key) {
            return;
        }
        self.calls.bind(call, key, Some(tag));
    }

    fn settle_client(&mut self, number: u64) {
        let Some(entry) = self.clients.get_mut(&number) else { return };
        let peer = entry.peer;
        let mut bytes = Vec::new();
        let deadline = match &mut entry.machine {
            ClientMachine::Invite(machine) => {
                bytes.extend(std::iter::from_fn(|| machine.poll_transmit()));
                machine.poll_timeout()
            }
            ClientMachine::Other(machine) => {
                bytes.extend(std::iter::from_fn(|| machine.poll_transmit()));
                machine.poll_timeout()
            }
        };
        let ended = entry.ended();
        for bytes in bytes {
            self.transmit(peer, bytes);
        }
        self.timers.arm(Owner::Client(number), deadline);
        if let Some(cause) = ended {
            self.remove_client(number, cause);
        }
    }

    fn remove_client(&mut self, number: u64, cause: Cause) {
        let Some(entry) = self.clients.remove(&number) else { return };
        self.client_keys.remove(&entry.key);
        let Some((call, transaction)) = entry.user else { return };
        if let Some(known) = self.calls.calls.get_mut(&call) {
            known.clients.remove(&transaction);
        }
        let cause = match cause {
            Cause::Finished => return,
            Cause::Timeout | Cause::AckTimeout => Failure::Timeout,
            Cause::Transport => Failure::Transport,
        };
        self.tell(call, SipEvent::Failed { transaction, cause });
    }
}

fn to_tag(response: &Response) -> String {
    response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default()
}
