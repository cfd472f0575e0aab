//! Prompts recorded as WAV files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use offhook_audio::AudioChunk;
use offhook_engine_api::{
    EngineError, EventSink, Synthesizer, SynthesizerEngine, SynthesizerEvent, UtteranceId, Voice,
};

const NAME: &str = "recorded";

/// Plays the WAV file whose name (without `.wav`) is the text to speak. Each file is in memory once for all calls.
#[derive(Clone, Debug)]
pub struct RecordedPrompts {
    prompts: Arc<BTreeMap<String, AudioChunk>>,
}

impl RecordedPrompts {
    /// Reads every `.wav` file in `directory`: mono, 16 bits, 8000 to 48000 Hz. One bad file refuses the directory.
    pub fn load(directory: &Path) -> Result<Self, EngineError> {
        let missing = |error: std::io::Error| EngineError::Missing {
            engine: NAME.to_owned(),
            what: format!("{}: {error}", directory.display()),
            remedy: "name a directory of WAV files".to_owned(),
        };
        let mut prompts = BTreeMap::new();
        for entry in std::fs::read_dir(directory).map_err(missing)? {
            let path = entry.map_err(missing)?.path();
            if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("wav")) {
                continue;
            }
            let chunk = read(&path).map_err(|why| EngineError::Refused {
                engine: NAME.to_owned(),
                why: format!("{}: {why}", path.display()),
            })?;
            if let Some(name) = path.file_stem() {
                prompts.insert(name.to_string_lossy().into_owned(), chunk);
            }
        }
        Ok(RecordedPrompts { prompts: Arc::new(prompts) })
    }

    /// Whether a prompt of this name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.prompts.contains_key(name)
    }
}

impl SynthesizerEngine for RecordedPrompts {
    fn open(
        &self,
        _voice: &Voice,
        events: EventSink<SynthesizerEvent>,
    ) -> Result<Box<dyn Synthesizer>, EngineError> {
        Ok(Box::new(Session { prompts: Arc::clone(&self.prompts), events }))
    }

    fn name(&self) -> &str {
        NAME
    }
}

struct Session {
    prompts: Arc<BTreeMap<String, AudioChunk>>,
    events: EventSink<SynthesizerEvent>,
}

impl Synthesizer for Session {
    fn speak(&mut self, utterance: UtteranceId, text: &str) {
        match self.prompts.get(text) {
            Some(chunk) => {
                self.events.send(SynthesizerEvent::Audio { utterance, chunk: chunk.clone() });
                self.events.send(SynthesizerEvent::SpeakComplete { utterance });
            }
            None => {
                let why = format!("no recording is named {text:?}");
                let error = EngineError::Refused { engine: NAME.to_owned(), why };
                self.events.send(SynthesizerEvent::Failed { utterance, error });
            }
        }
    }

    /// Everything was said in `speak` already.
    fn cancel(&mut self, _utterance: UtteranceId) {}
}

fn read(path: &Path) -> Result<AudioChunk, String> {
    let mut reader = hound::WavReader::open(path).map_err(|error| error.to_string())?;
    let spec = reader.spec();
    if spec.channels != 1 || spec.bits_per_sample != 16 || !(8_000..=48_000).contains(&spec.sample_rate) {
        return Err("must be mono, 16 bits, 8000 to 48000 Hz".to_owned());
    }
    let samples =
        reader.samples().collect::<Result<_, _>>().map_err(|error: hound::Error| error.to_string())?;
    Ok(AudioChunk { sample_rate: spec.sample_rate, samples })
}
