//! What happened: facts for the journal, events for the API, the call record.

use std::net::IpAddr;
use std::time::Duration;

use offhook_call_media::{CloseReport, LegId};
use serde::{Deserialize, Serialize};

use crate::{CommandOutcome, EndCause, TurnLedger};

/// Something that must not be lost: written to the journal as it happens, folded into the call record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The call.
    pub call_id: String,
    /// Counts the facts of the call, from zero.
    pub sequence: u64,
    /// Unix time in milliseconds.
    pub at_unix_ms: i64,
    /// The leg it is about, where it is about one.
    pub leg: Option<LegId>,
    /// What.
    pub event: CallEvent,
}

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The caller.
    Caller,
    /// The bot.
    Bot,
}

/// What happened. The names are those of the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CallEvent {
    /// An INVITE was let in.
    CallStarted {
        /// User part of From.
        caller: String,
        /// User part of the Request-URI.
        called: String,
        /// The SIP Call-ID.
        sip_call_id: String,
        /// Which bot takes it.
        bot: String,
        /// Content hash of its file; empty for the built-in ones.
        bot_version: String,
        /// `inbound` or `outbound`.
        direction: String,
        /// The trunk it came or goes by; `None` where it is no trunk's.
        #[serde(default)]
        trunk: Option<String>,
        /// Its trace, 32 hexadecimal digits: those of the call's id, or what the INVITE's `traceparent` named.
        #[serde(default)]
        trace_id: String,
    },
    /// It rings and waits for the API's `answer`.
    CallRinging,
    /// The 200 was sent.
    CallAnswered {
        /// Codec on the line.
        codec: String,
    },
    /// Nothing follows for this call but its record.
    CallEnded {
        /// Why.
        cause: EndCause,
        /// What the streams did.
        media: Option<CloseReport>,
    },
    /// The bot entered a state.
    StateEntered {
        /// Its name.
        state: String,
    },
    /// Somebody said something.
    Said {
        /// Who.
        speaker: Speaker,
        /// The text.
        text: String,
        /// The recognizer's confidence, for the caller.
        confidence: Option<f32>,
    },
    /// The caller's words were understood.
    Understood {
        /// The intent.
        intent: String,
        /// A slot that was filled and its value.
        slot: Option<(String, String)>,
    },
    /// The caller's words were nothing awaited.
    NotUnderstood {
        /// How often in a row.
        count: u32,
    },
    /// The caller was silent.
    NoInput {
        /// How often in a row.
        count: u32,
    },
    /// A key was pressed.
    Dtmf {
        /// Which.
        digit: char,
    },
    /// The caller interrupted the bot.
    BargeIn {
        /// How much of the utterance had been heard, in milliseconds.
        played_ms: u64,
    },
    /// A turn is complete: the caller hears the bot.
    TurnCompleted {
        /// Where the silence went.
        ledger: TurnLedger,
    },
    /// A business system was asked.
    ToolFinished {
        /// Its name in the bot file.
        tool: String,
        /// HTTP status where one came.
        status: Option<u16>,
        /// Why there is none.
        error: Option<String>,
    },
    /// A transfer was begun.
    TransferStarted {
        /// To whom.
        target: String,
        /// The trunk that leads there; `None` for loopback and for a target that is refused.
        #[serde(default)]
        trunk: Option<String>,
    },
    /// A transfer came to its end.
    TransferFinished {
        /// To whom.
        target: String,
        /// `None` = succeeded.
        failure: Option<String>,
        /// The SIP status that came back.
        status: Option<u16>,
    },
    /// What the call was good for.
    Outcome {
        /// Its name in the bot file.
        name: String,
    },
    /// The peer's Contact or Record-Route leads to an address that no trunk allows: requests go to where its own
    /// messages come from instead. Told once for a call.
    NextHopRefused {
        /// Where it led.
        address: IpAddr,
    },
    /// RTP stopped coming.
    RtpTimeout,
    /// RTP came back.
    RtpResumed,
    /// An engine failed; the call goes on in another way.
    EngineFailed {
        /// What it said.
        error: String,
    },
    /// A mark of the application was reached.
    Mark {
        /// Its name.
        name: String,
    },
    /// An API command ended.
    CommandFinished {
        /// The client's id.
        command_id: String,
        /// How.
        outcome: CommandOutcome,
    },
}

/// One turn in the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// Unix time in milliseconds at which the turn was complete: at most 0.1 s after the caller began to hear the bot.
    pub at_unix_ms: i64,
    /// Where the silence went.
    pub ledger: TurnLedger,
}

/// One transfer in the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRecord {
    /// To whom.
    pub target: String,
    /// `None` = succeeded or unknown.
    pub failure: Option<String>,
    /// The SIP status that came back.
    pub status: Option<u16>,
}

/// A call as it is stored: its facts, folded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Version of this schema.
    pub schema: u32,
    /// The call.
    pub call_id: String,
    /// The SIP Call-ID.
    pub sip_call_id: String,
    /// User part of From.
    pub caller: String,
    /// User part of the Request-URI.
    pub called: String,
    /// Which bot.
    pub bot: String,
    /// Content hash of its file.
    pub bot_version: String,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// The trunk it came or goes by.
    #[serde(default)]
    pub trunk: Option<String>,
    /// Its trace, 32 hexadecimal digits.
    #[serde(default)]
    pub trace_id: String,
    /// Unix milliseconds.
    pub started_unix_ms: i64,
    /// Unix milliseconds; `None` where it never was.
    pub answered_unix_ms: Option<i64>,
    /// Unix milliseconds; `None` while it runs.
    pub ended_unix_ms: Option<i64>,
    /// Unix milliseconds of the last fact: what is known to have been alive.
    pub last_seen_unix_ms: i64,
    /// Why it ended.
    pub cause: Option<EndCause>,
    /// Codec on the line.
    pub codec: Option<String>,
    /// What the call was good for.
    pub outcome: Option<String>,
    /// Who said what.
    pub transcript: Vec<(Speaker, String)>,
    /// The states the bot went through.
    pub states: Vec<String>,
    /// Keys pressed.
    pub digits: String,
    /// The turns.
    pub turns: Vec<TurnRecord>,
    /// The transfers.
    pub transfers: Vec<TransferRecord>,
    /// How often the caller interrupted the bot.
    pub barge_ins: u32,
    /// What the streams did.
    pub media: Option<CloseReport>,
}

impl CallRecord {
    /// Version of the schema that [`apply`](Self::apply) writes.
    pub const SCHEMA: u32 = 1;

    /// Takes the next fact of the call. Taking one twice changes nothing but lists; the journal gives each once.
    pub fn apply(&mut self, fact: &Fact) {
        self.schema = Self::SCHEMA;
        self.call_id.clone_from(&fact.call_id);
        self.last_seen_unix_ms = fact.at_unix_ms;
        match &fact.event {
            CallEvent::CallStarted {
                caller,
                called,
                sip_call_id,
                bot,
                bot_version,
                direction,
                trunk,
                trace_id,
            } => {
                self.caller.clone_from(caller);
                self.called.clone_from(called);
                self.sip_call_id.clone_from(sip_call_id);
                self.bot.clone_from(bot);
                self.bot_version.clone_from(bot_version);
                self.direction.clone_from(direction);
                self.trunk.clone_from(trunk);
                self.trace_id.clone_from(trace_id);
                self.started_unix_ms = fact.at_unix_ms;
            }
            CallEvent::CallAnswered { codec } => {
                self.answered_unix_ms = Some(fact.at_unix_ms);
                self.codec = Some(codec.clone());
            }
            CallEvent::CallEnded { cause, media } => {
                self.ended_unix_ms = Some(fact.at_unix_ms);
                self.cause = Some(*cause);
                self.media = *media;
            }
            CallEvent::StateEntered { state } => self.states.push(state.clone()),
            CallEvent::Said { speaker, text, .. } => self.transcript.push((*speaker, text.clone())),
            CallEvent::Dtmf { digit } => self.digits.push(*digit),
            CallEvent::BargeIn { .. } => self.barge_ins += 1,
            CallEvent::TurnCompleted { ledger } => {
                self.turns.push(TurnRecord { at_unix_ms: fact.at_unix_ms, ledger: ledger.clone() });
            }
            CallEvent::TransferFinished { target, failure, status } => {
                self.transfers.push(TransferRecord {
                    target: target.clone(),
                    failure: failure.clone(),
                    status: *status,
                });
            }
            CallEvent::Outcome { name } => self.outcome = Some(name.clone()),
            CallEvent::CallRinging
            | CallEvent::Understood { .. }
            | CallEvent::NotUnderstood { .. }
            | CallEvent::NoInput { .. }
            | CallEvent::ToolFinished { .. }
            | CallEvent::TransferStarted { .. }
            | CallEvent::NextHopRefused { .. }
            | CallEvent::RtpTimeout
            | CallEvent::RtpResumed
            | CallEvent::EngineFailed { .. }
            | CallEvent::Mark { .. }
            | CallEvent::CommandFinished { .. } => {}
        }
    }

    /// How long the call lasted from the answer to its end, or to the last sign of life.
    pub fn talk_time(&self) -> Duration {
        let end = self.ended_unix_ms.unwrap_or(self.last_seen_unix_ms);
        let talked = self.answered_unix_ms.map_or(0, |answered| end.saturating_sub(answered));
        Duration::from_millis(u64::try_from(talked).unwrap_or(0))
    }
}
