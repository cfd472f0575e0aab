//! What goes into and comes out of an [`Endpoint`](super::Endpoint).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::message::{Request, Response};

/// What carries SIP messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// Datagrams: lost, doubled, reordered.
    Udp,
    /// A byte stream, framed by Content-Length.
    Tcp,
}

/// One stream connection, numbered by the driver. Numbers are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId(pub u64);

/// The other end of a transport, and our end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Peer {
    /// What carries the messages.
    pub protocol: Transport,
    /// The address our socket is bound to: which of several sockets to send from.
    pub local: SocketAddr,
    /// The address of the other side.
    pub remote: SocketAddr,
    /// The stream connection. `None` for UDP, and where a connection has to be opened first.
    pub connection: Option<ConnectionId>,
}

/// A call as the driver numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallKey(pub u64);

/// Names one transaction of a call.
///
/// The endpoint numbers server transactions; a call numbers its own client transactions with
/// [`TransactionId::client`], unique within the call. The two kinds never compare equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransactionId(u64);

impl TransactionId {
    const CLIENT: u64 = 1 << 63;

    /// The `number`th client transaction of a call.
    pub const fn client(number: u64) -> Self {
        TransactionId(number | Self::CLIENT)
    }

    /// The `number`th server transaction of an endpoint.
    pub const fn server(number: u64) -> Self {
        TransactionId(number & !Self::CLIENT)
    }

    /// Whether the call itself made it.
    pub const fn is_client(self) -> bool {
        self.0 & Self::CLIENT != 0
    }

    /// The number within its kind.
    pub const fn number(self) -> u64 {
        self.0 & !Self::CLIENT
    }
}

/// Where a request of ours goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// The same way as another message: its socket or connection, where that still stands.
    Peer(Peer),
    /// An address; the endpoint picks the socket, and an open connection to it where there is one.
    Address {
        /// What shall carry the request.
        protocol: Transport,
        /// Where to.
        remote: SocketAddr,
    },
}

/// Why a transaction failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// No answer in time: treat it as a 408 (RFC 3261 §8.1.3.1), or for a server transaction as a lost ACK.
    Timeout,
    /// It could not be delivered: treat it as a 503.
    Transport,
    /// The endpoint is at its limit of transactions and did not send it: treat it as a 503.
    Overload,
}

/// What the endpoint tells a call. An input of the call, so it can be recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SipEvent {
    /// A request that wants a response: the in-dialog ones of the call.
    Request {
        /// What to name in [`SipAction::Respond`].
        transaction: TransactionId,
        /// The request, its top Via with `received` and `rport`.
        request: Request,
        /// Where it came from.
        peer: Peer,
    },
    /// A response to a request of the call: provisional ones, the final one, and for an INVITE every 2xx.
    Response {
        /// The number the call gave its request.
        transaction: TransactionId,
        /// The response.
        response: Response,
        /// Where it came from.
        peer: Peer,
    },
    /// A transaction ended without what it waited for.
    Failed {
        /// Which.
        transaction: TransactionId,
        /// Why.
        cause: Failure,
    },
    /// The ACK for a 2xx of the call.
    AckFor2xx {
        /// The ACK; it may carry the SDP answer.
        request: Request,
        /// Where it came from.
        peer: Peer,
    },
    /// The peer cancelled its INVITE. The CANCEL is answered already; the INVITE wants a 487.
    Cancelled {
        /// The INVITE's transaction.
        invite: TransactionId,
        /// The CANCEL; its Reason header may say "answered elsewhere".
        request: Request,
    },
}

/// What a call asks of the endpoint. An output of the call, so it can be compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SipAction {
    /// Answers a request.
    Respond {
        /// The request's transaction.
        transaction: TransactionId,
        /// A provisional or the final response.
        response: Response,
    },
    /// Sends a request that is neither ACK nor CANCEL. The endpoint adds the Via.
    Request {
        /// A [`TransactionId::client`] that the call has not used before.
        transaction: TransactionId,
        /// The request without a Via of ours.
        request: Request,
        /// Where to: see [`Dialog::next_hop`](crate::dialog::Dialog::next_hop).
        destination: Destination,
    },
    /// Sends a 2xx to an INVITE again: the dialog does so until the ACK comes (RFC 3261 §13.3.1.4).
    Retransmit2xx {
        /// The INVITE's transaction.
        transaction: TransactionId,
        /// The 2xx that was sent.
        response: Response,
    },
    /// Sends the ACK for a 2xx. The endpoint adds the Via and keeps the ACK for late repetitions of the 2xx.
    AckFor2xx {
        /// The transaction of our INVITE.
        invite: TransactionId,
        /// The ACK without a Via of ours.
        request: Request,
        /// Where to.
        destination: Destination,
    },
    /// Cancels an INVITE of ours that has had a provisional response (RFC 3261 §9.1). The endpoint builds the CANCEL.
    Cancel {
        /// A new [`TransactionId::client`] for the CANCEL itself.
        transaction: TransactionId,
        /// The INVITE's transaction.
        invite: TransactionId,
    },
}

/// Bytes to put on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to. A stream without a connection: open one to `remote`, say so by
    /// [`connection_opened`](super::Endpoint::connection_opened), then send.
    pub peer: Peer,
    /// One SIP message (or an answer to a keep-alive).
    pub bytes: Vec<u8>,
    /// Close the connection once the bytes are out.
    pub close_after: bool,
}

/// What the endpoint has to say to its driver.
#[derive(Clone, Debug, PartialEq)]
pub enum EndpointEvent {
    /// Somebody calls. [`accept`](super::Endpoint::accept) it or [`respond`](super::Endpoint::respond) with a refusal.
    NewCall {
        /// The INVITE's transaction.
        transaction: TransactionId,
        /// The INVITE.
        request: Request,
        /// Where it came from.
        peer: Peer,
    },
    /// A request outside of any dialog that the server answers with [`respond`](super::Endpoint::respond).
    OutOfDialog {
        /// Its transaction.
        transaction: TransactionId,
        /// OPTIONS and the like.
        request: Request,
        /// Where it came from.
        peer: Peer,
    },
    /// Something for a call.
    Call {
        /// Which.
        call: CallKey,
        /// What.
        event: SipEvent,
    },
}

/// How full the tables are, for metrics and for tests of their emptiness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Server transactions.
    pub server_transactions: usize,
    /// INVITEs without a final response or without its ACK.
    pub pending_invites: usize,
    /// Client transactions.
    pub client_transactions: usize,
    /// Dialogs, those that ended less than 64·T1 ago included.
    pub dialogs: usize,
    /// Calls, those that ended less than 64·T1 ago included.
    pub calls: usize,
    /// Open stream connections.
    pub connections: usize,
    /// Armed timers.
    pub timers: usize,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that parsed.
    pub requests: u64,
    /// Responses that parsed.
    pub responses: u64,
    /// Requests that came again and got the answer they got before.
    pub retransmissions: u64,
    /// Malformed messages that were answered 400.
    pub refused_malformed: u64,
    /// Malformed messages, keep-alives apart, that were dropped.
    pub dropped_malformed: u64,
    /// Well-formed requests that ask for what we do not do (405, 415, 420 ...).
    pub refused_by_policy: u64,
    /// Responses that matched nothing of ours.
    pub stray_responses: u64,
    /// ACKs that matched nothing.
    pub stray_acks: u64,
    /// Requests answered 503 because a table was full.
    pub overload: u64,
    /// Requests answered 482.
    pub merged: u64,
    /// Requests answered 481.
    pub outside_dialog: u64,
}
