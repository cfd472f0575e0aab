//! What answers a call that is run in virtual time: live engines, scripts and business systems, each asked at once and
//! waited for. Used by `offhook replay` where no recording answers.

mod caller_model;
mod chat;
mod hearing;
mod modelled;
mod speaking;
mod tools;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use offhook_audio::AudioChunk;
use offhook_call_control::{SpeakRequest, SpeechContent};
use offhook_conversation::{Bot, ToolAnswer, ToolCall, ToolFailure};
use offhook_engine_api::{EngineError, RecognizerEvent};
use offhook_engines::host::HostStatus;
use offhook_replay::{Answer, Heard, Surroundings};

use crate::config::Config;
use crate::speech::Engines;

pub use caller_model::CallerModel;
pub use tools::{ToolSource, Toolbox};

/// How long native engines may take to be warm.
const WARM_WITHIN: Duration = Duration::from_secs(30);

/// How long an answer takes in the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Always so long: two runs are alike.
    Modelled(Duration),
    /// As long as it took on this machine.
    Measured,
}

impl Delay {
    /// In a call, for an answer that took `really`.
    fn of(self, really: Duration) -> Duration {
        match self {
            Delay::Modelled(time) => time,
            Delay::Measured => really,
        }
    }
}

/// Who hears the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ears {
    /// The embedded recognizer, or the one of the configuration.
    Live,
    /// Nobody listens to the sound: the words are known.
    Scripted,
    /// There is no recognizer.
    None,
}

/// All that answers one call after the other.
pub struct Around {
    engines: Arc<Engines>,
    ears: Ears,
    /// Words of callers whose sound is not listened to, in order.
    words: std::collections::VecDeque<String>,
    speaks: bool,
    hearing: hearing::Hearing,
    speaking: speaking::Speaking,
    caller_voice: speaking::Speaking,
    language: String,
    voices: std::collections::BTreeMap<String, String>,
    tools: Toolbox,
    delay: Delay,
    notes: std::collections::BTreeSet<String>,
}

/// What is asked for.
#[derive(Debug)]
pub struct Wanted {
    /// Who hears the caller.
    pub ears: Ears,
    /// Whether synthesizers speak, or only the length of what they would say is modelled.
    pub speaks: bool,
    /// How long answers take.
    pub delay: Delay,
    /// Where business systems are.
    pub tools: Vec<ToolSource>,
    /// What callers say whose sound is not listened to.
    pub words: Vec<String>,
}

impl Around {
    /// Starts the engines that are wanted and waits until they are warm.
    ///
    /// # Errors
    /// An engine that is wanted is not there.
    pub fn start(wanted: Wanted, config: &Config) -> anyhow::Result<Around> {
        let Wanted { ears, speaks, delay, tools, words } = wanted;
        let mut config = config.clone();
        if ears != Ears::Live {
            config.recognizer = "none".to_owned();
        }
        if !speaks {
            config.synthesizer = "none".to_owned();
        }
        config.engine_processes = 1;
        let program = std::env::current_exe().context("where this program is")?;
        let (engines, missing) = Engines::start(&config, &program);
        let mut notes: std::collections::BTreeSet<String> =
            missing.iter().map(|missing| missing.to_string()).collect();
        for pool in engines.pools() {
            if let HostStatus::Failed(error) = pool.wait_until_warm(WARM_WITHIN) {
                notes.insert(error.to_string());
            }
        }
        Ok(Around {
            engines: Arc::new(engines),
            ears,
            words: words.into(),
            speaks,
            hearing: Default::default(),
            speaking: Default::default(),
            caller_voice: Default::default(),
            language: "en".to_owned(),
            voices: config.voices.clone(),
            tools: Toolbox::new(tools)?,
            delay,
            notes,
        })
    }

    /// The next call, of this bot; whether its caller's words can be heard.
    ///
    /// # Errors
    /// No recognizer knows the bot's language.
    pub fn begin(&mut self, bot: &Bot) -> anyhow::Result<bool> {
        self.language = bot.language().to_owned();
        self.hearing.close();
        self.speaking.close();
        match self.ears {
            Ears::Scripted => Ok(true),
            Ears::None => Ok(false),
            Ears::Live => {
                let engine = self.engines.recognizer(&self.language);
                if engine.is_none() {
                    self.notes.insert(format!(
                        "no recognizer is there for {}: the bot hears keys only",
                        self.language
                    ));
                }
                Ok(engine.is_some())
            }
        }
    }

    /// What was missing, and what became of questions to business systems.
    pub fn take_notes(&mut self) -> Vec<String> {
        let mut notes: Vec<String> = std::mem::take(&mut self.notes).into_iter().collect();
        notes.extend(self.tools.take_notes());
        notes
    }

    /// How answers of engines are timed, in words.
    pub fn timing(&self) -> String {
        match self.delay {
            Delay::Modelled(time) => format!("engines are taken to answer after {} ms", time.as_millis()),
            Delay::Measured => "engines answer after the time that they took on this machine".to_owned(),
        }
    }
}

impl Surroundings for Around {
    fn recognize(&mut self, heard: &Heard<'_>) -> Answer<RecognizerEvent> {
        let known = heard.said.map(str::to_owned);
        if self.ears == Ears::Live {
            let engine = self.engines.recognizer(&self.language);
            let (what, by, really) = self.hearing.recognize(engine, heard);
            return Answer { what, took: self.delay.of(really), by };
        }
        let (text, by) = match known {
            Some(text) => (Some(text), "the transcript"),
            None => (self.words.pop_front(), "the list of words"),
        };
        let took = self.delay.of(Duration::ZERO);
        match text {
            Some(text) => {
                let what = RecognizerEvent::Final { text, confidence: Some(1.0) };
                Answer { what, took, by: by.to_owned() }
            }
            None => {
                Answer { what: RecognizerEvent::NoMatch, took, by: "nobody: no words are left".to_owned() }
            }
        }
    }

    fn speak(&mut self, request: &SpeakRequest) -> Answer<Result<Vec<AudioChunk>, EngineError>> {
        // What is masked is said and stands nowhere.
        let content = match request.secret.reveal() {
            Some(text) => SpeechContent::Text(text.clone()),
            None => request.content.clone(),
        };
        if !self.speaks {
            let what = Ok(modelled::speech(&content));
            return Answer { what, took: self.delay.of(Duration::ZERO), by: "the modelled voice".to_owned() };
        }
        let mut voice = request.voice.clone();
        if voice.name.is_empty() {
            let language = voice.language.split('-').next().unwrap_or_default();
            voice.name = self.voices.get(language).cloned().unwrap_or_default();
        }
        let (what, by, really) = self.speaking.speak(&self.engines, &voice, &content);
        Answer { what, took: self.delay.of(really), by }
    }

    fn call_tool(&mut self, call: &ToolCall) -> Answer<Result<ToolAnswer, ToolFailure>> {
        self.tools.call(call, self.delay)
    }

    fn has_tools(&self) -> bool {
        !self.tools.is_empty()
    }

    fn voice_of_caller(&mut self, text: &str) -> Vec<i16> {
        if self.ears != Ears::Live {
            return modelled::caller(text);
        }
        match self.caller_voice.caller(&self.engines, &self.language, text) {
            Ok(samples) => samples,
            Err(error) => {
                self.notes.insert(format!("the caller has no voice: {error}"));
                modelled::caller(text)
            }
        }
    }
}

/// Reads a bot file.
///
/// # Errors
/// What is wrong with it, with line and column.
pub fn read_bot(file: &Path) -> anyhow::Result<Bot> {
    let text = std::fs::read_to_string(file).with_context(|| format!("--bot {}", file.display()))?;
    Bot::parse(&text, &file.display().to_string())
        .map_err(|errors| anyhow::anyhow!("--bot {}:\n{errors}", file.display()))
}
