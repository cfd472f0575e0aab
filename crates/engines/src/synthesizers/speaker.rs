//! The synthesizer's side of a child process: many sessions, one voice at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use offhook_engine_api::EngineError;
use offhook_flite_ffi::{Error, Flite, Voice};

use super::turns::{Turn, Turns};
use crate::host::child::Reports;
use crate::host::message::{FromChild, ToChild};

/// Samples of one message to the parent: 20 ms for the first, so that speech starts at once, then 100 ms.
const FIRST_PIECE: usize = 320;
const PIECE: usize = 1600;
/// The voice that is warm before the first call.
const USUAL: &str = "slt";

/// Speaks for all sessions of one child on a thread of its own.
pub(crate) struct Speaker {
    turns: Arc<Turns>,
}

impl Speaker {
    /// Loads the library and the usual voice.
    pub(crate) fn start(reports: Reports) -> Result<Speaker, EngineError> {
        let flite = Flite::load().map_err(refusal)?;
        let mut voices = BTreeMap::new();
        let mut usual = flite.voice(USUAL).map_err(refusal)?;
        usual.speak("ready", |_, _| true).map_err(refusal)?;
        voices.insert(USUAL.to_owned(), usual);
        let turns = Arc::new(Turns::default());
        let work = Arc::clone(&turns);
        std::thread::Builder::new()
            .name("speaker".into())
            .spawn(move || {
                while let Some(turn) = work.next() {
                    speak(flite, &mut voices, &work, &reports, &turn);
                }
            })
            .map_err(|error| EngineError::Refused { engine: "flite".to_owned(), why: error.to_string() })?;
        Ok(Speaker { turns })
    }

    pub(crate) fn take(&mut self, message: ToChild) {
        match message {
            ToChild::Speak { session, utterance, voice, text } => {
                let voice = if voice.is_empty() { USUAL.to_owned() } else { voice };
                self.turns.speak(session, utterance, voice, &text);
            }
            ToChild::Cancel { session, utterance } => self.turns.cancel(session, utterance),
            ToChild::Close { session } => self.turns.leave(session),
            ToChild::Grammar { .. }
            | ToChild::Start { .. }
            | ToChild::Audio { .. }
            | ToChild::Finish { .. } => {}
        }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.turns.close();
    }
}

fn speak(
    flite: &'static Flite,
    voices: &mut BTreeMap<String, Voice>,
    turns: &Turns,
    reports: &Reports,
    turn: &Turn,
) {
    let (session, utterance) = (turn.session, turn.utterance);
    let result = say(flite, voices, turns, reports, turn);
    turns.done(turn, result.is_err(), || match result {
        Ok(()) => reports.send(&FromChild::Complete { session, utterance }),
        Err(error) => reports.send(&FromChild::SpeakFailed { session, utterance, error: refusal(error) }),
    });
}

fn say(
    flite: &'static Flite,
    voices: &mut BTreeMap<String, Voice>,
    turns: &Turns,
    reports: &Reports,
    turn: &Turn,
) -> Result<(), Error> {
    if turn.sentence.is_empty() {
        return Ok(());
    }
    if !voices.contains_key(&turn.voice) {
        voices.insert(turn.voice.clone(), flite.voice(&turn.voice)?);
    }
    let Some(voice) = voices.get_mut(&turn.voice) else { return Ok(()) };
    let (session, utterance) = (turn.session, turn.utterance);
    let mut samples = Vec::new();
    let (mut piece, mut sample_rate) = (FIRST_PIECE, 16_000);
    let send = |sample_rate, samples| {
        turns.if_wanted(turn, || reports.send(&FromChild::Audio { session, utterance, sample_rate, samples }))
    };
    voice.speak(&turn.sentence, |rate, more| {
        sample_rate = rate;
        samples.extend_from_slice(more);
        if samples.len() < piece {
            return true;
        }
        piece = PIECE;
        send(rate, std::mem::take(&mut samples))
    })?;
    if !samples.is_empty() {
        send(sample_rate, samples);
    }
    Ok(())
}

fn refusal(error: Error) -> EngineError {
    let engine = "flite".to_owned();
    match error {
        Error::Missing { what } => {
            EngineError::Missing { engine, what, remedy: "apt install libflite1".to_owned() }
        }
        Error::UnknownVoice(_) | Error::ZeroByte | Error::Failed(_) => {
            EngineError::Refused { engine, why: error.to_string() }
        }
    }
}
