//! Recognizers.

mod decoders;
mod dictionary;
mod features;
mod jsgf;
mod listener;
mod pocketsphinx;
mod verdict;

pub(crate) use listener::Listener;
pub use pocketsphinx::PocketsphinxRecognizer;
