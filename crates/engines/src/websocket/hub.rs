//! The thread that owns all application sockets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crossbeam_queue::ArrayQueue;
use offhook_audio::Frame;
use offhook_engine_api::{EngineError, EventSink};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::http::Uri;

use super::connection::{self, Parts};
use super::control::{MarkOf, ToApplication};
use super::leg::Counters;
use super::outbox::Outbox;
use super::{BridgeConfig, BridgeControl, BridgeEvent, BridgeLeg, BridgeStart, Wake};

/// Owns all application sockets. Cheap to clone; when the last clone and the last leg are gone its thread ends.
#[derive(Clone)]
pub struct BridgeHub {
    hub: Arc<Hub>,
}

impl BridgeHub {
    /// Starts the hub's thread.
    pub fn start(config: BridgeConfig) -> io::Result<BridgeHub> {
        // A pipe and not an eventfd: tokio waits for it without `unsafe`, at the same cost.
        let (woken, wake) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        let uplink = Arc::new(ArrayQueue::new(config.uplink_frames.max(1)));
        let (commands, received) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let queue = Arc::clone(&uplink);
        let hub = Hub { uplink, wake, commands, pushed: AtomicBool::new(false), ids: AtomicU32::new(0) };
        std::thread::Builder::new().name("bridge".into()).spawn(move || {
            if config.realtime {
                super::ask_for_realtime("bridge");
            }
            let inner = Inner { config, uplink: queue, outboxes: RefCell::default() };
            tokio::task::LocalSet::new().block_on(&runtime, async move {
                if let Err(error) = run(inner, woken, received).await {
                    tracing::error!(%error, "the bridge hub cannot go on");
                }
            });
        })?;
        Ok(BridgeHub { hub: Arc::new(hub) })
    }

    /// Begins to connect one call to its application. Never blocks; what becomes of it is an event. What arrives
    /// from the application appears in `downlink`, and `wake` is called at most once per batch for all calls that
    /// share it.
    pub fn open(
        &self,
        start: BridgeStart,
        downlink: Arc<ArrayQueue<Frame>>,
        wake: Wake,
        events: EventSink<BridgeEvent>,
    ) -> Result<BridgeLeg, EngineError> {
        let refused = |why: String| EngineError::Refused { engine: "bridge".to_owned(), why };
        let uri: Uri = start.url.parse().map_err(|error| refused(format!("{}: {error}", start.url)))?;
        let (Some("ws"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err(refused(format!("{}: must be ws://host:port/path", start.url)));
        };
        if start.sample_rate != 8_000 && start.sample_rate != 16_000 {
            return Err(refused(format!("{} Hz: must be 8000 or 16000", start.sample_rate)));
        }
        let address = (host.trim_matches(['[', ']']).to_owned(), uri.port_u16().unwrap_or(80));
        let id = self.hub.ids.fetch_add(1, Ordering::Relaxed);
        let counters = Arc::new(Counters::default());
        let leg = BridgeLeg::new(id, Arc::clone(&self.hub), Arc::clone(&counters));
        let open = Open { id, start, address, downlink, wake, events, counters };
        if !self.hub.send(Command::Open(Box::new(open))) {
            return Err(EngineError::Gone {
                engine: "bridge".to_owned(),
                why: "its thread ended".to_owned(),
            });
        }
        Ok(leg)
    }

    /// Lets the hub see what was pushed since the last flush: one system call, none where nothing was pushed.
    pub fn flush(&self) {
        if self.hub.pushed.swap(false, Ordering::AcqRel) {
            // A pipe that is full wakes the hub as well.
            let _ = rustix::io::write(&self.hub.wake, &[1]);
        }
    }
}

impl fmt::Debug for BridgeHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BridgeHub")
    }
}

/// What handles keep of the hub.
pub(super) struct Hub {
    uplink: Arc<ArrayQueue<Pushed>>,
    wake: OwnedFd,
    commands: UnboundedSender<Command>,
    pushed: AtomicBool,
    ids: AtomicU32,
}

/// One frame on its way to the hub thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pushed {
    pub(super) id: u32,
    pub(super) sequence: u32,
    pub(super) frame: Frame,
}

/// What control threads ask of the hub thread. Opens and closes are bounded by the calls, controls per call.
pub(super) enum Command {
    Open(Box<Open>),
    Control { id: u32, control: BridgeControl },
    Close { id: u32, reason: String },
}

pub(super) struct Open {
    pub(super) id: u32,
    pub(super) start: BridgeStart,
    pub(super) address: (String, u16),
    pub(super) downlink: Arc<ArrayQueue<Frame>>,
    pub(super) wake: Wake,
    pub(super) events: EventSink<BridgeEvent>,
    pub(super) counters: Arc<Counters>,
}

impl Hub {
    pub(super) fn push(&self, pushed: Pushed) -> bool {
        let taken = self.uplink.push(pushed).is_ok();
        self.pushed.store(true, Ordering::Release);
        taken
    }

    pub(super) fn send(&self, command: Command) -> bool {
        self.commands.send(command).is_ok()
    }
}

struct Inner {
    config: BridgeConfig,
    uplink: Arc<ArrayQueue<Pushed>>,
    outboxes: RefCell<BTreeMap<u32, Entry>>,
}

struct Entry {
    outbox: Rc<Outbox>,
    counters: Arc<Counters>,
}

/// Wakes of lines that got audio in this batch, each once.
#[derive(Default)]
pub(super) struct Wakes {
    due: RefCell<Vec<Wake>>,
    any: Notify,
}

impl Wakes {
    /// The line shall be woken when the tasks that are ready now have run.
    pub(super) fn add(&self, wake: &Wake) {
        let mut due = self.due.borrow_mut();
        if due.is_empty() {
            self.any.notify_one();
        }
        if !due.iter().any(|known| Arc::ptr_eq(known, wake)) {
            due.push(Arc::clone(wake));
        }
    }
}

async fn run(inner: Inner, woken: OwnedFd, mut commands: UnboundedReceiver<Command>) -> io::Result<()> {
    let inner = Rc::new(inner);
    let wakes = Rc::new(Wakes::default());
    tokio::task::spawn_local(call_wakes(Rc::clone(&wakes)));
    let woken = pipe::Receiver::from_owned_fd(woken)?;
    let mut wakes_read = [0; 512];
    loop {
        tokio::select! {
            ready = woken.readable() => {
                ready?;
                // Would block: somebody else's readiness; what was pushed is handed out all the same.
                let _ = woken.try_read(&mut wakes_read);
                inner.hand_out();
            }
            command = commands.recv() => match command {
                Some(command) => inner.obey(command, &wakes),
                // The last handle is gone; connections end with the thread.
                None => return Ok(()),
            }
        }
    }
}

/// Tasks run in the order they became ready: this one runs after all connections of the batch that woke it.
async fn call_wakes(wakes: Rc<Wakes>) {
    loop {
        wakes.any.notified().await;
        for wake in wakes.due.take() {
            wake();
        }
    }
}

impl Inner {
    fn hand_out(&self) {
        let outboxes = self.outboxes.borrow();
        // At most one queue full: the commands have their turn too.
        for _ in 0..self.uplink.capacity() {
            let Some(pushed) = self.uplink.pop() else { return };
            if let Some(Entry { outbox, .. }) = outboxes.get(&pushed.id) {
                outbox.push_audio(pushed.sequence, &pushed.frame);
            }
        }
    }

    fn obey(self: &Rc<Self>, command: Command, wakes: &Rc<Wakes>) {
        match command {
            Command::Open(open) => self.open(*open, wakes),
            Command::Control { id, control } => {
                if let Some(Entry { outbox, counters }) = self.outboxes.borrow().get(&id) {
                    counters.controls.fetch_sub(1, Ordering::AcqRel);
                    match control {
                        BridgeControl::Dtmf { digit, duration } => outbox.push_control(
                            ToApplication::Dtmf { digit, duration_ms: duration.as_millis() as u32 }.to_json(),
                        ),
                        BridgeControl::Mark { name } => outbox.push_control(
                            ToApplication::Mark { name: &name, of: MarkOf::Call, cleared: false }.to_json(),
                        ),
                        BridgeControl::Stop { reason } => outbox.stop(reason),
                    }
                }
            }
            Command::Close { id, reason } => {
                if let Some(Entry { outbox, .. }) = self.outboxes.borrow().get(&id) {
                    outbox.stop(reason);
                }
            }
        }
    }

    fn open(self: &Rc<Self>, open: Open, wakes: &Rc<Wakes>) {
        let outbox = Rc::new(Outbox::new(self.config.socket_backlog_frames, open.start.framing));
        let id = open.id;
        let entry = Entry { outbox: Rc::clone(&outbox), counters: Arc::clone(&open.counters) };
        self.outboxes.borrow_mut().insert(id, entry);
        let inner = Rc::clone(self);
        let wakes = Rc::clone(wakes);
        tokio::task::spawn_local(async move {
            let events = open.events.clone();
            let why = connection::run(Parts { open, outbox, wakes, config: inner.config.clone() }).await;
            inner.outboxes.borrow_mut().remove(&id);
            events.send(BridgeEvent::Closed { why });
        });
    }
}
