//! The way of the caller's audio from the workers to the recognizers' thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use offhook_audio::Frame;

use super::EventFd;

/// 20 ms of a caller for its recognizer.
#[derive(Clone, Copy, Debug)]
pub struct HeardFrame {
    /// The call, as control numbers it.
    pub call: u64,
    /// The audio.
    pub frame: Frame,
}

/// One bounded queue for all calls, emptied by the recognizers' thread. When it is full the oldest frame goes, and is
/// counted: backlog never becomes delay.
#[derive(Debug)]
pub struct SpeechUplink {
    queue: ArrayQueue<HeardFrame>,
    wake: EventFd,
    pushed: AtomicBool,
    dropped: AtomicU64,
}

impl SpeechUplink {
    /// Room for `frames` frames of all calls together.
    pub fn new(frames: usize) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(SpeechUplink {
            queue: ArrayQueue::new(frames),
            wake: EventFd::new()?,
            pushed: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        }))
    }

    /// Hands a frame over; it is seen at the next [`flush`](Self::flush).
    pub fn push(&self, frame: HeardFrame) {
        if self.queue.force_push(frame).is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.pushed.store(true, Ordering::Release);
    }

    /// One wake per tick, none where nothing was pushed.
    pub fn flush(&self) {
        if self.pushed.swap(false, Ordering::AcqRel) {
            self.wake.wake();
        }
    }

    /// The next frame.
    pub fn pop(&self) -> Option<HeardFrame> {
        self.queue.pop()
    }

    /// What the reader waits for.
    pub fn wake_fd(&self) -> &EventFd {
        &self.wake
    }

    /// Frames that wait now.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Frames dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
