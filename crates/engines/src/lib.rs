//! Adapters to speech engines, one module per wire protocol.
//!
//! Owns what stands between the traits of `offhook-engine-api` and an engine: child processes for native libraries
//! ([`host`]), recognizers ([`recognizers`]), synthesizers ([`synthesizers`]), the WebSocket bridge to an
//! application ([`websocket`]) and engines that follow a script ([`scripted`]). It must not know calls, SIP or bots.
//! Threads and tokio stay inside; nothing that a media worker calls here locks or allocates.

pub mod host;
pub mod recognizers;
pub mod scripted;
pub mod synthesizers;
pub mod websocket;
