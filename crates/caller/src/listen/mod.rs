//! What can be known from the audio and the packets alone: when they talk, when they answer, what was lost.
//!
//! Nothing here is shared with the server: levels, not its voice activity detector; positions of what we played, not
//! its ledger.

mod continuity;
mod edges;
mod far;
mod playout;
mod turns;
mod utterances;

pub use continuity::{Continuity, ContinuityMeter, LatenessBucket, RtpSeen};
pub use edges::{Loudness, speech};
pub use far::{FarSpeech, Segment, VOICED_RMS, rms};
pub use playout::{LISTENER_BUFFER_MS, Playout};
pub use turns::{BargeIn, Spoken, Turn, TurnLedger, ledger};
pub use utterances::{Utterance, split, trim};
