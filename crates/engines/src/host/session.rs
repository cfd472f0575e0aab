//! One call's handles on a child.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use offhook_audio::Frame;
use offhook_engine_api::{
    EngineError, EventSink, Grammar, Recognizer, RecognizerEvent, Synthesizer, SynthesizerEvent, UtteranceId,
};

use super::message::SessionId;
use super::place::Order;
use super::pool::{Inner, Place};

/// Frames from before the onset of speech that belong to the utterance: the detector needs some to be sure.
const PRE_ROLL_FRAMES: usize = 30;
/// Frames that may wait for the child: 1.3 s. The oldest is dropped beyond them.
const AUDIO_FRAMES: usize = 64;

/// A numbered frame: a gap shows that frames were dropped.
pub(super) type Numbered = (u32, Frame);

/// One call's recognizer. No method locks; audio outside utterances stays here.
pub(crate) struct RecognizerSession {
    id: SessionId,
    // Keeps the pool alive.
    _pool: Arc<Inner>,
    place: Arc<Place>,
    audio: Arc<ArrayQueue<Numbered>>,
    events: EventSink<RecognizerEvent>,
    pre_roll: VecDeque<Frame>,
    next: u32,
    speaking: bool,
}

impl RecognizerSession {
    pub(super) fn new(
        id: SessionId,
        pool: Arc<Inner>,
        place: Arc<Place>,
        events: EventSink<RecognizerEvent>,
    ) -> Result<Self, EngineError> {
        let audio = Arc::new(ArrayQueue::new(AUDIO_FRAMES));
        let open = Order::OpenRecognizer { session: id, audio: Arc::clone(&audio), events: events.clone() };
        place.open(open)?;
        Ok(RecognizerSession {
            id,
            _pool: pool,
            place,
            audio,
            events,
            pre_roll: VecDeque::with_capacity(PRE_ROLL_FRAMES + 1),
            next: 0,
            speaking: false,
        })
    }

    fn queue(&mut self, frame: &Frame) {
        let number = self.next;
        self.next = number.wrapping_add(1);
        // The oldest leaves; the child's thread sees the gap and reports it.
        let _ = self.audio.force_push((number, *frame));
    }
}

impl Recognizer for RecognizerSession {
    fn set_grammar(&mut self, grammar: &Grammar) {
        if let Err(error) =
            self.place.order(Order::Grammar { session: self.id, grammar: Box::new(grammar.clone()) })
        {
            self.events.send(RecognizerEvent::Failed(error));
        }
    }

    fn start_utterance(&mut self) {
        self.speaking = true;
        // Where the order cannot be placed, `finish_utterance` cannot either and says so.
        let _ = self.place.order(Order::Start { session: self.id, at: self.next });
        for at in 0..self.pre_roll.len() {
            let frame = self.pre_roll[at];
            self.queue(&frame);
        }
    }

    /// The last frames are kept in utterances too: the first sound of a word may be taken for speech, then for none,
    /// and then the word goes on.
    fn push_audio(&mut self, frame: &Frame) {
        if self.speaking {
            self.queue(frame);
        }
        if self.pre_roll.len() == PRE_ROLL_FRAMES {
            self.pre_roll.pop_front();
        }
        self.pre_roll.push_back(*frame);
    }

    /// While nobody speaks frames stay here. Room for the frames from before the onset is kept.
    fn room(&self) -> usize {
        if self.speaking { AUDIO_FRAMES.saturating_sub(self.audio.len()) } else { AUDIO_FRAMES }
    }

    fn finish_utterance(&mut self) {
        self.speaking = false;
        if let Err(error) = self.place.order(Order::Finish { session: self.id, at: self.next }) {
            self.events.send(RecognizerEvent::Failed(error));
        }
    }
}

impl Drop for RecognizerSession {
    fn drop(&mut self) {
        self.place.leave(Order::Close { session: self.id });
    }
}

/// One call's synthesizer.
pub(crate) struct SynthesizerSession {
    id: SessionId,
    _pool: Arc<Inner>,
    place: Arc<Place>,
    events: EventSink<SynthesizerEvent>,
}

impl SynthesizerSession {
    pub(super) fn new(
        id: SessionId,
        pool: Arc<Inner>,
        place: Arc<Place>,
        voice: String,
        events: EventSink<SynthesizerEvent>,
    ) -> Result<Self, EngineError> {
        place.open(Order::OpenSynthesizer { session: id, voice, events: events.clone() })?;
        Ok(SynthesizerSession { id, _pool: pool, place, events })
    }
}

impl Synthesizer for SynthesizerSession {
    fn speak(&mut self, utterance: UtteranceId, text: &str) {
        let order = Order::Speak { session: self.id, utterance, text: text.to_owned() };
        if let Err(error) = self.place.order(order) {
            self.events.send(SynthesizerEvent::Failed { utterance, error });
        }
    }

    fn cancel(&mut self, utterance: UtteranceId) {
        // Where it cannot be placed the rest is spoken for nobody: its id is discarded by the call.
        let _ = self.place.order(Order::Cancel { session: self.id, utterance });
    }
}

impl Drop for SynthesizerSession {
    fn drop(&mut self) {
        self.place.leave(Order::Close { session: self.id });
    }
}
