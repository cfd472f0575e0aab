//! The live driver: sockets, the clock, threads, configuration, API and storage.
//!
//! Everything that decides lives below, in pure crates; this one brings them inputs and carries their outputs out.
//! Threads: `control` (SIP and decisions), `media-N` (frames), `recognizers`, the bridge's, `storage`, and tokio's for
//! HTTP. Start with [`serve`] for the wiring, [`control`] and [`worker`] for the two halves of a call.

pub mod api;
pub mod bots;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod control;
pub mod entropy;
pub mod metrics_text;
pub mod panics;
pub mod serve;
pub mod speech;
pub mod storage;
pub mod threads;
pub mod tools;
pub mod worker;
