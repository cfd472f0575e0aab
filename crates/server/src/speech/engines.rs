//! Which engines there are. The server starts without any and says what is missing.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use offhook_call_control::SpeechContent;
use offhook_engine_api::{EngineError, RecognizerEngine, SynthesizerEngine, Voice};
use offhook_engines::host::{HostConfig, HostPool, NativeEngine};
use offhook_engines::recognizers::PocketsphinxRecognizer;
use offhook_engines::synthesizers::{
    CachedSynthesizer, EspeakConfig, EspeakSynthesizer, FliteSynthesizer, RecordedPrompts, TrimmedSynthesizer,
};

use crate::config::Config;

/// Synthesized speech kept for repeated prompts, in bytes of samples.
const CACHE_BYTES: usize = 32 << 20;

/// An engine that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What it would be used for.
    pub role: &'static str,
    /// Why not, and what to do.
    pub why: EngineError,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.role, self.why)
    }
}

/// The engines of this server.
#[derive(Clone, Debug, Default)]
pub struct Engines {
    recognizer: Option<Arc<dyn RecognizerEngine>>,
    english: Option<Arc<dyn SynthesizerEngine>>,
    other: Option<Arc<dyn SynthesizerEngine>>,
    recorded: Option<Arc<dyn SynthesizerEngine>>,
    pools: Vec<Arc<HostPool>>,
}

impl Engines {
    /// Starts what the configuration asks for; `program` is this binary, which hosts native engines in child
    /// processes. Also answers what is not there.
    pub fn start(config: &Config, program: &Path) -> (Engines, Vec<Missing>) {
        let mut engines = Engines::default();
        let mut missing = Vec::new();
        let host = |engine| {
            let mut host = HostConfig::new(program, engine);
            host.processes = config.engine_processes;
            HostPool::start(host)
        };
        if config.recognizer != "none" {
            match host(NativeEngine::Pocketsphinx) {
                Ok(pool) => {
                    engines.recognizer = Some(Arc::new(PocketsphinxRecognizer::new(Arc::clone(&pool))));
                    engines.pools.push(pool);
                }
                Err(why) => missing.push(Missing { role: "speech recognition", why }),
            }
        }
        let wants = |name: &str| config.synthesizer == name || config.synthesizer == "auto";
        if wants("flite") {
            match host(NativeEngine::Flite) {
                Ok(pool) => {
                    engines.english = Some(cached(FliteSynthesizer::new(Arc::clone(&pool))));
                    engines.pools.push(pool);
                }
                Err(why) => missing.push(Missing { role: "English speech", why }),
            }
        }
        if wants("espeak-ng") {
            match EspeakSynthesizer::new(EspeakConfig::default()) {
                Ok(espeak) => engines.other = Some(cached(espeak)),
                Err(why) => missing.push(Missing { role: "speech in other languages", why }),
            }
        }
        if let Some(folder) = &config.prompts {
            match RecordedPrompts::load(folder) {
                Ok(recorded) => engines.recorded = Some(Arc::new(recorded)),
                Err(why) => missing.push(Missing { role: "recorded prompts", why }),
            }
        }
        (engines, missing)
    }

    /// The recognizer for a language; `None` where no engine knows it. The embedded one is English.
    pub fn recognizer(&self, language: &str) -> Option<Arc<dyn RecognizerEngine>> {
        self.recognizer.clone().filter(|_| is_english(language))
    }

    /// The synthesizer for some content in a voice.
    ///
    /// # Errors
    /// What is missing and what to do.
    pub fn synthesizer(
        &self,
        voice: &Voice,
        content: &SpeechContent,
    ) -> Result<Arc<dyn SynthesizerEngine>, EngineError> {
        let (engine, what, remedy) = match content {
            SpeechContent::Recording(_) => {
                (self.recorded.clone(), "recorded prompts", "set bots.prompts to a folder of WAV files")
            }
            SpeechContent::Text(_) if is_english(&voice.language) => {
                let engine = self.english.clone().or_else(|| self.other.clone());
                (engine, "a voice for English", "apt-get install flite or espeak-ng")
            }
            SpeechContent::Text(_) => {
                (self.other.clone(), "a voice for this language", "apt-get install espeak-ng")
            }
        };
        engine.ok_or_else(|| EngineError::Missing {
            engine: "synthesizer".into(),
            what: format!("{what} ({})", voice.language),
            remedy: remedy.into(),
        })
    }

    /// The pools of child processes.
    pub fn pools(&self) -> &[Arc<HostPool>] {
        &self.pools
    }
}

fn cached(engine: impl SynthesizerEngine + 'static) -> Arc<dyn SynthesizerEngine> {
    Arc::new(CachedSynthesizer::new(Arc::new(TrimmedSynthesizer::new(Arc::new(engine))), CACHE_BYTES))
}

fn is_english(language: &str) -> bool {
    language.get(..2).is_some_and(|tag| tag.eq_ignore_ascii_case("en"))
}
