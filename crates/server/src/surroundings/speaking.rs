//! Synthesizers that are asked and waited for.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use offhook_audio::AudioChunk;
use offhook_call_control::SpeechContent;
use offhook_engine_api::{EngineError, EventSink, Synthesizer, SynthesizerEvent, UtteranceId, Voice};

use crate::speech::Engines;

/// How long a synthesizer may take for one piece on the clock on the wall.
const PATIENCE: Duration = Duration::from_secs(20);

/// Rate of the line.
const LINE_RATE: u32 = 8_000;

/// The voice of a caller whose words are text: not the one that bots have.
const CALLER: &str = "rms";

type Open = (Box<dyn Synthesizer>, Receiver<SynthesizerEvent>, String);

/// The sessions of one call, by voice and kind.
#[derive(Default)]
pub(super) struct Speaking {
    open: BTreeMap<(Voice, bool), Open>,
    utterances: u32,
}

impl Speaking {
    /// The call is over.
    pub fn close(&mut self) {
        self.open.clear();
    }

    /// All audio of it, who spoke, and how long the first of it took.
    pub fn speak(
        &mut self,
        engines: &Engines,
        voice: &Voice,
        content: &SpeechContent,
    ) -> (Result<Vec<AudioChunk>, EngineError>, String, Duration) {
        let key = (voice.clone(), matches!(content, SpeechContent::Recording(_)));
        if !self.open.contains_key(&key) {
            match open(engines, voice, content) {
                Ok(opened) => {
                    self.open.insert(key.clone(), opened);
                }
                Err(error) => return (Err(error), "nobody".to_owned(), Duration::ZERO),
            }
        }
        let Some((synthesizer, told, name)) = self.open.get_mut(&key) else {
            return (Ok(Vec::new()), String::new(), Duration::ZERO);
        };
        self.utterances = self.utterances.wrapping_add(1);
        let ours = UtteranceId(self.utterances);
        let (SpeechContent::Text(text) | SpeechContent::Recording(text)) = content;
        let (began, name) = (Instant::now(), name.clone());
        let mut first = None;
        let mut chunks = Vec::new();
        synthesizer.speak(ours, text);
        loop {
            match told.recv_timeout(PATIENCE) {
                Ok(SynthesizerEvent::Audio { utterance, chunk }) if utterance == ours => {
                    first.get_or_insert_with(|| began.elapsed());
                    chunks.push(chunk);
                }
                Ok(SynthesizerEvent::SpeakComplete { utterance }) if utterance == ours => {
                    return (Ok(chunks), name, first.unwrap_or_else(|| began.elapsed()));
                }
                Ok(SynthesizerEvent::Failed { utterance, error }) if utterance == ours => {
                    return (Err(error), name, began.elapsed());
                }
                // Of an utterance that nobody waited for to its end.
                Ok(
                    SynthesizerEvent::Audio { .. }
                    | SynthesizerEvent::SpeakComplete { .. }
                    | SynthesizerEvent::Failed { .. },
                ) => {}
                Err(_) => {
                    self.open.remove(&key);
                    return (Err(EngineError::TimedOut { engine: name.clone() }), name, began.elapsed());
                }
            }
        }
    }

    /// A caller who says this, for the line.
    pub fn caller(&mut self, engines: &Engines, language: &str, text: &str) -> Result<Vec<i16>, EngineError> {
        let english = language.to_ascii_lowercase().starts_with("en");
        let name = if english { CALLER.to_owned() } else { String::new() };
        let content = SpeechContent::Text(text.to_owned());
        let named = Voice { language: language.to_owned(), name };
        let unnamed = Voice { language: language.to_owned(), name: String::new() };
        let chunks = match self.speak(engines, &named, &content).0 {
            // Only flite knows that voice.
            Err(EngineError::Refused { .. }) => self.speak(engines, &unnamed, &content).0?,
            spoken => spoken?,
        };
        let rate = chunks.first().map_or(LINE_RATE, |chunk| chunk.sample_rate);
        let samples: Vec<f64> =
            chunks.iter().flat_map(|chunk| chunk.samples.iter().map(|sample| f64::from(*sample))).collect();
        Ok(offhook_caller::wav::resample(&samples, rate, LINE_RATE))
    }
}

fn open(engines: &Engines, voice: &Voice, content: &SpeechContent) -> Result<Open, EngineError> {
    let engine = engines.synthesizer(voice, content)?;
    let (tell, told) = channel();
    let sink = EventSink::new(move |event| drop(tell.send(event)));
    let name = engine.name().to_owned();
    Ok((engine.open(voice, sink)?, told, name))
}
