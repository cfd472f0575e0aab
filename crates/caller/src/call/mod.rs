//! One real call: plays, listens, records, measures. Start with [`run`].

mod conversation;
pub(crate) mod director;
mod leg;
mod media;
mod options;
mod playback;
mod playing;
mod record;
mod report;
pub(crate) mod sent;
mod signalling;

pub use options::{CallOptions, OnRefer, Stop, Transport};
pub use playback::{Carries, Playback, PlaybackPacket};
pub use report::{CallEvent, CallReport, EndedBy, Outcome, Recordings, SendReport, TransferReport};

use std::io::Write;

use crate::CallerError;

/// Places the call that `options` describe and stays in it until it ends; one line per happening goes to `progress`.
/// A raised `stop` (Ctrl-C) hangs up. A refused or failed call is an `Ok` report that says so.
pub fn run(options: &CallOptions, progress: &mut dyn Write, stop: &Stop) -> Result<CallReport, CallerError> {
    conversation::run(options, progress, stop)
}
