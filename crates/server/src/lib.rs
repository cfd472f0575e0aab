//! The live driver: sockets, the clock, threads, configuration, API and storage.
//!
//! Everything that decides lives below, in pure crates; this one brings them inputs and carries their outputs out.
//! Threads: `control` (SIP and decisions), `media-N` (frames), `recognizers`, the bridge's, `storage`, `recorder` (call
//! bundles), and tokio's for HTTP.
//!
//! # Queues between threads
//!
//! Every one is bounded and shown in `/metrics` (`offhook_queue_waiting`, `offhook_queue_full_total`,
//! `offhook_queue_dropped_total`). Who waits for whom has no circle: workers and control's inbox make nobody wait for
//! control, so control may wait for a worker, the recognizers and storage, and none of these waits for control.
//!
//! | queue | made in | where it is full |
//! |---|---|---|
//! | to a worker | `worker/message.rs` | the sender waits for the worker's next tick |
//! | workers to control | `worker/way_back.rs` | the worker keeps the message, reads no socket until it is gone, and goes on |
//! | to control | `control/inbox.rs` | by sender: the API gets 503, an engine or application that floods has failed; new calls get 503 |
//! | caller's audio to recognizers | `worker/speech_uplink.rs` | the oldest frame goes |
//! | orders to recognizers | `speech/recognizers.rs` | control waits |
//! | facts to storage | `storage/thread.rs` | new calls get 503 from half full on; at last control waits |
//! | workers and control to the recorder | `recorder/media_tap.rs`, `recorder/control_tap.rs` | the record is dropped, the bundle shows the gap |
//! | spans to the collector of traces | `trace/mod.rs` | the span is dropped and counted |
//! | SIP messages to the HEP server | `hep/tap.rs` | the message is dropped and counted |
//! | events to a subscriber | `api/events.rs` | it is cut off with a close frame, never left with a hole |
//! | bridge, both ways | `engines::websocket` | see PROTOCOL.md |
//! | orders to engine processes | `engines::host` | the order is refused, the call goes on without its result |
//!
//! Start with [`serve`] for the wiring, [`control`] and [`worker`] for the two halves of a call.

pub mod api;
pub mod bots;
pub mod cli;
pub mod cli_compare;
pub mod cli_machine;
pub mod cli_values;
pub mod clock;
pub mod commands;
pub mod config;
pub mod control;
pub mod entropy;
pub mod hep;
pub mod metrics_help;
pub mod metrics_text;
pub mod panics;
pub mod recorder;
pub mod serve;
pub mod speech;
pub mod storage;
pub mod surroundings;
pub mod threads;
pub mod tools;
pub mod trace;
pub mod worker;
