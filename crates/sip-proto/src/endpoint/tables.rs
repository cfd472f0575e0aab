//! What an endpoint remembers: transactions, dialogs, calls, connections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::dialog::DialogId;
use crate::framing::StreamFramer;
use crate::message::{Host, Request};
use crate::transaction::{
    Cause, ClientKey, InviteClientTransaction, InviteServerTransaction, MergeKey, NonInviteClientTransaction,
    NonInviteServerTransaction, ServerKey, invite_client, invite_server, non_invite_client,
    non_invite_server,
};

use super::{CallKey, ConnectionId, Peer, TransactionId, Transport};

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Server(u64),
    Client(u64),
    /// A call that ended and is still remembered.
    Call(CallKey),
    /// A connection that owes us the rest of a message.
    Connection(ConnectionId),
}

/// Who answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    /// The driver has the request and neither accepted nor answered it.
    Unclaimed,
    Call(CallKey),
    /// The endpoint itself: 481, 482, the 200 to a CANCEL.
    Endpoint,
}

#[derive(Debug)]
pub(super) enum ServerMachine {
    Invite(InviteServerTransaction),
    Other(NonInviteServerTransaction),
}

#[derive(Debug)]
pub(super) struct ServerEntry {
    pub(super) machine: ServerMachine,
    pub(super) key: ServerKey,
    pub(super) merge: Option<MergeKey>,
    pub(super) user: User,
    /// Where responses go.
    pub(super) route: Peer,
    /// The port they go to when the connection is gone (RFC 3261 §18.2.2).
    pub(super) fallback_port: u16,
    /// Kept until the final response, in case the endpoint has to give it.
    pub(super) request: Option<Box<Request>>,
    /// The tag that our responses put on the To.
    pub(super) to_tag: Option<String>,
    /// A CANCEL that came before the driver accepted the call.
    pub(super) cancelled: Option<Box<Request>>,
    /// Whether it counts as pending.
    pub(super) pending: bool,
}

impl ServerEntry {
    /// Whether the final response or the ACK to a refusal is missing.
    pub(super) fn is_pending_invite(&self) -> bool {
        match &self.machine {
            ServerMachine::Invite(machine) => match machine.state() {
                invite_server::State::Proceeding { .. } | invite_server::State::Completed { .. } => true,
                invite_server::State::Accepted { .. }
                | invite_server::State::Confirmed { .. }
                | invite_server::State::Terminated(_) => false,
            },
            ServerMachine::Other(_) => false,
        }
    }

    /// Whether no final response was given.
    pub(super) fn is_unanswered(&self) -> bool {
        match &self.machine {
            ServerMachine::Invite(machine) => {
                matches!(machine.state(), invite_server::State::Proceeding { .. })
            }
            ServerMachine::Other(machine) => matches!(
                machine.state(),
                non_invite_server::State::Trying { .. } | non_invite_server::State::Proceeding { .. }
            ),
        }
    }

    pub(super) fn ended(&self) -> Option<Cause> {
        match &self.machine {
            ServerMachine::Invite(machine) => match machine.state() {
                invite_server::State::Terminated(cause) => Some(cause),
                invite_server::State::Proceeding { .. }
                | invite_server::State::Accepted { .. }
                | invite_server::State::Completed { .. }
                | invite_server::State::Confirmed { .. } => None,
            },
            ServerMachine::Other(machine) => match machine.state() {
                non_invite_server::State::Terminated(cause) => Some(cause),
                non_invite_server::State::Trying { .. }
                | non_invite_server::State::Proceeding { .. }
                | non_invite_server::State::Completed { .. } => None,
            },
        }
    }
}

#[derive(Debug)]
pub(super) enum ClientMachine {
    Invite(InviteClientTransaction),
    Other(NonInviteClientTransaction),
}

#[derive(Debug)]
pub(super) struct ClientEntry {
    pub(super) machine: ClientMachine,
    pub(super) key: ClientKey,
    /// The call, and its name for the transaction; none where the endpoint ends a lost call by itself.
    pub(super) user: Option<(CallKey, TransactionId)>,
    pub(super) peer: Peer,
    /// The Via host and port that a response must carry back.
    pub(super) sent_by: (Host, u16),
    /// An INVITE, for its ACK and CANCEL.
    pub(super) invite: Option<Box<Request>>,
    /// The CANCEL to send with the first provisional response.
    pub(super) cancel_wanted: Option<Option<TransactionId>>,
    /// The ACK of each 2xx, by the To tag.
    pub(super) acks: Vec<(String, Peer, Vec<u8>)>,
}

impl ClientEntry {
    pub(super) fn ended(&self) -> Option<Cause> {
        match &self.machine {
            ClientMachine::Invite(machine) => match machine.state() {
                invite_client::State::Terminated(cause) => Some(cause),
                invite_client::State::Calling { .. }
                | invite_client::State::Proceeding { .. }
                | invite_client::State::Completed { .. }
                | invite_client::State::Accepted { .. } => None,
            },
            ClientMachine::Other(machine) => match machine.state() {
                non_invite_client::State::Terminated(cause) => Some(cause),
                non_invite_client::State::Trying { .. }
                | non_invite_client::State::Proceeding { .. }
                | non_invite_client::State::Completed { .. } => None,
            },
        }
    }
}

/// The dialogs of one Call-ID and one tag of ours. An INVITE of ours that forked has several peers.
#[derive(Debug)]
pub(super) struct DialogEntry {
    pub(super) call: CallKey,
    pub(super) remote_tags: Vec<String>,
}

/// Our half of a [`DialogId`]: Call-ID and our tag, joined by a line end, which neither can have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DialogKey(Arc<str>);

impl DialogKey {
    pub(super) fn new(call_id: &str, local_tag: &str) -> Self {
        DialogKey(format!("{call_id}\n{local_tag}").into())
    }
}

#[derive(Debug, Default)]
pub(super) struct CallEntry {
    pub(super) is_over: bool,
    pub(super) dialogs: Vec<DialogKey>,
    pub(super) servers: BTreeSet<u64>,
    pub(super) clients: BTreeMap<TransactionId, u64>,
}

/// Calls and their dialogs. They are found by what a request inside a dialog carries.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) calls: BTreeMap<CallKey, CallEntry>,
    pub(super) dialogs: BTreeMap<DialogKey, DialogEntry>,
}

/// More tags than any fork or hunt group makes for one call.
const MAX_REMOTE_TAGS: usize = 32;

impl Calls {
    /// Whose dialog it is. True with a call that is over.
    pub(super) fn find(&self, dialog: &DialogId) -> Option<(CallKey, bool)> {
        let entry = self.dialogs.get(&DialogKey::new(&dialog.call_id, &dialog.local_tag))?;
        if !entry.remote_tags.contains(&dialog.remote_tag) {
            return None;
        }
        let is_over = self.calls.get(&entry.call).is_none_or(|call| call.is_over);
        Some((entry.call, is_over))
    }

    /// Remembers that `call` owns the dialogs of this Call-ID and tag; with `remote_tag` as one of the peers.
    pub(super) fn bind(&mut self, call: CallKey, key: DialogKey, remote_tag: Option<String>) {
        if !self.dialogs.contains_key(&key) {
            self.calls.entry(call).or_default().dialogs.push(key.clone());
        }
        let entry = self.dialogs.entry(key).or_insert(DialogEntry { call, remote_tags: Vec::new() });
        let Some(remote_tag) = remote_tag else { return };
        if entry.remote_tags.len() < MAX_REMOTE_TAGS && !entry.remote_tags.contains(&remote_tag) {
            entry.remote_tags.push(remote_tag);
        }
    }

    pub(super) fn is_live(&self, call: CallKey) -> bool {
        self.calls.get(&call).is_some_and(|call| !call.is_over)
    }

    /// Drops a call and its dialogs.
    pub(super) fn remove(&mut self, call: CallKey) {
        let Some(entry) = self.calls.remove(&call) else { return };
        for key in entry.dialogs {
            self.dialogs.remove(&key);
        }
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: Peer,
    pub(super) framer: StreamFramer,
}

/// Open stream connections, found by number and by where they lead.
#[derive(Debug, Default)]
pub(super) struct Connections {
    pub(super) open: BTreeMap<ConnectionId, Connection>,
    by_remote: BTreeMap<(Transport, std::net::SocketAddr), ConnectionId>,
}

impl Connections {
    pub(super) fn insert(&mut self, id: ConnectionId, peer: Peer, framer: StreamFramer) {
        self.by_remote.insert((peer.protocol, peer.remote), id);
        self.open.insert(id, Connection { peer, framer });
    }

    pub(super) fn remove(&mut self, id: ConnectionId) {
        let Some(connection) = self.open.remove(&id) else { return };
        let key = (connection.peer.protocol, connection.peer.remote);
        if self.by_remote.get(&key) == Some(&id) {
            self.by_remote.remove(&key);
        }
    }

    /// `peer` with a connection that is open, if there is one to it.
    pub(super) fn resolve(&self, mut peer: Peer) -> Peer {
        let is_open = peer.connection.is_some_and(|id| self.open.contains_key(&id));
        if !is_open {
            peer.connection = self.by_remote.get(&(peer.protocol, peer.remote)).copied();
        }
        peer
    }
}
