//! Between the call and the bot.

use offhook_call_media::{MediaCommand, OnSpeech, TurnPolicy, UtterancePolicy};
use offhook_conversation::{
    CallFacts, Conversation, Event, HangUpReason, Input as Heard, Output as Wanted, Prompt, PromptId, Secret,
    ToolAnswer, ToolCall, ToolError, ToolFailure, ToolId,
};
use offhook_engine_api::Voice;
use offhook_time::{Seed, Time};

use super::CallControl;
use crate::fact::{CallEvent, Speaker};
use crate::ledger::TurnClock;
use crate::speech::{AskedBy, Spoken};
use crate::{EndCause, Output, RecognizerCommand, Role, SpeakRequest, SpeechContent, translate};

impl CallControl {
    pub(super) fn start_conversation(&mut self, now: Time) {
        let Role::Bot(bot) = &self.settings.role else { return };
        let seed: Seed = self.randomness.fork();
        let conversation = Conversation::new(bot.clone(), seed, self.settings.wall, now);
        self.conversation = Some(conversation);
        self.deadlines.silence = Some(now + self.settings.limits.silence);
        let facts = self.call_facts();
        self.tell_conversation(Heard::Start(facts), now);
        if !self.settings.has_recognizer {
            self.tell_conversation(Heard::RecognizerFailed, now);
        }
    }

    fn call_facts(&self) -> CallFacts {
        let invite = match (&self.leg.server, &self.leg.client) {
            (Some(server), _) => Some(server.invite()),
            (None, Some(client)) => Some(client.invite()),
            (None, None) => None,
        };
        let from = invite.and_then(|invite| invite.headers.from().ok());
        let header = |name: &str, value: &[u8]| {
            let wanted = name.len() > 2 && name[..2].eq_ignore_ascii_case("x-");
            wanted.then(|| (name.to_owned(), text_of(value)))
        };
        CallFacts {
            caller: from.as_ref().and_then(|from| from.uri.user()).unwrap_or_default(),
            caller_name: from.map(|from| text_of(&from.display_name())).unwrap_or_default(),
            called: invite.and_then(|invite| invite.uri.user()).unwrap_or_default(),
            headers: invite
                .map(|invite| invite.headers.iter().filter_map(|(name, value)| header(name, value)).collect())
                .unwrap_or_default(),
            config: self.settings.bot_config.clone(),
        }
    }

    /// Hands the bot an input and does what it wants.
    pub(super) fn tell_conversation(&mut self, input: Heard, now: Time) {
        let Some(conversation) = &mut self.conversation else { return };
        conversation.handle(input, now);
        while let Some(wanted) = self.conversation.as_mut().and_then(Conversation::poll_output) {
            self.do_for_conversation(wanted, now);
        }
    }

    fn do_for_conversation(&mut self, wanted: Wanted, now: Time) {
        // What a bot still wants when its caller is gone is not done, only noted.
        if !self.is_up() && !matches!(wanted, Wanted::Event(_)) {
            return;
        }
        match wanted {
            Wanted::Event(event) => self.note(event, now),
            Wanted::Prompt(prompt) => self.speak_prompt(&prompt, now),
            Wanted::StopPrompts => {
                self.speech.first_mut().into_iter().for_each(|spoken| spoken.stopped = true);
                self.stop_speaking();
            }
            Wanted::StopPrompt(prompt) => self.stop_prompt(prompt),
            // What the caller says now decides by itself.
            Wanted::ResumePrompts if self.listening.hearing => {}
            Wanted::ResumePrompts => {
                // What goes on is no answer: the turn has none.
                self.turn = TurnClock::default();
                self.resume_speaking();
            }
            Wanted::Expect(expected) => {
                self.listening.wanted = true;
                let policy =
                    TurnPolicy { end_of_speech: expected.end_of_speech, ..self.settings.turn_policy };
                self.outputs.push_back(Output::Media(MediaCommand::SetPolicy(policy)));
                if self.listening.available {
                    let grammar = translate::grammar(&expected);
                    self.outputs.push_back(Output::Recognizer(RecognizerCommand::SetGrammar(grammar)));
                }
            }
            Wanted::ExpectNothing => self.listening.wanted = false,
            Wanted::Mask(masked) => self.outputs.push_back(Output::Media(MediaCommand::Mask { masked })),
            Wanted::CallTool(call) => self.call_tool(call, now),
            Wanted::CancelTool(tool) => self.outputs.push_back(Output::CancelTool { tool: tool.0 }),
            Wanted::Transfer(transfer) => self.transfer_for_conversation(&transfer, now),
            Wanted::HangUp { reason } => self.end(cause_of(reason), None, now),
        }
    }

    fn call_tool(&mut self, call: ToolCall, now: Time) {
        self.turn.tool_began.get_or_insert(now);
        self.outputs.push_back(Output::CallTool(call));
    }

    pub(super) fn handle_tool(&mut self, tool: u64, outcome: Result<ToolAnswer, ToolFailure>, now: Time) {
        self.turn.tool_ended = Some(now);
        self.tell_conversation(Heard::ToolResult { tool: ToolId(tool), outcome }, now);
    }

    fn speak_prompt(&mut self, prompt: &Prompt, now: Time) {
        let policy = translate::utterance_policy(prompt);
        let voice =
            Voice { language: prompt.language.clone(), name: prompt.voice.clone().unwrap_or_default() };
        let asked_by = AskedBy::Conversation(prompt.id);
        self.speak(asked_by, policy, translate::content(prompt), prompt.secret.clone(), voice, now);
    }

    /// Announces an utterance to media and has it synthesized.
    pub(super) fn speak(
        &mut self,
        asked_by: AskedBy,
        policy: UtterancePolicy,
        content: SpeechContent,
        secret: Secret<String>,
        voice: Voice,
        now: Time,
    ) {
        let interruptible = policy.barge_in.speech != OnSpeech::Ignore || policy.barge_in.digits;
        if self.speech.is_silent() {
            self.speech.synthesizer_deadline = Some(now + self.settings.limits.synthesizer);
        }
        self.deadlines.silence = None;
        let utterance = self.speech.begin(Spoken { asked_by, started: false, stopped: false, interruptible });
        self.turn.asked_to_speak.get_or_insert(now);
        let text = match &content {
            SpeechContent::Text(text) => text.clone(),
            SpeechContent::Recording(name) => format!("[{name}]"),
        };
        self.fact(CallEvent::Said { speaker: Speaker::Bot, text, confidence: None }, now);
        self.outputs.push_back(Output::Media(MediaCommand::Announce { utterance, policy }));
        self.outputs.push_back(Output::Speak(SpeakRequest { utterance, content, voice, secret }));
    }

    /// Stops everything the bot says. Media reports each as finished.
    pub(super) fn stop_speaking(&mut self) {
        for utterance in self.speech.ids() {
            self.outputs.push_back(Output::CancelSpeech(utterance));
        }
        self.outputs.push_back(Output::Media(MediaCommand::CancelAll));
    }

    fn stop_prompt(&mut self, prompt: PromptId) {
        let Some(utterance) = self.speech.of_prompt(prompt) else { return };
        if let Some(spoken) = self.speech.get_mut(utterance) {
            spoken.stopped = true;
        }
        self.outputs.push_back(Output::CancelSpeech(utterance));
        self.outputs.push_back(Output::Media(MediaCommand::Cancel { utterance }));
    }

    /// What speech has paused goes on.
    pub(super) fn resume_speaking(&mut self) {
        if !self.speech.is_silent() {
            self.outputs.push_back(Output::Media(MediaCommand::Resume));
        }
    }

    pub(super) fn prompt_finished(&mut self, prompt: PromptId, completed: bool, now: Time) {
        self.tell_conversation(Heard::PromptFinished { prompt, completed }, now);
    }

    fn note(&mut self, event: Event, now: Time) {
        let event = match event {
            Event::StateEntered { state } => CallEvent::StateEntered { state },
            Event::Understood { intent, slot } => CallEvent::Understood { intent, slot },
            Event::NotUnderstood { count, .. } => CallEvent::NotUnderstood { count },
            Event::NoInput { count } => CallEvent::NoInput { count },
            Event::ToolFinished { tool, outcome } => {
                let (status, error) = match outcome {
                    Ok(status) => (Some(status), None),
                    Err(ToolError::TimedOut) => (None, Some("no answer in time".to_owned())),
                    Err(ToolError::Failed(why)) => (None, Some(why)),
                };
                CallEvent::ToolFinished { tool, status, error }
            }
            Event::Outcome { name } => CallEvent::Outcome { name },
            Event::BotFailed { state, what } => {
                CallEvent::EngineFailed { error: format!("bot, state '{state}': {what}") }
            }
            // The transfer's own fact says it with its status; values of variables stay within the call.
            Event::TransferFinished { .. } | Event::VariableSet { .. } => return,
        };
        self.fact(event, now);
    }
}

/// Text as telephones write it: UTF-8 (RFC 3261 §25.1), or GBK without a word about it, as many Chinese PBXs do.
fn text_of(octets: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(octets) {
        return text.trim().to_owned();
    }
    let (text, malformed) = encoding_rs::GB18030.decode_without_bom_handling(octets);
    if malformed { String::from_utf8_lossy(octets) } else { text }.trim().to_owned()
}

fn cause_of(reason: HangUpReason) -> EndCause {
    match reason {
        HangUpReason::Finished | HangUpReason::NotUnderstood | HangUpReason::TooManyTurns => {
            EndCause::BotHungUp
        }
        HangUpReason::EngineFailed => EndCause::EngineFailed,
        HangUpReason::BotFailed => EndCause::InternalError,
    }
}
