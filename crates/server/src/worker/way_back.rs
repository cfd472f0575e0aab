//! The way from one worker to control.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use super::{FromWorker, Health};

/// Messages that a worker keeps for itself while the queue is full, without taking more memory.
const KEPT: usize = 1 << 14;

/// A bounded queue of all workers to control, and behind it a list of this worker's own.
///
/// Control messages are never dropped, and a worker never waits: control may wait for room in a worker's inbox, so a
/// worker that waited for control would close a circle in which neither moves. What finds the queue full is kept and
/// goes before everything later, tick by tick; it is counted. Until the list is empty the worker reads no media socket
/// (what comes then waits in the kernel, which drops the newest), so that nothing from outside can make the list
/// longer: what still adds to it are answers to messages that were sent to the worker, and calls that end.
#[derive(Debug)]
pub struct WayBack {
    queue: Arc<ArrayQueue<FromWorker>>,
    wake: Arc<mio::Waker>,
    health: Arc<Health>,
    kept: RefCell<VecDeque<FromWorker>>,
}

impl WayBack {
    /// A way through `queue`, which `wake` tells control to look into; `health` counts what found it full.
    pub fn new(queue: Arc<ArrayQueue<FromWorker>>, wake: Arc<mio::Waker>, health: Arc<Health>) -> Self {
        WayBack { queue, wake, health, kept: RefCell::new(VecDeque::with_capacity(KEPT)) }
    }

    /// Never waits, never drops. Control sees it after the next [`wake`](Self::wake).
    pub(super) fn push(&self, message: FromWorker) {
        let mut kept = self.kept.borrow_mut();
        let refused = if kept.is_empty() { self.queue.push(message).err() } else { Some(message) };
        if let Some(message) = refused {
            kept.push_back(message);
            self.health.note_kept(kept.len());
        }
    }

    /// Sends on what was kept, as far as there is room. Whether something is kept still.
    pub(super) fn catch_up(&self) -> bool {
        let mut kept = self.kept.borrow_mut();
        if kept.is_empty() {
            return false;
        }
        while let Some(message) = kept.pop_front() {
            if let Err(message) = self.queue.push(message) {
                kept.push_front(message);
                break;
            }
        }
        self.health.note_sent_on(kept.len());
        self.wake();
        !kept.is_empty()
    }

    /// Whether messages wait for room.
    pub(super) fn is_held_up(&self) -> bool {
        !self.kept.borrow().is_empty()
    }

    pub(super) fn wake(&self) {
        // The waker is an eventfd; a full one means that control is awake.
        let _ = self.wake.wake();
    }
}
