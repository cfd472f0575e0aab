//! A safe API over libpocketsphinx (5prealpha, the version of Debian), nothing else.
//!
//! The library is loaded at run time, so a program that uses this crate starts without it. Start with [`Library`],
//! then [`Decoder`]. A decoder may move between threads; it is never used from two at once.

mod decoder;
mod symbols;

pub use decoder::{CEPSTRUM, Decoder, Segment};
pub use symbols::Library;

/// Where Debian's package `pocketsphinx-en-us` keeps its model.
pub const MODEL_DIRECTORY: &str = "/usr/share/pocketsphinx/model/en-us";

/// Why the library cannot be used or did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The library or model is not installed.
    #[error("{what} is not installed (apt install {package})")]
    Missing {
        /// File that was not found.
        what: String,
        /// Debian package that brings it.
        package: &'static str,
    },
    /// A text contains a zero byte.
    #[error("a text for pocketsphinx contains a zero byte")]
    ZeroByte,
    /// A call of the C API failed.
    #[error("pocketsphinx: {0} failed")]
    Failed(&'static str),
}
