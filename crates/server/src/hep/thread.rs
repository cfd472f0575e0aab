//! The thread that sends.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use offhook_sip_proto::framing::{Framed, StreamFramer};
use offhook_sip_proto::message::Limits;

use super::conceal;
use super::packet::{self, Captured, Sender};
use super::tap::{HepStats, HepTap, Seen};
use crate::config::HepConfig;

/// Messages that may wait.
const QUEUE: usize = 8192;

/// Streams that are followed at once: messages of one more are dropped.
const MOST_STREAMS: usize = 4096;

/// How often a name that did not resolve is asked for again.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);

/// ... and one that did: a server that was started anew may have another address.
const RESOLVE_AGAIN: Duration = Duration::from_secs(300);

/// The sending of copies as the server holds it.
#[derive(Debug)]
pub struct Hep {
    /// The way in.
    pub tap: HepTap,
    thread: JoinHandle<()>,
}

impl Hep {
    /// Starts the thread. `None` where no server is configured.
    ///
    /// # Errors
    /// The key is not where the file says, or there is no thread.
    pub fn start(config: &HepConfig, stats: Arc<HepStats>) -> anyhow::Result<Option<Hep>> {
        let Some(server) = config.server.clone() else { return Ok(None) };
        let sender = Sender { capture_id: config.capture_id, key: config.reveal_key()? };
        let (queue, seen) = sync_channel(QUEUE);
        let waiting = Arc::new(AtomicUsize::new(0));
        let tap = HepTap { queue, waiting: Arc::clone(&waiting), stats: Arc::clone(&stats) };
        let mut thread = HepThread {
            seen,
            waiting,
            stats,
            sender,
            server,
            way: None,
            asked_at: None,
            streams: BTreeMap::new(),
        };
        let run = move || {
            // Calls go on without it; what it does not take is dropped and counted.
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| thread.run())).is_err() {
                tracing::error!("the HEP thread failed: SIP messages are not copied any more");
            }
        };
        let thread = std::thread::Builder::new().name("hep".into()).spawn(run)?;
        Ok(Some(Hep { tap, thread }))
    }

    /// Sends what is there, once nobody else has a [`HepTap`] any more. A datagram waits for nobody.
    pub fn stop(self) {
        let Hep { tap, thread } = self;
        drop(tap);
        // What it had to say in a panic was logged where it happened.
        let _ = thread.join();
    }
}

struct HepThread {
    seen: Receiver<Seen>,
    waiting: Arc<AtomicUsize>,
    stats: Arc<HepStats>,
    sender: Sender,
    server: String,
    way: Option<UdpSocket>,
    asked_at: Option<Instant>,
    streams: BTreeMap<u64, StreamFramer>,
}

impl HepThread {
    fn run(&mut self) {
        while let Ok(seen) = self.seen.recv() {
            match seen {
                Seen::Disconnected(connection) => {
                    self.streams.remove(&connection);
                }
                Seen::Bytes { at_unix_micros, inbound, connection, local, remote, bytes } => {
                    self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
                    let local = crate::recorder::shown(local, remote);
                    let (source, destination) = if inbound { (remote, local) } else { (local, remote) };
                    let is_stream = connection.is_some();
                    let about = Captured {
                        source,
                        destination,
                        is_stream,
                        unix_micros: at_unix_micros,
                        correlation: None,
                        payload: &[],
                    };
                    match connection.filter(|_| inbound) {
                        Some(connection) => self.cut(connection, &about, &bytes),
                        None => self.send(&about, &bytes),
                    }
                }
            }
        }
    }

    /// The whole messages in a stream so far.
    fn cut(&mut self, connection: u64, about: &Captured<'_>, bytes: &[u8]) {
        if self.streams.len() >= MOST_STREAMS && !self.streams.contains_key(&connection) {
            return self.drop_one();
        }
        let framer = self.streams.entry(connection).or_insert(StreamFramer::new(Limits::default()));
        framer.push(bytes);
        let mut whole = Vec::new();
        while let Some(framed) = framer.next() {
            if let Ok(Framed::Message(message)) = framed {
                whole.push(message.to_bytes());
            }
        }
        for message in whole {
            self.send(about, &message);
        }
    }

    fn send(&mut self, about: &Captured<'_>, message: &[u8]) {
        // Line ends that keep a way through a NAT open (RFC 5626 §4.4.1) are no messages.
        if message.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let payload = conceal::concealed(message);
        let correlation = conceal::value(message, &[b"Call-ID", b"i"]);
        let packet =
            packet::encode(&self.sender, &Captured { correlation, payload: &payload, ..about.clone() });
        let sent = match (packet, self.way()) {
            // One that fails tells of an earlier one, which nobody listened for (ICMP); the next may arrive.
            (Some(packet), Some(way)) => way.send(&packet).or_else(|_| way.send(&packet)).is_ok(),
            (Some(_) | None, Some(_) | None) => false,
        };
        if sent {
            self.stats.sent.fetch_add(1, Ordering::Relaxed);
        } else {
            self.drop_one();
        }
    }

    /// The socket to the server; its name is resolved here, where nobody waits for it.
    fn way(&mut self) -> Option<&UdpSocket> {
        let patience = if self.way.is_some() { RESOLVE_AGAIN } else { RESOLVE_EVERY };
        if self.asked_at.is_none_or(|at| at.elapsed() >= patience) {
            self.asked_at = Some(Instant::now());
            match connect(&self.server) {
                Ok(way) => self.way = Some(way),
                // The old way is better than none.
                Err(error) => {
                    tracing::warn!(server = self.server, %error, "SIP messages cannot be copied to the HEP server");
                }
            }
        }
        self.way.as_ref()
    }

    fn drop_one(&self) {
        self.stats.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// A socket that only the server hears and is heard by.
pub(crate) fn connect(server: &str) -> std::io::Result<UdpSocket> {
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in server.to_socket_addrs()? {
        let any: SocketAddr =
            if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        match UdpSocket::bind(any).and_then(|socket| socket.connect(address).map(|()| socket)) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}
