//! The storage thread.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use offhook_call_control::{CallEvent, CallRecord, Fact};
use offhook_journal::{Journal, JournalError};

use super::Database;
use super::recover::{Line, records_of};

/// What a power cut may cost at most.
const SYNC_EVERY: Duration = Duration::from_millis(50);

/// Records go to the database this often; until then they stand in the journal.
const STORE_EVERY: Duration = Duration::from_millis(200);

/// What `kill -9` may add to the error of a call's end.
const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// Storage cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The database.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// No thread.
    #[error("storage thread: {0}")]
    Thread(#[from] std::io::Error),
}

enum Message {
    Fact(Box<Fact>),
    /// Answer once everything before is in the database.
    Flush(Sender<()>),
}

/// Takes facts and answers questions about calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Storage {
    sender: Sender<Message>,
    open: Arc<Mutex<BTreeMap<String, CallRecord>>>,
    database: Database,
}

impl Storage {
    /// Opens journal and database in `folder`, puts in what earlier runs left, and starts the thread.
    ///
    /// # Errors
    /// What journal, database or system said.
    pub fn start(
        folder: &Path,
        runtime: tokio::runtime::Handle,
    ) -> Result<(Storage, JoinHandle<()>), StorageError> {
        let database = runtime.block_on(Database::open(&folder.join("offhook.db")))?;
        let (mut journal, entries) = Journal::open(&folder.join("journal"))?;
        let left = records_of(&entries);
        if !left.is_empty() {
            runtime.block_on(database.store(&left))?;
        }
        let segment = journal.current_segment();
        journal.remove_before(segment)?;
        let (sender, receiver) = channel();
        let open = Arc::new(Mutex::new(BTreeMap::new()));
        let storage = Storage { sender, open: Arc::clone(&open), database: database.clone() };
        let mut thread = StorageThread {
            receiver,
            journal,
            database,
            runtime,
            open,
            first_segment: BTreeMap::new(),
            finished: Vec::new(),
            synced_at: Instant::now(),
            stored_at: Instant::now(),
            alive_at: Instant::now(),
        };
        let handle = std::thread::Builder::new()
            .name("storage".into())
            .spawn(move || crate::threads::vital("storage", || thread.run()))?;
        Ok((storage, handle))
    }

    /// Takes one fact. Never blocks.
    pub fn fact(&self, fact: Fact) {
        // The thread ends only after the last sender: this cannot fail while anybody could notice.
        let _ = self.sender.send(Message::Fact(Box::new(fact)));
    }

    /// Waits until everything given so far is in the database.
    pub fn flush(&self) {
        let (done, wait) = channel();
        if self.sender.send(Message::Flush(done)).is_ok() {
            let _ = wait.recv();
        }
    }

    /// One call, running or ended.
    ///
    /// # Errors
    /// What the database said.
    pub async fn call(&self, id: &str) -> Result<Option<CallRecord>, sqlx::Error> {
        let running = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        match running {
            Some(record) => Ok(Some(record)),
            None => self.database.call(id).await,
        }
    }

    /// The calls that run, oldest first.
    pub fn running(&self) -> Vec<CallRecord> {
        self.in_memory(|record| record.ended_unix_ms.is_none())
    }

    /// The calls that ended a moment ago and may not be in the database yet, oldest first.
    pub fn just_ended(&self) -> Vec<CallRecord> {
        self.in_memory(|record| record.ended_unix_ms.is_some())
    }

    fn in_memory(&self, wanted: impl Fn(&CallRecord) -> bool) -> Vec<CallRecord> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().filter(|record| wanted(record)).cloned().collect()
    }

    /// The latest calls that ended, newest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn ended(&self, limit: i64) -> Result<Vec<CallRecord>, sqlx::Error> {
        self.database.latest(limit).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// What the database said.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        self.database.ping().await
    }
}

struct StorageThread {
    receiver: Receiver<Message>,
    journal: Journal,
    database: Database,
    runtime: tokio::runtime::Handle,
    open: Arc<Mutex<BTreeMap<String, CallRecord>>>,
    first_segment: BTreeMap<String, u64>,
    finished: Vec<CallRecord>,
    synced_at: Instant,
    stored_at: Instant,
    alive_at: Instant,
}

impl StorageThread {
    fn run(&mut self) {
        loop {
            let first = match self.receiver.recv_timeout(SYNC_EVERY) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut facts = Vec::new();
            let mut waiting = Vec::new();
            for message in first.into_iter().chain(self.receiver.try_iter().take(1024)) {
                match message {
                    Message::Fact(fact) => facts.push(Line::Fact(fact)),
                    Message::Flush(done) => waiting.push(done),
                }
            }
            if self.alive_at.elapsed() >= ALIVE_EVERY && !self.first_segment.is_empty() {
                self.alive_at = Instant::now();
                facts.push(Line::Alive(unix_ms()));
            }
            self.append(facts);
            self.sync_and_store(!waiting.is_empty());
            for done in waiting {
                let _ = done.send(());
            }
        }
        self.sync_and_store(true);
    }

    fn append(&mut self, lines: Vec<Line>) {
        if lines.is_empty() {
            return;
        }
        let mut encoded: Vec<Vec<u8>> =
            lines.iter().filter_map(|line| serde_json::to_vec(line).ok()).collect();
        // One that the journal cannot hold must not cost its neighbours theirs.
        encoded.retain(|line| {
            let fits = line.len() <= offhook_journal::LONGEST;
            if !fits {
                tracing::error!(bytes = line.len(), "a fact is too long for the journal");
            }
            fits
        });
        let segment = match self.journal.append(encoded.iter().map(Vec::as_slice)) {
            Ok(segment) => segment,
            Err(error) => {
                // The calls go on; their records still reach the database if the process lives.
                tracing::error!(%error, "the journal cannot be written");
                self.journal.current_segment()
            }
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            let Line::Fact(fact) = line else { continue };
            // What is told after a call's end, once its record was stored, belongs to no open call.
            if fact.sequence != 0 && !open.contains_key(&fact.call_id) {
                continue;
            }
            self.first_segment.entry(fact.call_id.clone()).or_insert(segment);
            let record = open.entry(fact.call_id.clone()).or_default();
            record.apply(&fact);
            if matches!(fact.event, CallEvent::CallEnded { .. }) {
                self.finished.push(record.clone());
            }
        }
    }

    fn sync_and_store(&mut self, now: bool) {
        if now || self.synced_at.elapsed() >= SYNC_EVERY {
            self.synced_at = Instant::now();
            if let Err(error) = self.journal.sync() {
                tracing::error!(%error, "the journal cannot be put on the disk");
            }
        }
        if !self.finished.is_empty() && (now || self.stored_at.elapsed() >= STORE_EVERY) {
            self.stored_at = Instant::now();
            self.store();
        }
    }

    fn store(&mut self) {
        if let Err(error) = self.runtime.block_on(self.database.store(&self.finished)) {
            // They stay in the journal and here, and are tried again.
            tracing::error!(%error, calls = self.finished.len(), "call records cannot be stored yet");
            return;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for record in self.finished.drain(..) {
            open.remove(&record.call_id);
            self.first_segment.remove(&record.call_id);
        }
        drop(open);
        let oldest = self.first_segment.values().min().copied().unwrap_or(self.journal.current_segment());
        if let Err(error) = self.journal.remove_before(oldest) {
            tracing::warn!(%error, "old journal segments cannot be removed");
        }
    }
}

fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use offhook_call_control::EndCause;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Runtime::new().unwrap()
    }

    fn fact(call: &str, sequence: u64, event: CallEvent) -> Fact {
        let at_unix_ms = 1_000_000 + sequence as i64 * 1000;
        Fact { call_id: call.into(), sequence, at_unix_ms, leg: None, event }
    }

    fn started() -> CallEvent {
        CallEvent::CallStarted {
            caller: "李雷".into(),
            called: "echo".into(),
            sip_call_id: "x@y".into(),
            bot: "echo".into(),
            bot_version: String::new(),
            direction: "inbound".into(),
        }
    }

    #[test]
    fn an_ended_call_is_in_the_database_and_a_running_one_is_answered_from_memory() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = runtime();
        let (storage, _thread) = Storage::start(folder.path(), runtime.handle().clone()).unwrap();
        storage.fact(fact("a", 0, started()));
        storage.fact(fact("b", 0, started()));
        storage.fact(fact("a", 1, CallEvent::CallEnded { cause: EndCause::CallerHungUp, media: None }));

        storage.flush();

        let ended = runtime.block_on(storage.ended(10)).unwrap();
        assert_eq!(ended.iter().map(|record| record.call_id.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(ended[0].caller, "李雷");
        assert_eq!(storage.running().len(), 1);
        assert!(runtime.block_on(storage.call("b")).unwrap().unwrap().ended_unix_ms.is_none());
    }

    #[test]
    fn what_is_told_after_a_stored_end_opens_no_call_again() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = runtime();
        let (storage, _thread) = Storage::start(folder.path(), runtime.handle().clone()).unwrap();
        storage.fact(fact("a", 0, started()));
        storage.fact(fact("a", 1, CallEvent::CallEnded { cause: EndCause::CallerHungUp, media: None }));
        storage.flush();

        let outcome = offhook_call_control::CommandOutcome::Succeeded;
        storage.fact(fact("a", 2, CallEvent::CommandFinished { command_id: "late".into(), outcome }));
        storage.flush();

        assert_eq!(storage.running(), []);
        let record = runtime.block_on(storage.call("a")).unwrap().unwrap();
        assert_eq!(record.caller, "李雷");
    }

    #[test]
    fn a_fact_that_is_too_long_for_the_journal_does_not_cost_its_neighbours_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = runtime();
        let (storage, thread) = Storage::start(folder.path(), runtime.handle().clone()).unwrap();
        storage.fact(fact("a", 0, started()));
        storage.fact(fact("a", 1, CallEvent::Mark { name: "m".repeat(offhook_journal::LONGEST) }));
        storage.fact(fact("a", 2, CallEvent::Dtmf { digit: '7' }));
        drop(storage);
        thread.join().unwrap();

        let (storage, _thread) = Storage::start(folder.path(), runtime.handle().clone()).unwrap();

        assert_eq!(runtime.block_on(storage.call("a")).unwrap().unwrap().digits, "7");
    }

    #[test]
    fn a_call_of_a_dead_server_gets_the_cause_crash() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = runtime();
        let (storage, thread) = Storage::start(folder.path(), runtime.handle().clone()).unwrap();
        storage.fact(fact("a", 0, started()));
        storage.fact(fact("a", 3, CallEvent::Dtmf { digit: '5' }));
        drop(storage);
        thread.join().unwrap();

        let (storage, _thread) = Storage::start(folder.path(), runtime.handle().clone()).unwrap();

        let record = runtime.block_on(storage.call("a")).unwrap().unwrap();
        assert_eq!(record.cause, Some(EndCause::Crash));
        assert_eq!(record.ended_unix_ms, Some(1_003_000));
        assert_eq!(record.digits, "5");
    }
}
