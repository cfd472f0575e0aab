//! What the journal of an earlier run still has to say.

use std::collections::BTreeMap;

use offhook_call_control::{CallRecord, EndCause, Fact};
use offhook_journal::Entry;
use serde::{Deserialize, Serialize};

/// One line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// A fact.
    Fact(Box<Fact>),
    /// The server was alive at this Unix time in milliseconds.
    Alive(i64),
}

/// Folds what earlier runs left into records. Calls without an end get the cause `crash` and end at the last moment
/// that the server is known to have been alive.
pub(super) fn records_of(entries: &[Entry]) -> Vec<CallRecord> {
    let mut records: BTreeMap<String, CallRecord> = BTreeMap::new();
    let mut alive = i64::MIN;
    for entry in entries {
        match serde_json::from_slice::<Line>(&entry.payload) {
            Ok(Line::Fact(fact)) => {
                alive = alive.max(fact.at_unix_ms);
                records.entry(fact.call_id.clone()).or_default().apply(&fact);
            }
            Ok(Line::Alive(at)) => alive = alive.max(at),
            Err(error) => tracing::warn!(%error, "a journal line cannot be read and is left out"),
        }
    }
    for record in records.values_mut().filter(|record| record.ended_unix_ms.is_none()) {
        record.last_seen_unix_ms = record.last_seen_unix_ms.max(alive);
        record.ended_unix_ms = Some(record.last_seen_unix_ms);
        record.cause = Some(EndCause::Crash);
    }
    // A record without its beginning belongs to a call whose first segment was removed after it had been stored.
    records.into_values().filter(|record| record.started_unix_ms != 0).collect()
}
