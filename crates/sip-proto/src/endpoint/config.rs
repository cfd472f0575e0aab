//! What an endpoint is told at the start.

use std::net::SocketAddr;

use crate::message::{Host, Limits};
use crate::policy::Acceptance;
use crate::transaction::Timing;

use super::Transport;

/// Settings of an [`Endpoint`](super::Endpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointConfig {
    /// T1 and the others, and when the automatic 100 leaves.
    pub timing: Timing,
    /// Limits of one message.
    pub message: Limits,
    /// What requests may ask for; others are refused here (405, 415, 416, 420, 501 ...).
    pub acceptance: Acceptance,
    /// The sockets that requests of ours can leave by, the preferred ones first.
    pub listeners: Vec<Listener>,
    /// The User-Agent of our requests and the Server of our responses; empty for none.
    pub user_agent: String,
    /// Limits of the tables.
    pub tables: TableLimits,
    /// Seconds in the Retry-After of a 503.
    pub retry_after: u32,
}

/// One socket of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What it speaks.
    pub protocol: Transport,
    /// What it is bound to.
    pub local: SocketAddr,
    /// What others know it by: the host of our Via.
    pub advertised: Host,
    /// And the port.
    pub advertised_port: u16,
}

impl Listener {
    /// A socket that others know by the address it is bound to.
    pub fn new(protocol: Transport, local: SocketAddr) -> Self {
        Listener { protocol, local, advertised: local.ip().into(), advertised_port: local.port() }
    }
}

/// How many of each an endpoint keeps. A message that needs one more is refused (503) or dropped, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLimits {
    /// Server transactions, those that only absorb repetitions included.
    pub server_transactions: usize,
    /// INVITEs that await a final response or the ACK to one: what a flood from forged addresses fills.
    pub pending_invites: usize,
    /// Client transactions.
    pub client_transactions: usize,
    /// Stream connections.
    pub connections: usize,
}

impl Default for TableLimits {
    /// Some 4,000 calls a second, each of which leaves two server transactions for 64·T1.
    fn default() -> Self {
        TableLimits {
            server_transactions: 262_144,
            pending_invites: 8_192,
            client_transactions: 65_536,
            connections: 4_096,
        }
    }
}

impl Default for EndpointConfig {
    fn default() -> Self {
        EndpointConfig {
            timing: Timing::default(),
            message: Limits::default(),
            acceptance: Acceptance::default(),
            listeners: Vec::new(),
            user_agent: "offhook".to_owned(),
            tables: TableLimits::default(),
            retry_after: 5,
        }
    }
}
