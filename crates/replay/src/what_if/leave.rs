//! After the point of departure: the halves on their own, among surroundings that only know what was recorded.

use std::time::Duration;

use offhook_call_control::{Input, Output, RecognizerCommand, SpeakRequest, SpeechContent};
use offhook_call_media::{MediaCommand, MediaEvent, RecordedInput};
use offhook_conversation::{ToolCall, ToolFailure};
use offhook_engine_api::{SynthesizerEvent, UtteranceId};
use offhook_sip_proto::endpoint::{Failure, SipAction, SipEvent, TransactionId};
use offhook_sip_proto::message::{Method, Request};
use offhook_time::{Half, Time};

use super::Beyond;
use super::known::is_result;
use super::live::is_goodbye;
use super::script::{Scripted, Told};
use super::stage::{Ran, Stage};
use crate::report::since;
use crate::surroundings::{Asked, outcome_words, result_words};

/// A transaction that nobody answers ends after this (RFC 3261 §17.1.2.2, timer F).
const UNANSWERED: Duration = Duration::from_secs(32);

/// The recording knows nothing of a caller whom we hung up on: so long the call may take to end.
const AFTER_RECORDING: Duration = Duration::from_millis(500);

/// So long a call may go on beyond its recording, where somebody else is the caller.
const LONGEST_BEYOND: Duration = Duration::from_secs(15 * 60);

/// Why nothing follows.
const MASKED: &str =
    "a masked state: what the caller said and keyed there was recorded nowhere, so it cannot be asked again";

/// More steps mean two machines that wake each other for ever.
const MOST_STEPS: u64 = 5_000_000;

/// Something that is going to happen.
#[derive(Debug)]
pub(super) enum Due {
    Told(Told),
    /// All that the recording has of an utterance was played, and the synthesizer had not said all.
    Exhausted(UtteranceId),
}

impl Stage<'_> {
    /// Goes on alone after so many recorded steps.
    pub fn leave(&mut self, ran: Ran) {
        self.change_callers();
        self.keep_what_was_to_come(ran);
        self.keep_what_was_cut_short();
        let recording_ends =
            self.agenda.last_key_value().map_or(self.now, |((at, _), _)| *at) + AFTER_RECORDING;
        while let Some(output) = self.outputs.pop_front() {
            self.perform(output);
        }
        self.exchange();
        let masked_from = self.masked_from(ran);
        let mut steps = 0;
        while self.stopped.is_none() && !(self.control.is_ended() && self.media.is_closed()) {
            let agenda = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let both = [self.due(Half::Media), self.due(Half::Control)];
            let next = [agenda, both[0], both[1], self.next_of_caller()].into_iter().flatten().min();
            let Some(next) = next else { break };
            steps += 1;
            let is_ending = self.control.cause().is_some();
            // Another caller says anew what was masked.
            let is_masked = self.media.is_masked() || masked_from.is_some_and(|at| next >= at);
            if is_masked && !self.live.has_caller() {
                let seconds = since(self.now.max(next), self.opened_at).as_secs_f64();
                self.stop(format!("{seconds:.2} s: {MASKED}"));
                break;
            }
            if self.live.has_caller() {
                if steps > MOST_STEPS || next > recording_ends + LONGEST_BEYOND {
                    self.stop("the call does not come to an end".to_owned());
                    break;
                }
            } else if steps > MOST_STEPS || (next > recording_ends && !is_ending) {
                let seconds = since(recording_ends, self.opened_at).as_secs_f64();
                self.stop(format!(
                    "the recording is over ({seconds:.1} s): nothing is known of the caller after that"
                ));
                break;
            }
            self.now = self.now.max(next);
            self.mind_the_caller();
            self.step(next);
        }
    }

    /// When the recording goes behind the mask next.
    fn masked_from(&self, ran: Ran) -> Option<Time> {
        let mut left = ran[Half::Media as usize];
        let to_come = self.steps.iter().filter(|step| step.input.half() == Half::Media);
        let to_come = to_come.filter(|_| {
            let is_over = left > 0;
            left = left.saturating_sub(1);
            !is_over
        });
        let masks =
            |step: &&Scripted| matches!(step.input.as_command(), Some(MediaCommand::Mask { masked: true }));
        to_come.into_iter().find(masks).map(|step| step.lived_at)
    }

    fn step(&mut self, next: Time) {
        let is_due = self.agenda.first_key_value().is_some_and(|((at, _), _)| *at <= next);
        if is_due && let Some((_, due)) = self.agenda.pop_first() {
            match due {
                Due::Told(Told::Control(input)) => self.tell_control(*input, self.now),
                Due::Told(Told::Media(input)) => self.tell_media(*input, self.now),
                Due::Exhausted(utterance) => self.exhausted(utterance),
            }
        } else if self.due(Half::Media).is_some_and(|due| due <= next) {
            self.tell_media(RecordedInput::Deadline, next);
        } else if self.due(Half::Control).is_some_and(|due| due <= next) {
            self.tell_control(Input::Deadline, next);
        }
        self.exchange();
    }

    /// Everything that the halves have for each other.
    fn exchange(&mut self) {
        loop {
            if let Some(command) = self.to_media.pop_front() {
                let command = self.changes.on_the_way(command);
                self.tell_media(RecordedInput::Command(command), self.now);
            } else if let Some(event) = self.to_control.pop_front() {
                self.hear(&event, self.now);
                self.watch_the_end_of(&event);
                self.tell_control(Input::Media(event), self.now);
            } else {
                return;
            }
        }
    }

    /// An utterance that was cut short then may be heard to its end now, and nobody knows what that sounds like.
    fn watch_the_end_of(&mut self, event: &MediaEvent) {
        if let MediaEvent::PlaybackStarted { utterance, .. } = event
            && let Some((length, _)) = self.cut_short.get(utterance)
        {
            self.at(self.now + *length, Due::Exhausted(*utterance));
        }
    }

    fn tell_control(&mut self, input: Input, now: Time) {
        self.live.told(&input);
        self.control.handle(input, now);
        while let Some(output) = self.control.poll_output() {
            self.perform(output);
        }
    }

    fn tell_media(&mut self, input: RecordedInput, now: Time) {
        let events = self.run_media(input, now);
        self.to_control.extend(events);
    }

    pub(super) fn at(&mut self, at: Time, due: Due) {
        self.asked_agenda += 1;
        self.agenda.insert((at.max(self.now), self.asked_agenda), due);
    }

    /// What the recording still has that does not depend on what the halves do: the caller, the API, the application,
    /// and answers to what was asked before.
    fn keep_what_was_to_come(&mut self, ran: Ran) {
        let steps = self.steps;
        let mut results: Vec<Time> = self
            .known
            .recognized
            .iter()
            .take(self.asked.recognitions)
            .filter_map(|known| known.result.as_ref().map(|(took, _)| known.asked_at + *took))
            .collect();
        let mut seen = [0; 2];
        for step in steps {
            let place = &mut seen[step.input.half() as usize];
            *place += 1;
            if *place <= ran[step.input.half() as usize] {
                continue;
            }
            let keeps = match &step.input {
                Told::Control(input) => self.control_keeps(input, step.now, &mut results),
                Told::Media(input) => self.media_keeps(input),
            };
            // Another caller decides when to say goodbye.
            if self.live.has_caller()
                && let Told::Control(input) = &step.input
                && let Input::Sip(event) = &**input
                && is_goodbye(event)
            {
                self.live.goodbye = Some(event.clone());
                continue;
            }
            if keeps {
                self.at(step.lived_at, Due::Told(step.input.clone()));
            }
        }
    }

    /// Utterances under way that somebody cut short in the recording.
    fn keep_what_was_cut_short(&mut self) {
        let under_way = |utterance: &UtteranceId| self.asked.utterances.contains(utterance);
        let cut: Vec<_> = self
            .known
            .synthesized
            .iter()
            .filter(|known| !known.whole && under_way(&known.request.utterance))
            .filter(|known| !self.finished.contains(&known.request.utterance))
            .map(|known| (known.request.utterance, known.length(), known.text()))
            .collect();
        for (utterance, length, text) in cut {
            self.cut_short.insert(utterance, (length, text));
            if let Some(started) = self.started.get(&utterance) {
                self.at(*started + length, Due::Exhausted(utterance));
            }
        }
    }

    fn control_keeps(&self, input: &Input, now: Time, results: &mut Vec<Time>) -> bool {
        match input {
            Input::Media(_) | Input::Deadline => false,
            Input::Sip(event) => match event {
                SipEvent::Request { request, .. } => {
                    let referred = self.known.responses.iter().any(|known| known.method == Method::Refer);
                    request.method != Method::Notify || !referred || self.has_referred()
                }
                SipEvent::Response { transaction, .. } | SipEvent::Failed { transaction, .. } => {
                    !transaction.is_client() || self.asked.transactions.contains(transaction)
                }
                SipEvent::AckFor2xx { .. } | SipEvent::Cancelled { .. } => true,
            },
            Input::Recognizer(event) => {
                let asked = results.iter().position(|at| *at == now).filter(|_| is_result(event));
                asked.map(|at| results.remove(at)).is_some()
            }
            Input::Synthesizer(SynthesizerEvent::Failed { utterance, .. }) => {
                self.asked.utterances.contains(utterance)
            }
            Input::Synthesizer(SynthesizerEvent::Audio { .. } | SynthesizerEvent::SpeakComplete { .. }) => {
                false
            }
            Input::Tool { tool, .. } => self.asked.tools.contains(tool),
            Input::Dial
            | Input::BridgeConnected
            | Input::BridgeMark { .. }
            | Input::BridgeClear
            | Input::BridgeHangUp { .. }
            | Input::BridgeTransfer { .. }
            | Input::BridgeDtmf { .. }
            | Input::BridgeClosed { .. }
            | Input::Command { .. }
            | Input::End { .. } => true,
        }
    }

    fn has_referred(&self) -> bool {
        // A REFER that was sent before the departure has taken its answer already.
        let mut known = self.known.responses.iter().filter(|known| known.method == Method::Refer);
        known.any(|known| known.is_used())
    }

    fn media_keeps(&self, input: &RecordedInput) -> bool {
        match input {
            RecordedInput::Rtp { .. } => !self.live.has_caller(),
            RecordedInput::Rtcp { .. } | RecordedInput::Application { .. } => true,
            RecordedInput::Deadline => false,
            RecordedInput::Speech { utterance, .. }
            | RecordedInput::Command(MediaCommand::EndOfUtterance { utterance }) => {
                self.asked.utterances.contains(utterance)
            }
            RecordedInput::Command(_) => false,
        }
    }

    fn perform(&mut self, output: Output) {
        self.tally.note(&output, self.now);
        self.live.note(&output, since(self.now, self.opened_at).as_secs_f64());
        match output {
            Output::Fact(fact) => self.fact(fact),
            Output::Media(command) => self.to_media.push_back(command),
            Output::Sip(action) => self.sip(action),
            Output::Speak(request) => self.speak(&request),
            Output::CancelSpeech(utterance) => {
                self.cut_short.remove(&utterance);
                self.agenda.retain(|_, due| !is_speech(due, utterance));
            }
            Output::Recognizer(RecognizerCommand::FinishUtterance) => self.recognize(),
            Output::Recognizer(RecognizerCommand::SetGrammar(_) | RecognizerCommand::StartUtterance) => {}
            Output::CallTool(call) => self.call_tool(call),
            Output::CancelTool { tool } => self.agenda.retain(|_, due| !is_tool(due, tool)),
            Output::OpenSpeech { .. }
            | Output::OpenBridge { .. }
            | Output::BridgeDtmf { .. }
            | Output::CloseBridge { .. }
            | Output::Ended => {}
        }
    }

    fn speak(&mut self, request: &SpeakRequest) {
        let known = self.known.speech(request).cloned();
        let Some(known) = known.filter(|known| known.whole || !self.live.has_engines()) else {
            if self.speak_live(request) {
                return;
            }
            let text = match &request.content {
                SpeechContent::Text(text) | SpeechContent::Recording(text) => text,
            };
            return self
                .missing(format!("the bot says \"{text}\", which was never said: there is no audio of it"));
        };
        let (asked_at, utterance) = (self.now, request.utterance);
        let first = known.audio.first().map_or(Duration::ZERO, |(after, _)| *after);
        self.note_recorded(Asked::Synthesizer, format!("\"{}\"", known.text()), first);
        if !known.whole {
            self.cut_short.insert(utterance, (known.length(), known.text()));
        }
        for (after, input) in known.audio {
            let input = match input {
                RecordedInput::Speech { sample_rate, samples, .. } => {
                    RecordedInput::Speech { utterance, sample_rate, samples }
                }
                RecordedInput::Command(_)
                | RecordedInput::Rtp { .. }
                | RecordedInput::Rtcp { .. }
                | RecordedInput::Deadline
                | RecordedInput::Application { .. } => {
                    RecordedInput::Command(MediaCommand::EndOfUtterance { utterance })
                }
            };
            self.at(asked_at + after, Due::Told(Told::Media(Box::new(input))));
        }
        if let Some((after, SynthesizerEvent::Failed { error, .. })) = known.failure {
            let failed = Input::Synthesizer(SynthesizerEvent::Failed { utterance, error });
            self.at(asked_at + after, Due::Told(Told::Control(Box::new(failed))));
        }
    }

    fn exhausted(&mut self, utterance: UtteranceId) {
        let Some((length, text)) = self.cut_short.remove(&utterance) else { return };
        if self.say_rest_live(utterance, length) {
            return;
        }
        self.missing(format!(
            "\"{text}\" was cut short then and is not now: the recording does not hold the rest of it"
        ));
    }

    fn recognize(&mut self) {
        let span = self.ear.0;
        let from = since(span.onset, self.opened_at).as_secs_f64();
        let grammar = self.live.grammar();
        let same = |known: &&super::known::Recognized| !self.live.has_engines() || known.grammar == *grammar;
        let known = self.known.recognition(&span).filter(same).cloned();
        let Some(known) = known else {
            if self.recognize_live() {
                return;
            }
            let to = span.last.map_or(String::new(), |last| {
                format!(" to {:.2}", since(last, self.opened_at).as_secs_f64())
            });
            return self.missing(format!(
                "the caller's speech from {from:.2}{to} s was never recognized as one utterance: a recognizer is needed"
            ));
        };
        let Some((took, event)) = known.result else { return };
        self.note_recorded(Asked::Recognizer, result_words(&event), took);
        self.at(self.now + took, Due::Told(Told::Control(Box::new(Input::Recognizer(event)))));
    }

    fn call_tool(&mut self, call: ToolCall) {
        let tool = call.id.0;
        if let Some((took, Input::Tool { outcome, .. })) = self.known.answer(&call) {
            self.note_recorded(Asked::Tool, outcome_words(&call, &outcome), took);
            return self
                .at(self.now + took, Due::Told(Told::Control(Box::new(Input::Tool { tool, outcome }))));
        }
        if self.call_tool_live(&call) {
            return;
        }
        let at = self.now + call.timeout;
        self.missing(format!("{} {} was never asked: the answer is not known", call.method, call.url));
        let timed_out = Input::Tool { tool, outcome: Err(ToolFailure::TimedOut) };
        self.at(at, Due::Told(Told::Control(Box::new(timed_out))));
    }

    fn sip(&mut self, action: SipAction) {
        match action {
            SipAction::Request { transaction, request, .. } => self.request(transaction, &request),
            SipAction::Respond { .. }
            | SipAction::Retransmit2xx { .. }
            | SipAction::AckFor2xx { .. }
            | SipAction::Cancel { .. } => {}
        }
    }

    /// A request of ours: the far end answers one of its method as it did.
    fn request(&mut self, transaction: TransactionId, request: &Request) {
        let Some(known) = self.known.respond(&request.method) else {
            let method = &request.method;
            self.notes
                .insert(format!("nobody answers a {method}: the far end never got one in the recording"));
            let failed = SipEvent::Failed { transaction, cause: Failure::Timeout };
            return self.at(self.now + UNANSWERED, Due::Told(Told::Control(Box::new(Input::Sip(failed)))));
        };
        let sent_at = self.now;
        let first = known.responses.first().map_or(Duration::ZERO, |(took, ..)| *took);
        self.note_recorded(Asked::FarEnd, request.method.to_string(), first);
        for (took, status, peer) in known.responses {
            let response = request.response(status, None);
            let event = SipEvent::Response { transaction, response, peer };
            self.at(sent_at + took, Due::Told(Told::Control(Box::new(Input::Sip(event)))));
        }
        for (took, event) in known.notifies {
            self.at(sent_at + took, Due::Told(Told::Control(Box::new(Input::Sip(event)))));
        }
    }

    fn missing(&mut self, what: String) {
        let seconds = since(self.now, self.opened_at).as_secs_f64();
        match self.beyond {
            Beyond::Stop => self.stop(format!("{seconds:.2} s: {what}")),
            Beyond::TimeOut => {
                self.notes.insert(format!("{seconds:.2} s: {what}; nobody answers"));
            }
        }
    }

    fn stop(&mut self, why: String) {
        self.stopped.get_or_insert(why);
    }
}

fn is_speech(due: &Due, utterance: UtteranceId) -> bool {
    match due {
        Due::Exhausted(of) => *of == utterance,
        Due::Told(Told::Media(input)) => match &**input {
            RecordedInput::Speech { utterance: of, .. }
            | RecordedInput::Command(MediaCommand::EndOfUtterance { utterance: of }) => *of == utterance,
            RecordedInput::Command(_)
            | RecordedInput::Rtp { .. }
            | RecordedInput::Rtcp { .. }
            | RecordedInput::Deadline
            | RecordedInput::Application { .. } => false,
        },
        Due::Told(Told::Control(_)) => false,
    }
}

fn is_tool(due: &Due, id: u64) -> bool {
    let Due::Told(Told::Control(input)) = due else { return false };
    matches!(&**input, Input::Tool { tool, .. } if *tool == id)
}
