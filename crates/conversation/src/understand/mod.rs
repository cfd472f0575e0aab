//! From text to what was meant.
//!
//! Every awaited thing proposes the stretch of words it explains; the longest explanation wins, two equally long
//! ones of different meaning are no match. Any recognizer's text will do, also that of one without a grammar.

mod digits;
mod pattern;
mod words;
mod yes_no;

use serde::{Deserialize, Serialize};

pub(crate) use pattern::Pattern;
pub(crate) use words::words;
pub(crate) use yes_no::{no, yes};

use crate::{Expected, Language, NoMatchReason, SlotKind};

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
    let language = expected.family();
    let words = yes_no::without_politeness(words(text), language);
    let runs = digits::runs(&words, language);

    let awaited = |digits: &str| expected.slots.iter().any(|slot| takes_digits(slot, digits.len()));
    let joined = runs.concat();
    let mut fitting: Vec<&str> = runs.iter().map(String::as_str).filter(|run| awaited(run)).collect();
    fitting.dedup();
    match fitting.as_slice() {
        // A whole number of the awaited length is nothing else by chance.
        [digits] if digits.len() > 1 || words.len() == 1 => {
            return Understanding::Digits((*digits).to_owned());
        }
        [] if runs.len() > 1 && awaited(&joined) => return Understanding::Digits(joined),
        [] | [_] => {}
        [_, _, ..] => return no_match(NoMatchReason::Ambiguous, joined),
    }
    match best_phrase(&words, expected, language) {
        Verdict::One(meaning) => meaning,
        Verdict::Several => no_match(NoMatchReason::Ambiguous, joined),
        // A single digit in a sentence counts only where nothing else explains it.
        Verdict::None if fitting.len() == 1 => Understanding::Digits(fitting.concat()),
        Verdict::None if is_number_gone_wrong(&joined, expected) => {
            no_match(NoMatchReason::WrongLength, joined)
        }
        Verdict::None => no_match(NoMatchReason::NothingAwaited, joined),
    }
}

/// Whether a text is nothing but hesitation (`uh`, `嗯`): a sound, not an answer.
pub(crate) fn is_hesitation(text: &str) -> bool {
    words(text).iter().all(|word| digits::is_filler(word))
}

fn no_match(reason: NoMatchReason, digits: String) -> Understanding {
    Understanding::NoMatch { reason, digits }
}

enum Verdict {
    One(Understanding),
    Several,
    None,
}

/// A phrase must explain at least this part of what was said: one word out of so many may be chance.
const WORDS_PER_MATCHED_WORD: usize = 8;

fn best_phrase(words: &[String], expected: &Expected, language: Language) -> Verdict {
    let mut best: (usize, Vec<Understanding>) = (0, Vec::new());
    let mut propose = |phrase: &str, meaning: Understanding| {
        // A phrase that cannot be read was refused when the bot file was checked.
        let Ok(pattern) = Pattern::parse(phrase) else { return };
        let Some((start, end)) = pattern.find(words, |start| !yes_no::is_negated(words, start, language))
        else {
            return;
        };
        let length = end - start;
        if length * WORDS_PER_MATCHED_WORD < words.len() || length < best.0 {
            return;
        }
        if length > best.0 {
            best = (length, Vec::new());
        }
        if !best.1.contains(&meaning) {
            best.1.push(meaning);
        }
    };
    for intent in &expected.intents {
        for phrase in &intent.phrases {
            propose(phrase, Understanding::Intent { intent: intent.intent.clone() });
        }
    }
    for slot in &expected.slots {
        match slot {
            SlotKind::Digits { .. } => {}
            SlotKind::YesNo => {
                for phrase in yes_no::yes(language) {
                    propose(phrase, Understanding::Yes);
                }
                for phrase in yes_no::no(language) {
                    propose(phrase, Understanding::No);
                }
            }
            SlotKind::Choice(values) => {
                for value in values {
                    for phrase in &value.phrases {
                        propose(phrase, Understanding::Choice(value.intent.clone()));
                    }
                }
            }
        }
    }
    let (_, mut meanings) = best;
    match (meanings.pop(), meanings.is_empty()) {
        (None, _) => Verdict::None,
        (Some(meaning), true) => Verdict::One(meaning),
        (Some(_), false) => Verdict::Several,
    }
}

fn takes_digits(slot: &SlotKind, length: usize) -> bool {
    match slot {
        SlotKind::Digits { min, max } => (usize::from(*min)..=usize::from(*max)).contains(&length),
        SlotKind::YesNo | SlotKind::Choice(_) => false,
    }
}

/// Whether the caller tried to give the number: a stray `one` is no try at eight digits.
fn is_number_gone_wrong(digits: &str, expected: &Expected) -> bool {
    expected.slots.iter().any(|slot| match slot {
        SlotKind::Digits { min, .. } => digits.len() >= usize::from(*min).div_ceil(3).max(1),
        SlotKind::YesNo | SlotKind::Choice(_) => false,
    })
}

#[cfg(test)]
mod tests;
