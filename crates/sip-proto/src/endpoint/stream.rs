//! Stream connections: opened and closed by the driver, framed here.

use std::time::Duration;

use offhook_time::Time;

use crate::framing::{Framed, PONG, StreamFramer};

use super::tables::Owner;
use super::{ConnectionId, Endpoint, Peer, Transmit};

/// How long a peer may take for one message. Longer than any network needs; short enough that a thousand idle
/// senders do not hold their connections for ever.
const MESSAGE_WITHIN: Duration = Duration::from_secs(32);

impl Endpoint {
    /// A stream connection stands, whoever opened it. `peer` has no need to name the connection. Beyond the limit of
    /// connections it is asked to be closed.
    pub fn connection_opened(&mut self, connection: ConnectionId, peer: Peer, _now: Time) {
        let peer = Peer { connection: Some(connection), ..peer };
        if self.connections.open.len() >= self.config.tables.connections {
            self.counters.overload += 1;
            self.out.push_back(Transmit { peer, bytes: Vec::new(), close_after: true });
            return;
        }
        self.connections.insert(connection, peer, StreamFramer::new(self.config.message));
    }

    /// Bytes arrived on a stream connection. Those of an unknown one are dropped.
    pub fn handle_stream(&mut self, connection: ConnectionId, bytes: &[u8], now: Time) {
        let Some(open) = self.connections.open.get_mut(&connection) else { return };
        open.framer.push(bytes);
        let peer = open.peer;
        let mut framed_any = false;
        loop {
            // Handling a message may close the connection.
            let Some(open) = self.connections.open.get_mut(&connection) else { return };
            let Some(framed) = open.framer.next() else { break };
            framed_any = true;
            match framed {
                Ok(Framed::Message(message)) => self.handle_message(*message, peer, now),
                Ok(Framed::Ping) => {
                    self.out.push_back(Transmit { peer, bytes: PONG.to_vec(), close_after: false });
                }
                Err(malformed) => {
                    let must_close = malformed.must_close;
                    self.handle_malformed(&malformed, peer);
                    if must_close {
                        return self.connection_closed(connection, now);
                    }
                }
            }
        }
        self.watch(connection, framed_any, now);
    }

    /// A stream connection ended. Responses that are still owed open a new one; requests of ours wait for theirs until
    /// their timers, as the peer may connect to us.
    pub fn connection_closed(&mut self, connection: ConnectionId, _now: Time) {
        self.timers.arm(Owner::Connection(connection), None);
        self.connections.remove(connection);
    }

    /// The time for the rest of a message runs from its first byte.
    fn watch(&mut self, connection: ConnectionId, is_new_message: bool, now: Time) {
        let Some(open) = self.connections.open.get(&connection) else { return };
        let owner = Owner::Connection(connection);
        if !open.framer.is_mid_message() {
            self.timers.arm(owner, None);
        } else if is_new_message || !self.timers.is_armed(owner) {
            self.timers.arm(owner, Some(now + MESSAGE_WITHIN));
        }
    }

    pub(super) fn handle_stalled_connection(&mut self, connection: ConnectionId) {
        let Some(open) = self.connections.open.get(&connection) else { return };
        let peer = open.peer;
        self.counters.dropped_malformed += 1;
        self.out.push_back(Transmit { peer, bytes: Vec::new(), close_after: true });
        self.connections.remove(connection);
    }
}
