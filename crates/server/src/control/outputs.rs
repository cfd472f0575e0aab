//! Doing what a call wants.

use std::panic::{AssertUnwindSafe, catch_unwind};

use offhook_call_control::{
    CallEvent, CommandId, CommandOutcome, EndCause, Fact, Input, Output, SpeakRequest, SpeechContent,
};
use offhook_call_media::MediaCommand;
use offhook_engine_api::{EngineError, EventSink, RecognizerEvent, SynthesizerEvent, UtteranceId, Voice};
use offhook_engines::websocket::{
    BridgeClosed, BridgeControl, BridgeEvent, BridgeStart, Framing, downlink_ring,
};
use offhook_sip_proto::endpoint::{CallKey, SipAction, TransactionId};
use offhook_time::Time;

use super::call::VoiceKey;
use super::command_memory::fingerprint;
use super::handle::{CommandReply, ToControl};
use super::run::Control;
use crate::worker::{BridgeEnd, ToWorker};

impl Control {
    /// Hands one input to a call and does what it wants. A panic in there ends this call and no other.
    pub(super) fn run_call(&mut self, key: u64, input: Input, now: Time) {
        // One that is over, or was buried, has nothing to say any more: its media half may still report.
        let Some(call) = self.calls.get_mut(&key).filter(|call| !call.ended) else { return };
        let planted = call.panic_planted.is_due();
        let tap = self.tap.as_ref().filter(|_| call.recorded);
        let finished = catch_unwind(AssertUnwindSafe(|| {
            match tap {
                Some(tap) => call.handle_recorded(input, tap, key, now),
                None => call.control.handle(input, now),
            }
            assert!(!planted, "a panic was planted in this call");
        }));
        if finished.is_err() {
            return self.bury(key, now);
        }
        loop {
            let Some(call) = self.calls.get_mut(&key) else { return };
            let Some(output) = call.control.poll_output() else { break };
            if let Some(tap) = self.tap.as_ref().filter(|_| call.recorded) {
                call.record_output(&output, tap, key, now);
            }
            self.perform(key, output, now);
        }
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.obituary = call.control.obituary();
        let due = call.control.poll_timeout();
        if call.due != due {
            if let Some(old) = call.due.take() {
                self.timers.remove(&(old, key));
            }
            call.due = due;
            if let Some(new) = due {
                self.timers.insert((new, key));
            }
        }
        self.remove_if_over(key, now);
    }

    /// [`run_call`](Self::run_call) for a command of the API; says what became of it at once.
    pub(super) fn run_command(
        &mut self,
        call_id: &str,
        id: CommandId,
        command: offhook_call_control::Command,
        now: Time,
    ) -> CommandReply {
        if let Some(reply) = self.command_memory.recall(call_id, &id.0, &command) {
            return reply;
        }
        let key = self.keys.get(call_id).copied();
        let Some(key) = key.filter(|key| self.calls.get(key).is_some_and(|call| !call.ended)) else {
            return CommandReply::NoSuchCall;
        };
        self.command_outcome = None;
        self.watched_command = Some(id.0.clone());
        let (name, told_apart_by) = (id.0.clone(), fingerprint(&command));
        self.run_call(key, Input::Command { id, command }, now);
        // Where there is no voice for what is to be said, the client hears of it at once.
        for (key, failed) in std::mem::take(&mut self.unsaid) {
            self.run_call(key, Input::Synthesizer(failed), now);
        }
        self.watched_command = None;
        for (key, failed) in std::mem::take(&mut self.unsaid) {
            self.handle.send(ToControl::Synthesizer(key, failed));
        }
        let reply = match self.command_outcome.take() {
            Some(CommandOutcome::Failed(refusal)) => CommandReply::Refused(refusal),
            Some(CommandOutcome::Succeeded) | None => CommandReply::Accepted,
        };
        self.command_memory.keep(call_id, &name, told_apart_by, reply.clone());
        reply
    }

    fn perform(&mut self, key: u64, output: Output, now: Time) {
        match output {
            Output::Sip(action) => self.endpoint.perform(CallKey(key), action, now),
            Output::Media(command) => self.tell_media(key, command),
            Output::OpenSpeech { voice, recognizer } => self.open_speech(key, &voice, recognizer),
            Output::Recognizer(command) => self.recognizers.command(key, command),
            Output::Speak(request) => self.speak(key, request),
            Output::CancelSpeech(utterance) => self.cancel_speech(key, utterance),
            Output::OpenBridge { settings, metadata } => {
                let framing = if settings.raw { Framing::Raw } else { Framing::Offhook };
                self.open_bridge(key, framing, settings.sample_rate, &metadata);
            }
            Output::BridgeDtmf { digit, duration } => {
                self.tell_bridge(key, BridgeControl::Dtmf { digit, duration });
            }
            Output::CloseBridge { reason } => {
                self.tell_bridge(key, BridgeControl::Stop { reason });
                if let Some(call) = self.calls.get_mut(&key) {
                    call.bridge = None;
                }
            }
            Output::CallTool(tool) => {
                let control = self.handle.clone();
                let id = tool.id.0;
                let traceparent = self.trace_tool(key, &tool, now);
                self.tools.run_in_trace(key, tool, traceparent, move |outcome| {
                    control.send(ToControl::Tool(key, id, outcome));
                });
            }
            Output::CancelTool { tool } => {
                self.trace_cancelled(key, tool, now);
                self.tools.cancel(key, tool);
            }
            Output::Fact(fact) => self.publish(key, fact, now),
            Output::Ended => {
                if let Some(call) = self.calls.get_mut(&key) {
                    call.ended = true;
                }
            }
        }
    }

    fn publish(&mut self, key: u64, fact: Fact, now: Time) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.facts = fact.sequence + 1;
        }
        self.trace_fact(key, &fact, now);
        super::report::note(&fact);
        if let CallEvent::CommandFinished { command_id, outcome } = &fact.event
            && self.watched_command.as_deref() == Some(command_id)
        {
            self.command_outcome = Some(outcome.clone());
        }
        self.events.publish(&fact);
        self.storage.fact(fact);
    }

    fn tell_media(&self, key: u64, command: MediaCommand) {
        if let Some(call) = self.calls.get(&key).filter(|call| call.media_open) {
            self.workers[call.worker].send(ToWorker::Command(call.slot, command));
        }
    }

    fn open_speech(&mut self, key: u64, voice: &Voice, recognizer: bool) {
        if !recognizer {
            return;
        }
        if let Some(engine) = self.engines.recognizer(&voice.language) {
            let gives_up = || {
                RecognizerEvent::Failed(EngineError::Refused {
                    engine: "recognizer".to_owned(),
                    why: "it tells more than can be heard".to_owned(),
                })
            };
            let message = move |event| ToControl::Recognizer(key, event);
            let events = self.handle.sink("recognizer", message, gives_up);
            self.recognizers.open(key, engine, events);
        }
    }

    fn speak(&mut self, key: u64, request: SpeakRequest) {
        let SpeakRequest { utterance, content, mut voice, secret } = request;
        if voice.name.is_empty() {
            let language = voice.language.split('-').next().unwrap_or_default();
            voice.name = self.config.voices.get(language).cloned().unwrap_or_default();
        }
        let recorded = matches!(content, SpeechContent::Recording(_));
        let voice_key = VoiceKey { voice, recorded };
        if let Err(error) = self.ensure_synthesizer(key, &voice_key, &content) {
            let failed = SynthesizerEvent::Failed { utterance, error };
            if self.watched_command.is_some() {
                self.unsaid.push((key, failed));
            } else {
                self.handle.send(ToControl::Synthesizer(key, failed));
            }
            return;
        }
        let Some(call) = self.calls.get_mut(&key) else { return };
        let text = match &content {
            SpeechContent::Text(text) => secret.reveal().unwrap_or(text),
            SpeechContent::Recording(name) => name,
        };
        if let Some(synthesizer) = call.synthesizers.get_mut(&voice_key) {
            synthesizer.speak(utterance, text);
            call.speaking.insert(utterance.0, voice_key);
        }
    }

    /// Audio and its end go straight to the worker, the rest comes here.
    fn ensure_synthesizer(
        &mut self,
        key: u64,
        voice: &VoiceKey,
        content: &SpeechContent,
    ) -> Result<(), offhook_engine_api::EngineError> {
        let Some(call) = self.calls.get_mut(&key) else { return Ok(()) };
        if call.synthesizers.contains_key(voice) {
            return Ok(());
        }
        let engine = self.engines.synthesizer(&voice.voice, content)?;
        let (control, worker, slot) = (self.handle.clone(), self.workers[call.worker].clone(), call.slot);
        let events = EventSink::new(move |event| match event {
            SynthesizerEvent::Audio { utterance, chunk } => {
                worker.send(ToWorker::Speech(slot, utterance, chunk))
            }
            SynthesizerEvent::SpeakComplete { utterance } => {
                worker.send(ToWorker::Command(slot, MediaCommand::EndOfUtterance { utterance }));
            }
            SynthesizerEvent::Failed { .. } => {
                control.send(ToControl::Synthesizer(key, event));
            }
        });
        call.synthesizers.insert(voice.clone(), engine.open(&voice.voice, events)?);
        Ok(())
    }

    fn cancel_speech(&mut self, key: u64, utterance: UtteranceId) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if let Some(voice) = call.speaking.remove(&utterance.0)
            && let Some(synthesizer) = call.synthesizers.get_mut(&voice)
        {
            synthesizer.cancel(utterance);
        }
    }

    fn open_bridge(&mut self, key: u64, framing: Framing, sample_rate: u32, metadata: &str) {
        let (Some(hub), Some(url)) = (&self.bridge, &self.config.bridge) else { return };
        let Some(call) = self.calls.get_mut(&key) else { return };
        let start = BridgeStart {
            call_id: call.id.clone(),
            url: url.clone(),
            framing,
            sample_rate,
            metadata: serde_json::from_str(metadata).unwrap_or_default(),
        };
        let gives_up = || {
            let why = "it sends more messages than can be looked at".to_owned();
            BridgeEvent::Closed { why: BridgeClosed::Broken(why) }
        };
        let message = move |event| ToControl::Bridge(key, event);
        let events = self.handle.sink("application", message, gives_up);
        let wake = self.workers[call.worker].shared_wake();
        let downlink = downlink_ring();
        match hub.open(start, std::sync::Arc::clone(&downlink), wake, events) {
            Ok(leg) => {
                let end = BridgeEnd { uplink: leg.uplink(), downlink };
                self.workers[call.worker].send(ToWorker::Bridge(call.slot, end));
                call.bridge = Some(leg);
            }
            Err(error) => {
                let why = BridgeClosed::CannotConnect(error.to_string());
                self.handle.send(ToControl::Bridge(key, BridgeEvent::Closed { why }));
            }
        }
    }

    fn tell_bridge(&self, key: u64, control: BridgeControl) {
        if let Some(leg) = self.calls.get(&key).and_then(|call| call.bridge.as_ref()) {
            leg.control(control);
        }
    }

    /// Ends a call whose code panicked, from what was kept outside: BYE, record, ports.
    pub(super) fn bury(&mut self, key: u64, now: Time) {
        metrics::counter!("offhook_call_panics_total").increment(1);
        let Some(call) = self.calls.get_mut(&key) else { return };
        tracing::error!(call_id = %call.id, "a call's own code failed; it is ended, its neighbours go on");
        let cause = EndCause::InternalError;
        let row = cause.row();
        let reason = format!("Q.850;cause={};text=\"{}\"", row.q850, row.text);
        let bye = call.obituary.as_ref().and_then(|(obituary, to)| obituary.bye(&reason).zip(Some(*to)));
        let action = bye.map(|(request, destination)| SipAction::Request {
            // No call numbers its own transactions this high.
            transaction: TransactionId::client(u64::from(u32::MAX)),
            request,
            destination,
        });
        call.ended = true;
        let fact = Fact {
            call_id: call.id.clone(),
            sequence: call.facts,
            at_unix_ms: self.wall.unix_ms(now),
            leg: None,
            event: CallEvent::CallEnded { cause, media: None },
        };
        if let Some(due) = call.due.take() {
            self.timers.remove(&(due, key));
        }
        if let Some(action) = action {
            self.endpoint.perform(CallKey(key), action, now);
        }
        self.publish(key, fact, now);
        self.tell_media(key, MediaCommand::Close);
        self.remove_if_over(key, now);
    }

    /// Forgets a call once its machine has ended and its worker has given the media half back.
    pub(super) fn remove_if_over(&mut self, key: u64, now: Time) {
        let Some(call) = self.calls.get(&key) else { return };
        if !call.ended || call.media_open {
            return;
        }
        self.endpoint.forget(CallKey(key), now);
        self.recognizers.close(key);
        self.tools.cancel_all(key);
        if let Some(call) = self.calls.remove(&key) {
            if let (Some(tap), true) = (&self.tap, call.recorded) {
                tap.closed(key);
            }
            if let Some(due) = call.due {
                self.timers.remove(&(due, key));
            }
            self.keys.remove(&call.id);
        }
    }
}
