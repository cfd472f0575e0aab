//! The places of a pool: each has a thread and a child.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_queue::{ArrayQueue, SegQueue};
use offhook_engine_api::{EngineError, EventSink, RecognizerEvent, SynthesizerEvent};
use rustix::pipe::{PipeFlags, pipe_with};

use super::place::{Order, PlaceThread};
use super::session::{RecognizerSession, SynthesizerSession};
use super::{HostConfig, HostStatus, NativeEngine};

/// Orders of all sessions of one child that may wait for its thread: far more than two per call.
const ORDERS: usize = 8192;

/// Child processes of one native engine, shared by all calls. The children end with the pool and its last session.
#[derive(Debug)]
pub struct HostPool {
    inner: Arc<Inner>,
}

impl HostPool {
    /// Starts the children; does not wait until they are warm.
    pub fn start(config: HostConfig) -> Result<Arc<HostPool>, EngineError> {
        let gone = |why: String| EngineError::Gone { engine: config.engine.name().to_owned(), why };
        let board = Arc::new(Board::default());
        let mut places = Vec::new();
        for number in 0..config.processes.max(1) {
            let (woken, wake) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)
                .map_err(|error| gone(error.to_string()))?;
            let place = Arc::new(Place {
                engine: config.engine,
                orders: ArrayQueue::new(ORDERS),
                leaves: SegQueue::new(),
                wake,
                sessions: AtomicUsize::new(0),
                process: AtomicU32::new(0),
                closing: AtomicBool::new(false),
            });
            places.push(Arc::clone(&place));
            let thread = PlaceThread::new(config.clone(), place, Arc::clone(&board), woken);
            std::thread::Builder::new()
                .name(format!("{}-{number}", config.engine.name()))
                .spawn(move || thread.run())
                .map_err(|error| gone(error.to_string()))?;
        }
        Ok(Arc::new(HostPool { inner: Arc::new(Inner { config, places, board, ids: AtomicU32::new(1) }) }))
    }

    /// Which engine runs here.
    pub fn engine(&self) -> NativeEngine {
        self.inner.config.engine
    }

    /// What is known about the children now.
    pub fn status(&self) -> HostStatus {
        self.inner.board.status().clone()
    }

    /// Waits until the first child is warm or the engine is known to be missing, at most `timeout`.
    pub fn wait_until_warm(&self, timeout: Duration) -> HostStatus {
        let board = &self.inner.board;
        let starting = |status: &mut HostStatus| *status == HostStatus::Starting;
        let (status, _) = board
            .changed
            .wait_timeout_while(board.status(), timeout, starting)
            .unwrap_or_else(PoisonError::into_inner);
        status.clone()
    }

    /// Process ids of the running children, for supervision and tests.
    pub fn process_ids(&self) -> Vec<u32> {
        self.inner
            .places
            .iter()
            .map(|place| place.process.load(Ordering::Acquire))
            .filter(|id| *id != 0)
            .collect()
    }

    pub(crate) fn open_recognizer(
        &self,
        events: EventSink<RecognizerEvent>,
    ) -> Result<RecognizerSession, EngineError> {
        let (id, place) = self.inner.seat()?;
        RecognizerSession::new(id, Arc::clone(&self.inner), place, events)
    }

    pub(crate) fn open_synthesizer(
        &self,
        voice: String,
        events: EventSink<SynthesizerEvent>,
    ) -> Result<SynthesizerSession, EngineError> {
        let (id, place) = self.inner.seat()?;
        SynthesizerSession::new(id, Arc::clone(&self.inner), place, voice, events)
    }
}

/// What pool and sessions share.
#[derive(Debug)]
pub(crate) struct Inner {
    config: HostConfig,
    places: Vec<Arc<Place>>,
    board: Arc<Board>,
    ids: AtomicU32,
}

impl Inner {
    /// A number and the place with the fewest sessions.
    fn seat(&self) -> Result<(u32, Arc<Place>), EngineError> {
        if let HostStatus::Failed(error) = &*self.board.status() {
            return Err(error.clone());
        }
        let free = self.places.iter().min_by_key(|place| place.sessions.load(Ordering::Acquire));
        let place = free.ok_or(EngineError::Gone {
            engine: self.config.engine.name().to_owned(),
            why: "the pool has no processes".to_owned(),
        })?;
        Ok((self.ids.fetch_add(1, Ordering::Relaxed), Arc::clone(place)))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for place in &self.places {
            place.closing.store(true, Ordering::Release);
            place.ring();
        }
    }
}

/// The status, for those who wait.
#[derive(Debug)]
pub(super) struct Board {
    status: Mutex<HostStatus>,
    changed: Condvar,
}

impl Default for Board {
    fn default() -> Self {
        Board { status: Mutex::new(HostStatus::Starting), changed: Condvar::new() }
    }
}

impl Board {
    fn status(&self) -> MutexGuard<'_, HostStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, status: HostStatus) {
        *self.status() = status;
        self.changed.notify_all();
    }
}

/// What a place's thread and its sessions share; lock-free.
#[derive(Debug)]
pub(crate) struct Place {
    engine: NativeEngine,
    pub(super) orders: ArrayQueue<Order>,
    /// Closes, bounded by the sessions: they are never refused.
    pub(super) leaves: SegQueue<Order>,
    wake: OwnedFd,
    pub(super) sessions: AtomicUsize,
    /// The child's process id, 0 while there is none.
    pub(super) process: AtomicU32,
    pub(super) closing: AtomicBool,
}

impl Place {
    /// Places the order that opens a session, which then counts here until it leaves. One that is refused never did.
    pub(super) fn open(&self, order: Order) -> Result<(), EngineError> {
        self.order(order)?;
        self.sessions.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    pub(super) fn order(&self, order: Order) -> Result<(), EngineError> {
        let placed = self.orders.push(order);
        self.ring();
        placed.map_err(|_| EngineError::TimedOut { engine: self.engine.name().to_owned() })
    }

    pub(super) fn leave(&self, close: Order) {
        self.sessions.fetch_sub(1, Ordering::AcqRel);
        self.leaves.push(close);
        self.ring();
    }

    fn ring(&self) {
        // A pipe that is full wakes the thread as well.
        let _ = rustix::io::write(&self.wake, &[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_counts_from_its_opening_to_its_end_and_a_refused_one_never() {
        let (woken, wake) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
        let place = Arc::new(Place {
            engine: NativeEngine::Flite,
            orders: ArrayQueue::new(1),
            leaves: SegQueue::new(),
            wake,
            sessions: AtomicUsize::new(0),
            process: AtomicU32::new(0),
            closing: AtomicBool::new(false),
        });
        let pool = HostPool {
            inner: Arc::new(Inner {
                config: HostConfig::new("never-started", NativeEngine::Flite),
                places: vec![Arc::clone(&place)],
                board: Arc::default(),
                ids: AtomicU32::new(1),
            }),
        };
        let sessions = || place.sessions.load(Ordering::Acquire);

        let speaking = pool.open_synthesizer(String::new(), EventSink::new(|_| {})).unwrap();
        assert_eq!(sessions(), 1);
        // The first order still fills the queue.
        let refused = pool.open_synthesizer(String::new(), EventSink::new(|_| {})).err();
        assert!(matches!(refused, Some(EngineError::TimedOut { .. })), "{refused:?}");
        let refused = pool.open_recognizer(EventSink::new(|_| {})).err();
        assert!(matches!(refused, Some(EngineError::TimedOut { .. })), "{refused:?}");
        assert_eq!(sessions(), 1);

        drop(speaking);
        assert_eq!(sessions(), 0);
        drop(woken);
    }
}
