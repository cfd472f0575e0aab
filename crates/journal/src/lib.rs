//! What went in and what came out, as bytes.
//!
//! Owns three stores and knows the meaning of no payload: [`Journal`], a folder of append-only segments that survive
//! `kill -9` up to the last write and power loss up to the last [`Journal::sync`]; [`StepLog`], the steps of one call
//! in memory or as bytes; and [`bundle`], the file of one call that Wireshark opens too. [`capture`] reads what others
//! captured. It must not know calls, records or SQL. Start with [`Journal`] or [`bundle::Writer`].

pub mod bundle;
pub mod capture;
mod checksum;
mod ending;
mod entry;
mod journal;
mod pcapng;
mod step_log;

pub use ending::{Damage, Ending};
pub use entry::{Entry, LONGEST};
pub use journal::{Journal, JournalError};
pub use step_log::{StepLog, StepLogError};
