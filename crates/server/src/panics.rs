//! Panics on media workers: kept short where every millisecond is somebody's frame, told in full elsewhere.

use std::backtrace::Backtrace;
use std::panic::{catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::{Mutex, PoisonError};

/// Panics that were caught and not logged yet. Written only where a call's code failed, so nobody waits for it.
static CAUGHT: Mutex<Vec<Caught>> = Mutex::new(Vec::new());

struct Caught {
    what: String,
    backtrace: Backtrace,
}

/// From here on a panic on a thread called `media-…` only notes where it was. Finding the names of a backtrace's frames
/// takes a tenth of a second: five frames of every call of the worker.
pub fn keep_workers_short() {
    let usual = take_hook();
    set_hook(Box::new(move |info| {
        if std::thread::current().name().is_some_and(|name| name.starts_with("media-")) {
            let caught = Caught { what: info.to_string(), backtrace: Backtrace::capture() };
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

/// Logs what was noted. The names are found on a thread of their own: nobody who waits for a call waits for them.
pub fn log_caught() {
    let caught = std::mem::take(&mut *CAUGHT.lock().unwrap_or_else(PoisonError::into_inner));
    if caught.is_empty() {
        return;
    }
    let log = move || {
        for Caught { what, backtrace } in caught {
            tracing::error!(what, %backtrace, "a media half failed; its call is ended, its neighbours go on");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("panic-log".into()).spawn(log) {
        tracing::error!(%error, "a media half failed, and no thread could be started to say where");
    }
}
