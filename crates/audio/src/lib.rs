//! Frames, codecs, resamplers and voice activity: pure computation over samples.
//!
//! Owns [`Frame`] and everything that changes or judges samples. It must not know packets, calls or engines.
//! Start with [`Frame`].

mod frame;

pub use frame::{AudioChunk, FRAME_DURATION, Frame, FrameFlags, MAX_FRAME_SAMPLES};
