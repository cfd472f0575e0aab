//! What a masked state hears.
//!
//! The conversation decides by masked values alone: `X` for each digit, and of what was said its meaning in words. So a
//! recording that holds nothing else can be run again. The values themselves lie here, beside the machine, and are
//! only put into what leaves it for a synthesizer or a tool.

use std::collections::BTreeMap;
use std::fmt;

use offhook_time::Time;
use serde_json::Value as Json;

use super::listening::Listening;
use super::{Conversation, Phase};
use crate::bot::Scope;
use crate::bot::masking;
use crate::bot::walk::Template;
use crate::understand::is_hesitation;
use crate::{NoMatchReason, ToolAnswer, ToolFailure, Understanding, understand};

/// What stands for a masked digit.
pub const MASKED_KEY: char = 'X';

/// Begins the masked form of something that was said.
const MASKED: &str = "masked: ";

/// Runs of so many digits of a masked value are masked in the answers of tools.
const LEAST_RUN: usize = 6;

/// The values of a call.
#[derive(Default)]
pub(super) struct Vault {
    /// What the outputs said last.
    pub(super) told: bool,
    /// Digits of the input that is being handled.
    pub(super) heard: Option<String>,
    /// By variable.
    pub(super) values: BTreeMap<String, Json>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

impl Conversation {
    /// Whether nothing that the caller says or keys now may be recorded.
    pub fn is_masked(&self) -> bool {
        let file = self.bot.file();
        file.states.get(self.state.as_str()).is_some_and(|state| masking::is_masked(file, state))
    }

    /// A recognizer's text as it may be recorded: in a masked state its meaning, such as `masked: 16 digits`. Heard
    /// again, that leads where the text led.
    pub fn masked_text(&self, text: &str) -> String {
        if !self.is_masked() || text.starts_with(MASKED) {
            return text.to_owned();
        }
        let understanding = match &self.phase {
            Phase::Listening(listening) => listening.understand(text),
            Phase::Waiting | Phase::Calling(_) | Phase::Transferring(_) | Phase::Leaving(_) | Phase::Over => {
                nothing()
            }
        };
        let meaning = match &understanding {
            Understanding::Digits(digits) => format!("{} digits", digits.len()),
            Understanding::Yes => "yes".to_owned(),
            Understanding::No => "no".to_owned(),
            Understanding::Intent { intent } => format!("intent {intent}"),
            Understanding::Choice(value) => format!("choice {value}"),
            Understanding::NoMatch { .. } if is_hesitation(text) => "hesitation".to_owned(),
            Understanding::NoMatch { reason, digits } => {
                format!("{}, {} digits", reason_name(*reason), digits.len())
            }
        };
        format!("{MASKED}{meaning}")
    }

    /// A key as it may be recorded: in a masked state a digit is [`MASKED_KEY`], unless it is an answer by itself.
    pub fn masked_key(&self, key: char) -> char {
        let Phase::Listening(listening) = &self.phase else {
            return if self.is_masked() { mask_digit(key) } else { key };
        };
        if !self.is_masked() || self.is_an_answer(listening, key) { key } else { mask_digit(key) }
    }

    /// What came of a tool as it may be recorded and used: without the masked values that it repeats.
    pub fn scrubbed(&self, outcome: Result<ToolAnswer, ToolFailure>) -> Result<ToolAnswer, ToolFailure> {
        let secrets = self.digits_in_vault();
        if secrets.is_empty() {
            return outcome;
        }
        match outcome {
            Ok(ToolAnswer { status, body }) => Ok(ToolAnswer { status, body: scrub_body(body, &secrets) }),
            Err(ToolFailure::TimedOut) => Err(ToolFailure::TimedOut),
            Err(ToolFailure::Unreachable(why)) => Err(ToolFailure::Unreachable(scrub(&why, &secrets))),
            Err(ToolFailure::Refused(why)) => Err(ToolFailure::Refused(scrub(&why, &secrets))),
        }
    }

    /// What was said, as the machine may know it, and the text's own digits where it is masked.
    pub(super) fn hear(&self, text: &str) -> (String, Option<String>) {
        let masked = self.masked_text(text);
        let digits = match (&self.phase, masked == text) {
            (Phase::Listening(listening), false) => match listening.understand(text) {
                Understanding::Digits(digits) => Some(digits),
                Understanding::Intent { .. }
                | Understanding::Yes
                | Understanding::No
                | Understanding::Choice(_)
                | Understanding::NoMatch { .. } => None,
            },
            (
                Phase::Listening(_)
                | Phase::Waiting
                | Phase::Calling(_)
                | Phase::Transferring(_)
                | Phase::Leaving(_)
                | Phase::Over,
                _,
            ) => None,
        };
        (masked, digits)
    }

    /// What templates see for the ears of the caller and of tools.
    pub(super) fn revealed_scope(&self, now: Time) -> Scope {
        let mut scope = self.scope(now);
        for (name, value) in &self.vault.values {
            scope.insert(name.clone(), super::scope::template_value(value));
        }
        scope
    }

    /// Whether a template may insert a masked value.
    pub(super) fn may_reveal(&self, template: &str) -> bool {
        masking::mentions(Template::Text, template, self.bot.masked_names())
    }

    fn digits_in_vault(&self) -> Vec<String> {
        let texts = self.vault.values.values().filter_map(Json::as_str);
        let digits = texts.map(|text| text.chars().filter(char::is_ascii_digit).collect::<String>());
        digits.filter(|digits| digits.len() >= LEAST_RUN).collect()
    }
}

impl Listening {
    /// Reads what was said, or what a recording has of it.
    pub(super) fn understand(&self, text: &str) -> Understanding {
        text.strip_prefix(MASKED).map_or_else(|| understand(text, &self.expected), unmasked)
    }
}

/// Whether a text is nothing but hesitation, also where it is masked.
pub(super) fn hesitates(text: &str) -> bool {
    text.strip_prefix(MASKED).map_or_else(|| is_hesitation(text), |meaning| meaning == "hesitation")
}

/// The meaning that [`Conversation::masked_text`] wrote down.
fn unmasked(meaning: &str) -> Understanding {
    let count = |text: &str| text.strip_suffix(" digits").and_then(|count| count.parse::<usize>().ok());
    let hidden = |count: usize| MASKED_KEY.to_string().repeat(count.min(64));
    if let Some(intent) = meaning.strip_prefix("intent ") {
        return Understanding::Intent { intent: intent.to_owned() };
    }
    if let Some(value) = meaning.strip_prefix("choice ") {
        return Understanding::Choice(value.to_owned());
    }
    if let Some(count) = count(meaning) {
        return Understanding::Digits(hidden(count));
    }
    match meaning {
        "yes" => Understanding::Yes,
        "no" => Understanding::No,
        _ => {
            let (reason, digits) = meaning.split_once(", ").unwrap_or((meaning, ""));
            let reasons =
                [NoMatchReason::Ambiguous, NoMatchReason::WrongLength, NoMatchReason::LowConfidence];
            let reason = reasons.into_iter().find(|known| reason_name(*known) == reason);
            Understanding::NoMatch {
                reason: reason.unwrap_or(NoMatchReason::NothingAwaited),
                digits: hidden(count(digits).unwrap_or(0)),
            }
        }
    }
}

fn nothing() -> Understanding {
    Understanding::NoMatch { reason: NoMatchReason::NothingAwaited, digits: String::new() }
}

fn reason_name(reason: NoMatchReason) -> &'static str {
    match reason {
        NoMatchReason::NothingAwaited => "nothing awaited",
        NoMatchReason::Ambiguous => "ambiguous",
        NoMatchReason::WrongLength => "wrong length",
        NoMatchReason::LowConfidence => "unsure",
    }
}

fn mask_digit(key: char) -> char {
    if key.is_ascii_digit() { MASKED_KEY } else { key }
}

/// A body without these values; one that has none stays as it is, byte by byte.
fn scrub_body(body: String, secrets: &[String]) -> String {
    match serde_json::from_str::<Json>(&body) {
        Ok(mut json) => {
            if scrub_json(&mut json, secrets) {
                json.to_string()
            } else {
                body
            }
        }
        Err(_) => scrub(&body, secrets),
    }
}

fn scrub_json(json: &mut Json, secrets: &[String]) -> bool {
    match json {
        Json::Null | Json::Bool(_) => false,
        Json::Number(number) => {
            let text = number.to_string();
            let scrubbed = scrub(&text, secrets);
            let found = scrubbed != text;
            if found {
                *json = Json::String(scrubbed);
            }
            found
        }
        Json::String(text) => {
            let scrubbed = scrub(text, secrets);
            let found = scrubbed != *text;
            *text = scrubbed;
            found
        }
        Json::Array(items) => {
            // All of them, not only the first that has it.
            let found: Vec<bool> = items.iter_mut().map(|item| scrub_json(item, secrets)).collect();
            found.contains(&true)
        }
        Json::Object(fields) => {
            let mut found = false;
            let taken = std::mem::take(fields);
            for (name, mut field) in taken {
                let scrubbed = scrub(&name, secrets);
                found |= scrubbed != name;
                found |= scrub_json(&mut field, secrets);
                fields.insert(scrubbed, field);
            }
            found
        }
    }
}

/// `text` with every run of [`LEAST_RUN`] and more digits of a secret masked, however they are spaced.
fn scrub(text: &str, secrets: &[String]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let digits: Vec<(usize, char)> =
        chars.iter().copied().enumerate().filter(|(_, c)| c.is_ascii_digit()).collect();
    // Digits belong together where at most two other characters stand between them.
    let adjacent = |one: usize| digits[one + 1].0 - digits[one].0 <= 3;
    for start in 0..digits.len() {
        let mut window = String::new();
        let mut longest = 0;
        for (end, (_, digit)) in digits.iter().enumerate().skip(start) {
            if end > start && !adjacent(end - 1) {
                break;
            }
            window.push(*digit);
            if !secrets.iter().any(|secret| secret.contains(&window)) {
                break;
            }
            longest = window.len();
        }
        if longest >= LEAST_RUN {
            digits[start..start + longest].iter().for_each(|(at, _)| chars[*at] = MASKED_KEY);
        }
    }
    chars.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = "4111111111111111";

    fn scrubbed(text: &str) -> String {
        scrub(text, &[CARD.to_owned()])
    }

    #[test]
    fn a_value_is_found_however_it_is_spaced_and_its_last_four_stay() {
        assert_eq!(scrubbed("pan 4111 1111 1111 1111."), "pan XXXX XXXX XXXX XXXX.");
        assert_eq!(scrubbed("4111-1111-1111-1111"), "XXXX-XXXX-XXXX-XXXX");
        assert_eq!(scrubbed("ends in 1111"), "ends in 1111");
        assert_eq!(scrubbed("order 12345678 of 2026"), "order 12345678 of 2026");
        assert_eq!(scrubbed("411111******1111"), "XXXXXX******1111");
    }

    #[test]
    fn a_body_stays_json_and_one_without_the_value_stays_as_it_is() {
        let secrets = [CARD.to_owned()];
        let body = |text: &str| scrub_body(text.to_owned(), &secrets);

        assert_eq!(body("{ \"ok\" : true }"), "{ \"ok\" : true }");
        assert_eq!(
            body("{\"pan\":4111111111111111,\"ok\":true}"),
            "{\"ok\":true,\"pan\":\"XXXXXXXXXXXXXXXX\"}"
        );
        assert_eq!(
            body("{\"4111111111111111\":[\"4111 1111 1111 1111\"]}"),
            "{\"XXXXXXXXXXXXXXXX\":[\"XXXX XXXX XXXX XXXX\"]}"
        );
        assert_eq!(body("card 4111111111111111 accepted"), "card XXXXXXXXXXXXXXXX accepted");
    }

    #[test]
    fn a_masked_meaning_is_read_back() {
        assert_eq!(unmasked("16 digits"), Understanding::Digits("X".repeat(16)));
        assert_eq!(unmasked("intent agent"), Understanding::Intent { intent: "agent".to_owned() });
        assert_eq!(unmasked("yes"), Understanding::Yes);
        for reason in [NoMatchReason::NothingAwaited, NoMatchReason::Ambiguous, NoMatchReason::WrongLength] {
            let text = format!("{}, 3 digits", reason_name(reason));
            assert_eq!(unmasked(&text), Understanding::NoMatch { reason, digits: "XXX".to_owned() });
        }
    }
}
