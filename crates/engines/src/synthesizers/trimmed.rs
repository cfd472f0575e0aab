//! Takes away the silence that synthesizers put before the first word: the caller waits for the word.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use offhook_audio::AudioChunk;
use offhook_engine_api::{
    EngineError, EventSink, Synthesizer, SynthesizerEngine, SynthesizerEvent, UtteranceId, Voice,
};

/// Louder than this is speech: about -46 dBFS, above what voices breathe before a word.
const AUDIBLE: u16 = 160;

/// Kept before the first audible sample, in milliseconds: soft consonants begin below [`AUDIBLE`].
const KEPT_MS: u32 = 10;

/// Passes on what another engine says, without the silence before its first word. Flite begins with some 280 ms of it.
#[derive(Debug)]
pub struct TrimmedSynthesizer {
    inner: Arc<dyn SynthesizerEngine>,
}

impl TrimmedSynthesizer {
    /// Trims what `inner` says.
    pub fn new(inner: Arc<dyn SynthesizerEngine>) -> Self {
        TrimmedSynthesizer { inner }
    }
}

impl SynthesizerEngine for TrimmedSynthesizer {
    fn open(
        &self,
        voice: &Voice,
        events: EventSink<SynthesizerEvent>,
    ) -> Result<Box<dyn Synthesizer>, EngineError> {
        // Utterances whose first word was heard; each leaves with its end.
        let begun: Mutex<BTreeSet<UtteranceId>> = Mutex::default();
        let trimmed = EventSink::new(move |event| {
            let mut begun = begun.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                SynthesizerEvent::Audio { utterance, chunk } if !begun.contains(&utterance) => {
                    if let Some(chunk) = from_first_word(&chunk) {
                        begun.insert(utterance);
                        events.send(SynthesizerEvent::Audio { utterance, chunk });
                    }
                }
                SynthesizerEvent::Audio { .. } => events.send(event),
                SynthesizerEvent::SpeakComplete { utterance }
                | SynthesizerEvent::Failed { utterance, .. } => {
                    begun.remove(&utterance);
                    events.send(event);
                }
            }
        });
        self.inner.open(voice, trimmed)
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

/// The chunk from shortly before its first audible sample; `None` where it has none.
fn from_first_word(chunk: &AudioChunk) -> Option<AudioChunk> {
    let first = chunk.samples.iter().position(|sample| sample.unsigned_abs() > AUDIBLE)?;
    let kept = (chunk.sample_rate * KEPT_MS / 1000) as usize;
    let samples = chunk.samples[first.saturating_sub(kept)..].into();
    Some(AudioChunk { sample_rate: chunk.sample_rate, samples })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(samples: Vec<i16>) -> AudioChunk {
        AudioChunk { sample_rate: 8000, samples: samples.into() }
    }

    #[test]
    fn silence_before_the_first_word_goes_and_the_word_stays_whole() {
        let mut samples = vec![3; 800];
        samples.extend([1000; 100]);

        let trimmed = from_first_word(&chunk(samples)).unwrap();

        assert_eq!(trimmed.samples.len(), 100 + 80);
        assert_eq!(trimmed.samples[80..], [1000; 100]);
    }

    #[test]
    fn a_chunk_of_silence_before_the_first_word_is_left_out() {
        assert_eq!(from_first_word(&chunk(vec![0; 400])), None);
    }
}
