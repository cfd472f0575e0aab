//! Frames, codecs, resamplers and voice activity: pure computation over samples.
//!
//! Owns [`Frame`] and everything that changes or judges samples: [`G711`], the resamplers, [`VoiceActivity`], the
//! [`Endpointer`] and the [`SpeechEdges`], [`gain`] and [`tones`]. It must not know packets, calls or engines. Nothing
//! here allocates after its constructor. Start with [`Frame`].

mod edges;
mod endpoint;
mod frame;
mod g711;
pub mod gain;
pub mod level;
mod periodicity;
mod resample;
pub mod tones;
mod vad;

pub use edges::{SpeechEdges, packet_level};
pub use endpoint::{EndpointConfig, EndpointEvent, Endpointer, Moment, RejectReason};
pub use frame::{AudioChunk, FRAME_DURATION, Frame, FrameFlags, MAX_FRAME_SAMPLES};
pub use g711::G711;
pub use periodicity::Periodicity;
pub use resample::{Downsampler16To8, FrameResampler, UnsupportedRate, Upsampler8To16};
pub use vad::{VoiceActivity, Voicing};
