//! What a worker is told and what it tells.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;
use offhook_audio::AudioChunk;
use offhook_call_media::{MediaCommand, MediaEvent};
use offhook_engine_api::UtteranceId;
use offhook_engines::websocket::Wake;

use super::{BridgeEnd, EventFd, Health, WorkerCall};

/// A call's place in its worker. The generation tells a call from the one that had the place before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Index in the worker's table.
    pub index: u32,
    /// Counts the uses of the place.
    pub generation: u32,
}

/// To a worker. The queue is bounded; a sender that finds it full waits and is counted: control messages are never
/// dropped, and the worker, which waits for nobody, takes them on its next tick.
#[derive(Debug)]
pub enum ToWorker {
    /// A call with all its memory and sockets.
    Open(Slot, Box<WorkerCall>),
    /// A command for a call.
    Command(Slot, MediaCommand),
    /// Synthesized audio for a call.
    Speech(Slot, UtteranceId, AudioChunk),
    /// The application of a call is connected.
    Bridge(Slot, BridgeEnd),
    /// Make one of the call's next inputs panic, counted from 1 (tests only, by the header `X-Offhook-Test`).
    PlantPanic(Slot, u32),
    /// End the thread once all calls are closed.
    Stop,
}

/// From a worker to control.
#[derive(Debug)]
pub enum FromWorker {
    /// An event of a call.
    Event(u64, MediaEvent),
    /// A socket of the call cannot be watched: it will hear nothing.
    Deaf(u64, std::io::ErrorKind),
    /// The half ended; here is its memory, to be freed where nobody waits for a frame.
    Closed(u64, Slot, Box<WorkerCall>),
    /// The half's code panicked: the call is over, its neighbours go on.
    Panicked(u64, Slot, Box<WorkerCall>),
    /// A message for a call that was over already: its memory is freed where nobody waits for a frame.
    Unused(ToWorker),
}

/// The way to one worker.
#[derive(Clone, Debug)]
pub struct WorkerHandle {
    queue: Arc<ArrayQueue<ToWorker>>,
    wake: Arc<EventFd>,
    wake_pending: Arc<AtomicBool>,
    waits: Arc<AtomicU64>,
    shared_wake: SharedWake,
    /// How late its ticks are.
    pub health: Arc<Health>,
    /// How many calls it has.
    pub calls: Arc<AtomicUsize>,
}

impl WorkerHandle {
    /// An inbox with room for `queue_length` messages.
    ///
    /// # Errors
    /// What the system said.
    pub fn new(queue_length: usize) -> std::io::Result<Self> {
        let wake = Arc::new(EventFd::new()?);
        let wake_pending = Arc::new(AtomicBool::new(false));
        let (fd, pending) = (Arc::clone(&wake), Arc::clone(&wake_pending));
        Ok(WorkerHandle {
            queue: Arc::new(ArrayQueue::new(queue_length)),
            shared_wake: SharedWake(Arc::new(move || wake_once(&fd, &pending))),
            wake,
            wake_pending,
            waits: Arc::new(AtomicU64::new(0)),
            health: Arc::new(Health::new()),
            calls: Arc::new(AtomicUsize::new(0)),
        })
    }

    /// Sends a message and wakes the worker. Where the queue is full it waits for room: the worker empties it on its
    /// next tick, and what is in it must not be lost.
    pub fn send(&self, message: ToWorker) {
        let mut refused = self.queue.push(message).err();
        if refused.is_some() {
            self.waits.fetch_add(1, Ordering::Relaxed);
        }
        while let Some(message) = refused {
            self.wake();
            std::thread::sleep(std::time::Duration::from_micros(200));
            refused = self.queue.push(message).err();
        }
        self.wake();
    }

    /// Wakes the worker: something urgent is there. One system call for any number of wakes before it is awake.
    pub fn wake(&self) {
        wake_once(&self.wake, &self.wake_pending);
    }

    /// [`wake`](Self::wake) to be handed out: the same one for all calls of the worker, so that who has audio for many
    /// of them sees that one wake is enough.
    pub fn shared_wake(&self) -> Wake {
        Arc::clone(&self.shared_wake.0)
    }

    /// Messages that wait for it now, and how often a sender found no room and waited.
    pub fn waiting(&self) -> (usize, u64) {
        (self.queue.len(), self.waits.load(Ordering::Relaxed))
    }

    pub(super) fn receive(&self) -> Option<ToWorker> {
        self.queue.pop()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn wake_fd(&self) -> &EventFd {
        &self.wake
    }

    /// Before the queues are looked at: a wake from here on is a new one. Takes the signal back first: a wake that came
    /// between the two would otherwise count as pending with nothing to see for it, and every later one be swallowed.
    /// The swap reads what the waker wrote, so that what was sent before a swallowed wake is seen.
    pub(super) fn accept_wakes(&self, is_signalled: bool) {
        if is_signalled {
            self.wake.clear();
        }
        self.wake_pending.swap(false, Ordering::AcqRel);
    }
}

fn wake_once(wake: &EventFd, pending: &AtomicBool) {
    if !pending.swap(true, Ordering::AcqRel) {
        wake.wake();
    }
}

#[derive(Clone)]
struct SharedWake(Wake);

impl fmt::Debug for SharedWake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedWake")
    }
}
