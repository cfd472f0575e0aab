//! What the API asks of a running call.

use offhook_call_media::LegId;
use serde::{Deserialize, Serialize};

/// A name that the client gives a command: repeating it with the same id does nothing twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommandId(pub String);

/// A command. Each ends in exactly one `command_finished` event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Answers a call that rings.
    Answer,
    /// Ends the call; before the answer it is rejected with `status`.
    HangUp {
        /// SIP status before the answer; 603 where absent.
        status: Option<u16>,
        /// Text for Reason.
        reason: Option<String>,
    },
    /// Hands the caller to somebody else by REFER.
    Transfer {
        /// SIP URI, or the name of a target of the configuration.
        target: String,
        /// The trunk that must lead there; any where absent.
        trunk: Option<String>,
    },
    /// Nobody hears the leg any more.
    Mute {
        /// Whose microphone.
        leg: LegId,
    },
    /// The leg is heard again.
    Unmute {
        /// Whose microphone.
        leg: LegId,
    },
    /// Says a text to the caller.
    Say {
        /// The text.
        text: String,
        /// Whether speech or a digit may interrupt it.
        interruptible: bool,
    },
    /// Sends digits (RFC 4733).
    Dtmf {
        /// To whose far end.
        leg: LegId,
        /// 0-9, A-D, * and #.
        digits: String,
    },
}

/// How a command ended: `{"result": "succeeded"}`, or `{"result": "failed", "code": …, "message": …}`. It stands in facts
/// only, which are JSON everywhere; a step must not hold it, its encoding knows no such tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum CommandOutcome {
    /// It was done.
    Succeeded,
    /// It was not.
    Failed(Refusal),
}

/// Why a command was not done. The `code` is stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// A stable word: `wrong_state`, `not_allowed`, `bad_argument`, `unavailable`, `failed`.
    pub code: String,
    /// What to tell a person.
    pub message: String,
}

impl Refusal {
    /// The call is not in a state in which this can be done.
    pub fn wrong_state(message: impl Into<String>) -> Self {
        Refusal { code: "wrong_state".into(), message: message.into() }
    }

    /// The configuration forbids it.
    pub fn not_allowed(message: impl Into<String>) -> Self {
        Refusal { code: "not_allowed".into(), message: message.into() }
    }

    /// The command itself is wrong.
    pub fn bad_argument(message: impl Into<String>) -> Self {
        Refusal { code: "bad_argument".into(), message: message.into() }
    }

    /// Not now: the server takes no more calls.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Refusal { code: "unavailable".into(), message: message.into() }
    }

    /// It was tried and did not work.
    pub fn failed(message: impl Into<String>) -> Self {
        Refusal { code: "failed".into(), message: message.into() }
    }
}
