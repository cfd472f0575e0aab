//! Recognizers.

mod pocketsphinx;

pub use pocketsphinx::PocketsphinxRecognizer;
