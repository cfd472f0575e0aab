//! From text to what was meant.

use serde::{Deserialize, Serialize};

use crate::{Expected, NoMatchReason};

/// What a text means to a bot that expects something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Understanding {
    /// One of the intents.
    Intent {
        /// Its name.
        intent: String,
    },
    /// Digits of an awaited length.
    Digits(String),
    /// Yes.
    Yes,
    /// No.
    No,
    /// One of the values of a choice slot.
    Choice(String),
    /// Nothing of what is awaited.
    NoMatch {
        /// Why.
        reason: NoMatchReason,
        /// The digits that were heard, if any.
        digits: String,
    },
}

/// Reads a recognizer's text against what is awaited.
pub fn understand(text: &str, expected: &Expected) -> Understanding {
    let _ = (text, expected);
    Understanding::NoMatch { reason: NoMatchReason::NothingAwaited, digits: String::new() }
}
