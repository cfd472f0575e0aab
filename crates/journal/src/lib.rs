//! What went in and what came out, as bytes.
//!
//! Owns two stores and knows the meaning of neither's payload: [`Journal`], a folder of append-only segments that
//! survive `kill -9` up to the last write and power loss up to the last [`Journal::sync`]; and [`StepLog`], the steps
//! of one call in memory or as bytes. It must not know calls, records or SQL. Start with [`Journal`].

mod checksum;
mod entry;
mod journal;
mod step_log;

pub use entry::{Entry, LONGEST};
pub use journal::{Journal, JournalError};
pub use step_log::{StepLog, StepLogError};
