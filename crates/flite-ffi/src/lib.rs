//! A safe API over libflite (2.2, the version of Debian), nothing else.
//!
//! The library and its voices are loaded at run time, so a program that uses this crate starts without them. Flite
//! keeps global state: one [`Flite`] per process speaks one text at a time. Start with [`Flite::load`].

mod symbols;
mod voice;

pub use symbols::Flite;
pub use voice::Voice;

/// The voices that Debian's `libflite1` brings, by their short names, and what they are.
pub const VOICES: [(&str, &str); 4] = [
    ("slt", "female, US"),
    ("rms", "male, US"),
    ("awb", "male, Scottish"),
    ("kal16", "male, US, robotic, quick"),
];

/// Why flite cannot speak.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A library is not installed.
    #[error("{what} is not installed (apt install libflite1)")]
    Missing {
        /// File that was not found.
        what: String,
    },
    /// No voice has that name.
    #[error("flite has no voice {0}")]
    UnknownVoice(String),
    /// The text contains a zero byte.
    #[error("a text for flite contains a zero byte")]
    ZeroByte,
    /// A call of the C API failed.
    #[error("flite: {0} failed")]
    Failed(&'static str),
}
