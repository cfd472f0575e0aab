//! Whole calls in virtual time: our endpoint and both halves of a call against a scripted telephone over a seeded
//! network, in one thread. The third driver of the machines, besides the live one and replay.
//!
//! Owns [`Scenario`] (what happens in a call, decided by kind and number), [`Simulation`] (the call itself, with what
//! must always hold checked as it runs) and [`replay()`] (the same call out of its own step log). It feeds the machines
//! as the server does: deadlines in order, each with its own moment; media's events to control, control's commands
//! to media. For tests and benches only; nothing of a product depends on it. Start with [`play`].

mod agenda;
mod clips;
mod digest;
mod engines;
mod host;
mod kind;
mod media_driver;
mod network;
mod phone;
mod plan;
mod recording;
mod replay;
mod report;
mod scenario;
mod watch;
mod world;

pub use digest::Digests;
pub use kind::Kind;
pub use recording::Recording;
pub use replay::replay;
pub use report::CallReport;
pub use scenario::{CARD, Scenario, Sound};
pub use world::{Simulation, play};
