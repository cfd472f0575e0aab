//! Synthesizers.

mod cache;
mod espeak;
mod flite;
mod recorded;

pub use cache::CachedSynthesizer;
pub use espeak::{EspeakConfig, EspeakSynthesizer};
pub use flite::FliteSynthesizer;
pub use recorded::RecordedPrompts;
