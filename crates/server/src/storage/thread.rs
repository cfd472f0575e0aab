//! The storage thread.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use offhook_call_control::{CallEvent, CallRecord, Fact};
use offhook_journal::{Journal, JournalError};

use super::Database;
use super::lock::FolderLock;
use super::recover::{Line, records_of};

/// What a power cut may cost at most.
const SYNC_EVERY: Duration = Duration::from_millis(50);

/// Records go to the database this often; until then they stand in the journal.
const STORE_EVERY: Duration = Duration::from_millis(200);

/// What `kill -9` may add to the error of a call's end.
const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// Facts that may wait for the storage thread. New calls are refused from half of it on, which leaves the other half to
/// the calls that run: more than fifty facts each where a thousand run. Should even that be full, control waits for
/// the disk rather than lose a fact; media do not.
const FACTS: usize = 1 << 16;

/// Records of ended calls that may wait for the database before new calls are refused. They stand in the journal.
const UNSTORED: usize = 4096;

/// Storage cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another server keeps its calls there.
    #[error("another offhook uses this folder: stop that one, or choose another folder with --data")]
    InUse,
    /// Whether another server is there cannot be told.
    #[error("the file lock: {0}")]
    Lock(std::io::Error),
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
    sender: SyncSender<Message>,
    load: Arc<Load>,
    open: Arc<Mutex<BTreeMap<String, CallRecord>>>,
    database: Database,
}

/// How storage keeps up: written by its thread and whoever sends, read by admission and metrics.
#[derive(Debug)]
struct Load {
    /// Most facts that may wait.
    room: usize,
    waiting: AtomicUsize,
    waits: AtomicU64,
    unstored: AtomicUsize,
    journal_fails: AtomicBool,
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
        Storage::start_with(folder, runtime, FACTS)
    }

    fn start_with(
        folder: &Path,
        runtime: tokio::runtime::Handle,
        room: usize,
    ) -> Result<(Storage, JoinHandle<()>), StorageError> {
        let lock = FolderLock::take(folder)?;
        let database = runtime.block_on(Database::open(&folder.join("offhook.db")))?;
        let (mut journal, entries) = Journal::open(&folder.join("journal"))?;
        let left = records_of(&entries);
        if !left.is_empty() {
            runtime.block_on(database.store(&left))?;
        }
        let segment = journal.current_segment();
        journal.remove_before(segment)?;
        let (sender, receiver) = sync_channel(room);
        let open = Arc::new(Mutex::new(BTreeMap::new()));
        let load = Arc::new(Load {
            room,
            waiting: AtomicUsize::new(0),
            waits: AtomicU64::new(0),
            unstored: AtomicUsize::new(0),
            journal_fails: AtomicBool::new(false),
        });
        let storage =
            Storage { sender, load: Arc::clone(&load), open: Arc::clone(&open), database: database.clone() };
        let mut thread = StorageThread {
            receiver,
            load,
            journal,
            database,
            runtime,
            open,
            first_segment: BTreeMap::new(),
            finished: Vec::new(),
            synced_at: Instant::now(),
            stored_at: Instant::now(),
            alive_at: Instant::now(),
            _lock: lock,
        };
        let handle = std::thread::Builder::new()
            .name("storage".into())
            .spawn(move || crate::threads::vital("storage", || thread.run()))?;
        Ok((storage, handle))
    }

    /// Takes one fact. Waits only where the queue is full, long after new calls were refused: facts of running calls
    /// are never lost. The storage thread waits for the disk and for no thread that could wait for us.
    pub fn fact(&self, fact: Fact) {
        if matches!(fact.event, CallEvent::CallStarted { .. }) {
            // Whoever learned of the call may ask for it, however busy the disk is.
            let mut record = CallRecord::default();
            record.apply(&fact);
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.insert(fact.call_id.clone(), record);
        }
        self.load.waiting.fetch_add(1, Ordering::Relaxed);
        // The thread ends only after the last sender: it cannot be gone while anybody could notice.
        if let Err(TrySendError::Full(message)) = self.sender.try_send(Message::Fact(Box::new(fact))) {
            self.load.waits.fetch_add(1, Ordering::Relaxed);
            let _ = self.sender.send(message);
        }
    }

    /// Why no new call should be taken, because its facts might not be kept; `None` where all is well.
    pub fn trouble(&self) -> Option<&'static str> {
        if self.load.waiting.load(Ordering::Relaxed) >= self.load.room / 2 {
            Some("storage: it is behind, the disk is too slow")
        } else if self.load.unstored.load(Ordering::Relaxed) >= UNSTORED {
            Some("storage: the database takes no records")
        } else if self.load.journal_fails.load(Ordering::Relaxed) {
            Some("storage: the journal cannot be written")
        } else {
            None
        }
    }

    /// Facts that wait now, and how often one found no room.
    pub fn waiting(&self) -> (usize, u64) {
        (self.load.waiting.load(Ordering::Relaxed), self.load.waits.load(Ordering::Relaxed))
    }

    /// Records of ended calls that are not in the database yet.
    pub fn unstored(&self) -> usize {
        self.load.unstored.load(Ordering::Relaxed)
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
    load: Arc<Load>,
    journal: Journal,
    database: Database,
    runtime: tokio::runtime::Handle,
    open: Arc<Mutex<BTreeMap<String, CallRecord>>>,
    first_segment: BTreeMap<String, u64>,
    finished: Vec<CallRecord>,
    synced_at: Instant,
    stored_at: Instant,
    alive_at: Instant,
    _lock: FolderLock,
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
                    Message::Fact(fact) => {
                        self.load.waiting.fetch_sub(1, Ordering::Relaxed);
                        facts.push(Line::Fact(fact));
                    }
                    Message::Flush(done) => waiting.push(done),
                }
            }
            let is_needed = !self.first_segment.is_empty() || self.load.journal_fails.load(Ordering::Relaxed);
            if self.alive_at.elapsed() >= ALIVE_EVERY && is_needed {
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
        let encode = |line: &Line| {
            let bytes = serde_json::to_vec(line).ok()?;
            // One that the journal cannot hold must not cost its neighbours theirs.
            if bytes.len() > offhook_journal::LONGEST {
                let call_id = match line {
                    Line::Fact(fact) => Some(fact.call_id.as_str()),
                    Line::Alive(_) => None,
                };
                tracing::error!(call_id, bytes = bytes.len(), "a fact is too long for the journal");
                return None;
            }
            Some(bytes)
        };
        let encoded: Vec<Vec<u8>> = lines.iter().filter_map(encode).collect();
        let segment = match self.journal.append(encoded.iter().map(Vec::as_slice)) {
            Ok(segment) => {
                self.load.journal_fails.store(false, Ordering::Relaxed);
                segment
            }
            Err(error) => {
                // The calls go on; their records still reach the database if the process lives. New ones are refused
                // until it can be written again, which is tried with each fact and each sign of life.
                self.load.journal_fails.store(true, Ordering::Relaxed);
                metrics::counter!("offhook_journal_failures_total").increment(1);
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
        drop(open);
        self.load.unstored.store(self.finished.len(), Ordering::Relaxed);
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
        self.load.unstored.store(0, Ordering::Relaxed);
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
            trunk: None,
            trace_id: String::new(),
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

    /// The database is locked by somebody, as by a backup: writing to it fails or takes long.
    #[test]
    fn storage_that_is_behind_says_so_early_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = runtime();
        let (storage, _thread) = Storage::start_with(folder.path(), runtime.handle().clone(), 64).unwrap();
        let lock = runtime.block_on(async {
            let url = format!("sqlite://{}", folder.path().join("offhook.db").display());
            let mut lock = <sqlx::AnyConnection as sqlx::Connection>::connect(&url).await.unwrap();
            sqlx::query("BEGIN EXCLUSIVE").execute(&mut lock).await.unwrap();
            lock
        });
        let enough = Arc::new(AtomicBool::new(false));

        let teller = std::thread::spawn({
            let (storage, enough) = (storage.clone(), Arc::clone(&enough));
            move || {
                let mut told = 0;
                while !enough.load(Ordering::Acquire) {
                    let name = format!("call-{told}");
                    storage.fact(fact(&name, 0, started()));
                    let cause = EndCause::CallerHungUp;
                    storage.fact(fact(&name, 1, CallEvent::CallEnded { cause, media: None }));
                    told += 1;
                    std::thread::sleep(Duration::from_micros(200));
                }
                told
            }
        });
        until("new calls to be refused", || storage.trouble().is_some());
        let waited_by_then = storage.waiting().1;
        assert_eq!(storage.trouble(), Some("storage: it is behind, the disk is too slow"));
        until("whoever tells to wait", || storage.waiting().1 > 0);
        enough.store(true, Ordering::Release);
        drop(lock);
        let told = teller.join().unwrap();
        storage.flush();

        assert_eq!(waited_by_then, 0, "refusing comes before waiting");
        assert_eq!(runtime.block_on(storage.ended(100_000)).unwrap().len(), told);
        assert_eq!((storage.trouble(), storage.waiting().0, storage.unstored()), (None, 0, 0));
    }

    fn until(what: &str, look: impl Fn() -> bool) {
        let began = Instant::now();
        while !look() {
            assert!(began.elapsed() < Duration::from_secs(20), "waited for {what}");
            std::thread::yield_now();
        }
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
