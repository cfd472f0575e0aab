//! What can keep a caller from calling.

use std::path::PathBuf;

use crate::script::ScriptError;

/// Whose fault it is that nothing could be measured. A call that the far side refuses is no error: it is a report.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// The address is not `sip:USER@HOST:PORT`, or its host has no address.
    #[error("{uri}: {reason}")]
    Address {
        /// What was given.
        uri: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A WAV file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    Wav {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A script file cannot be read.
    #[error("{}: {source}", path.display())]
    ScriptFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of the script is not understood.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// Our own sockets or threads fail.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The far side did not do what the measurement needs (the text says which answer came instead).
    #[error("cannot measure: {0}")]
    CannotMeasure(String),
}

impl CallerError {
    /// An error of our own sockets or threads while trying `what`.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> CallerError {
        move |source| CallerError::Io { what, source }
    }

    /// The same for what rustix returns.
    pub(crate) fn os(what: &'static str) -> impl FnOnce(rustix::io::Errno) -> CallerError {
        move |errno| CallerError::Io { what, source: errno.into() }
    }
}
