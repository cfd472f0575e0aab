//! A call out of its bundle.
//!
//! Owns what the bytes of a bundle mean: [`CallHead`] (what both halves were made of), [`EncodedOutput`] and
//! [`Recorder`] (steps, packets and outputs on their way into a [`Writer`](offhook_journal::bundle::Writer)), [`verify`]
//! (whether the call does the same again) and [`play`] (what else it might have done); and what others recorded:
//! [`foreign`] takes captures apart, [`encounter`] lets their callers meet a bot. Engines are [`Surroundings`], asked in
//! virtual time. It must not know sockets, clocks, threads or files: bundles come as
//! [`Bundle`](offhook_journal::bundle::Bundle)s.

mod changes;
pub mod compare;
pub mod encounter;
pub mod foreign;
mod head;
mod output;
mod place;
mod recorder;
mod report;
mod surroundings;
mod to_test;
mod told;
mod transcript;
mod verify;
mod wakes;
mod what_if;
mod wording;

pub use changes::{ChangeError, Changes, SETTINGS, Setting};
pub use head::{CallHead, ControlHead, HEAD_VERSION, HeadError, Origin, RoleHead};
pub use output::{EncodedOutput, decode_fact, decode_output, encode_fact};
pub use recorder::Recorder;
pub use report::{Departure, HalfReport, Report};
pub use surroundings::{Act, Answer, Answered, Asked, Heard, Line, Surroundings, Talker, Who};
pub use to_test::{MadeTest, TESTS_FILE_HEAD, ToTestError, to_test};
pub use transcript::{Transcript, TranscriptError, TranscriptLine};
pub use verify::{sent_again, verify};
pub use what_if::{Beyond, Helpers, PlayError, PlayReport, play, play_with};
