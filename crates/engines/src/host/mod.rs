//! Native engines in pooled child processes (`offhook engine-host`).
//!
//! A crash in a C library ends one child, not the server: the child is started again at once and its sessions go on
//! with the next utterance.

pub(crate) mod child;
pub(crate) mod message;
mod place;
mod pool;
mod session;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use offhook_engine_api::EngineError;

pub use child::{run_engine_host, run_engine_host_on_stdio};
pub use pool::HostPool;

/// A native engine that runs in a child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NativeEngine {
    /// CMU Pocketsphinx, a recognizer.
    Pocketsphinx,
    /// CMU Flite, a synthesizer.
    Flite,
}

impl NativeEngine {
    /// The name in the configuration and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            NativeEngine::Pocketsphinx => "pocketsphinx",
            NativeEngine::Flite => "flite",
        }
    }

    /// The engine of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [NativeEngine::Pocketsphinx, NativeEngine::Flite].into_iter().find(|engine| engine.name() == name)
    }
}

/// How many children of which program.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The engine.
    pub engine: NativeEngine,
    /// The program to start; normally this very binary.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// How many children.
    pub processes: usize,
    /// A child that owes a result for longer than this is killed.
    pub result_timeout: Duration,
}

impl HostConfig {
    /// Two children of `program engine-host --engine NAME`.
    pub fn new(program: impl Into<PathBuf>, engine: NativeEngine) -> Self {
        HostConfig {
            engine,
            program: program.into(),
            arguments: ["engine-host", "--engine", engine.name()].map(OsString::from).to_vec(),
            processes: 2,
            result_timeout: Duration::from_secs(3),
        }
    }
}

/// What is known about the children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostStatus {
    /// No child is warm yet.
    Starting,
    /// At least one child takes work.
    Ready,
    /// The library or model is not installed, or the program cannot be started.
    Failed(EngineError),
}
