//! A call out of its bundle.
//!
//! Owns what the bytes of a bundle mean: [`CallHead`] (what both halves were made of), [`Recorder`] (steps, packets and
//! facts on their way into a [`Writer`](offhook_journal::bundle::Writer)). It must not know sockets, clocks, threads or
//! files: bundles come as [`Bundle`](offhook_journal::bundle::Bundle)s.

mod head;
mod recorder;

pub use head::{CallHead, HEAD_VERSION, HeadError, Origin};
pub use recorder::{Recorder, decode_fact, encode_fact};
