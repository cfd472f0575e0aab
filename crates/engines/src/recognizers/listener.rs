//! The recognizer's side of a child process: many sessions, few decoders.

use std::collections::BTreeMap;
use std::path::Path;

use offhook_engine_api::{EngineError, Grammar};
use offhook_pocketsphinx_ffi::{Error, Library, MODEL_DIRECTORY};

use super::decoders::{Hearing, LineMean, Pair};
use super::dictionary::Dictionary;
use super::jsgf::{self, Jsgf};
use crate::host::child::Reports;
use crate::host::message::{FromChild, Recognized, SessionId, ToChild};

const NAME: &str = "pocketsphinx";
/// Decoders that are warm before the first call; more are made when more callers speak at once.
const WARM: usize = 2;

/// Recognizes for all sessions of one child, one thread.
pub(crate) struct Listener {
    reports: Reports,
    library: Library,
    dictionary: Dictionary,
    idle: Vec<Pair>,
    sessions: BTreeMap<SessionId, Session>,
}

#[derive(Default)]
struct Session {
    grammar: Option<Jsgf>,
    line: LineMean,
    utterance: Utterance,
}

#[derive(Default)]
enum Utterance {
    #[default]
    None,
    Running(Box<Pair>),
    /// There is no grammar, or the decoder failed.
    Lost(Recognized),
}

impl Listener {
    /// Loads library, dictionary and model, and warms decoders.
    pub(crate) fn new(reports: Reports) -> Result<Listener, EngineError> {
        let library = Library::load().map_err(refusal)?;
        let path = Path::new(MODEL_DIRECTORY).join("cmudict-en-us.dict");
        let dictionary = Dictionary::load(&path).map_err(|error| EngineError::Missing {
            engine: NAME.to_owned(),
            what: format!("{}: {error}", path.display()),
            remedy: "apt install pocketsphinx-en-us".to_owned(),
        })?;
        let mut listener =
            Listener { reports, library, dictionary, idle: Vec::new(), sessions: BTreeMap::new() };
        for _ in 0..WARM {
            let mut pair = listener.new_pair().map_err(refusal)?;
            listener.warm(&mut pair).map_err(refusal)?;
            listener.idle.push(pair);
        }
        Ok(listener)
    }

    pub(crate) fn take(&mut self, message: ToChild) {
        match message {
            ToChild::Grammar { session, grammar } => self.set_grammar(session, &grammar),
            ToChild::Start { session } => self.start(session),
            ToChild::Audio { session, samples } => self.push(session, &samples),
            ToChild::Finish { session } => self.finish(session),
            ToChild::Close { session } => {
                if let Some(mut session) = self.sessions.remove(&session)
                    && let Utterance::Running(mut pair) = std::mem::take(&mut session.utterance)
                    && pair.finish(&mut session.line).is_ok()
                {
                    self.idle.push(*pair);
                }
            }
            ToChild::Speak { .. } | ToChild::Cancel { .. } => {}
        }
    }

    fn set_grammar(&mut self, session: SessionId, grammar: &Grammar) {
        let english = grammar.language.is_empty() || grammar.language.to_ascii_lowercase().starts_with("en");
        let compiled =
            english.then(|| jsgf::compile(grammar, |word| self.dictionary.contains(word))).flatten();
        if let Some(compiled) = &compiled {
            for (phrase, why) in &compiled.left_out {
                tracing::warn!(phrase, why, "a phrase cannot be recognized");
            }
            // Compiled ahead of the first word; a decoder that cannot is found out again at the start.
            if let Some(pair) = self.idle.last_mut() {
                let _ = pair.select(compiled, &self.dictionary);
            }
        }
        self.sessions.entry(session).or_default().grammar = compiled;
    }

    fn start(&mut self, id: SessionId) {
        // An utterance that was never finished ends here.
        self.discard(id);
        let pair = self.idle.pop().map_or_else(|| self.new_pair(), Ok);
        let session = self.sessions.entry(id).or_default();
        let Some(grammar) = &session.grammar else {
            self.idle.extend(pair);
            session.utterance = Utterance::Lost(Recognized::NoMatch);
            return;
        };
        let started = pair.and_then(|mut pair| {
            pair.select(grammar, &self.dictionary)?;
            pair.start(&session.line)?;
            Ok(pair)
        });
        session.utterance = match started {
            Ok(pair) => Utterance::Running(Box::new(pair)),
            Err(error) => Utterance::Lost(Recognized::Failed(refusal(error))),
        };
    }

    fn push(&mut self, id: SessionId, samples: &[i16]) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Utterance::Running(pair) = &mut session.utterance
            && let Err(error) = pair.push(samples)
        {
            session.utterance = Utterance::Lost(Recognized::Failed(refusal(error)));
        }
    }

    fn finish(&mut self, id: SessionId) {
        let session = self.sessions.entry(id).or_default();
        let result = match std::mem::take(&mut session.utterance) {
            Utterance::None => Recognized::NoMatch,
            Utterance::Lost(result) => result,
            Utterance::Running(mut pair) => match pair.finish(&mut session.line) {
                Ok(hearing) => {
                    self.idle.push(*pair);
                    judge(hearing)
                }
                Err(error) => Recognized::Failed(refusal(error)),
            },
        };
        self.reports.send(&FromChild::Recognized { session: id, result });
    }

    fn discard(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id)
            && let Utterance::Running(mut pair) = std::mem::take(&mut session.utterance)
            && pair.finish(&mut LineMean::default()).is_ok()
        {
            self.idle.push(*pair);
        }
    }

    fn new_pair(&self) -> Result<Pair, Error> {
        Pair::new(&self.library)
    }

    /// The first utterance touches pages of the model that nobody has read yet.
    fn warm(&self, pair: &mut Pair) -> Result<(), Error> {
        let grammar = Grammar { slots: vec![offhook_engine_api::SlotKind::YesNo], ..Grammar::default() };
        if let Some(jsgf) = jsgf::compile(&grammar, |word| self.dictionary.contains(word)) {
            pair.select(&jsgf, &self.dictionary)?;
            pair.start(&LineMean::default())?;
            let hum: Vec<i16> = (0..8_000).map(|n| ((n % 80) * 100 - 4_000) as i16).collect();
            pair.push(&hum)?;
            pair.finish(&mut LineMean::default())?;
        }
        Ok(())
    }
}

fn judge(hearing: Hearing) -> Recognized {
    match hearing {
        Hearing::Words { text, evidence } => {
            let accepted = evidence.accepts();
            tracing::debug!(text, ?evidence, accepted, "heard");
            if accepted {
                Recognized::Text { text, confidence: evidence.confidence() }
            } else {
                Recognized::NoMatch
            }
        }
        Hearing::Nothing => Recognized::NoMatch,
    }
}

fn refusal(error: Error) -> EngineError {
    let engine = NAME.to_owned();
    match error {
        Error::Missing { what, package } => {
            EngineError::Missing { engine, what, remedy: format!("apt install {package}") }
        }
        Error::ZeroByte | Error::Failed(_) => EngineError::Refused { engine, why: error.to_string() },
    }
}
