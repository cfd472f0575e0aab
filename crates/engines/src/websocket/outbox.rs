//! What waits for one call's socket.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::Waker;

use offhook_audio::Frame;

use super::{Framing, framing};

/// One message to the application.
#[derive(Debug)]
pub(super) enum Outgoing {
    Audio(Vec<u8>),
    Control(String),
}

/// Lives on the hub thread, shared by the hub's loop (fills) and the connection's task (empties).
#[derive(Debug)]
pub(super) struct Outbox {
    queue: RefCell<VecDeque<Outgoing>>,
    audio: Cell<usize>,
    limit: usize,
    framing: Framing,
    open: Cell<bool>,
    dropped: Cell<u32>,
    stop: RefCell<Option<String>>,
    task: RefCell<Option<Waker>>,
}

impl Outbox {
    /// Holds at most `limit` frames.
    pub(super) fn new(limit: usize, framing: Framing) -> Self {
        Outbox {
            queue: RefCell::default(),
            audio: Cell::new(0),
            limit: limit.max(1),
            framing,
            open: Cell::new(false),
            dropped: Cell::new(0),
            stop: RefCell::new(None),
            task: RefCell::new(None),
        }
    }

    /// Audio is kept from here on: what the caller said before the application was there would only be late.
    pub(super) fn open(&self) {
        self.open.set(true);
    }

    /// Takes one frame; the oldest one leaves where the application reads too slowly.
    pub(super) fn push_audio(&self, sequence: u32, frame: &Frame) {
        if !self.open.get() {
            return;
        }
        let mut queue = self.queue.borrow_mut();
        if self.audio.get() == self.limit
            && let Some(oldest) = queue.iter().position(|entry| matches!(entry, Outgoing::Audio(_)))
        {
            queue.remove(oldest);
            self.audio.set(self.audio.get() - 1);
            self.dropped.set(self.dropped.get().saturating_add(1));
        }
        queue.push_back(Outgoing::Audio(framing::encode(self.framing, sequence, frame)));
        self.audio.set(self.audio.get() + 1);
        drop(queue);
        self.wake();
    }

    /// Takes one control message; never dropped (the sender is bounded).
    pub(super) fn push_control(&self, message: String) {
        self.queue.borrow_mut().push_back(Outgoing::Control(message));
        self.wake();
    }

    /// Asks the connection to end. The first reason counts.
    pub(super) fn stop(&self, reason: String) {
        self.stop.borrow_mut().get_or_insert(reason);
        self.wake();
    }

    /// Why the connection shall end, if it shall.
    pub(super) fn stop_reason(&self) -> Option<String> {
        self.stop.borrow().clone()
    }

    pub(super) fn pop(&self) -> Option<Outgoing> {
        let outgoing = self.queue.borrow_mut().pop_front()?;
        if matches!(outgoing, Outgoing::Audio(_)) {
            self.audio.set(self.audio.get() - 1);
        }
        Some(outgoing)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// Frames dropped since the last question.
    pub(super) fn take_dropped(&self) -> u32 {
        self.dropped.take()
    }

    /// Which task empties this.
    pub(super) fn register(&self, waker: &Waker) {
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }

    fn wake(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_reader_loses_the_oldest_audio_and_no_control_message() {
        let outbox = Outbox::new(2, Framing::Offhook);
        outbox.open();
        for sequence in 0..4 {
            outbox.push_control(format!("{sequence}"));
            outbox.push_audio(sequence, &Frame::silence(8_000));
        }

        let left: Vec<String> = std::iter::from_fn(|| outbox.pop())
            .map(|outgoing| match outgoing {
                Outgoing::Audio(message) => format!("audio {}", message[4]),
                Outgoing::Control(text) => text,
            })
            .collect();

        assert_eq!(left, ["0", "1", "2", "audio 2", "3", "audio 3"]);
        assert_eq!((outbox.take_dropped(), outbox.take_dropped()), (2, 0));
    }

    #[test]
    fn audio_from_before_the_application_was_there_is_not_kept() {
        let outbox = Outbox::new(2, Framing::Offhook);

        outbox.push_audio(0, &Frame::silence(8_000));

        assert!(outbox.is_empty());
        assert_eq!(outbox.take_dropped(), 0);
    }
}
