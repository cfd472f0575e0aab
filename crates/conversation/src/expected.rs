//! What the bot waits for now, in words that a recognizer and a keypad reader can use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Language;

/// Phrases, slots and keys that make sense in the current state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// BCP 47 tag of what is spoken (`en`, `zh-CN`), as in the bot file.
    pub language: String,
    /// The intents and their wordings.
    pub intents: Vec<IntentPhrases>,
    /// Typed values that may be spoken on their own.
    pub slots: Vec<SlotKind>,
    /// Words that are likely here beyond the phrases, for recognizers that take hints.
    pub hints: Vec<String>,
    /// Keys that are of use; `None` where a digit means nothing here.
    pub dtmf: Option<DtmfExpect>,
    /// Silence that ends the caller's turn.
    pub end_of_speech: Duration,
    /// Silence after the last prompt that counts as no input. The conversation keeps this timer itself.
    pub no_input_after: Duration,
}

impl Expected {
    /// The language family that decides how text is read.
    pub fn family(&self) -> Language {
        Language::of(&self.language)
    }
}

/// One intent and how people say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentPhrases {
    /// Name of the intent in the bot file.
    pub intent: String,
    /// Wordings in lower case without punctuation but the apostrophe (`i'd like`), which `understand` ignores and a
    /// pronouncing dictionary needs. `[word]` is optional, `(a|b)` is a choice, both may nest.
    pub phrases: Vec<String>,
}

/// A typed value that can be spoken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SlotKind {
    /// A number said digit by digit.
    Digits {
        /// Fewest digits.
        min: u8,
        /// Most digits.
        max: u8,
    },
    /// Yes or no in the usual wordings of the language.
    YesNo,
    /// One of these values, each with its wordings.
    Choice(Vec<IntentPhrases>),
}

/// Which keys are awaited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DtmfExpect {
    /// Fewest digits of an answer.
    pub min: u8,
    /// Most digits; the answer is complete without the terminator then.
    pub max: u8,
    /// The key that ends an answer early.
    pub terminator: Option<char>,
}
