//! The JSON control messages.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Framing;

/// Names us in every message of ours, so that one an application returns is told from one of its own.
const FROM: &str = "offhook";
/// Digits of one message: at most what the media half takes in one command.
const MAX_DIGITS: usize = 32;

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
    Dtmf {
        #[serde(deserialize_with = "digits")]
        digits: String,
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

fn digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let digits = String::deserialize(deserializer)?;
    let keys = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'D' | b'*' | b'#'));
    if keys && (1..=MAX_DIGITS).contains(&digits.len()) {
        Ok(digits)
    } else {
        Err(D::Error::custom(format!("digits are 1 to {MAX_DIGITS} of 0-9, A-D, * and #")))
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
