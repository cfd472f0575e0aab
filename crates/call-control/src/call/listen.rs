//! The caller's speech: from voice activity to the bot's ear.

use std::time::Duration;

use offhook_call_media::TurnTimes;
use offhook_conversation::Input as Heard;
use offhook_engine_api::{EngineError, RecognizerEvent, UtteranceId};
use offhook_time::Time;

use super::CallControl;
use crate::fact::{CallEvent, Speaker};
use crate::ledger::TurnClock;
use crate::speech::Owed;
use crate::{Output, RecognizerCommand};

impl CallControl {
    pub(super) fn speech_started(&mut self, now: Time) {
        self.reset_silence(now);
        let protected =
            self.speech.first().is_some_and(|(_, spoken)| spoken.started && !spoken.interruptible);
        self.listening.ignored = protected || !self.listening.wanted;
        if self.listening.ignored {
            return;
        }
        self.listening.hearing = true;
        self.listening.masked = self.is_masked();
        if self.listening.available {
            self.outputs.push_back(Output::Recognizer(RecognizerCommand::StartUtterance));
        }
    }

    pub(super) fn speech_confirmed(&mut self, stopped: Option<(UtteranceId, Duration)>, now: Time) {
        self.barge_in(stopped, now);
        if self.listening.hearing {
            self.tell_conversation(Heard::SpeechStarted, now);
        }
    }

    /// A cough, a click, or a word too short to tell. While the bot speaks it is nothing; while it listens the
    /// recognizer may still know better.
    pub(super) fn speech_rejected(&mut self, now: Time) {
        if self.listening.hearing {
            self.listening.hearing = false;
            self.finish_utterance(false, now);
        }
    }

    pub(super) fn speech_ended(&mut self, times: TurnTimes, now: Time) {
        self.reset_silence(now);
        if !std::mem::take(&mut self.listening.hearing) {
            // Nobody listened: nothing that was said can have been an answer.
            return self.resume_speaking();
        }
        self.turn = TurnClock {
            last_voiced_released: Some(times.last_voiced_released_at),
            speech_ended: Some(now),
            ..TurnClock::start(&times)
        };
        self.finish_utterance(true, now);
    }

    fn finish_utterance(&mut self, confirmed: bool, now: Time) {
        if self.listening.available {
            self.outputs.push_back(Output::Recognizer(RecognizerCommand::FinishUtterance));
            let deadline = now + self.settings.limits.recognizer;
            let masked = self.listening.masked || self.is_masked();
            self.listening.owed.push_back(Owed { deadline, confirmed, stale: false, masked });
        } else if confirmed {
            // Nobody can tell what was said: the bot's ladder leads the caller to the keys.
            self.tell_conversation(Heard::NoMatch, now);
        }
    }

    pub(super) fn handle_recognizer(&mut self, event: RecognizerEvent, now: Time) {
        match event {
            RecognizerEvent::Final { text, confidence } => {
                let owed = self.listening.owed.pop_front();
                // What was said behind the mask is no answer to what is asked after it.
                if owed.is_none_or(|owed| owed.stale || (owed.masked && !self.is_masked())) {
                    return;
                }
                self.turn.recognized = Some(now);
                let shown = self.conversation.as_ref().map(|conversation| conversation.masked_text(&text));
                let shown = shown.unwrap_or_else(|| text.clone());
                let said = CallEvent::Said { speaker: Speaker::Caller, text: shown, confidence };
                self.fact(said, now);
                self.tell_conversation(Heard::Heard { text, confidence }, now);
            }
            RecognizerEvent::NoMatch => {
                let owed = self.listening.owed.pop_front();
                self.no_match(owed, now);
            }
            RecognizerEvent::Failed(error) => self.recognizer_failed(&error, now),
            RecognizerEvent::AudioDropped { frames } => {
                let error = format!("the recognizer is too slow: {frames} frames were dropped");
                self.fact(CallEvent::EngineFailed { error }, now);
            }
            RecognizerEvent::Ready | RecognizerEvent::StartOfInput | RecognizerEvent::Partial { .. } => {}
        }
    }

    fn recognizer_failed(&mut self, error: &EngineError, now: Time) {
        self.fact(CallEvent::EngineFailed { error: error.to_string() }, now);
        let for_good = match error {
            EngineError::Missing { .. } | EngineError::Refused { .. } => true,
            // A process that died is started again, and the session goes on with the next utterance.
            EngineError::Gone { .. } | EngineError::TimedOut { .. } => false,
        };
        if for_good {
            self.listening.available = false;
            self.listening.owed.clear();
            return self.tell_conversation(Heard::RecognizerFailed, now);
        }
        let owed = self.listening.owed.pop_front();
        self.no_match(owed, now);
    }

    fn no_match(&mut self, owed: Option<Owed>, now: Time) {
        if owed.is_some_and(|owed| owed.confirmed && !owed.stale) {
            self.turn.recognized = Some(now);
            self.tell_conversation(Heard::NoMatch, now);
        }
    }

    pub(super) fn recognizer_is_late(&mut self, now: Time) {
        let error = "the recognizer did not answer in time".to_owned();
        self.fact(CallEvent::EngineFailed { error }, now);
        let owed = self.listening.give_up();
        self.no_match(owed, now);
    }
}
