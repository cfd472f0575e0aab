//! Which values of a bot are masked: those of masked slots, and whatever is computed from them.

use std::collections::BTreeSet;

use super::file::{BotFile, StateFile};
use super::walk::{self, Template};

/// Names of masked slots, and of variables that an expression derives from them, directly or not.
pub(crate) fn masked_names(file: &BotFile) -> BTreeSet<String> {
    let slots = file.slots.iter().filter(|(_, slot)| slot.masked);
    let mut masked: BTreeSet<String> = slots.map(|(name, _)| name.value.clone()).collect();
    if masked.is_empty() {
        return masked;
    }
    loop {
        let before = masked.len();
        for (name, expression) in walk::every_set(file) {
            if mentions(Template::Expression, expression, &masked) {
                masked.insert(name.value.clone());
            }
        }
        if masked.len() == before {
            return masked;
        }
    }
}

/// Whether one of these names stands in the code of a template or expression. Looked for as words, because the template
/// engine does not name what a slice is cut from.
pub(crate) fn mentions(kind: Template, source: &str, masked: &BTreeSet<String>) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let names = |code: &str| code.split(|c| !is_word(c)).any(|word| masked.contains(word));
    match kind {
        Template::Expression => names(source),
        Template::Text => {
            let codes = source.split("{{").skip(1).chain(source.split("{%").skip(1));
            let end =
                |code: &str| code.find("}}").into_iter().chain(code.find("%}")).min().unwrap_or(code.len());
            codes.map(|code| &code[..end(code)]).any(names)
        }
    }
}

/// Whether nothing that the caller says or presses in this state may be recorded.
pub(crate) fn is_masked(file: &BotFile, state: &StateFile) -> bool {
    let slot = state.listen.as_ref().and_then(|listen| listen.slot.as_ref());
    let by_slot = slot.and_then(|slot| file.slots.get(slot.as_str())).is_some_and(|slot| slot.masked);
    by_slot || state.masked.as_ref().is_some_and(|masked| masked.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_in_code_and_not_in_words_of_a_prompt() {
        let masked = BTreeSet::from(["card".to_owned()]);
        let says = |text: &str| mentions(Template::Text, text, &masked);

        assert!(!says("Your card number, {{ name }}, please. card"));
        assert!(says("I heard {{ card | digits }}."));
        assert!(says("{% if cards %}{{ card[-4:] }}{% endif %}"));
        assert!(says("{% set x = card %}{{ x }}"));
        assert!(mentions(Template::Expression, "card[0] == '4'", &masked));
        assert!(!mentions(Template::Expression, "cards or my_card", &masked));
    }
}
