//! The signalling side of one server as one machine: framing, parsing, transactions, and the table that says which
//! call a message belongs to.
//!
//! Bytes and deadlines go in ([`Endpoint::handle_datagram`], [`Endpoint::handle_stream`],
//! [`Endpoint::handle_timeout`]); bytes and events come out ([`Endpoint::poll_transmit`], [`Endpoint::poll_event`]).
//! Calls act through [`Endpoint::perform`]. It knows neither what a call is about nor how a dialog continues.

mod client;
mod config;
mod server;
mod stream;
mod tables;
mod timers;
mod types;
mod wire;

use std::collections::{BTreeMap, VecDeque};

use offhook_time::{Randomness, Seed, Time};

use crate::dialog::DialogId;
use crate::message::{Fault, Malformed, Message, Method, Request, Response, StatusCode, header};
use crate::transaction::{ClientKey, MergeKey, ServerKey};

use tables::{Calls, ClientEntry, Connections, Owner, ServerEntry, User};
use timers::Timers;

pub use config::{EndpointConfig, Listener, TableLimits};
pub use types::{
    CallKey, ConnectionId, Counters, Destination, EndpointEvent, Failure, Load, Peer, SipAction, SipEvent,
    TransactionId, Transmit, Transport,
};

/// One per server. See the [module](self).
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    randomness: Randomness,
    timers: Timers<Owner>,
    /// Boxed: the tables are half empty nodes of what they hold.
    servers: BTreeMap<u64, Box<ServerEntry>>,
    server_keys: BTreeMap<ServerKey, u64>,
    merge_keys: BTreeMap<MergeKey, u64>,
    clients: BTreeMap<u64, Box<ClientEntry>>,
    client_keys: BTreeMap<ClientKey, u64>,
    /// Numbers for both kinds of transactions.
    next_number: u64,
    pending_invites: usize,
    calls: Calls,
    connections: Connections,
    counters: Counters,
    out: VecDeque<Transmit>,
    events: VecDeque<EndpointEvent>,
}

impl Endpoint {
    /// An endpoint without any calls. `seed` decides branches and tags: live it must be unpredictable.
    pub fn new(config: EndpointConfig, seed: Seed) -> Self {
        Endpoint {
            config,
            randomness: Randomness::new(seed),
            timers: Timers::new(),
            servers: BTreeMap::new(),
            server_keys: BTreeMap::new(),
            merge_keys: BTreeMap::new(),
            clients: BTreeMap::new(),
            client_keys: BTreeMap::new(),
            next_number: 0,
            pending_invites: 0,
            calls: Calls::default(),
            connections: Connections::default(),
            counters: Counters::default(),
            out: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// A datagram arrived.
    pub fn handle_datagram(&mut self, bytes: &[u8], peer: Peer, now: Time) {
        match Message::parse(bytes, &self.config.message) {
            Ok(message) => self.handle_message(message, peer, now),
            Err(malformed) => self.handle_malformed(&malformed, peer),
        }
    }

    /// A deadline passed. All that are due are handled, each with its own moment.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some((at, owner)) = self.timers.pop_due(now) {
            match owner {
                Owner::Server(number) => self.handle_server_timeout(number, at),
                Owner::Client(number) => self.handle_client_timeout(number, at),
                Owner::Call(call) => self.calls.remove(call),
                Owner::Connection(connection) => self.handle_stalled_connection(connection),
            }
        }
    }

    /// The next deadline.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// The next bytes to put on the wire.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        self.events.pop_front()
    }

    /// Gives the INVITE of an [`EndpointEvent::NewCall`] to a call. From here on its CANCEL, and all of the dialogs that
    /// the call's responses make, go to that call. False where the transaction is gone.
    pub fn accept(&mut self, transaction: TransactionId, call: CallKey) -> bool {
        let number = transaction.number();
        let Some(entry) = self.servers.get_mut(&number).filter(|entry| entry.user == User::Unclaimed) else {
            return false;
        };
        entry.user = User::Call(call);
        self.calls.calls.entry(call).or_default().servers.insert(number);
        if let Some(request) = entry.cancelled.take() {
            self.tell(call, SipEvent::Cancelled { invite: transaction, request: *request });
        }
        true
    }

    /// Answers a request that belongs to no call: an [`EndpointEvent::OutOfDialog`], or an
    /// [`EndpointEvent::NewCall`] that is refused.
    pub fn respond(&mut self, transaction: TransactionId, response: Response, now: Time) {
        let number = transaction.number();
        if self.servers.get(&number).is_some_and(|entry| entry.user == User::Unclaimed) {
            self.send_response(number, response, now);
        }
    }

    /// Does what a call asks for. Actions that come too late (a response after the final one, a CANCEL after the
    /// answer) do nothing.
    pub fn perform(&mut self, call: CallKey, action: SipAction, now: Time) {
        match action {
            SipAction::Respond { transaction, response } => {
                self.respond_for(call, transaction, response, now);
            }
            SipAction::Retransmit2xx { transaction, response } => {
                self.retransmit_2xx(call, transaction, response);
            }
            SipAction::Request { transaction, request, destination } => {
                self.request_for(call, transaction, request, destination, now);
            }
            SipAction::AckFor2xx { invite, request, destination } => {
                self.ack_2xx_for(call, invite, request, destination);
            }
            SipAction::Cancel { transaction, invite } => self.cancel_for(call, transaction, invite, now),
        }
    }

    /// The call is over, or lost by a panic. What it owes is settled: unanswered requests are refused, ringing
    /// INVITEs of its own cancelled, a 2xx that comes nevertheless is acknowledged and hung up. Its dialogs are
    /// remembered for 64·T1, so that late messages get the right answer. A BYE is the caller's to send, before this.
    pub fn forget(&mut self, call: CallKey, now: Time) {
        let Some(entry) = self.calls.calls.get_mut(&call) else { return };
        if entry.is_over {
            return;
        }
        entry.is_over = true;
        let servers: Vec<u64> = entry.servers.iter().copied().collect();
        let clients: Vec<u64> = entry.clients.values().copied().collect();
        for number in servers {
            self.refuse_orphan(number, now);
        }
        for number in clients {
            self.cancel(number, None, now);
        }
        self.timers.arm(Owner::Call(call), Some(now + self.config.timing.sixty_four_t1()));
    }

    /// The living call that owns a dialog, for a Replaces header (RFC 3891): its to-tag is the local one.
    pub fn call_of(&self, dialog: &DialogId) -> Option<CallKey> {
        self.calls.find(dialog).and_then(|(call, is_over)| (!is_over).then_some(call))
    }

    /// The transport could not deliver to `peer`: a refused connection, an unreachable host. Requests of ours that wait
    /// for it fail at once.
    pub fn transport_failed(&mut self, peer: &Peer, _now: Time) {
        self.fail_clients(peer);
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How full the tables are.
    pub fn load(&self) -> Load {
        Load {
            server_transactions: self.servers.len(),
            pending_invites: self.pending_invites,
            client_transactions: self.clients.len(),
            dialogs: self.calls.dialogs.len(),
            calls: self.calls.calls.len(),
            connections: self.connections.open.len(),
            timers: self.timers.len(),
        }
    }

    fn handle_message(&mut self, message: Message, peer: Peer, now: Time) {
        match message {
            Message::Request(request) => {
                self.counters.requests += 1;
                self.handle_request(request, peer, now);
            }
            Message::Response(response) => {
                self.counters.responses += 1;
                self.handle_response(response, peer, now);
            }
        }
    }

    /// Answers without a transaction, so that a flood of rubbish costs no memory.
    fn handle_malformed(&mut self, malformed: &Malformed, peer: Peer) {
        if malformed.fault == Fault::Empty {
            return;
        }
        let answer = malformed.answer(peer.remote);
        match &answer {
            Some(_) => self.counters.refused_malformed += 1,
            None => self.counters.dropped_malformed += 1,
        }
        let close_after = malformed.must_close && peer.connection.is_some();
        let bytes = answer.as_ref().map(Response::to_bytes).unwrap_or_default();
        if bytes.is_empty() && !close_after {
            return;
        }
        let route = match answer.and_then(|answer| answer.headers.top_via().ok()) {
            Some(via) => wire::response_route(&via, peer),
            None => peer,
        };
        self.out.push_back(Transmit { peer: route, bytes, close_after });
    }

    fn tell(&mut self, call: CallKey, event: SipEvent) {
        if self.calls.is_live(call) {
            self.events.push_back(EndpointEvent::Call { call, event });
        }
    }

    fn transmit(&mut self, peer: Peer, bytes: Vec<u8>) {
        let peer = if peer.protocol == Transport::Udp { peer } else { self.connections.resolve(peer) };
        self.out.push_back(Transmit { peer, bytes, close_after: false });
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// A response of the endpoint's own, with a fresh To tag.
    fn own_response(&mut self, request: &Request, status: StatusCode) -> Response {
        let tag = self.randomness.hex(16);
        let mut response = request.response(status, Some(&tag));
        self.sign(&mut response);
        response
    }

    fn sign(&self, response: &mut Response) {
        if !self.config.user_agent.is_empty() && !response.headers.has(header::SERVER) {
            response.headers.push(header::SERVER, self.config.user_agent.as_bytes());
        }
    }
}

/// The dialog a request or response says it belongs to: for a request the From is the peer's.
fn dialog_of(request: &Request) -> Option<DialogId> {
    let to = request.headers.to().ok()?;
    let from = request.headers.from().ok()?;
    Some(DialogId {
        call_id: request.headers.call_id().ok()?.0,
        local_tag: to.tag()?.to_owned(),
        remote_tag: from.tag().unwrap_or_default().to_owned(),
    })
}

/// Whether a request can make a dialog that others refer to.
fn makes_dialog(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Refer | Method::Subscribe)
}
