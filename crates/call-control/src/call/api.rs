//! Commands of the API. Each ends in exactly one `command_finished`.

use offhook_call_media::{BargeIn, Gain, LegId, MediaCommand, Port, Route, UtterancePolicy};
use offhook_conversation::Secret;
use offhook_engine_api::Voice;
#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use offhook_time::Time;

use super::{CallControl, Phase};
use crate::fact::CallEvent;
use crate::script::language_of;
use crate::speech::AskedBy;
use crate::transfer::TransferredBy;
use crate::{Command, CommandId, CommandOutcome, EndCause, Refusal, Role, SpeechContent};

/// A Reason that still leaves a BYE within one datagram.
const LONGEST_REASON: usize = 128;

/// The most characters that one command may say: some minutes of speech. Nobody listens longer, and a synthesizer would
/// be busy with it for all that time.
const LONGEST_TEXT: usize = 4_000;

impl CallControl {
    pub(super) fn handle_command(&mut self, id: CommandId, command: Command, now: Time) {
        // The same id again: it runs, or its outcome was told.
        let is_known = self.commands.contains_key(&id.0);
        #[cfg(feature = "planted-faults")]
        let is_known = is_known && !is_planted(Fault::RepeatedCommandRuns);
        if is_known {
            return;
        }
        self.commands.insert(id.0.clone(), None);
        // Whoever reads that the call is answered may act on it; the ACK is on its way.
        if self.phase == Phase::Answered && !matches!(command, Command::Answer | Command::HangUp { .. }) {
            self.commands_before_ack.push_back((id, command));
            return;
        }
        self.start_command(id, command, now);
    }

    /// What came before the ACK is done now, or has failed where the call ended first.
    pub(super) fn run_commands_before_ack(&mut self, now: Time) {
        for (id, command) in std::mem::take(&mut self.commands_before_ack) {
            self.start_command(id, command, now);
        }
    }

    fn start_command(&mut self, id: CommandId, command: Command, now: Time) {
        match self.run_command(&id, command, now) {
            Ok(true) => self.finish_command(id, CommandOutcome::Succeeded, now),
            Ok(false) => {}
            Err(refusal) => self.finish_command(id, CommandOutcome::Failed(refusal), now),
        }
    }

    /// Whether it is done already; `Ok(false)` where its end comes later.
    fn run_command(&mut self, id: &CommandId, command: Command, now: Time) -> Result<bool, Refusal> {
        if self.end_is_told {
            return Err(Refusal::wrong_state("the call has ended"));
        }
        match command {
            Command::Answer => {
                if self.phase != Phase::Ringing {
                    return Err(Refusal::wrong_state("only a call that rings can be answered"));
                }
                self.answer(now);
                Ok(true)
            }
            Command::HangUp { status, reason } => {
                if reason
                    .as_deref()
                    .is_some_and(|text| text.len() > LONGEST_REASON || text.contains(char::is_control))
                {
                    return Err(Refusal::bad_argument("reason is one line of at most 128 bytes"));
                }
                self.reason_text = reason;
                let cause =
                    if self.phase == Phase::Ringing { EndCause::Rejected } else { EndCause::ApiHungUp };
                self.end(cause, status, now);
                Ok(true)
            }
            Command::Transfer { target, trunk } => {
                self.require_up()?;
                self.transfer_to(&target, trunk.as_deref(), None, TransferredBy::Api(id.clone()), now);
                Ok(false)
            }
            Command::Mute { leg } => self.set_microphone(leg, Gain::MUTE),
            Command::Unmute { leg } => self.set_microphone(leg, Gain::UNITY),
            Command::Say { text, interruptible } => {
                self.require_up()?;
                let Role::Bot(bot) = &self.settings.role else {
                    return Err(Refusal::wrong_state("this call has no bot that could speak"));
                };
                let length = text.chars().count();
                if length > LONGEST_TEXT {
                    let what =
                        format!("text has {length} characters: at most {LONGEST_TEXT}, say it in parts");
                    return Err(Refusal::bad_argument(what));
                }
                if text.trim().is_empty() {
                    return Err(Refusal::bad_argument("there is nothing to say: text is empty"));
                }
                let language = language_of(&text, bot.language());
                // The bot's own voice speaks the bot's language.
                let name = if language == bot.language() { bot.voice() } else { None };
                let voice =
                    Voice { language: language.to_owned(), name: name.unwrap_or_default().to_owned() };
                let barge_in = if interruptible { BargeIn::ANY } else { BargeIn::default() };
                let policy = UtterancePolicy { barge_in, masked: false };
                self.speak(
                    AskedBy::Api(id.clone()),
                    policy,
                    SpeechContent::Text(text),
                    Secret::default(),
                    voice,
                    now,
                );
                Ok(false)
            }
            Command::Dtmf { leg, digits } => {
                self.require_up()?;
                self.require_leg(leg)?;
                let command = send_digits(leg, &digits)
                    .ok_or_else(|| Refusal::bad_argument("digits are 1 to 32 of 0-9, A-D, * and #"))?;
                if self.stream.is_none_or(|stream| stream.telephone_event.is_none()) {
                    return Err(Refusal::failed("the far end takes no telephone events (RFC 4733)"));
                }
                self.outputs.push_back(crate::Output::Media(command));
                Ok(true)
            }
        }
    }

    fn require_up(&self) -> Result<(), Refusal> {
        if self.is_up() { Ok(()) } else { Err(Refusal::wrong_state("the call is not up")) }
    }

    fn require_leg(&self, leg: LegId) -> Result<(), Refusal> {
        if leg == LegId::CALLER {
            Ok(())
        } else {
            Err(Refusal::bad_argument(format!("this call has no leg {}: the caller's is 0", leg.0)))
        }
    }

    /// Mute is a gain of the routes that begin at the leg.
    fn set_microphone(&mut self, leg: LegId, gain: Gain) -> Result<bool, Refusal> {
        self.require_up()?;
        self.require_leg(leg)?;
        let from = Port::Leg(leg);
        let to = match &self.settings.role {
            Role::Echo => from,
            Role::Bridge(_) => Port::Application,
            Role::Bot(_) => Port::Recognizer,
        };
        self.outputs.push_back(crate::Output::Media(MediaCommand::SetRoute(Route { from, to, gain })));
        Ok(true)
    }

    pub(super) fn finish_command(&mut self, id: CommandId, outcome: CommandOutcome, now: Time) {
        self.commands.insert(id.0.clone(), Some(outcome.clone()));
        self.fact(CallEvent::CommandFinished { command_id: id.0, outcome }, now);
    }
}

/// The command that sends `digits`; `None` where they are none, too many or not on the keypad.
pub(super) fn send_digits(leg: LegId, digits: &str) -> Option<MediaCommand> {
    let wanted = digits.to_ascii_uppercase();
    let valid = wanted.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'D' | b'*' | b'#'));
    if !valid || wanted.is_empty() || wanted.len() > 32 {
        return None;
    }
    let mut buffer = [0; 32];
    buffer[..wanted.len()].copy_from_slice(wanted.as_bytes());
    Some(MediaCommand::SendDigits { leg, digits: buffer, count: wanted.len() as u8 })
}
