//! Speech that was synthesized before starts at once and is stored once for all calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use offhook_audio::AudioChunk;
use offhook_engine_api::{
    EngineError, EventSink, Synthesizer, SynthesizerEngine, SynthesizerEvent, UtteranceId, Voice,
};

/// Keeps finished utterances of another engine by voice and text; the least recently used leaves first.
#[derive(Debug)]
pub struct CachedSynthesizer {
    inner: Arc<dyn SynthesizerEngine>,
    store: Arc<Mutex<Store>>,
}

impl CachedSynthesizer {
    /// Keeps at most `capacity_bytes` of samples.
    pub fn new(inner: Arc<dyn SynthesizerEngine>, capacity_bytes: usize) -> Self {
        let store = Store { capacity_bytes, bytes: 0, clock: 0, entries: BTreeMap::new() };
        CachedSynthesizer { inner, store: Arc::new(Mutex::new(store)) }
    }

    /// How many utterances are kept.
    pub fn kept(&self) -> usize {
        lock(&self.store).entries.len()
    }
}

impl SynthesizerEngine for CachedSynthesizer {
    fn open(
        &self,
        voice: &Voice,
        events: EventSink<SynthesizerEvent>,
    ) -> Result<Box<dyn Synthesizer>, EngineError> {
        let session = Arc::new(Mutex::new(Order::default()));
        let sink = {
            let (store, session, events) = (Arc::clone(&self.store), Arc::clone(&session), events.clone());
            EventSink::new(move |event| hear(&store, &session, &events, event))
        };
        let inner = self.inner.open(voice, sink)?;
        Ok(Box::new(Session { voice: voice.clone(), inner, store: Arc::clone(&self.store), session, events }))
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

type Key = (Voice, String);

#[derive(Debug)]
struct Store {
    capacity_bytes: usize,
    bytes: usize,
    clock: u64,
    entries: BTreeMap<Key, Entry>,
}

#[derive(Debug)]
struct Entry {
    used: u64,
    chunks: Arc<[AudioChunk]>,
}

impl Store {
    fn get(&mut self, key: &Key) -> Option<Arc<[AudioChunk]>> {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.clock;
        Some(Arc::clone(&entry.chunks))
    }

    fn put(&mut self, key: Key, chunks: Vec<AudioChunk>) {
        let size = bytes(&chunks);
        if size > self.capacity_bytes || self.entries.contains_key(&key) {
            return;
        }
        self.clock += 1;
        self.bytes += size;
        self.entries.insert(key, Entry { used: self.clock, chunks: chunks.into() });
        while self.bytes > self.capacity_bytes {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
            let Some(entry) = oldest.and_then(|key| self.entries.remove(&key)) else { return };
            self.bytes -= bytes(&entry.chunks);
        }
    }
}

/// What one session has asked for and not got yet, in order: a kept text waits for the synthesized one before it.
#[derive(Debug, Default)]
struct Order {
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    utterance: UtteranceId,
    key: Key,
    /// Kept: played when it is its turn. Else being synthesized.
    kept: Option<Arc<[AudioChunk]>>,
    heard: Vec<AudioChunk>,
}

struct Session {
    voice: Voice,
    inner: Box<dyn Synthesizer>,
    store: Arc<Mutex<Store>>,
    session: Arc<Mutex<Order>>,
    events: EventSink<SynthesizerEvent>,
}

impl Synthesizer for Session {
    fn speak(&mut self, utterance: UtteranceId, text: &str) {
        let key = (self.voice.clone(), text.to_owned());
        let kept = lock(&self.store).get(&key);
        let synthesize = kept.is_none();
        lock(&self.session).waiting.push(Waiting { utterance, key, kept, heard: Vec::new() });
        if synthesize {
            self.inner.speak(utterance, text);
        } else {
            play_kept(&self.session, &self.events);
        }
    }

    fn cancel(&mut self, utterance: UtteranceId) {
        lock(&self.session).waiting.retain(|waiting| waiting.utterance != utterance);
        self.inner.cancel(utterance);
        play_kept(&self.session, &self.events);
    }
}

/// Plays kept texts whose turn it is.
fn play_kept(session: &Mutex<Order>, events: &EventSink<SynthesizerEvent>) {
    loop {
        let mut order = lock(session);
        let Some(chunks) = order.waiting.first().and_then(|waiting| waiting.kept.clone()) else { return };
        let utterance = order.waiting.remove(0).utterance;
        drop(order);
        for chunk in chunks.iter() {
            events.send(SynthesizerEvent::Audio { utterance, chunk: chunk.clone() });
        }
        events.send(SynthesizerEvent::SpeakComplete { utterance });
    }
}

fn hear(
    store: &Mutex<Store>,
    session: &Mutex<Order>,
    events: &EventSink<SynthesizerEvent>,
    event: SynthesizerEvent,
) {
    let (utterance, ended) = match &event {
        SynthesizerEvent::Audio { utterance, .. } => (*utterance, false),
        SynthesizerEvent::SpeakComplete { utterance } | SynthesizerEvent::Failed { utterance, .. } => {
            (*utterance, true)
        }
    };
    let mut order = lock(session);
    let Some(at) = order.waiting.iter().position(|waiting| waiting.utterance == utterance) else { return };
    match &event {
        SynthesizerEvent::Audio { chunk, .. } => order.waiting[at].heard.push(chunk.clone()),
        SynthesizerEvent::SpeakComplete { .. } => {
            let waiting = order.waiting.remove(at);
            lock(store).put(waiting.key, waiting.heard);
        }
        SynthesizerEvent::Failed { .. } => {
            order.waiting.remove(at);
        }
    }
    drop(order);
    events.send(event);
    if ended {
        play_kept(session, events);
    }
}

fn bytes(chunks: &[AudioChunk]) -> usize {
    chunks.iter().map(|chunk| chunk.samples.len() * 2).sum()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
