//! What a conversation wants done.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Expected, Secret};

/// What a conversation wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Speak this after the prompts before it.
    Prompt(Prompt),
    /// Drop every prompt that has not finished, also one that a reflex has paused.
    StopPrompts,
    /// Drop this one; the others stay.
    StopPrompt(PromptId),
    /// What interrupted was nothing: a paused prompt goes on, a little before the place where it stopped.
    ResumePrompts,
    /// Listen for this; replaces what was awaited before.
    Expect(Expected),
    /// Nothing the caller says now is of use.
    ExpectNothing,
    /// Send an HTTP request and report [`crate::Input::ToolResult`].
    CallTool(ToolCall),
    /// Give up on a request; its result is ignored.
    CancelTool(ToolId),
    /// Transfer the call and report [`crate::Input::TransferOutcome`].
    Transfer(TransferCall),
    /// End the call. Nothing follows but the last events.
    HangUp {
        /// Why.
        reason: HangUpReason,
    },
    /// For the record, the API's events and `bot test`; nothing to do.
    Event(Event),
    /// From here on nothing that the caller says or keys may be recorded, or it may again.
    Mask(bool),
}

/// Numbers the prompts of a call, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PromptId(pub u64);

/// Numbers the HTTP requests of a call, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ToolId(pub u64);

/// Numbers the transfers of a call, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransferId(pub u64);

/// Something to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Comes back in [`crate::Input::PromptFinished`].
    pub id: PromptId,
    /// What.
    pub content: PromptContent,
    /// BCP 47 tag.
    pub language: String,
    /// Voice by the synthesizer's name; `None` = the configured one.
    pub voice: Option<String>,
    /// What may interrupt it.
    pub barge_in: BargeIn,
    /// It may hold a masked value: how it sounds must not be recorded.
    pub masked: bool,
    /// The text with its masked values, where it has any: what is to be spoken in place of `content`.
    #[serde(skip)]
    pub secret: Secret<String>,
}

/// Text for the synthesizer or a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PromptContent {
    /// To be synthesized.
    Text(String),
    /// A recording by its name in the server's prompt folder.
    Recording(String),
}

/// What interrupts a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BargeIn {
    /// What the caller's speech does.
    pub speech: OnSpeech,
    /// Whether a key stops it.
    pub digits: bool,
}

impl BargeIn {
    /// Nothing interrupts.
    pub const NONE: BargeIn = BargeIn { speech: OnSpeech::Ignore, digits: false };
    /// Anything stops it.
    pub const ANY: BargeIn = BargeIn { speech: OnSpeech::Stop, digits: true };
}

/// What the caller's speech does to a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnSpeech {
    /// The prompt goes on, and what is said over it is nothing.
    Ignore,
    /// The driver pauses it. [`Output::StopPrompt`] or [`Output::StopPrompts`] follows where the caller said something
    /// awaited, else [`Output::ResumePrompts`].
    WaitForMatch,
    /// The driver stops it as soon as it is sure of speech, and what waits behind it up to the first prompt that
    /// speech does not stop.
    Stop,
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Comes back in [`crate::Input::ToolResult`].
    pub id: ToolId,
    /// Name in the bot file, for records and metrics.
    pub name: String,
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Absolute URL.
    pub url: String,
    /// Header fields in order.
    pub headers: Vec<(String, String)>,
    /// The body; JSON unless a header says otherwise.
    pub body: Option<String>,
    /// The conversation goes on after this whether an answer came or not.
    pub timeout: Duration,
    /// Headers and body with their masked values, where they have any: what is to be sent.
    #[serde(skip)]
    pub secret: Secret<ToolSecret>,
}

/// The part of an HTTP request that may hold masked values.
#[derive(Clone)]
pub struct ToolSecret {
    /// Header fields in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<String>,
}

/// A transfer to a named target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferCall {
    /// Comes back in [`crate::Input::TransferOutcome`].
    pub id: TransferId,
    /// Name of the target in the bot file.
    pub target: String,
    /// The target's SIP URI; `None` = the server's configuration knows the name.
    pub uri: Option<String>,
    /// How long the target may ring. The conversation takes a longer wait for a failure.
    pub ring_time: Duration,
}

/// Why the bot ends a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HangUpReason {
    /// The bot file says so.
    Finished,
    /// No input or no match too often, and the ladder ends here.
    NotUnderstood,
    /// More turns than `turn.max_turns`.
    TooManyTurns,
    /// Recognizer or synthesizer failed and the bot has no other way.
    EngineFailed,
    /// The bot file misbehaved at run time: a template out of fuel, a loop without the caller.
    BotFailed,
}

/// What happened, for the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A state was entered.
    StateEntered {
        /// Its name.
        state: String,
    },
    /// The caller was understood.
    Understood {
        /// The intent, or `digits`, `yes`, `no`, `choice`, `key`.
        intent: String,
        /// The slot that was filled and its value; stars where the slot is sensitive.
        slot: Option<(String, String)>,
    },
    /// Something was said that is nothing awaited.
    NotUnderstood {
        /// Why.
        reason: NoMatchReason,
        /// How often in a row, from 1.
        count: u32,
    },
    /// The caller was silent.
    NoInput {
        /// How often in a row, from 1.
        count: u32,
    },
    /// A variable got a value; stars where it is sensitive.
    VariableSet {
        /// Its name.
        name: String,
        /// JSON text.
        value: String,
    },
    /// A tool came back or did not.
    ToolFinished {
        /// Name in the bot file.
        tool: String,
        /// HTTP status, or why there is none.
        outcome: Result<u16, ToolError>,
    },
    /// A transfer came to its end.
    TransferFinished {
        /// Name of the target.
        target: String,
        /// `None` = succeeded, else the cause.
        failure: Option<String>,
    },
    /// What the call was good for (`outcome:` of a state); the last one counts.
    Outcome {
        /// Its name.
        name: String,
    },
    /// The bot file misbehaved at run time.
    BotFailed {
        /// In which state.
        state: String,
        /// What went wrong.
        what: String,
    },
}

/// Why a tool gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolError {
    /// Nothing came in time.
    TimedOut,
    /// Anything else, in words.
    Failed(String),
}

/// Why something said was not understood. In templates `turn.reason` as `nothing_awaited` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoMatchReason {
    /// Nothing of it is awaited here.
    NothingAwaited,
    /// It fits two things equally well.
    Ambiguous,
    /// Digits, but too few or too many; `turn.digits` says how many.
    WrongLength,
    /// The recognizer was too unsure.
    LowConfidence,
}
