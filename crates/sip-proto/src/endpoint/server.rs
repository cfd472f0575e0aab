//! Requests that come in: matched, limited, routed to calls, answered.

use offhook_time::Time;

use crate::message::{Method, Request, Response, StatusCode, header};
use crate::policy;
use crate::transaction::{Cause, InviteServerTransaction, MergeKey, NonInviteServerTransaction, ServerKey};

use super::tables::{DialogKey, Owner, ServerEntry, ServerMachine, User};
use super::{
    CallKey, Endpoint, EndpointEvent, Failure, Peer, SipEvent, TransactionId, Transport, dialog_of, wire,
};

impl Endpoint {
    pub(super) fn handle_request(&mut self, mut request: Request, peer: Peer, now: Time) {
        // The keys are those of the bytes as they came; a retransmission has no stamp of ours either.
        let (Ok(key), Ok(merge), Ok(mut via)) =
            (ServerKey::of(&request), MergeKey::of(&request), request.headers.top_via())
        else {
            self.counters.dropped_malformed += 1;
            return;
        };
        if request.method == Method::Ack {
            return self.handle_ack(&key, request, peer, now);
        }
        if let Some(number) = self.server_keys.get(&key).copied() {
            return self.handle_retransmission(number);
        }
        let cancelled = (request.method == Method::Cancel).then(|| ServerKey::of_cancelled(&request));
        via.stamp(peer.remote);
        request.headers.set_top_via(&via);
        let route = wire::response_route(&via, peer);
        if self.is_full(&request) {
            return self.refuse_overload(&request, route);
        }
        let number = self.number();
        let is_merged = merge.as_ref().is_some_and(|merge| self.merge_keys.contains_key(merge));
        let merge = merge.filter(|_| !is_merged && cancelled.is_none());
        self.insert_server(number, key, merge, &request, route, via.sent_by_port(), now);
        if let Some(cancelled) = cancelled {
            let invite = cancelled.ok().and_then(|key| self.server_keys.get(&key).copied());
            self.handle_cancel(number, invite, request, now);
        } else if is_merged {
            self.counters.merged += 1;
            self.answer(number, &request, StatusCode::LOOP_DETECTED, now);
        } else {
            self.route_request(number, request, peer, now);
        }
        self.settle_server(number);
    }

    pub(super) fn handle_server_timeout(&mut self, number: u64, now: Time) {
        let Some(entry) = self.servers.get_mut(&number) else { return };
        match &mut entry.machine {
            ServerMachine::Invite(machine) => machine.handle_timeout(now),
            ServerMachine::Other(machine) => machine.handle_timeout(now),
        }
        self.settle_server(number);
    }

    pub(super) fn respond_for(
        &mut self,
        call: CallKey,
        transaction: TransactionId,
        response: Response,
        now: Time,
    ) {
        let number = transaction.number();
        let Some(entry) = self.servers.get(&number).filter(|entry| entry.user == User::Call(call)) else {
            return;
        };
        let makes_dialog = entry.request.as_ref().is_some_and(|request| super::makes_dialog(&request.method));
        // The 100 has no tag, and a refusal makes no dialog.
        if makes_dialog && !response.status.is_failure() && self.calls.is_live(call) {
            self.bind_response(call, &response);
        }
        self.send_response(number, response, now);
    }

    pub(super) fn retransmit_2xx(
        &mut self,
        call: CallKey,
        transaction: TransactionId,
        mut response: Response,
    ) {
        let Some(entry) = self.servers.get(&transaction.number()) else { return };
        if entry.user == User::Call(call) && response.status.is_success() {
            let (route, port) = (entry.route, entry.fallback_port);
            self.sign(&mut response);
            self.transmit_response(route, port, response.to_bytes());
        }
    }

    pub(super) fn send_response(&mut self, number: u64, mut response: Response, now: Time) {
        self.sign(&mut response);
        let Some(entry) = self.servers.get_mut(&number) else { return };
        if !entry.is_unanswered() {
            return;
        }
        let tag = response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned));
        entry.to_tag = tag.or(entry.to_tag.take());
        let (status, bytes) = (response.status.code(), response.to_bytes());
        match &mut entry.machine {
            ServerMachine::Invite(machine) => machine.respond(status, bytes, now),
            ServerMachine::Other(machine) => machine.respond(status, bytes, now),
        }
        if response.status.is_final() {
            entry.request = None;
        }
        self.settle_server(number);
    }

    /// Answers for a call that is lost.
    pub(super) fn refuse_orphan(&mut self, number: u64, now: Time) {
        let Some(entry) = self.servers.get(&number).filter(|entry| entry.is_unanswered()) else { return };
        let Some(request) = entry.request.clone() else { return };
        let is_invite = request.method == Method::Invite;
        let status =
            if is_invite { StatusCode::SERVER_INTERNAL_ERROR } else { after_the_end(&request.method) };
        self.answer(number, &request, status, now);
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one table entry, used in one place")]
    fn insert_server(
        &mut self,
        number: u64,
        key: ServerKey,
        merge: Option<MergeKey>,
        request: &Request,
        route: Peer,
        fallback_port: u16,
        now: Time,
    ) {
        let (timing, reliability) = (self.config.timing, wire::reliability(route.protocol));
        let machine = if request.method == Method::Invite {
            let mut trying = request.response(StatusCode::TRYING, None);
            self.sign(&mut trying);
            let trying = trying.to_bytes();
            ServerMachine::Invite(InviteServerTransaction::new(trying, timing, reliability, now))
        } else {
            ServerMachine::Other(NonInviteServerTransaction::new(timing, reliability, now))
        };
        self.server_keys.insert(key.clone(), number);
        if let Some(merge) = &merge {
            self.merge_keys.insert(merge.clone(), number);
        }
        let entry = ServerEntry {
            machine,
            key,
            merge,
            user: User::Endpoint,
            route,
            fallback_port,
            request: Some(Box::new(request.clone())),
            to_tag: None,
            cancelled: None,
            pending: false,
        };
        self.servers.insert(number, Box::new(entry));
    }

    fn handle_retransmission(&mut self, number: u64) {
        self.counters.retransmissions += 1;
        let Some(entry) = self.servers.get_mut(&number) else { return };
        match &mut entry.machine {
            ServerMachine::Invite(machine) => machine.handle_retransmission(),
            ServerMachine::Other(machine) => machine.handle_retransmission(),
        }
        self.settle_server(number);
    }

    /// The ACK to a refusal ends its transaction; the ACK to a 2xx is the call's, whatever branch it carries.
    fn handle_ack(&mut self, key: &ServerKey, request: Request, peer: Peer, now: Time) {
        if let Some(number) = self.server_keys.get(key).copied()
            && let Some(entry) = self.servers.get_mut(&number)
            && let ServerMachine::Invite(machine) = &mut entry.machine
            && machine.handle_ack(now)
        {
            return self.settle_server(number);
        }
        match dialog_of(&request).and_then(|dialog| self.calls.find(&dialog)) {
            Some((call, false)) => self.tell(call, SipEvent::AckFor2xx { request, peer }),
            // The call is over: the ACK came too late to matter.
            Some((_, true)) => {}
            None => self.counters.stray_acks += 1,
        }
    }

    /// RFC 3261 §9.2: the CANCEL is answered here, the INVITE by its user.
    fn handle_cancel(&mut self, number: u64, invite: Option<u64>, request: Request, now: Time) {
        let Some(invite) =
            invite.and_then(|invite| self.servers.get_mut(&invite).map(|entry| (invite, entry)))
        else {
            self.counters.outside_dialog += 1;
            return self.answer(number, &request, StatusCode::CALL_DOES_NOT_EXIST, now);
        };
        let (invite, entry) = invite;
        // §9.2: the To tag of this response and of the one to the INVITE should be the same.
        let tag = entry.to_tag.clone();
        let is_effective = entry.is_unanswered();
        let user = entry.user;
        if is_effective && user == User::Unclaimed {
            entry.cancelled = Some(Box::new(request.clone()));
        }
        match tag {
            Some(tag) => self.send_response(number, request.response(StatusCode::OK, Some(&tag)), now),
            None => self.answer(number, &request, StatusCode::OK, now),
        }
        match user {
            User::Call(call) if is_effective => {
                self.tell(call, SipEvent::Cancelled { invite: TransactionId::server(invite), request });
            }
            User::Call(_) | User::Unclaimed | User::Endpoint => {}
        }
    }

    /// Inside a dialog to its call, outside to the driver.
    fn route_request(&mut self, number: u64, request: Request, peer: Peer, now: Time) {
        if let Err(rejection) = policy::admit(&request, &self.config.acceptance) {
            self.counters.refused_by_policy += 1;
            let tag = self.randomness.hex(16);
            return self.send_response(number, rejection.response(&request, &tag), now);
        }
        let transaction = TransactionId::server(number);
        let is_inside = request.headers.to().is_ok_and(|to| to.tag().is_some());
        if !is_inside {
            self.set_user(number, User::Unclaimed);
            self.events.push_back(if request.method == Method::Invite {
                EndpointEvent::NewCall { transaction, request, peer }
            } else {
                EndpointEvent::OutOfDialog { transaction, request, peer }
            });
            return;
        }
        match dialog_of(&request).and_then(|dialog| self.calls.find(&dialog)) {
            Some((call, false)) => {
                self.set_user(number, User::Call(call));
                if let Some(entry) = self.calls.calls.get_mut(&call) {
                    entry.servers.insert(number);
                }
                self.tell(call, SipEvent::Request { transaction, request, peer });
            }
            Some((_, true)) => {
                let status = after_the_end(&request.method);
                self.answer(number, &request, status, now);
            }
            None => {
                self.counters.outside_dialog += 1;
                self.answer(number, &request, StatusCode::CALL_DOES_NOT_EXIST, now);
            }
        }
    }

    fn set_user(&mut self, number: u64, user: User) {
        if let Some(entry) = self.servers.get_mut(&number) {
            entry.user = user;
        }
    }

    /// Our To tag and the peer's From tag make requests of the peer find the call.
    fn bind_response(&mut self, call: CallKey, response: &Response) {
        let (Ok(to), Ok(from), Ok(call_id)) =
            (response.headers.to(), response.headers.from(), response.headers.call_id())
        else {
            return;
        };
        let Some(local_tag) = to.tag() else { return };
        let remote_tag = from.tag().unwrap_or_default().to_owned();
        self.calls.bind(call, DialogKey::new(call_id.as_str(), local_tag), Some(remote_tag));
    }

    fn answer(&mut self, number: u64, request: &Request, status: StatusCode, now: Time) {
        let response = self.own_response(request, status);
        self.send_response(number, response, now);
    }

    /// What belongs to a call that was let in has some room of its own: a BYE makes space.
    fn is_full(&self, request: &Request) -> bool {
        let limits = &self.config.tables;
        let is_inside = request.method == Method::Cancel || dialog_of(request).is_some();
        let headroom = if is_inside { limits.server_transactions / 8 } else { 0 };
        self.servers.len() >= limits.server_transactions + headroom
            || (request.method == Method::Invite && self.pending_invites >= limits.pending_invites)
    }

    /// Without a transaction: what is short is memory.
    fn refuse_overload(&mut self, request: &Request, route: Peer) {
        self.counters.overload += 1;
        let tag = wire::stateless_tag(request);
        let mut response = request.response(StatusCode::SERVICE_UNAVAILABLE, Some(&tag));
        self.sign(&mut response);
        response.headers.push(header::RETRY_AFTER, self.config.retry_after.to_string());
        self.transmit(route, response.to_bytes());
    }

    /// Sends what the machine wants sent, sets its deadline, and drops it when it is over.
    fn settle_server(&mut self, number: u64) {
        let Some(entry) = self.servers.get_mut(&number) else { return };
        let (route, port) = (entry.route, entry.fallback_port);
        let mut bytes = Vec::new();
        let deadline = match &mut entry.machine {
            ServerMachine::Invite(machine) => {
                bytes.extend(std::iter::from_fn(|| machine.poll_transmit()));
                machine.poll_timeout()
            }
            ServerMachine::Other(machine) => {
                bytes.extend(std::iter::from_fn(|| machine.poll_transmit()));
                machine.poll_timeout()
            }
        };
        let is_pending = entry.is_pending_invite();
        let was_pending = std::mem::replace(&mut entry.pending, is_pending);
        self.pending_invites = self.pending_invites + usize::from(is_pending) - usize::from(was_pending);
        let ended = entry.ended();
        for bytes in bytes {
            self.transmit_response(route, port, bytes);
        }
        self.timers.arm(Owner::Server(number), deadline);
        if let Some(cause) = ended {
            self.remove_server(number, cause);
        }
    }

    fn remove_server(&mut self, number: u64, cause: Cause) {
        let Some(entry) = self.servers.remove(&number) else { return };
        self.server_keys.remove(&entry.key);
        if let Some(merge) = &entry.merge {
            self.merge_keys.remove(merge);
        }
        let User::Call(call) = entry.user else { return };
        if let Some(known) = self.calls.calls.get_mut(&call) {
            known.servers.remove(&number);
        }
        let transaction = TransactionId::server(number);
        let cause = match cause {
            Cause::Finished => return,
            Cause::Timeout | Cause::AckTimeout => Failure::Timeout,
            Cause::Transport => Failure::Transport,
        };
        self.tell(call, SipEvent::Failed { transaction, cause });
    }

    /// RFC 3261 §18.2.2: a connection that is gone is replaced by one to the sent-by port.
    fn transmit_response(&mut self, route: Peer, port: u16, bytes: Vec<u8>) {
        let mut peer = route;
        let is_gone = peer.connection.is_some_and(|id| !self.connections.open.contains_key(&id));
        if peer.protocol != Transport::Udp && is_gone {
            peer.connection = None;
            peer.remote.set_port(port);
        }
        self.transmit(peer, bytes);
    }
}

/// What a request inside a dialog that has just ended gets: two sides that hang up at once are both right.
fn after_the_end(method: &Method) -> StatusCode {
    if *method == Method::Bye { StatusCode::OK } else { StatusCode::CALL_DOES_NOT_EXIST }
}
