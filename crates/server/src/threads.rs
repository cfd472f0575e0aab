//! Threads that the server cannot live without.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Exit code of a server whose own code failed (sysexits: software error).
const SOFTWARE_ERROR: i32 = 70;

/// Runs the body of a thread that all calls depend on. Should it panic, the process ends at once: the journal has every
/// fact, and a supervisor's restart helps callers more than a server that answers nobody.
pub fn vital(name: &str, body: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(body)).is_err() {
        tracing::error!(thread = name, "a vital thread failed; the server ends");
        std::process::exit(SOFTWARE_ERROR);
    }
}
