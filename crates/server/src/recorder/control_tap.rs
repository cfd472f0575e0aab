//! Control's end of the recorder.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use offhook_call_control::Output;
use offhook_replay::EncodedOutput;
use offhook_time::{Step, StepSink, Time};

use super::record::{Carried, Record};
use super::{Opening, RecorderStats};

/// Bytes that may wait for the recorder: seconds of a busy server. Beyond it records are dropped and counted; only what
/// begins and ends calls still goes through, and there are no more of those than calls.
const ROOM: usize = 16 << 20;

/// What the recorder takes at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub bytes: Vec<u8>,
    /// Calls that began. Their records come later, in this batch or another.
    pub openings: Vec<Opening>,
    told: Option<Time>,
}

#[derive(Debug, Default)]
struct Shared {
    batch: Mutex<Batch>,
    stats: Arc<RecorderStats>,
    stopping: AtomicBool,
    /// This turn of control, which alone writes and reads it.
    tick: AtomicU64,
}

/// What control tells the recorder. Never waits for the disk: the batch is locked for as long as it takes to copy a
/// record, or to exchange it for an empty one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ControlTap {
    shared: Arc<Shared>,
}

/// A SIP message on its way.
#[derive(Clone, Copy, Debug)]
pub struct Sip<'a> {
    /// Whether it reached us.
    pub inbound: bool,
    /// The stream that carries it, where it is no datagram.
    pub connection: Option<u64>,
    /// Our address.
    pub local: SocketAddr,
    /// Theirs.
    pub remote: SocketAddr,
    /// A datagram; of a stream inbound any run of bytes, outbound a message.
    pub bytes: &'a [u8],
}

impl ControlTap {
    /// A tap that counts in `stats` what it drops.
    pub fn new(stats: Arc<RecorderStats>) -> Self {
        ControlTap { shared: Arc::new(Shared { stats, ..Shared::default() }) }
    }

    /// A new turn of control: what is recorded from here on happens at `now`.
    pub fn begin_tick(&self, now: Time) {
        self.shared.tick.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// A call begins.
    pub fn open(&self, opening: Opening) {
        self.lock().openings.push(opening);
    }

    /// Its SIP messages have this Call-ID.
    pub fn call_id(&self, call: u64, id: &str) {
        self.always(&Record::CallId { call, id: id.as_bytes() });
    }

    /// A SIP message, of whatever call or none: the recorder finds out whose it is.
    pub fn sip(&self, sip: &Sip<'_>) {
        let Sip { inbound, connection, local, remote, bytes } = *sip;
        let carried = connection.map_or(Carried::Datagram, |connection| Carried::Stream { connection });
        self.note(&Record::Sip { inbound, carried, local, remote, bytes });
    }

    /// A stream is over.
    pub fn disconnected(&self, connection: u64) {
        self.always(&Record::Disconnected { connection });
    }

    /// What a call wants done, in answer to its step `sequence`; whether there was room for it.
    pub fn output(&self, call: u64, sequence: u64, output: &Output, now: Time) -> bool {
        let Some(encoded) = EncodedOutput::of(output) else { return true };
        let hashed = matches!(encoded, EncodedOutput::Hash(_));
        self.note(&Record::Output { call, sequence, now, hashed, bytes: encoded.bytes() })
    }

    /// Nothing more comes of this call.
    pub fn closed(&self, call: u64) {
        self.always(&Record::Closed { call });
    }

    /// Tests let the recorder stop for a while.
    pub fn stall(&self, milliseconds: u64) {
        self.always(&Record::Stall { milliseconds });
    }

    /// Takes the steps of one call.
    pub fn steps(&self, call: u64) -> ControlSteps<'_> {
        ControlSteps { tap: self, call, last: 0, lost: false }
    }

    /// Everything so far, in exchange for an empty batch.
    pub(super) fn exchange(&self, empty: Batch) -> Batch {
        std::mem::replace(&mut self.lock(), empty)
    }

    pub(super) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Acquire)
    }

    fn note(&self, record: &Record<'_>) -> bool {
        let mut batch = self.lock();
        let fits = batch.bytes.len() + record.room() <= ROOM;
        if fits {
            self.append(&mut batch, record);
        } else {
            RecorderStats::add(&self.shared.stats.dropped, 1);
        }
        fits
    }

    fn always(&self, record: &Record<'_>) {
        self.append(&mut self.lock(), record);
    }

    fn append(&self, batch: &mut Batch, record: &Record<'_>) {
        let tick = Time::from_nanos(self.shared.tick.load(Ordering::Relaxed));
        if batch.told != Some(tick) {
            Record::Tick(tick).append(&mut batch.bytes);
            batch.told = Some(tick);
        }
        record.append(&mut batch.bytes);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Batch> {
        self.shared.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    /// Ready to be exchanged: nothing in it, its memory kept.
    pub(super) fn emptied(mut self) -> Batch {
        self.bytes.clear();
        self.openings.clear();
        self.told = None;
        self
    }
}

/// Takes the steps of one call of the control half.
#[derive(Debug)]
pub struct ControlSteps<'a> {
    tap: &'a ControlTap,
    call: u64,
    /// The sequence of the last step.
    pub last: u64,
    /// That step was dropped.
    pub lost: bool,
}

impl StepSink for ControlSteps<'_> {
    fn record(&mut self, step: Step<'_>) {
        let Step { sequence, now, payload, .. } = step;
        self.last = sequence;
        self.lost = !self.tap.note(&Record::Step { call: self.call, sequence, now, payload });
    }
}
