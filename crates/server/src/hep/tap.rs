//! Control's end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use crate::recorder::Sip;

/// Bytes that may wait.
pub(super) const ROOM: usize = 8 << 20;

/// What became of SIP messages: read by `/metrics`.
#[derive(Debug, Default)]
pub struct HepStats {
    /// Sent to the server, whether it got them or not.
    pub sent: AtomicU64,
    /// Not made room for, too long for a datagram, or not to be sent.
    pub dropped: AtomicU64,
}

impl HepStats {
    /// All counters: name, type, what it counts, value.
    pub fn all(&self) -> [(&'static str, &'static str, &'static str, u64); 2] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("offhook_hep_sent_total", "counter", "SIP messages copied to the HEP server.", read(&self.sent)),
            (
                "offhook_hep_dropped_total",
                "counter",
                "SIP messages that were not copied to the HEP server: no room, too long, or no way there.",
                read(&self.dropped),
            ),
        ]
    }
}

/// Something that control saw.
#[derive(Debug)]
pub(super) enum Seen {
    /// A datagram or a message that we wrote; of a stream inbound any run of bytes.
    Bytes {
        at_unix_micros: u64,
        inbound: bool,
        connection: Option<u64>,
        local: SocketAddr,
        remote: SocketAddr,
        bytes: Box<[u8]>,
    },
    /// A stream is over.
    Disconnected(u64),
}

/// What control tells the thread `hep`. Never waits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HepTap {
    pub(super) queue: SyncSender<Seen>,
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) stats: Arc<HepStats>,
}

impl HepTap {
    /// A SIP message, at this Unix time.
    pub fn sip(&self, sip: &Sip<'_>, at_unix_micros: u64) {
        let Sip { inbound, connection, local, remote, bytes } = *sip;
        let length = bytes.len();
        if self.waiting.load(Ordering::Relaxed) + length > ROOM {
            return self.drop_one();
        }
        self.waiting.fetch_add(length, Ordering::Relaxed);
        let bytes = bytes.into();
        self.push(Seen::Bytes { at_unix_micros, inbound, connection, local, remote, bytes }, length);
    }

    /// A stream is over.
    pub fn disconnected(&self, connection: u64) {
        self.push(Seen::Disconnected(connection), 0);
    }

    fn push(&self, seen: Seen, length: usize) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.queue.try_send(seen) {
            self.waiting.fetch_sub(length, Ordering::Relaxed);
            self.drop_one();
        }
    }

    fn drop_one(&self) {
        self.stats.dropped.fetch_add(1, Ordering::Relaxed);
    }
}
