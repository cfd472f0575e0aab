//! One real call: plays, listens, records, measures. Start with [`run`].

mod options;
mod report;

pub use options::{CallOptions, OnRefer, Stop, Transport};
pub use report::{CallEvent, CallReport, EndedBy, Outcome, Recordings, SendReport, TransferReport};

use std::io::Write;

use crate::CallerError;

/// Places the call that `options` describe and stays in it until it ends; one line per happening goes to `progress`.
/// A set `stop` flag (Ctrl-C) hangs up. A refused or failed call is an `Ok` report that says so.
pub fn run(options: &CallOptions, progress: &mut dyn Write, stop: &Stop) -> Result<CallReport, CallerError> {
    let _ = (progress, stop);
    Err(CallerError::CannotMeasure(format!("{}: not yet", options.uri)))
}
