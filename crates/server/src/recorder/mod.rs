//! The recorder: what enters and leaves the calls, written to one bundle each, off the audio path.
//!
//! A media worker copies its records into chunks that were taken at the start ([`MediaTap`]), control into a batch
//! ([`ControlTap`]). The thread `recorder` takes both a few times a second, brings them into the order of time, and
//! writes one file per call. Nobody waits for it: where it is behind, records are dropped and counted, and the sequence
//! of the steps shows where. What a `kill -9` may cost is the sum of its delays, less than a second.
//!
//! Start with [`Recorder::start`]; `record` is what the two sides say to it, `bundle` what it makes of that.

mod bundle;
mod control_tap;
mod files;
mod janitor;
mod machine;
mod media_tap;
mod merge;
mod record;
mod sip;
mod stats;
mod thread;

#[cfg(test)]
mod tests;

pub use bundle::Opening;
pub(crate) use bundle::shown;
pub use control_tap::{ControlTap, Sip};
pub(crate) use files::day;
pub use files::{BundleFiles, bundle_path};
pub use janitor::{Janitor, Retention};
pub use machine::{build, cpu_class, os};
pub use media_tap::{ChunkPool, MediaTap};
pub use stats::RecorderStats;
pub use thread::Recorder;
