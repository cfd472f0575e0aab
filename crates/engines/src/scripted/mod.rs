//! Engines that follow a script: for tests and benches, deterministic.

mod later;
mod recognizer;
mod synthesizer;

pub use recognizer::{Heard, ScriptedRecognizer};
pub use synthesizer::{ScriptedSynthesizer, SpeechScript};
