//! Which engines there are. The server starts without any and says what is missing.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use offhook_call_control::SpeechContent;
use offhook_conversation::Bot;
use offhook_engine_api::{EngineError, RecognizerEngine, SynthesizerEngine, Voice};
use offhook_engines::host::{HostConfig, HostPool, HostStatus, NativeEngine};
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
    /// The key that names it: calls that need it are refused. `None` where the server takes what is there.
    pub demanded_by: Option<&'static str>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.role, self.why)?;
        match self.demanded_by {
            Some(key) => write!(f, "; {key} names it, so calls to bots that need it are answered 480"),
            None => Ok(()),
        }
    }
}

/// Engines that the configuration names: a call that needs one is refused where it is not there.
#[derive(Clone, Copy, Debug, Default)]
struct Demands {
    recognizer: bool,
    english: bool,
    other: bool,
}

/// The engines of this server.
#[derive(Clone, Debug, Default)]
pub struct Engines {
    recognizer: Option<Arc<dyn RecognizerEngine>>,
    english: Option<Arc<dyn SynthesizerEngine>>,
    other: Option<Arc<dyn SynthesizerEngine>>,
    recorded: Option<Arc<dyn SynthesizerEngine>>,
    /// What the configuration names, and so demands.
    demands: Demands,
    pools: Vec<Arc<HostPool>>,
}

impl Engines {
    /// Starts what the configuration asks for; `program` is this binary, which hosts native engines in child
    /// processes. Also answers what is not there.
    pub fn start(config: &Config, program: &Path) -> (Engines, Vec<Missing>) {
        let demands = Demands {
            recognizer: config.recognizer == "pocketsphinx",
            english: config.synthesizer == "flite",
            other: config.synthesizer == "espeak-ng",
        };
        let mut engines = Engines { demands, ..Engines::default() };
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
                Err(why) => missing.push(Missing {
                    role: "speech recognition",
                    why,
                    demanded_by: engines.demanded_by(NativeEngine::Pocketsphinx),
                }),
            }
        }
        let wants = |name: &str| config.synthesizer == name || config.synthesizer == "auto";
        if wants("flite") {
            match host(NativeEngine::Flite) {
                Ok(pool) => {
                    engines.english = Some(cached(FliteSynthesizer::new(Arc::clone(&pool))));
                    engines.pools.push(pool);
                }
                Err(why) => missing.push(Missing {
                    role: "English speech",
                    why,
                    demanded_by: engines.demanded_by(NativeEngine::Flite),
                }),
            }
        }
        if wants("espeak-ng") {
            match EspeakSynthesizer::new(EspeakConfig::default()) {
                Ok(espeak) => engines.other = Some(cached(espeak)),
                Err(why) => missing.push(Missing {
                    role: "speech in other languages",
                    why,
                    demanded_by: demands.other.then_some("engine.synthesizer"),
                }),
            }
        }
        if let Some(folder) = &config.prompts {
            match RecordedPrompts::load(folder) {
                Ok(recorded) => engines.recorded = Some(Arc::new(recorded)),
                Err(why) => missing.push(Missing { role: "recorded prompts", why, demanded_by: None }),
            }
        }
        (engines, missing)
    }

    /// The recognizer for a language; `None` where no engine knows it, or the one that does cannot run. The embedded
    /// one is English.
    pub fn recognizer(&self, language: &str) -> Option<Arc<dyn RecognizerEngine>> {
        self.recognizer.clone().filter(|_| is_english(language) && self.runs(NativeEngine::Pocketsphinx))
    }

    /// The key that names a native engine, where one does.
    pub fn demanded_by(&self, engine: NativeEngine) -> Option<&'static str> {
        match engine {
            NativeEngine::Pocketsphinx => self.demands.recognizer.then_some("engine.recognizer"),
            NativeEngine::Flite => self.demands.english.then_some("engine.synthesizer"),
        }
    }

    /// Whether a bot needs an engine that the configuration names and that is not there.
    pub fn are_missing_for(&self, bot: &Bot) -> bool {
        let (english, demands) = (is_english(bot.language()), self.demands);
        (demands.recognizer && english && bot.has_intents() && !self.runs(NativeEngine::Pocketsphinx))
            || (demands.english && english && !self.runs(NativeEngine::Flite))
            || (demands.other && self.other.is_none())
    }

    /// One that still starts counts as there.
    fn runs(&self, engine: NativeEngine) -> bool {
        let pool = self.pools.iter().find(|pool| pool.engine() == engine);
        pool.is_some_and(|pool| !matches!(pool.status(), HostStatus::Failed(_)))
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
                let english = self.english.clone().filter(|_| self.runs(NativeEngine::Flite));
                let engine = english.or_else(|| self.other.clone());
                (engine, "a voice for English", "apt-get install flite or espeak-ng")
            }
            SpeechContent::Text(_) => {
                let remedy = if self.demands.english {
                    "write engine.synthesizer = \"auto\" and apt-get install espeak-ng"
                } else {
                    "apt-get install espeak-ng"
                };
                (self.other.clone(), "a voice for this language", remedy)
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
