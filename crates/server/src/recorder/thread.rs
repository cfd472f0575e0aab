//! The recorder's thread.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::Thread;
use std::time::Duration;

use offhook_journal::bundle::{Direction, PacketKind, WriteError};
use offhook_replay::Origin;
use offhook_time::{Half, Time};

use super::bundle::OpenBundle;
use super::control_tap::Batch;
use super::media_tap::Chunk;
use super::merge::{Holds, Place, Source};
use super::record::{Carried, Record};
use super::sip::{SipMessage, SipMessages};
use super::{BundleFiles, ChunkPool, ControlTap, MediaTap, Opening, RecorderStats};
use crate::clock::Clock;
use crate::config::BundleConfig;

/// How often it looks while calls are recorded.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// ... and while none is.
const LOOK_WHEN_IDLE: Duration = Duration::from_millis(200);

/// So long a record waits for those of other sources that were made before it: longer than a worker keeps a chunk.
const SORT_WITHIN: Duration = Duration::from_millis(150);

/// Chunks of each worker: 16 MiB of address space, of which half a MiB is in use while all is well.
const CHUNKS: usize = 64;

/// Bundles that are written at once. More calls than this are not recorded.
const MOST_OPEN: usize = 8192;

/// How long the end of the server waits for the disk.
const END_WITHIN: Duration = Duration::from_secs(3);

/// The recorder as the server holds it.
#[derive(Debug)]
pub struct Recorder {
    /// Control's end.
    pub tap: ControlTap,
    /// The chunks of each worker.
    pub pools: Vec<Arc<ChunkPool>>,
    thread: Thread,
    ended: Receiver<()>,
}

impl Recorder {
    /// Starts the thread. `hash` is the configuration's.
    ///
    /// # Errors
    /// What the system said, or what is wrong with the key.
    pub fn start(
        config: &BundleConfig,
        data: PathBuf,
        hash: &str,
        workers: usize,
        stats: Arc<RecorderStats>,
    ) -> anyhow::Result<Recorder> {
        let files = BundleFiles::new(data, config.reveal_key()?, Arc::clone(&stats));
        let origin = Origin {
            configuration_hash: hash.to_owned(),
            build: super::build().to_owned(),
            cpu_class: super::cpu_class(),
            os: super::os(),
            zone: String::new(),
        };
        Ok(Recorder::start_with(files, origin, stats, workers, CHUNKS)?)
    }

    pub(super) fn start_with(
        files: BundleFiles,
        origin: Origin,
        stats: Arc<RecorderStats>,
        workers: usize,
        chunks: usize,
    ) -> std::io::Result<Recorder> {
        let pools: Vec<Arc<ChunkPool>> =
            (0..workers).map(|_| ChunkPool::new(chunks, Arc::clone(&stats))).collect();
        let tap = ControlTap::new(Arc::clone(&stats));
        let mut thread = RecorderThread {
            tap: tap.clone(),
            control: Source::new(),
            spare: Batch::default(),
            workers: pools.iter().map(|pool| (Arc::clone(pool), Source::new())).collect(),
            bundles: BTreeMap::new(),
            sip: SipMessages::default(),
            due: Vec::new(),
            messages: Vec::new(),
            files,
            origin,
            stats: Arc::clone(&stats),
            clock: Clock,
        };
        let (done, ended) = channel();
        let run = move || {
            // Calls go on without it, and so does the server: what it does not take is dropped and counted.
            let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| thread.run()));
            if run.is_err() {
                tracing::error!("the recorder failed: calls are not recorded any more");
            }
            let _ = done.send(());
        };
        let handle = std::thread::Builder::new().name("recorder".into()).spawn(run)?;
        let thread = handle.thread().clone();
        Ok(Recorder { tap, pools, thread, ended })
    }

    /// The tap of a worker.
    pub fn media_tap(&self, worker: usize) -> Option<MediaTap> {
        self.pools.get(worker).map(|pool| MediaTap::new(Arc::clone(pool)))
    }

    /// Writes what is there and ends every bundle. A disk that does not answer is waited for only so long.
    pub fn stop(self) {
        self.tap.stop();
        self.thread.unpark();
        if self.ended.recv_timeout(END_WITHIN).is_err() {
            tracing::warn!("the recorder does not end in time: the latest bundles may lack their ends");
        }
    }
}

struct RecorderThread {
    tap: ControlTap,
    control: Source<Batch>,
    /// An empty batch to exchange for a full one.
    spare: Batch,
    workers: Vec<(Arc<ChunkPool>, Source<Chunk>)>,
    bundles: BTreeMap<u64, OpenBundle>,
    sip: SipMessages,
    /// What is written in this round, and the SIP messages among it.
    due: Vec<Due>,
    messages: Vec<SipMessage>,
    files: BundleFiles,
    origin: Origin,
    stats: Arc<RecorderStats>,
    clock: Clock,
}

/// A record that is to be written now.
#[derive(Clone, Copy)]
struct Due {
    call: u64,
    tick: Time,
    what: What,
}

/// Where it is found.
#[derive(Clone, Copy)]
enum What {
    Control(Place),
    Worker(u16, Place),
    /// A SIP message of this round.
    Sip(u32),
}

impl RecorderThread {
    fn run(&mut self) {
        loop {
            // First: what is there by then is the last.
            let is_last = self.tap.is_stopping();
            let now = self.clock.now();
            self.collect();
            self.sort_until(if is_last { Time::MAX } else { now.saturating_sub(SORT_WITHIN) });
            self.write();
            self.flush(now);
            self.sip.expire(now);
            if is_last {
                let rest: Vec<u64> = self.bundles.keys().copied().collect();
                rest.into_iter().for_each(|call| self.finish(call));
                return;
            }
            let idle = self.bundles.is_empty();
            std::thread::park_timeout(if idle { LOOK_WHEN_IDLE } else { LOOK_EVERY });
        }
    }

    /// Takes what every source has. Control before the workers: a call is known before its media.
    fn collect(&mut self) {
        let mut batch = self.tap.exchange(std::mem::take(&mut self.spare));
        for opening in batch.openings.drain(..) {
            self.open(opening);
        }
        if batch.bytes.is_empty() {
            self.spare = batch.emptied();
        } else {
            self.control.push(batch);
        }
        for (pool, source) in &mut self.workers {
            while let Some(chunk) = pool.take_full() {
                source.push(chunk);
            }
        }
    }

    fn open(&mut self, opening: Opening) {
        let (call, call_id) = (opening.call, opening.settings.call_id.clone());
        if self.bundles.len() >= MOST_OPEN {
            RecorderStats::add(&self.stats.failed, 1);
            return tracing::warn!(call_id, "not recorded: too many bundles are open");
        }
        match OpenBundle::begin(opening, &self.files, self.origin.clone()) {
            Ok(bundle) => {
                self.bundles.insert(call, bundle);
                RecorderStats::add(&self.stats.open, 1);
            }
            Err(error) => {
                RecorderStats::add(&self.stats.failed, 1);
                tracing::warn!(call_id, %error, "a call is not recorded: its bundle cannot be begun");
            }
        }
    }

    /// Finds what was recorded until `horizon`, and brings it into order: call by call, each by time. Where both halves
    /// did something in one moment, control comes first: it decides.
    fn sort_until(&mut self, horizon: Time) {
        let RecorderThread { control, workers, sip, due, messages, bundles, .. } = self;
        control.look_until(horizon, |record, place, tick| {
            if let Some(call) = record.call() {
                due.push(Due { call, tick, what: What::Control(place) });
            }
            match *record {
                Record::Sip { inbound, carried, local, remote, bytes } => {
                    let direction = if inbound { Direction::Inbound } else { Direction::Outbound };
                    let kind = match carried {
                        Carried::Datagram => PacketKind::SipUdp,
                        Carried::Stream { .. } => PacketKind::SipTcp,
                    };
                    let bytes = bytes.to_vec();
                    let message = SipMessage { kind, direction, at: tick, local, remote, bytes };
                    sip.arrived(message, carried, |call, message| {
                        due.push(Due { call, tick, what: What::Sip(messages.len() as u32) });
                        messages.push(message);
                    });
                }
                Record::CallId { call, id } => {
                    if let Some(bundle) = bundles.get_mut(&call) {
                        bundle.sip_call_id = Some(id.to_owned());
                        for message in sip.claim(id, call) {
                            due.push(Due { call, tick, what: What::Sip(messages.len() as u32) });
                            messages.push(message);
                        }
                    }
                }
                Record::Disconnected { connection } => sip.disconnected(connection),
                Record::Stall { milliseconds } => std::thread::sleep(Duration::from_millis(milliseconds)),
                Record::Tick(_)
                | Record::Step { .. }
                | Record::Datagram { .. }
                | Record::Speech { .. }
                | Record::MaskedSpeech { .. }
                | Record::Sent { .. }
                | Record::Output { .. }
                | Record::Closed { .. } => {}
            }
        });
        for (number, (_, source)) in workers.iter_mut().enumerate() {
            source.look_until(horizon, |record, place, tick| {
                if let Some(call) = record.call() {
                    due.push(Due { call, tick, what: What::Worker(number as u16, place) });
                }
            });
        }
        // Stable: what one source did in one turn stays as it was.
        due.sort_by_key(|due| (due.call, due.tick));
    }

    /// Writes what is due.
    fn write(&mut self) {
        let due = std::mem::take(&mut self.due);
        for of_one_call in due.chunk_by(|one, next| one.call == next.call) {
            let Some(call) = of_one_call.first().map(|due| due.call) else { continue };
            // One that is not recorded any more still sends what it has.
            let Some(bundle) = self.bundles.get_mut(&call) else { continue };
            let RecorderThread { control, workers, messages, sip, stats, .. } = self;
            let mut goes_on = true;
            for Due { tick, what, .. } in of_one_call {
                let (found, half) = match *what {
                    What::Control(place) => (control.at(place), Half::Control),
                    What::Worker(number, place) => (
                        workers.get(usize::from(number)).and_then(|(_, source)| source.at(place)),
                        Half::Media,
                    ),
                    What::Sip(number) => {
                        let Some(message) = messages.get(number as usize) else { continue };
                        RecorderStats::add(&stats.packets, 1);
                        goes_on = keep(bundle.sip(&message.packet()), bundle, sip, stats);
                        (None, Half::Control)
                    }
                };
                if let Some((record, speech)) = found {
                    goes_on = keep(bundle.record(&record, speech, half, *tick, stats), bundle, sip, stats);
                }
                if !goes_on {
                    break;
                }
            }
            if !goes_on {
                self.bundles.remove(&call);
            } else if bundle.is_over() {
                self.finish(call);
            }
        }
        self.due = due;
        self.due.clear();
        self.messages.clear();
        let RecorderThread { control, workers, spare, .. } = self;
        control.forget(|batch| *spare = batch.emptied());
        for (pool, source) in workers {
            source.forget(|chunk| pool.give_back(chunk));
        }
    }

    fn finish(&mut self, call: u64) {
        let Some(bundle) = self.bundles.remove(&call) else { return };
        self.stats.open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        if let Some(id) = &bundle.sip_call_id {
            self.sip.release(id);
        }
        let (call_id, missing) = (bundle.call_id.clone(), bundle.missing);
        if missing > 0 {
            tracing::warn!(call_id, missing, "the bundle of a call lacks steps: the recorder was behind");
        }
        if let Err(error) = bundle.finish() {
            RecorderStats::add(&self.stats.failed, 1);
            tracing::warn!(call_id, %error, "the end of a bundle cannot be written");
        }
    }

    fn flush(&mut self, now: Time) {
        let RecorderThread { bundles, sip, stats, .. } = self;
        bundles.retain(|_, bundle| keep(bundle.flush_due(now), bundle, sip, stats));
    }
}

/// Whether a bundle can go on. One whose file refuses cannot; the call goes on without it.
fn keep(
    outcome: Result<(), WriteError>,
    bundle: &OpenBundle,
    sip: &mut SipMessages,
    stats: &RecorderStats,
) -> bool {
    match outcome {
        Ok(()) => true,
        Err(error @ WriteError::TooLong(_)) => {
            tracing::warn!(call_id = bundle.call_id, %error, "left out of a call's bundle");
            RecorderStats::add(&stats.dropped, 1);
            true
        }
        Err(error @ (WriteError::Io(_) | WriteError::Failed | WriteError::Meta(_))) => {
            RecorderStats::add(&stats.failed, 1);
            stats.open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
            if let Some(id) = &bundle.sip_call_id {
                sip.release(id);
            }
            tracing::warn!(call_id = bundle.call_id, %error, "a call is not recorded any more; it goes on");
            false
        }
    }
}

impl Holds for Batch {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn speech(&self) -> &[offhook_audio::AudioChunk] {
        &[]
    }
}

impl Holds for Chunk {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn speech(&self) -> &[offhook_audio::AudioChunk] {
        &self.speech
    }
}
