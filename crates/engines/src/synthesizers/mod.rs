//! Synthesizers.

mod cache;
mod espeak;
mod flite;
mod recorded;
mod sentences;
mod speaker;
mod trimmed;
mod turns;
mod wav;

pub use cache::CachedSynthesizer;
pub use espeak::{EspeakConfig, EspeakSynthesizer};
pub use flite::FliteSynthesizer;
pub use recorded::RecordedPrompts;
pub(crate) use speaker::Speaker;
pub use trimmed::TrimmedSynthesizer;
