//! From a [`Grammar`] to JSGF.

use std::collections::BTreeSet;
use std::fmt::Write;

use offhook_engine_api::{Grammar, SlotKind};

/// How callers say yes.
pub(super) const YES: [&str; 11] = [
    "yes [please]",
    "yeah",
    "yep",
    "yup",
    "sure",
    "okay",
    "[yes] that is (right|correct)",
    "[yes] that's (right|correct)",
    "correct",
    "right",
    "yes it is",
];
/// How callers say no. Not "incorrect" and "not correct" by themselves: over a telephone they are too like "correct", and
/// a yes that is heard as a no is worse than one that is asked for again.
pub(super) const NO: [&str; 8] = [
    "no [thanks]",
    "no thank you",
    "nope",
    "not really",
    "[no] that is (wrong|not right|not correct)",
    "[no] that's (wrong|not right|not correct)",
    "wrong",
    "no it is not",
];
const DIGITS: &str = "(zero | oh | one | two | three | four | five | six | seven | eight | nine)";
/// Longer numbers are taken without "double": the ways to say them grow like the Fibonacci numbers.
const LONGEST_WITH_DOUBLES: u8 = 12;

/// A compiled grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Jsgf {
    pub(super) text: String,
    pub(super) words: BTreeSet<String>,
    /// Phrases that cannot be recognized, with the reason.
    pub(super) left_out: Vec<(String, String)>,
}

/// Compiles `grammar` for words that `known` knows. None where nothing is left to recognize.
pub(super) fn compile(grammar: &Grammar, known: impl Fn(&str) -> bool) -> Option<Jsgf> {
    let mut jsgf = Jsgf { text: String::new(), words: BTreeSet::new(), left_out: Vec::new() };
    let mut alternatives = Vec::new();
    let mut rules = String::new();
    let phrases = grammar.intents.iter().flat_map(|intent| &intent.phrases).map(String::as_str);
    let slots = grammar.slots.iter().flat_map(slot_phrases);
    for phrase in phrases.map(str::to_owned).chain(slots) {
        match check(&phrase, &known) {
            Ok((phrase, words)) => {
                jsgf.words.extend(words);
                alternatives.push(phrase);
            }
            Err(why) => jsgf.left_out.push((phrase, why)),
        }
    }
    for slot in &grammar.slots {
        if let SlotKind::Digits { min, max } = slot
            && *max > 0
            && min <= max
        {
            digits(*min, *max, &mut alternatives, &mut rules);
            let words = DIGITS.split(|c: char| !c.is_ascii_lowercase()).filter(|word| !word.is_empty());
            jsgf.words.extend(words.chain(["double"]).map(str::to_owned));
        }
    }
    if alternatives.is_empty() {
        return None;
    }
    alternatives.dedup();
    jsgf.text = format!("#JSGF V1.0;\ngrammar call;\npublic <said> = {};\n{rules}", alternatives.join(" | "));
    Some(jsgf)
}

fn slot_phrases(slot: &SlotKind) -> Vec<String> {
    match slot {
        SlotKind::YesNo => YES.iter().chain(&NO).map(|phrase| (*phrase).to_owned()).collect(),
        SlotKind::Choice(words) => words.clone(),
        SlotKind::Digits { .. } => Vec::new(),
    }
}

/// `min..=max` digits, one word each; "double two" is two of them.
fn digits(min: u8, max: u8, alternatives: &mut Vec<String>, rules: &mut String) {
    let min = min.max(1);
    let rule = |number: usize, count: u8| format!("<digits_{number}_{count}>");
    let number = alternatives.len();
    let _ = writeln!(rules, "<digit> = {DIGITS};");
    if max > LONGEST_WITH_DOUBLES {
        let mut more = String::new();
        for _ in min..max {
            more = format!("[<digit> {more}]");
        }
        alternatives.push(format!("{}{more}", "<digit> ".repeat(usize::from(min))));
        return;
    }
    for count in 1..=max {
        let line = match count {
            1 => "<digit>".to_owned(),
            2 => "<digit> <digit> | double <digit>".to_owned(),
            _ => format!("<digit> {} | double <digit> {}", rule(number, count - 1), rule(number, count - 2)),
        };
        let _ = writeln!(rules, "{} = {line};", rule(number, count));
    }
    alternatives.extend((min..=max).map(|count| rule(number, count)));
}

/// The phrase as JSGF and its words, or why it cannot be recognized.
fn check(phrase: &str, known: impl Fn(&str) -> bool) -> Result<(String, Vec<String>), String> {
    let mut open = Vec::new();
    let mut words = Vec::new();
    let mut jsgf = String::new();
    let mut word = String::new();
    for c in phrase.to_lowercase().chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || matches!(c, '\'' | '-' | '.' | '_') {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            jsgf.push_str(&word);
            words.push(std::mem::take(&mut word));
        }
        match c {
            '[' | '(' => open.push(c),
            ']' if open.pop() == Some('[') => {}
            ')' if open.pop() == Some('(') => {}
            '|' if !open.is_empty() => {}
            ']' | ')' | '|' => return Err(format!("misplaced {c}")),
            c if c.is_whitespace() => {}
            ',' | '?' | '!' => continue,
            c => return Err(format!("cannot be spoken: {c}")),
        }
        jsgf.push(c);
    }
    if !open.is_empty() {
        return Err("a bracket is not closed".to_owned());
    }
    if words.is_empty() {
        return Err("no word".to_owned());
    }
    if let Some(unknown) = words.iter().find(|word| !known(word)) {
        return Err(format!("the dictionary does not know {unknown}"));
    }
    Ok((jsgf.trim().to_owned(), words))
}

#[cfg(test)]
mod tests {
    use offhook_engine_api::IntentPhrases;

    use super::*;

    #[test]
    fn options_and_choices_stay_and_every_word_is_known() {
        let grammar = phrases(&["i [would|do] (want|like to) [(check|see)] my order", "Goodbye!"]);

        let jsgf = compile(&grammar, |_| true).unwrap();

        assert_eq!(
            jsgf.text,
            "#JSGF V1.0;\ngrammar call;\npublic <said> = i [would|do] (want|like to) [(check|see)] my order | goodbye;\n"
        );
        assert!(["i", "would", "like", "check", "goodbye"].iter().all(|word| jsgf.words.contains(*word)));
    }

    #[test]
    fn a_phrase_with_an_unknown_word_or_bracket_is_left_out_with_the_reason() {
        let grammar = phrases(&["my frobnicator", "(a|b", "a|b", "x)", "", "pay 5 €", "return"]);

        let jsgf = compile(&grammar, |word| word != "frobnicator").unwrap();

        let left_out: Vec<_> = jsgf.left_out.iter().map(|(_, why)| why.as_str()).collect();
        assert_eq!(
            left_out,
            [
                "the dictionary does not know frobnicator",
                "a bracket is not closed",
                "misplaced |",
                "misplaced )",
                "no word",
                "cannot be spoken: €"
            ]
        );
        assert!(jsgf.text.contains("= return;"));
    }

    #[test]
    fn a_double_counts_as_two_digits() {
        let grammar = Grammar { slots: vec![SlotKind::Digits { min: 2, max: 3 }], ..Grammar::default() };

        let jsgf = compile(&grammar, |_| true).unwrap();

        assert!(jsgf.text.contains("public <said> = <digits_0_2> | <digits_0_3>;"), "{}", jsgf.text);
        assert!(jsgf.text.contains("<digits_0_3> = <digit> <digits_0_2> | double <digit> <digits_0_1>;"));
        assert!(jsgf.words.contains("double") && jsgf.words.contains("oh"));
    }

    #[test]
    fn long_numbers_are_taken_digit_by_digit() {
        let grammar = Grammar { slots: vec![SlotKind::Digits { min: 13, max: 14 }], ..Grammar::default() };

        let jsgf = compile(&grammar, |_| true).unwrap();

        assert_eq!(jsgf.text.matches("<digit> ").count(), 15, "{}", jsgf.text);
    }

    #[test]
    fn yes_and_no_have_their_wordings_and_an_empty_grammar_is_none() {
        let grammar = Grammar { slots: vec![SlotKind::YesNo], ..Grammar::default() };

        let jsgf = compile(&grammar, |_| true).unwrap();

        assert!(jsgf.text.contains("yes [please]") && jsgf.text.contains("nope"));
        assert_eq!(jsgf.left_out, []);
        assert_eq!(compile(&Grammar::default(), |_| true), None);
    }

    fn phrases(phrases: &[&str]) -> Grammar {
        let phrases = phrases.iter().map(|phrase| (*phrase).to_owned()).collect();
        Grammar { intents: vec![IntentPhrases { intent: "x".into(), phrases }], ..Grammar::default() }
    }
}
