//! The JSON control messages.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Framing;

/// Names us in every message of ours, so that one an application returns is told from one of its own.
const FROM: &str = "offhook";

/// What we say.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToApplication<'a> {
    Start {
        version: u32,
        call_id: &'a str,
        framing: &'static str,
        sample_rate: u32,
        frame_ms: u32,
        metadata: &'a Value,
    },
    Dtmf {
        digit: char,
        duration_ms: u32,
    },
    Mark {
        name: &'a str,
        of: MarkOf,
        cleared: bool,
    },
    Credit {
        frames: u32,
    },
    Error {
        code: ErrorCode,
        detail: &'a str,
    },
    Stop {
        reason: &'a str,
    },
}

/// Whose mark it is.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MarkOf {
    /// The application set it; the audio before it was played.
    Application,
    /// The call set it.
    Call,
}

/// What was wrong with a message of the application.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ErrorCode {
    /// Not a control message of this protocol.
    BadControl,
    /// Not an audio message of the framing in use.
    BadAudio,
}

impl ToApplication<'_> {
    pub(super) fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Envelope<'a> {
            from: &'static str,
            #[serde(flatten)]
            message: &'a ToApplication<'a>,
        }
        // Strings, numbers and a Value always serialize.
        serde_json::to_string(&Envelope { from: FROM, message: self }).unwrap_or_default()
    }
}

/// What the application says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromApplication {
    Mark {
        name: String,
    },
    Clear,
    #[serde(rename = "hangup")]
    HangUp {
        #[serde(default)]
        reason: String,
    },
    Transfer {
        target: String,
    },
    CreditRequest,
    Stop {
        #[serde(default)]
        reason: String,
    },
}

impl FromApplication {
    /// The message; none where it is one of ours coming back.
    pub(super) fn parse(text: &str) -> Result<Option<FromApplication>, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if value.get("from").and_then(Value::as_str) == Some(FROM) {
            return Ok(None);
        }
        serde_json::from_value(value).map(Some).map_err(|error| error.to_string())
    }
}

impl Framing {
    /// As `start` names it.
    pub fn name(self) -> &'static str {
        match self {
            Framing::Offhook => "offhook",
            Framing::Raw => "raw",
        }
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod schema_tests;
