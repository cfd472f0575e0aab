//! What the conversation awaits now.

use serde::{Deserialize, Serialize};

/// Phrases and slots that make sense in the current state. Each engine uses what it can: a grammar engine compiles
/// it, a cloud engine takes the words as hints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grammar {
    /// BCP 47 tag of what is spoken (`en-US`, `zh-CN`).
    pub language: String,
    /// The intents and their wordings.
    pub intents: Vec<IntentPhrases>,
    /// Typed values that may be spoken on their own.
    pub slots: Vec<SlotKind>,
}

/// One intent and how people say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentPhrases {
    /// Name of the intent in the bot file.
    pub intent: String,
    /// Wordings in lower case without punctuation. `[word]` is optional, `(a|b)` is a choice, both may nest.
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
    /// One of these words.
    Choice(Vec<String>),
}
