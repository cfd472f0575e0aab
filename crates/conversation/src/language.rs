//! Which rules text follows.

use serde::{Deserialize, Serialize};

/// The language families whose digits, yes and no we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// Words parted by spaces.
    English,
    /// No spaces; compared by character.
    Chinese,
}

impl Language {
    /// The family of a BCP 47 tag: `zh`, `zh-CN`, `cmn-Hans` are Chinese, all else follows the English rules.
    pub fn of(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or(tag).to_ascii_lowercase();
        if matches!(primary.as_str(), "zh" | "cmn" | "yue") { Language::Chinese } else { Language::English }
    }

    /// Whether a tag names a language whose digits, yes and no we know.
    pub fn is_known(tag: &str) -> bool {
        let primary = tag.split(['-', '_']).next().unwrap_or(tag).to_ascii_lowercase();
        matches!(primary.as_str(), "en" | "zh" | "cmn" | "yue")
    }
}
