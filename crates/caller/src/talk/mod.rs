//! Many calls that talk: each says known speech and listens, in one process, on few threads.
//!
//! `talker` is what one call says and hears, without socket or clock; `plan` decides when it speaks; `worker` is
//! the thread that carries talkers over sockets; `run` places the calls. Where speech lies is found by
//! [`listen`](crate::listen), as for a single call.

pub(crate) mod plan;
pub(crate) mod run;
mod speech;
pub(crate) mod talker;
mod worker;

pub use speech::{Utterance, read_speech, read_voiced};
