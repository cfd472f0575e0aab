//! Media workers: OS threads that own their calls' media halves outright.
//!
//! A worker wakes on its tick, reads the sockets that are ready, runs every call that is due, sends. Nothing here locks
//! or allocates per frame; no other file of the media path reads the clock. Start with [`spawn`].

mod call;
mod eventfd;
mod health;
mod message;
mod ports;
mod run;
mod speech_uplink;
mod way_back;

#[cfg(test)]
mod tests;

pub(crate) use call::PlantedPanic;
pub use call::{BridgeEnd, MediaHalf, WorkerCall};
pub use eventfd::EventFd;
pub use health::{BOUNDS_US, Health, HealthReport};
pub use message::{FromWorker, Slot, ToWorker, WorkerHandle};
pub use ports::{MediaSockets, PortPool};
pub use run::{WorkerConfig, spawn};
pub use speech_uplink::{HeardFrame, SpeechUplink};
pub use way_back::WayBack;
