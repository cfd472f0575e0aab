//! Journal first: facts go to a storage thread, nothing on the audio path waits.
//!
//! A fact is appended to the journal at once (so `kill -9` loses none that was written), put on the disk within 50 ms
//! and folded into its call's record, which goes to the database in batches. At the next start what the journal holds
//! and the database lacks is put in; calls that never ended get the cause `crash`.

mod database;
mod lock;
mod recover;
mod thread;

pub use database::{Database, StoredCall};
pub use lock::is_in_use;
pub use thread::{Storage, StorageError};
