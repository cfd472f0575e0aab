//! Events that come later, from a thread of their own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use offhook_engine_api::EventSink;

type Task = (Instant, Box<dyn FnOnce() + Send>);

/// One thread for all delayed events of an engine, started by the first of them.
#[derive(Clone, Default)]
pub(super) struct Later {
    tasks: Arc<std::sync::OnceLock<Sender<Task>>>,
}

impl Later {
    /// A sink that can wait and that is silent once it is dropped.
    pub(super) fn sink<E: Send + 'static>(&self, events: EventSink<E>) -> LateSink<E> {
        LateSink { events, later: self.clone(), open: Arc::new(AtomicBool::new(true)) }
    }

    fn run(&self, delay: Duration, task: Box<dyn FnOnce() + Send>) {
        let tasks = self.tasks.get_or_init(|| {
            let (tasks, received) = channel::<Task>();
            std::thread::spawn(move || {
                let mut waiting: Vec<Task> = Vec::new();
                loop {
                    let next = waiting.iter().map(|(at, _)| *at).min();
                    let pause = next
                        .map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(Instant::now()));
                    match received.recv_timeout(pause) {
                        Ok(task) => waiting.push(task),
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                    // Stable: of two that are due the earlier asked one goes first.
                    waiting.sort_by_key(|(at, _)| *at);
                    let due = waiting.iter().take_while(|(at, _)| *at <= Instant::now()).count();
                    waiting.drain(..due).for_each(|(_, task)| task());
                }
            });
            tasks
        });
        // The thread lives as long as the sender.
        let _ = tasks.send((Instant::now() + delay, task));
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

/// The events of one session.
pub(super) struct LateSink<E> {
    events: EventSink<E>,
    later: Later,
    open: Arc<AtomicBool>,
}

impl<E: Send + 'static> LateSink<E> {
    /// Now where there is no delay: a test without delays needs no thread.
    pub(super) fn send(&self, delay: Duration, event: E) {
        self.send_unless(delay, event, &Arc::new(AtomicBool::new(false)));
    }

    /// As `send`, but not at all once `cancelled` is set.
    pub(super) fn send_unless(&self, delay: Duration, event: E, cancelled: &Arc<AtomicBool>) {
        if delay.is_zero() {
            self.events.send(event);
            return;
        }
        let (events, open, cancelled) = (self.events.clone(), Arc::clone(&self.open), Arc::clone(cancelled));
        let task = move || {
            if open.load(Ordering::Acquire) && !cancelled.load(Ordering::Acquire) {
                events.send(event);
            }
        };
        self.later.run(delay, Box::new(task));
    }
}

impl<E> Drop for LateSink<E> {
    fn drop(&mut self) {
        self.open.store(false, Ordering::Release);
    }
}
