//! What the media half reports.

use std::time::Duration;

use offhook_call_media::MediaEvent;
use offhook_conversation::Input as Heard;
use offhook_engine_api::{SynthesizerEvent, UtteranceId};
#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use offhook_time::Time;

use super::CallControl;
use crate::fact::CallEvent;
use crate::ledger::{TurnClock, TurnLedger};
use crate::speech::{AskedBy, Spoken};
use crate::{CommandOutcome, Output, Refusal, Role};

impl CallControl {
    pub(super) fn handle_media(&mut self, event: MediaEvent, now: Time) {
        match event {
            MediaEvent::SpeechStarted { .. } => self.speech_started(now),
            MediaEvent::SpeechConfirmed { stopped } => self.speech_confirmed(stopped, now),
            MediaEvent::SpeechRejected { .. } => self.speech_rejected(now),
            MediaEvent::SpeechEnded { times } => self.speech_ended(times, now),
            MediaEvent::Digit { digit, duration, stopped, times, masked, .. } => {
                // Pressed behind the mask and late: it is for nobody, and nobody may know it.
                if masked && !self.is_masked() {
                    return;
                }
                // The turn of a key begins with the key.
                self.turn = TurnClock::start(&times);
                self.digit(digit, duration, stopped, now);
            }
            MediaEvent::PlaybackStarted { utterance, .. } => self.playback_started(utterance, now),
            MediaEvent::PlaybackHeard { utterance, audio_at, first_packet_at, heard_at } => {
                if self.turn.answer == Some(utterance) {
                    let turn = std::mem::take(&mut self.turn);
                    self.turn_completed(turn.close(audio_at, first_packet_at, heard_at), now);
                }
            }
            MediaEvent::PlaybackFinished { utterance, completed, played } => {
                self.utterance_finished(utterance, completed, played, now);
            }
            MediaEvent::SpeechRefused { utterance, .. } => {
                self.utterance_failed(utterance, "too long to play", now)
            }
            MediaEvent::RtpTimeout { .. } => {
                self.fact(CallEvent::RtpTimeout, now);
                let spent = self.settings.turn_policy.rtp_timeout;
                #[cfg(feature = "planted-faults")]
                let spent = if is_planted(Fault::RtpTimeOutTooLong) { Duration::ZERO } else { spent };
                self.deadlines.rtp = Some(now + self.settings.limits.rtp_timeout.saturating_sub(spent));
            }
            MediaEvent::RtpResumed { .. } => {
                self.deadlines.rtp = None;
                self.fact(CallEvent::RtpResumed, now);
            }
            // Routes follow from the role and the application's marks are counted at its socket: neither can be refused
            // or missed here. Where media learns an address its worker follows by itself.
            MediaEvent::RouteRefused { .. }
            | MediaEvent::MarkReached { .. }
            | MediaEvent::RemoteLearned { .. } => {}
            MediaEvent::DigitsRefused { .. } => {
                let error = "digits could not be sent: too many wait, or the far end takes none".to_owned();
                self.fact(CallEvent::EngineFailed { error }, now);
            }
            // It stands in the recording: that is all it is for.
            MediaEvent::Digest { .. } => {}
            // Dropping it here is the point: the worker never frees memory.
            MediaEvent::Discard(_) => {}
            MediaEvent::Closed(report) => {
                self.report = Some(report);
                self.media_open = false;
            }
        }
    }

    fn digit(
        &mut self,
        pressed: char,
        duration: Duration,
        stopped: Option<(UtteranceId, Duration)>,
        now: Time,
    ) {
        self.reset_silence(now);
        let conversation = self.conversation.as_ref();
        let digit = conversation.map_or(pressed, |conversation| conversation.masked_key(pressed));
        self.fact(CallEvent::Dtmf { digit }, now);
        self.barge_in(stopped, now);
        // A key answers the question that is open; speech that is still being recognized answered the same one.
        self.listening.forget_owed();
        match &self.settings.role {
            Role::Bot(_) => self.tell_conversation(Heard::Digit(pressed), now),
            Role::Bridge(_) => self.outputs.push_back(Output::BridgeDtmf { digit, duration }),
            Role::Echo => {}
        }
    }

    /// The caller has stopped the bot, by the reflexes of media or by what the conversation made of his words.
    pub(super) fn barge_in(&mut self, stopped: Option<(UtteranceId, Duration)>, now: Time) {
        let Some((utterance, played)) = stopped else { return };
        if self.listening.interrupted == Some(utterance) {
            return;
        }
        self.listening.interrupted = Some(utterance);
        self.fact(CallEvent::BargeIn { played_ms: played.as_millis() as u64 }, now);
    }

    fn playback_started(&mut self, utterance: UtteranceId, now: Time) {
        self.reset_silence(now);
        self.speech.synthesizer_deadline = None;
        if let Some(spoken) = self.speech.get_mut(utterance) {
            spoken.started = true;
        }
        // The turn is complete when this is heard. Where nobody has spoken there is none.
        match self.turn.last_voiced_arrived {
            Some(_) => self.turn.answer = Some(utterance),
            None => self.turn = TurnClock::default(),
        }
    }

    fn turn_completed(&mut self, ledger: Option<TurnLedger>, now: Time) {
        if let Some(ledger) = ledger {
            self.fact(CallEvent::TurnCompleted { ledger }, now);
        }
    }

    fn utterance_finished(&mut self, utterance: UtteranceId, completed: bool, played: Duration, now: Time) {
        let Some(spoken) = self.speech.finish(utterance) else { return };
        if spoken.started && spoken.stopped && !completed {
            self.barge_in(Some((utterance, played)), now);
        }
        self.reset_silence(now);
        self.await_next_utterance(now);
        match spoken.asked_by {
            AskedBy::Conversation(prompt) => self.prompt_finished(prompt, completed, now),
            AskedBy::Api(id) => {
                let outcome = if completed {
                    CommandOutcome::Succeeded
                } else {
                    CommandOutcome::Failed(Refusal::failed("it was interrupted"))
                };
                self.finish_command(id, outcome, now);
            }
        }
    }

    /// The next utterance in line must begin in time too.
    fn await_next_utterance(&mut self, now: Time) {
        let waiting = self.speech.first().is_some_and(|(_, spoken)| !spoken.started);
        self.speech.synthesizer_deadline = waiting.then(|| now + self.settings.limits.synthesizer);
    }

    pub(super) fn handle_synthesizer(&mut self, event: SynthesizerEvent, now: Time) {
        match event {
            // Audio and completion go straight to media.
            SynthesizerEvent::Audio { .. } | SynthesizerEvent::SpeakComplete { .. } => {}
            SynthesizerEvent::Failed { utterance, error } => {
                self.utterance_failed(utterance, &error.to_string(), now);
            }
        }
    }

    pub(super) fn synthesizer_is_late(&mut self, now: Time) {
        self.speech.synthesizer_deadline = None;
        let Some((utterance, _)) = self.speech.first() else { return };
        self.utterance_failed(utterance, "the synthesizer did not answer in time", now);
    }

    fn utterance_failed(&mut self, utterance: UtteranceId, why: &str, now: Time) {
        let Some(spoken) = self.speech.finish(utterance) else { return };
        self.fact(CallEvent::EngineFailed { error: why.to_owned() }, now);
        self.outputs.push_back(Output::CancelSpeech(utterance));
        self.outputs.push_back(Output::Media(offhook_call_media::MediaCommand::Cancel { utterance }));
        self.await_next_utterance(now);
        let Spoken { asked_by, .. } = spoken;
        match asked_by {
            AskedBy::Conversation(prompt) => self.tell_conversation(Heard::SynthesizerFailed { prompt }, now),
            AskedBy::Api(id) => self.finish_command(id, CommandOutcome::Failed(Refusal::failed(why)), now),
        }
    }

    /// What media never reported as finished: it is gone, and who asked for it over the API is told.
    pub(super) fn fail_open_speech(&mut self, now: Time) {
        for utterance in self.speech.ids() {
            let asked_by = self.speech.finish(utterance).map(|spoken| spoken.asked_by);
            if let Some(AskedBy::Api(id)) = asked_by {
                self.finish_command(id, CommandOutcome::Failed(Refusal::failed("the call ended")), now);
            }
        }
        self.speech.synthesizer_deadline = None;
    }

    /// The caller's silence counts from now on; never while the bot itself speaks.
    pub(super) fn reset_silence(&mut self, now: Time) {
        let counts = self.conversation.is_some() && self.phase == super::Phase::Up && self.speech.is_silent();
        self.deadlines.silence = counts.then(|| now + self.settings.limits.silence);
    }
}
