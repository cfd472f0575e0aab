//! What waits for the control thread, and how much of it from whom.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::handle::ToControl;

/// Requests of the API that may wait: one more is refused, and its client told so.
pub(super) const API_ROOM: usize = 1024;

/// What each source of one call may have told that control has not looked at: more than ten seconds of a recognizer or
/// an application that tells something every 10 ms.
pub(super) const SOURCE_ROOM: usize = 1024;

/// Where this much waits, control is behind: no new calls.
pub(super) const BEHIND: usize = 1 << 14;

/// The messages to control.
///
/// No sender ever waits for it, engines may be told to speak by control itself and report within that very call; so
/// it is bounded by who sends, and no message is dropped unseen:
///
/// - The API has room for [`API_ROOM`] requests; one more is answered 503.
/// - A recognizer or an application has room for [`SOURCE_ROOM`] messages of its call. One that tells more is out of
///   control: its call is told that it failed, and what it tells later is dropped and counted.
/// - A synthesizer's failures and a tool's outcome are one for each thing that control asked for.
/// - The server's own orders (drain, end, stop) are a handful.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    messages: Mutex<VecDeque<Waiting>>,
    length: AtomicUsize,
}

/// A message, and its claim on the room of who sent it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub message: ToControl,
    pub _claim: Option<Claim>,
}

impl Inbox {
    pub fn push(&self, message: ToControl, claim: Option<Claim>) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.push_back(Waiting { message, _claim: claim });
        self.length.store(messages.len(), Ordering::Relaxed);
    }

    /// Everything that waits, in exchange for a list that is empty.
    pub fn exchange(&self, empty: &mut VecDeque<Waiting>) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *messages, empty);
        self.length.store(messages.len(), Ordering::Relaxed);
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }
}

/// Room for a number of messages.
#[derive(Clone, Debug)]
pub(super) struct Room {
    taken: Arc<AtomicUsize>,
    most: usize,
}

impl Room {
    pub fn new(most: usize) -> Self {
        Room { taken: Arc::default(), most }
    }

    /// Room for one more; `None` where there is none.
    pub fn claim(&self) -> Option<Claim> {
        let claim = Claim(Arc::clone(&self.taken));
        // Given back by the claim's end also where there was too much.
        let before = self.taken.fetch_add(1, Ordering::AcqRel);
        (before < self.most).then_some(claim)
    }
}

/// Holds room until it is dropped.
#[derive(Debug)]
pub(super) struct Claim(Arc<AtomicUsize>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
