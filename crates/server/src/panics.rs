//! Panics on media workers: kept short where every millisecond is somebody's frame, told in full elsewhere.

use std::backtrace::Backtrace;
use std::panic::{catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::{Mutex, PoisonError};

/// Panics that were caught and not logged yet. Written only where a call's code failed, so nobody waits for it.
static CAUGHT: Mutex<Vec<Caught>> = Mutex::new(Vec::new());

/// What the threads of media workers are called, before their numbers.
pub const THREADS: &str = "media-";

struct Caught {
    thread: String,
    what: String,
    backtrace: Backtrace,
}

/// From here on a panic on a thread called `media-…` only notes where it was. Finding the names of a backtrace's frames
/// takes a tenth of a second: five frames of every call of the worker.
pub fn keep_workers_short() {
    let usual = take_hook();
    set_hook(Box::new(move |info| {
        let current = std::thread::current();
        if let Some(name) = current.name().filter(|name| name.starts_with(THREADS)) {
            let caught =
                Caught { thread: name.to_owned(), what: info.to_string(), backtrace: Backtrace::capture() };
            CAUGHT.lock().unwrap_or_else(PoisonError::into_inner).push(caught);
        } else {
            usual(info);
        }
    }));
}

/// Unwinds once, so that the unwinder's tables are in memory before a call needs them.
pub fn warm_up_unwinder() {
    let _ = catch_unwind(|| resume_unwind(Box::new(())));
}

/// Logs what was noted of a call of this media worker, whose panics come in the order in which it tells of them. The
/// names are found on a thread of their own: nobody who waits for a call waits for them.
pub fn log_caught(worker: usize, call_id: String) {
    let thread = format!("{THREADS}{worker}");
    let mut noted = CAUGHT.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(first) = noted.iter().position(|caught| caught.thread == thread) else { return };
    let Caught { what, backtrace, .. } = noted.remove(first);
    drop(noted);
    let call = call_id.clone();
    let log = move || {
        tracing::error!(
            call_id = call,
            what,
            %backtrace,
            "a media half failed; its call is ended, its neighbours go on"
        );
    };
    if let Err(error) = std::thread::Builder::new().name("panic-log".into()).spawn(log) {
        tracing::error!(call_id, %error, "a media half failed, and no thread could be started to say where");
    }
}
