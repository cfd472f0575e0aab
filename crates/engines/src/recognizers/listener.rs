//! The recognizer's side of a child process: many sessions, few decoders.

use std::collections::BTreeMap;
use std::path::Path;

use offhook_engine_api::{EngineError, Grammar};
use offhook_pocketsphinx_ffi::{Error, Library, MODEL_DIRECTORY};

use super::decoders::{Hearing, Pair};
use super::dictionary::Dictionary;
use super::features::{Heard, Line, Telephone};
use super::jsgf::{self, Jsgf};
use crate::host::child::Reports;
use crate::host::message::{FromChild, Recognized, SessionId, ToChild};

const NAME: &str = "pocketsphinx";
/// An utterance is decoded as soon as its speaker has been quiet for so long. If nothing more comes until the end of
/// the turn, which is judged later, the result is there when it is asked for.
const QUIET: usize = 25;
/// Longer than any answer; what comes after it is not heard.
const LONGEST: usize = 6_000;

/// Recognizes for all sessions of one child, one thread: the decoders are used for one utterance after another.
pub(crate) struct Listener {
    reports: Reports,
    library: Library,
    dictionary: Dictionary,
    telephone: Telephone,
    /// None after a failure, until it is made again.
    pair: Option<Pair>,
    sessions: BTreeMap<SessionId, Session>,
}

#[derive(Default)]
struct Session {
    grammar: Option<Jsgf>,
    /// None before the first word.
    line: Option<Line>,
    utterance: Option<Utterance>,
}

struct Utterance {
    /// What was awaited when it began.
    grammar: Option<Jsgf>,
    heard: Heard,
    /// What was decoded already, and where the speech ended then.
    draft: Option<(usize, Hearing)>,
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
        let telephone =
            Telephone::load().ok_or_else(|| refusal(Error::Failed("the table of telephone speech")))?;
        let mut listener =
            Listener { reports, library, dictionary, telephone, pair: None, sessions: BTreeMap::new() };
        listener.warm().map_err(refusal)?;
        Ok(listener)
    }

    pub(crate) fn take(&mut self, message: ToChild) {
        match message {
            ToChild::Grammar { session, grammar } => self.set_grammar(session, &grammar),
            ToChild::Start { session } => self.start(session),
            ToChild::Audio { session, samples } => self.push(session, &samples),
            ToChild::Finish { session } => self.finish(session),
            ToChild::Close { session } => {
                self.sessions.remove(&session);
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
            // Compiled ahead of the first word; a decoder that cannot is found out again at the first.
            if let Ok(pair) = made(&mut self.pair, &self.library, &self.telephone) {
                let _ = pair.select(compiled, &self.dictionary);
            }
        }
        self.sessions.entry(session).or_default().grammar = compiled;
    }

    /// An utterance that was never finished ends here.
    fn start(&mut self, id: SessionId) {
        let session = self.sessions.entry(id).or_default();
        session.utterance =
            Some(Utterance { grammar: session.grammar.clone(), heard: Heard::new(), draft: None });
    }

    fn push(&mut self, id: SessionId, samples: &[i16]) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(utterance) = &mut session.utterance else { return };
        if utterance.heard.len() >= LONGEST {
            return;
        }
        utterance.heard.push(samples);
        let end = utterance.heard.end_of_speech();
        let is_new = utterance.draft.as_ref().is_none_or(|(at, _)| *at != end);
        if is_new && end > 0 && utterance.heard.len() >= end + QUIET {
            // What fails here fails again, and is told, at the end of the turn.
            let _ = self.draft(id, end);
        }
    }

    fn finish(&mut self, id: SessionId) {
        let result = self.result(id).unwrap_or_else(|error| {
            // A decoder that failed once is in no known state.
            self.pair = None;
            Recognized::Failed(refusal(error))
        });
        self.reports.send(&FromChild::Recognized { session: id, result });
    }

    fn result(&mut self, id: SessionId) -> Result<Recognized, Error> {
        let Some(utterance) = self.sessions.get(&id).and_then(|session| session.utterance.as_ref()) else {
            return Ok(Recognized::NoMatch);
        };
        let end = utterance.heard.end_of_speech();
        if utterance.draft.as_ref().is_none_or(|(at, _)| *at != end) {
            self.draft(id, end)?;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(Recognized::NoMatch) };
        let Some(Utterance { heard, draft, .. }) = session.utterance.take() else {
            return Ok(Recognized::NoMatch);
        };
        let result = draft.map_or(Recognized::NoMatch, |(_, hearing)| judge(hearing));
        if matches!(result, Recognized::Text { .. }) {
            heard.teach(session.line.get_or_insert_with(|| self.telephone.unknown_line()));
        }
        Ok(result)
    }

    /// Decodes what was heard so far.
    fn draft(&mut self, id: SessionId, end: usize) -> Result<(), Error> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let Some(utterance) = &mut session.utterance else { return Ok(()) };
        let hearing = match &utterance.grammar {
            None => Hearing::Nothing,
            Some(grammar) => {
                let unknown = self.telephone.unknown_line();
                let line = session.line.as_ref().unwrap_or(&unknown);
                let cepstra = self.telephone.cepstra(&utterance.heard, line);
                let pair = made(&mut self.pair, &self.library, &self.telephone)?;
                pair.select(grammar, &self.dictionary)?;
                pair.hear(&cepstra)?
            }
        };
        utterance.draft = Some((end, hearing));
        Ok(())
    }

    /// The first utterance touches pages of the model that nobody has read yet.
    fn warm(&mut self) -> Result<(), Error> {
        let grammar = Grammar { slots: vec![offhook_engine_api::SlotKind::YesNo], ..Grammar::default() };
        let jsgf = jsgf::compile(&grammar, |word| self.dictionary.contains(word));
        let hum: Vec<i16> = (0..8_000).map(|n| ((n % 80) * 100 - 4_000) as i16).collect();
        let mut heard = Heard::new();
        heard.push(&hum);
        let cepstra = self.telephone.cepstra(&heard, &self.telephone.unknown_line());
        let pair = made(&mut self.pair, &self.library, &self.telephone)?;
        if let Some(jsgf) = jsgf {
            pair.select(&jsgf, &self.dictionary)?;
            pair.hear(&cepstra)?;
        }
        Ok(())
    }
}

fn made<'a>(
    pair: &'a mut Option<Pair>,
    library: &Library,
    telephone: &Telephone,
) -> Result<&'a mut Pair, Error> {
    match pair {
        Some(pair) => Ok(pair),
        None => Ok(pair.insert(Pair::new(library, telephone)?)),
    }
}

fn judge(hearing: Hearing) -> Recognized {
    match hearing {
        Hearing::Words { text, evidence } => {
            let accepted = evidence.accepts();
            // Not the words: whether they may be written down is known to the conversation alone.
            let words = text.split_whitespace().count();
            tracing::debug!(words, ?evidence, accepted, "heard");
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
