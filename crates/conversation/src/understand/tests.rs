use std::time::Duration;

use super::*;
use crate::IntentPhrases;

fn expected(language: &str, intents: &[(&str, &[&str])], slots: Vec<SlotKind>) -> Expected {
    Expected {
        language: language.to_owned(),
        intents: intents
            .iter()
            .map(|(intent, phrases)| IntentPhrases {
                intent: (*intent).to_owned(),
                phrases: phrases.iter().map(|phrase| (*phrase).to_owned()).collect(),
            })
            .collect(),
        slots,
        hints: Vec::new(),
        dtmf: None,
        end_of_speech: Duration::from_millis(700),
        no_input_after: Duration::from_secs(6),
    }
}

fn menu() -> Expected {
    let intents: &[(&str, &[&str])] = &[
        ("order_status", &["(check|track) [on] my order", "where is my order"]),
        ("return", &["return [something|an item|my order]", "send it back"]),
        ("agent", &["(talk|speak) to (a|an) (person|agent|human)"]),
    ];
    expected("en", intents, vec![])
}

fn intent(name: &str) -> Understanding {
    Understanding::Intent { intent: name.to_owned() }
}

fn reason(understanding: Understanding) -> NoMatchReason {
    match understanding {
        Understanding::NoMatch { reason, .. } => reason,
        Understanding::Intent { .. }
        | Understanding::Digits(_)
        | Understanding::Yes
        | Understanding::No
        | Understanding::Choice(_) => panic!("{understanding:?}"),
    }
}

const EIGHT: SlotKind = SlotKind::Digits { min: 8, max: 8 };

#[test]
fn a_phrase_is_found_inside_a_longer_sentence() {
    assert_eq!(understand("Hi, could you check my order please?", &menu()), intent("order_status"));
    assert_eq!(understand("speak to an agent", &menu()), intent("agent"));
}

#[test]
fn the_longest_explanation_wins() {
    assert_eq!(understand("i want to talk to a person about my return", &menu()), intent("agent"));
}

#[test]
fn two_equally_good_explanations_are_no_match() {
    let two: &[(&str, &[&str])] = &[("a", &["red"]), ("b", &["blue"])];

    assert_eq!(reason(understand("red or blue", &expected("en", two, vec![]))), NoMatchReason::Ambiguous);
}

#[test]
fn a_negated_phrase_is_not_meant() {
    let not_meant = understand("i do not want to return something", &menu());

    assert_eq!(reason(not_meant), NoMatchReason::NothingAwaited);
}

#[test]
fn one_word_in_a_long_speech_is_chance() {
    let film = "well the return of the king is the film that i liked best of all";

    assert_eq!(reason(understand(film, &menu())), NoMatchReason::NothingAwaited);
}

#[test]
fn out_of_grammar_speech_is_no_match() {
    for text in ["what is the weather today", "pizza", "", "...", "my cat is on the roof"] {
        assert_eq!(reason(understand(text, &menu())), NoMatchReason::NothingAwaited, "{text}");
    }
}

#[test]
fn a_number_is_found_in_a_sentence() {
    let awaited = expected("en", &[], vec![EIGHT]);
    let number = Understanding::Digits("12345678".to_owned());

    for text in [
        "one two three four five six seven eight",
        "it's 1234 5678",
        "i have one question, my order number is 12345678",
        "one two three four and then five six seven eight",
        "one two three four, wait, five six seven eight",
    ] {
        assert_eq!(understand(text, &awaited), number, "{text}");
    }
}

#[test]
fn digits_of_the_wrong_length_say_so_with_what_was_heard() {
    let awaited = expected("en", &[], vec![EIGHT]);

    let understanding = understand("one two three four five six seven", &awaited);

    assert_eq!(
        understanding,
        Understanding::NoMatch { reason: NoMatchReason::WrongLength, digits: "1234567".to_owned() }
    );
}

#[test]
fn two_numbers_of_the_right_length_are_ambiguous() {
    let awaited = expected("en", &[], vec![EIGHT]);

    assert_eq!(reason(understand("12345678 or 87654321", &awaited)), NoMatchReason::Ambiguous);
    assert_eq!(understand("12345678 yes 12345678", &awaited), Understanding::Digits("12345678".to_owned()));
}

#[test]
fn a_stray_one_is_no_try_at_a_number() {
    let awaited = expected("en", &[], vec![EIGHT]);

    assert_eq!(reason(understand("just one moment", &awaited)), NoMatchReason::NothingAwaited);
}

#[test]
fn yes_and_no_are_told_apart_in_their_wordings() {
    let awaited = expected("en", &[], vec![SlotKind::YesNo]);

    for text in ["yes", "Yeah.", "yes that's right", "that is correct", "Sure, of course"] {
        assert_eq!(understand(text, &awaited), Understanding::Yes, "{text}");
    }
    for text in ["no", "Nope", "that's not right", "no that's wrong", "not correct", "no thank you"] {
        assert_eq!(understand(text, &awaited), Understanding::No, "{text}");
    }
    assert_eq!(reason(understand("yes no", &awaited)), NoMatchReason::Ambiguous);
}

#[test]
fn chinese_yes_and_no_are_told_apart() {
    let awaited = expected("zh-CN", &[], vec![SlotKind::YesNo]);

    for text in ["是", "是的", "对", "对的，没错", "嗯", "好的", "可以"] {
        assert_eq!(understand(text, &awaited), Understanding::Yes, "{text}");
    }
    for text in ["不是", "不对", "不", "不是的", "错了", "对不起，不对"] {
        assert_eq!(understand(text, &awaited), Understanding::No, "{text}");
    }
    assert_eq!(reason(understand("对不起，我没听清楚", &awaited)), NoMatchReason::NothingAwaited);
}

#[test]
fn chinese_intents_and_numbers_are_found_in_a_sentence() {
    let intents: &[(&str, &[&str])] =
        &[("order_status", &["查[一下|询][我的]订单"]), ("return", &["退货", "申请退款"])];
    let awaited = expected("zh", intents, vec![EIGHT]);

    assert_eq!(understand("你好，我想查一下我的订单。", &awaited), intent("order_status"));
    assert_eq!(understand("我不要退货，我要查订单", &awaited), intent("order_status"));
    assert_eq!(
        understand("订单号是幺二三四五六七八", &awaited),
        Understanding::Digits("12345678".to_owned())
    );
    assert_eq!(reason(understand("一二三四五六七", &awaited)), NoMatchReason::WrongLength);
}

#[test]
fn a_choice_gives_its_value() {
    let size = |value: &str, phrase: &str| IntentPhrases {
        intent: value.to_owned(),
        phrases: vec![phrase.to_owned()],
    };
    let awaited =
        expected("en", &[], vec![SlotKind::Choice(vec![size("s", "small"), size("l", "(large|big) [one]")])]);

    assert_eq!(understand("the big one please", &awaited), Understanding::Choice("l".to_owned()));
}
