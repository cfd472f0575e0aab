//! A worker's end of the recorder.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use offhook_audio::AudioChunk;
use offhook_call_media::{Arrival, LegId};
use offhook_engine_api::UtteranceId;
use offhook_time::{Step, Time};

use super::RecorderStats;
use super::record::Record;

/// Bytes of a chunk: a tenth of a second of 100 calls.
const CHUNK_BYTES: usize = 256 << 10;

/// Pieces of speech in a chunk.
const CHUNK_SPEECH: usize = 256;

/// A chunk is handed over at this age at the latest.
const HAND_OVER_AFTER: Duration = Duration::from_millis(100);

/// Chunks that go back and forth while all is well; the reserve behind them is memory that is never touched then.
const IN_USE: usize = 4;

/// Calls whose end waits for a chunk.
const CLOSED: usize = 4096;

/// Records of a worker on their way to the recorder.
#[derive(Debug)]
pub(super) struct Chunk {
    pub bytes: Vec<u8>,
    /// Audio that [`Record::Speech`] refers to: shared, because a copy would cost as much as the frame itself.
    pub speech: Vec<AudioChunk>,
}

/// The chunks of one worker, empty and full, taken at the start. Where the recorder is behind and none is empty, records
/// are dropped and counted; nobody waits.
#[derive(Debug)]
pub struct ChunkPool {
    in_use: ArrayQueue<Chunk>,
    reserve: ArrayQueue<Chunk>,
    full: ArrayQueue<Chunk>,
    stats: Arc<RecorderStats>,
}

impl ChunkPool {
    /// `count` chunks: with 64 of them half a second of 1,000 calls, or four of 150.
    pub fn new(count: usize, stats: Arc<RecorderStats>) -> Arc<Self> {
        let count = count.max(1);
        let pool = ChunkPool {
            in_use: ArrayQueue::new(IN_USE.min(count)),
            reserve: ArrayQueue::new(count),
            full: ArrayQueue::new(count),
            stats,
        };
        for _ in 0..count {
            pool.give_back(Chunk {
                bytes: Vec::with_capacity(CHUNK_BYTES),
                speech: Vec::with_capacity(CHUNK_SPEECH),
            });
        }
        Arc::new(pool)
    }

    /// The next full chunk, oldest first.
    pub(super) fn take_full(&self) -> Option<Chunk> {
        self.full.pop()
    }

    /// Takes a chunk back and empties it.
    pub(super) fn give_back(&self, mut chunk: Chunk) {
        chunk.bytes.clear();
        chunk.speech.clear();
        if let Err(chunk) = self.in_use.push(chunk) {
            // There is room for all that were ever made.
            let _ = self.reserve.push(chunk);
        }
    }

    fn take_empty(&self) -> Option<Chunk> {
        self.in_use.pop().or_else(|| self.reserve.pop())
    }
}

/// Where a worker puts what enters and leaves its calls. No allocation, no lock, no system call: the recorder comes and
/// looks.
#[derive(Debug)]
pub struct MediaTap {
    pool: Arc<ChunkPool>,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    chunk: Option<Chunk>,
    /// This turn of the worker.
    tick: Time,
    /// The turn that the chunk was last told; `None` for one without a record.
    told: Option<Time>,
    /// The turn of the chunk's first record.
    began: Time,
    closed: Vec<u64>,
}

impl MediaTap {
    /// The tap of the worker whose chunks these are.
    pub fn new(pool: Arc<ChunkPool>) -> Self {
        let state = State {
            chunk: None,
            tick: Time::ZERO,
            told: None,
            began: Time::ZERO,
            closed: Vec::with_capacity(CLOSED),
        };
        MediaTap { pool, state: RefCell::new(state) }
    }

    /// A new turn of the worker: what is recorded from here on happens at `now`.
    pub fn begin_tick(&self, now: Time) {
        let mut state = self.state.borrow_mut();
        let State { tick, chunk, began, told, .. } = &mut *state;
        *tick = now;
        // While the recorder does not come, chunks are filled: there are only so many.
        let is_due = told.is_some() && now.since(*began) >= HAND_OVER_AFTER && self.pool.full.is_empty();
        if is_due && let Some(chunk) = chunk.take() {
            *told = None;
            self.hand_over(chunk);
        }
        while let Some(call) = state.closed.pop() {
            if !self.record(&mut state, &Record::Closed { call }) {
                state.closed.push(call);
                break;
            }
        }
    }

    /// Whether it has something that the recorder does not have yet.
    pub fn holds_any(&self) -> bool {
        let state = self.state.borrow();
        state.told.is_some() || !state.closed.is_empty()
    }

    /// A step of a call; whether there was room for it.
    pub fn step(&self, call: u64, step: Step<'_>) -> bool {
        let Step { sequence, now, payload, .. } = step;
        self.note(&Record::Step { call, sequence, now, payload })
    }

    /// A step that is a datagram; whether there was room for it.
    pub fn datagram(
        &self,
        call: u64,
        sequence: u64,
        rtcp: bool,
        arrival: Arrival,
        bytes: &[u8],
        now: Time,
    ) -> bool {
        self.note(&Record::Datagram { call, sequence, now, rtcp, arrival, bytes })
    }

    /// A step that brings audio; whether there was room for it.
    pub fn speech(
        &self,
        call: u64,
        sequence: u64,
        utterance: UtteranceId,
        audio: &AudioChunk,
        now: Time,
    ) -> bool {
        let mut state = self.state.borrow_mut();
        if state.chunk.as_ref().is_some_and(|chunk| chunk.speech.len() == chunk.speech.capacity())
            && let Some(chunk) = state.chunk.take()
        {
            state.told = None;
            self.hand_over(chunk);
        }
        let index = state.chunk.as_ref().map_or(0, |chunk| chunk.speech.len() as u32);
        let at_index = |index| Record::Speech { call, sequence, now, utterance, index };
        // In a chunk that begins with it, it is the first.
        let fits = state.chunk.as_ref().is_some_and(|chunk| self.has_room(chunk, &at_index(index)));
        let recorded = self.record(&mut state, &at_index(if fits { index } else { 0 }));
        if recorded && let Some(chunk) = &mut state.chunk {
            chunk.speech.push(audio.clone());
        }
        self.count(recorded)
    }

    /// A step that brings audio which must be recorded nowhere: only how long it is; whether there was room for it.
    pub fn masked_speech(
        &self,
        call: u64,
        sequence: u64,
        utterance: UtteranceId,
        audio: &AudioChunk,
        now: Time,
    ) -> bool {
        let (sample_rate, samples) = (audio.sample_rate, audio.samples.len() as u32);
        self.note(&Record::MaskedSpeech { call, sequence, now, utterance, sample_rate, samples })
    }

    /// What the half made of masked sound in its step `sequence`; whether there was room for it.
    pub fn judged(&self, call: u64, sequence: u64, judgement: &[u8], now: Time) -> bool {
        self.note(&Record::Output { call, sequence, now, hashed: false, bytes: judgement })
    }

    /// A packet that left; whether there was room for it.
    pub fn sent(&self, call: u64, leg: LegId, rtcp: bool, to: SocketAddr, bytes: &[u8]) -> bool {
        self.note(&Record::Sent { call, leg, rtcp, to, bytes })
    }

    /// Nothing more comes of this call. Not lost where there is no room: it waits for the next turn.
    pub fn closed(&self, call: u64) {
        let mut state = self.state.borrow_mut();
        if !self.record(&mut state, &Record::Closed { call }) {
            // As many as calls that could end in a stall of the recorder; one more leaves its bundle open until the
            // server ends.
            if state.closed.len() < state.closed.capacity() {
                state.closed.push(call);
            }
        }
    }

    /// Something of a call is left out on purpose, because what belongs to it was dropped.
    pub fn left_out(&self) {
        self.count(false);
    }

    fn note(&self, record: &Record<'_>) -> bool {
        let recorded = self.record(&mut self.state.borrow_mut(), record);
        self.count(recorded)
    }

    fn count(&self, recorded: bool) -> bool {
        if !recorded {
            RecorderStats::add(&self.pool.stats.dropped, 1);
        }
        recorded
    }

    fn has_room(&self, chunk: &Chunk, record: &Record<'_>) -> bool {
        // The turn may have to be told before it.
        chunk.bytes.capacity() - chunk.bytes.len() >= record.room() + Record::Tick(Time::ZERO).room()
    }

    fn record(&self, state: &mut State, record: &Record<'_>) -> bool {
        if let Some(full) = state.chunk.take_if(|chunk| !self.has_room(chunk, record)) {
            state.told = None;
            self.hand_over(full);
        }
        if state.chunk.is_none() {
            state.chunk = self.pool.take_empty();
            state.told = None;
        }
        let Some(chunk) = &mut state.chunk else { return false };
        if !self.has_room(chunk, record) {
            return false;
        }
        if state.told != Some(state.tick) {
            if state.told.is_none() {
                state.began = state.tick;
            }
            Record::Tick(state.tick).append(&mut chunk.bytes);
            state.told = Some(state.tick);
        }
        record.append(&mut chunk.bytes);
        true
    }

    fn hand_over(&self, chunk: Chunk) {
        // There is room for all that were ever made.
        let _ = self.pool.full.push(chunk);
    }
}

impl Drop for MediaTap {
    fn drop(&mut self) {
        if let Some(chunk) = self.state.borrow_mut().chunk.take() {
            self.hand_over(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use offhook_time::Half;

    use super::*;

    fn step(payload: &[u8]) -> Step<'_> {
        Step { sequence: 0, half: Half::Media, now: Time::from_millis(1), payload }
    }

    fn records(chunk: &Chunk) -> Vec<Record<'_>> {
        let mut rest = chunk.bytes.as_slice();
        std::iter::from_fn(|| {
            let (record, after) = Record::read(rest)?;
            rest = after;
            Some(record)
        })
        .collect()
    }

    #[test]
    fn a_chunk_is_handed_over_by_age_and_tells_each_turn_once() {
        let pool = ChunkPool::new(4, Arc::default());
        let tap = MediaTap::new(Arc::clone(&pool));
        tap.begin_tick(Time::from_millis(1000));
        assert!(tap.step(1, step(b"a")) && tap.step(2, step(b"b")));
        tap.begin_tick(Time::from_millis(1001));
        assert!(tap.step(1, step(b"c")));
        tap.begin_tick(Time::from_millis(1099));
        assert!(pool.take_full().is_none());

        tap.begin_tick(Time::from_millis(1100));

        let chunk = pool.take_full().unwrap();
        let step_of = |call, payload| Record::Step { call, sequence: 0, now: Time::from_millis(1), payload };
        let expected = [
            Record::Tick(Time::from_millis(1000)),
            step_of(1, b"a"),
            step_of(2, b"b"),
            Record::Tick(Time::from_millis(1001)),
            step_of(1, b"c"),
        ];
        assert_eq!(records(&chunk), expected);
    }

    #[test]
    fn while_the_recorder_does_not_come_chunks_are_filled_then_records_dropped_and_no_end_is_lost() {
        let stats = Arc::new(RecorderStats::default());
        let pool = ChunkPool::new(2, Arc::clone(&stats));
        let tap = MediaTap::new(Arc::clone(&pool));
        let payload = [0; 1000];
        let mut recorded = 0;
        for millis in 0..1000 {
            tap.begin_tick(Time::from_millis(millis));
            recorded += u64::from(tap.step(1, step(&payload)));
        }
        tap.closed(1);
        // The first is handed over by its age, a tenth of a second.
        assert!((320..400).contains(&recorded), "{recorded}");
        assert_eq!(stats.dropped.load(std::sync::atomic::Ordering::Relaxed), 1000 - recorded);

        while let Some(chunk) = pool.take_full() {
            pool.give_back(chunk);
        }
        tap.begin_tick(Time::from_millis(2000));
        tap.begin_tick(Time::from_millis(2100));

        let chunk = pool.take_full().unwrap();
        assert_eq!(records(&chunk).last(), Some(&Record::Closed { call: 1 }));
    }

    #[test]
    fn speech_is_shared_and_found_by_its_index_also_in_the_next_chunk() {
        let pool = ChunkPool::new(8, Arc::default());
        let tap = MediaTap::new(Arc::clone(&pool));
        let audio = AudioChunk { sample_rate: 8000, samples: vec![1; 160].into() };
        tap.begin_tick(Time::from_millis(1));

        for number in 0..CHUNK_SPEECH as u64 + 2 {
            assert!(tap.speech(1, number, UtteranceId(1), &audio, Time::from_millis(1)));
        }
        drop(tap);

        let chunks: Vec<Chunk> = std::iter::from_fn(|| pool.take_full()).collect();
        assert_eq!(chunks.len(), 2);
        let mut expected = 0;
        for chunk in &chunks {
            let mut index_in_chunk = 0;
            for record in records(chunk) {
                if let Record::Speech { sequence, index, .. } = record {
                    assert_eq!((sequence, index), (expected, index_in_chunk));
                    assert_eq!(chunk.speech[index as usize].samples.as_ptr(), audio.samples.as_ptr());
                    expected += 1;
                    index_in_chunk += 1;
                }
            }
        }
        assert_eq!(expected, CHUNK_SPEECH as u64 + 2);
    }
}
