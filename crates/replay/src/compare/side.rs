//! One side of a call: what its event log and its requests tell.

use std::time::Duration;

use offhook_call_control::{CallEvent, Fact, Output, RecognizerCommand, Speaker, SpeechContent, TurnLedger};
use offhook_journal::bundle::{Bundle, Direction, OutputBody, PacketKind};
use offhook_time::{Half, Time};

use super::align::Line;
use super::sound::Levels;
use super::{BargeInNote, CallSide, Costs, DepartureNote, StateNote, ToolNote, TransferNote, Turn};
use crate::report::since;
use crate::{CallHead, HeadError, PlayReport, decode_output, sent_again};

/// One side of a call, ready to be compared.
#[derive(Clone, Debug, Default)]
pub struct SideOfCall {
    pub(super) call_id: String,
    pub(super) sip_call_id: String,
    pub(super) caller: String,
    pub(super) called: String,
    pub(super) started_unix_ms: i64,
    pub(super) lines: Vec<Line>,
    pub(super) turns: Vec<Turn>,
    pub(super) doings: Vec<Doing>,
    pub(super) side: CallSide,
}

/// A step of the conversation, in words and without times: what two sides are compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doing {
    pub at_ms: u64,
    pub words: String,
    /// The state in which it was done.
    pub state: Option<String>,
}

impl SideOfCall {
    /// The call as it was recorded; with its sound where that is wanted.
    ///
    /// # Errors
    /// Its sound must be made again, and the bundle does not say what the call was run with.
    pub fn recorded(bundle: &Bundle, with_sound: bool) -> Result<SideOfCall, HeadError> {
        let opened_at = opened_at(bundle);
        let (mut facts, mut tally, mut has_requests) = (Vec::new(), Tally::default(), false);
        for output in bundle.outputs(Half::Control) {
            let OutputBody::Whole(bytes) = &output.body else { continue };
            match decode_output(bytes) {
                Some(Output::Fact(fact)) => facts.push(fact),
                Some(other) => {
                    has_requests = true;
                    tally.note(&other, output.head.now);
                }
                None => {}
            }
        }
        let mut told = SideOfCall::told(&facts, bundle, opened_at);
        if has_requests {
            tally.fill(&mut told.side.costs);
        }
        if told.side.cause.is_none() {
            told.side.unfinished = Some("the recording ends before the call does".to_owned());
        }
        if with_sound {
            told.side.sound = Some(Levels::sound(&caller(bundle, opened_at), &bot(bundle, opened_at)?));
        }
        Ok(told)
    }

    /// The call as it was played again, with what else is to be known of that; with its sound where that is wanted.
    pub fn played(bundle: &Bundle, report: &PlayReport, notes: Vec<String>, with_sound: bool) -> SideOfCall {
        let opened_at = opened_at(bundle);
        let mut told = SideOfCall::told(&report.facts, bundle, opened_at);
        let side = &mut told.side;
        report.tally.fill(&mut side.costs);
        side.unfinished.clone_from(&report.stopped);
        side.notes = report.notes.iter().cloned().chain(notes).collect();
        side.departure = report.departure.as_ref().map(|departure| DepartureNote {
            at_ms: departure.at.as_millis() as u64,
            place: departure.place.clone(),
            what: departure.what.clone(),
            recorded: departure.expected.clone(),
            now: departure.got.clone(),
        });
        if with_sound {
            side.sound = Some(Levels::sound(&caller(bundle, opened_at), &report.sent));
        }
        told
    }

    /// The call's id.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    fn told(facts: &[Fact], bundle: &Bundle, opened_at: Time) -> SideOfCall {
        let unix_ms_at_zero = bundle.meta.unix_ns_at_zero / 1_000_000;
        let mut folding = Folding { told: SideOfCall::default(), unix_ms_at_zero, opened_at, answered: None };
        folding.told.call_id.clone_from(&bundle.meta.call);
        facts.iter().for_each(|fact| folding.fact(fact));
        folding.told
    }
}

/// Facts on their way into a side.
struct Folding {
    told: SideOfCall,
    unix_ms_at_zero: i64,
    opened_at: Time,
    answered: Option<u64>,
}

impl Folding {
    fn at_ms(&self, fact: &Fact) -> u64 {
        let of_opening = self.opened_at.since(Time::ZERO).as_millis() as i64;
        u64::try_from(fact.at_unix_ms - self.unix_ms_at_zero - of_opening).unwrap_or(0)
    }

    fn fact(&mut self, fact: &Fact) {
        let at_ms = self.at_ms(fact);
        if let Some(answered) = self.answered {
            self.told.side.talk_ms = at_ms.saturating_sub(answered);
        }
        match &fact.event {
            CallEvent::CallStarted { caller, called, sip_call_id, bot, bot_version, .. } => {
                let told = &mut self.told;
                told.caller.clone_from(caller);
                told.called.clone_from(called);
                told.sip_call_id.clone_from(sip_call_id);
                told.started_unix_ms = fact.at_unix_ms;
                told.side.bot.clone_from(bot);
                told.side.bot_version.clone_from(bot_version);
            }
            CallEvent::CallAnswered { .. } => self.answered = Some(at_ms),
            CallEvent::CallEnded { cause, .. } => {
                self.told.side.cause = Some(cause.word().to_owned());
                self.does(at_ms, format!("ended: {}", cause.word()));
            }
            CallEvent::StateEntered { state } => {
                self.told.side.states.push(StateNote { at_ms, state: state.clone() });
                self.does(at_ms, format!("state: {state}"));
            }
            CallEvent::Said { speaker, text, .. } => {
                self.told.lines.push(Line { speaker: *speaker, at_ms, text: text.clone() });
                let who = match speaker {
                    Speaker::Caller => "caller",
                    Speaker::Bot => "bot",
                };
                self.does(at_ms, format!("{who}: {text}"));
            }
            CallEvent::TurnCompleted { ledger } => self.turn(ledger),
            CallEvent::BargeIn { played_ms } => {
                self.told.side.barge_ins.push(BargeInNote { at_ms, played_ms: *played_ms });
            }
            CallEvent::Understood { .. }
            | CallEvent::NotUnderstood { .. }
            | CallEvent::NoInput { .. }
            | CallEvent::Dtmf { .. } => self.heard(&fact.event, at_ms),
            CallEvent::ToolFinished { .. }
            | CallEvent::TransferFinished { .. }
            | CallEvent::Outcome { .. } => self.done(&fact.event, at_ms),
            CallEvent::CallRinging
            | CallEvent::TransferStarted { .. }
            | CallEvent::NextHopRefused { .. }
            | CallEvent::RtpTimeout
            | CallEvent::RtpResumed
            | CallEvent::EngineFailed { .. }
            | CallEvent::Mark { .. }
            | CallEvent::CommandFinished { .. } => {}
        }
    }

    fn heard(&mut self, event: &CallEvent, at_ms: u64) {
        if let CallEvent::Understood { intent, slot } = event {
            self.told.side.understood += 1;
            self.told.side.intents.push(intent.clone());
            let slot = slot.as_ref().map(|(name, value)| {
                self.told.side.slots.insert(name.clone(), value.clone());
                format!(", {name} = {value}")
            });
            self.does(at_ms, format!("understood: {intent}{}", slot.unwrap_or_default()));
        } else if let CallEvent::NotUnderstood { .. } = event {
            self.told.side.no_match += 1;
            self.does(at_ms, "the caller is not understood".to_owned());
        } else if let CallEvent::NoInput { .. } = event {
            self.told.side.no_input += 1;
            self.does(at_ms, "the caller says nothing".to_owned());
        } else if let CallEvent::Dtmf { digit } = event {
            self.told.side.keys.push(*digit);
            self.does(at_ms, format!("key: {digit}"));
        }
    }

    fn done(&mut self, event: &CallEvent, at_ms: u64) {
        if let CallEvent::ToolFinished { tool, status, error } = event {
            let side = &mut self.told.side;
            side.costs.tool_calls += 1;
            side.costs.tool_failures += u64::from(status.is_none());
            let answer =
                status.map_or_else(|| error.clone().unwrap_or_default(), |status| status.to_string());
            let (tool, error) = (tool.clone(), error.clone());
            self.does(at_ms, format!("tool {tool}: {answer}"));
            self.told.side.tools.push(ToolNote { at_ms, tool, status: *status, error });
        } else if let CallEvent::TransferFinished { target, failure, .. } = event {
            let ended = failure.as_deref().unwrap_or("succeeded");
            self.does(at_ms, format!("transfer to {target}: {ended}"));
            let (target, failure) = (target.clone(), failure.clone());
            self.told.side.transfers.push(TransferNote { at_ms, target, failure });
        } else if let CallEvent::Outcome { name } = event {
            self.told.side.outcome = Some(name.clone());
            self.does(at_ms, format!("outcome: {name}"));
        }
    }

    fn does(&mut self, at_ms: u64, words: String) {
        let state = self.told.side.states.last().map(|note| note.state.clone());
        self.told.doings.push(Doing { at_ms, words, state });
    }

    fn turn(&mut self, ledger: &TurnLedger) {
        let number = self.told.turns.len() + 1;
        self.told.turns.push(Turn {
            number,
            began_ms: since(ledger.began_at, self.opened_at).as_millis() as u64,
            micros: ledger.total_micros(),
            segments: ledger.segments.clone(),
            barge_in_micros: ledger.barge_in_micros,
        });
    }
}

/// What is used of engines while a call runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    characters: u64,
    heard: Duration,
    utterance_began: Option<Time>,
}

impl Tally {
    /// Takes what the control half asks of its surroundings.
    pub fn note(&mut self, output: &Output, now: Time) {
        match output {
            Output::Speak(request) => {
                if let SpeechContent::Text(text) = &request.content {
                    self.characters += text.chars().count() as u64;
                }
            }
            Output::Recognizer(RecognizerCommand::StartUtterance) => self.utterance_began = Some(now),
            Output::Recognizer(RecognizerCommand::FinishUtterance) => {
                self.heard += self.utterance_began.take().map_or(Duration::ZERO, |began| now.since(began));
            }
            Output::Recognizer(RecognizerCommand::SetGrammar(_))
            | Output::Fact(_)
            | Output::Media(_)
            | Output::Sip(_)
            | Output::OpenSpeech { .. }
            | Output::CancelSpeech(_)
            | Output::OpenBridge { .. }
            | Output::BridgeDtmf { .. }
            | Output::CloseBridge { .. }
            | Output::CallTool(_)
            | Output::CancelTool { .. }
            | Output::Ended => {}
        }
    }

    fn fill(&self, costs: &mut Costs) {
        costs.synthesized_characters = Some(self.characters);
        costs.recognizer_seconds = Some(self.heard.as_millis() as f64 / 1000.0);
    }
}

/// The beginning of the call: of a bundle whose head this build cannot read, its first step.
fn opened_at(bundle: &Bundle) -> Time {
    let first_step = || {
        let steps = [Half::Media, Half::Control].into_iter().flat_map(|half| bundle.steps(half).next());
        steps.map(|step| step.head.now).min().unwrap_or(Time::ZERO)
    };
    CallHead::from_meta(&bundle.meta).map_or_else(|_| first_step(), |head| head.opened_at)
}

fn caller(bundle: &Bundle, opened_at: Time) -> Levels {
    let mut levels = Levels::default();
    for packet in bundle.packets() {
        if (packet.kind, packet.direction) == (PacketKind::Rtp, Direction::Inbound) {
            levels.rtp(since(packet.at, opened_at), &packet.bytes);
        }
    }
    levels
}

/// What we sent; it is made again where the bundle only has hashes of it.
fn bot(bundle: &Bundle, opened_at: Time) -> Result<Levels, HeadError> {
    let sent = |packet: &&_| {
        let packet: &offhook_journal::bundle::RecordedPacket = packet;
        (packet.kind, packet.direction) == (PacketKind::Rtp, Direction::Outbound)
    };
    let mut levels = Levels::default();
    if bundle.packets().filter(sent).all(|packet| packet.bytes.len() == packet.original_length) {
        bundle
            .packets()
            .filter(sent)
            .for_each(|packet| levels.rtp(since(packet.at, opened_at), &packet.bytes));
        return Ok(levels);
    }
    for (at, bytes) in sent_again(bundle)? {
        levels.rtp(since(at, opened_at), &bytes);
    }
    Ok(levels)
}
