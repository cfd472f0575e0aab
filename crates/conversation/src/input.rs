//! What happens to a conversation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{PromptId, ToolId, TransferId};

/// Everything that can happen to a conversation. Recorded as it is handled, so every format of serde must take it:
/// no free-form JSON inside, only text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// The call is up and audio flows (or text does): the bot may speak.
    Start(CallFacts),
    /// The caller said something intelligible.
    Heard {
        /// The recognizer's text.
        text: String,
        /// 0..1 where the engine knows one.
        confidence: Option<f32>,
    },
    /// The caller made a sound that is nothing awaited, or nothing intelligible.
    NoMatch,
    /// The caller is silent, as the driver saw it. Needless where the driver feeds [`Input::Deadline`].
    NoInput,
    /// One key: `0`-`9`, `*`, `#`, `A`-`D`.
    Digit(char),
    /// The caller began to speak; a result follows.
    SpeechStarted,
    /// A prompt left the queue of the media half.
    PromptFinished {
        /// Which one.
        prompt: PromptId,
        /// Whether the caller got all of it.
        completed: bool,
    },
    /// An HTTP tool came back.
    ToolResult {
        /// The request's id.
        tool: ToolId,
        /// Any HTTP answer, whatever its status, or why there is none.
        outcome: Result<ToolAnswer, ToolFailure>,
    },
    /// A transfer came to its end.
    TransferOutcome {
        /// The request's id.
        transfer: TransferId,
        /// How it ended.
        outcome: TransferOutcome,
    },
    /// The moment of [`crate::Conversation::poll_timeout`] has come.
    Deadline,
    /// The caller is gone; nothing can be said any more.
    CallerHungUp,
    /// No recognizer for the rest of the call.
    RecognizerFailed,
    /// This prompt could not be spoken and will not finish.
    SynthesizerFailed {
        /// Which one.
        prompt: PromptId,
    },
}

/// What is known of a call before the first word. In templates: `call.caller`, `call.caller_name`, `call.headers["X-Queue"]`,
/// `config.order_service`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFacts {
    /// User part of the caller's address.
    pub caller: String,
    /// The caller's display name; empty where there is none.
    #[serde(default)]
    pub caller_name: String,
    /// User part of the dialled address.
    pub called: String,
    /// SIP headers that the route hands on.
    pub headers: BTreeMap<String, String>,
    /// Values from the server's configuration for the names under `config:` of the bot file.
    pub config: BTreeMap<String, String>,
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolAnswer {
    /// HTTP status code.
    pub status: u16,
    /// The body as text; JSON where the service speaks JSON.
    pub body: String,
}

/// Why there is no HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ToolFailure {
    /// Nothing came in time.
    #[error("no answer in time")]
    TimedOut,
    /// No connection, no name, broken off.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The driver would not send it (address not allowed, body too large).
    #[error("refused: {0}")]
    Refused(String),
}

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferOutcome {
    /// The target answered; the call is no longer ours.
    Succeeded,
    /// The caller is still with us.
    Failed {
        /// A short word: `busy`, `no_answer`, `rejected`, `unreachable`.
        cause: String,
        /// SIP status where one came.
        status: Option<u16>,
    },
}
