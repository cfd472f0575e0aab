//! Two sides of recorded calls, and calls as tests of their bot.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;

use offhook_call_control::Speaker;
use offhook_conversation::{Bot, run_tests_beside};
use offhook_journal::bundle::{Bundle, Keep};
use offhook_replay::compare::{
    Aspect, CallComparison, Comparison, NotCompared, PartKind, Rule, SideLabel, SideOfCall, TurnsBy, compare,
};
use offhook_replay::{Beyond, Changes, MadeTest, RoleHead, TESTS_FILE_HEAD, ToTestError, play, to_test};
use offhook_simulation::{Kind, Scenario, Simulation};

const BOT: &str = include_str!("../../../bots/after-sales.yaml");

fn recorded(kind: Kind, number: u64) -> Option<Bundle> {
    let (_, recording) = Simulation::new(Scenario::new(kind, number)).with_bundle(Keep::Header).run();
    Some(Bundle::open(recording.into_bundle()?.unwrap().as_slice()).unwrap())
}

fn settings(settings: &[&str]) -> Changes {
    let mut changes = Changes::default();
    settings.iter().for_each(|setting| changes.set(setting).unwrap());
    changes
}

fn another_bot(from: &str, to: &str) -> Changes {
    assert!(BOT.contains(from));
    let mut changes = Changes::default();
    changes.bot(Bot::parse(&BOT.replace(from, to), "after-sales.yaml").unwrap());
    changes
}

fn compared(number: usize, bundle: &Bundle, changes: &Changes) -> CallComparison {
    let then = SideOfCall::recorded(bundle, true).unwrap();
    let now = SideOfCall::played(bundle, &play(bundle, changes, Beyond::Stop).unwrap(), Vec::new(), true);
    compare(number, format!("{number}.call"), None, then, now, TurnsBy::Moment)
}

fn all(calls: Vec<CallComparison>, rules: &[&str]) -> Comparison {
    let label = |label: &str| SideLabel { label: label.to_owned(), ..SideLabel::default() };
    let rules: Vec<Rule> = rules.iter().map(|rule| Rule::parse(rule).unwrap()).collect();
    Comparison::of("test", [label("recorded"), label("changed")], calls, Vec::new(), &rules)
}

fn of_kind(kind: Kind, numbers: std::ops::Range<u64>, changes: &Changes) -> Vec<CallComparison> {
    numbers
        .filter_map(|number| Some(compared(number as usize + 1, &recorded(kind, number)?, changes)))
        .collect()
}

#[test]
fn a_call_is_the_same_as_itself_in_all_that_is_compared() {
    let mut calls = Vec::new();
    for kind in [Kind::Voice, Kind::Keys, Kind::BargeIn, Kind::TransferFails, Kind::Echo] {
        calls.extend(of_kind(kind, 0..3, &Changes::default()));
    }

    let comparison = all(
        calls,
        &[
            "departed > 0",
            "outcome != recorded",
            "slots != recorded",
            "turn_p95 > recorded",
            "words_changed_rate > 0%",
        ],
    );

    for call in &comparison.calls {
        assert_eq!((call.changed.as_slice(), &call.first_difference), (&[][..], &None), "{call:#?}");
        assert!(call.transcript.iter().flat_map(|row| &row.parts).all(|part| part.kind == PartKind::Same));
        assert_eq!(call.a.sound, call.b.sound, "what was sent is heard the same");
        assert_eq!(call.a.costs, call.b.costs);
    }
    assert!(!comparison.has_failed(), "{:#?}", comparison.rules);
    assert_eq!(comparison.totals.a, comparison.totals.b);
    assert!(comparison.totals.a.turn.count >= 12, "{:?}", comparison.totals.a.turn);
    let json = serde_json::to_string(&comparison).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&json).unwrap(), comparison);
}

#[test]
fn a_longer_pause_is_found_in_the_turns_it_moved_and_nowhere_in_the_conversation() {
    let calls = of_kind(Kind::Voice, 1..5, &settings(&["end_of_speech=900ms"]));
    let finished = calls.iter().filter(|call| call.b.unfinished.is_none()).count();

    let comparison = all(
        calls,
        &[
            "turn_p50 > recorded + 20ms",
            "turn_p50 > recorded + 900ms",
            "voice_activity_max > 600ms",
            "states != recorded",
        ],
    );

    assert!(finished >= 3, "{finished}");
    let Comparison { totals, rules, .. } = &comparison;
    assert_eq!(totals.changed_in.keys().collect::<Vec<_>>(), [&Aspect::Turns], "{totals:#?}");
    let moved = totals.b.turn.p50 as i64 - totals.a.turn.p50 as i64;
    assert!((20_000..280_000).contains(&moved), "{moved}");
    let fired: Vec<bool> = rules.iter().map(|rule| rule.fired).collect();
    assert_eq!(fired, [true, false, true, finished < comparison.calls.len()], "{rules:#?}");
    assert!(rules[0].calls.len() >= 3 && rules[0].calls[0].why.contains("takes "), "{rules:#?}");
    assert!(rules[1].calls.is_empty(), "a rule that does not fire accuses nobody");
    let pair = comparison.calls[0].turns.iter().find(|pair| pair.changed).unwrap();
    let (then, now) = (pair.a.as_ref().unwrap(), pair.b.as_ref().unwrap());
    assert_eq!((then.number, then.began_ms), (now.number, now.began_ms));
    assert_eq!(now.segments.iter().map(|segment| segment.micros).sum::<u64>(), now.micros);
}

#[test]
fn another_prompt_is_shown_word_by_word_and_what_was_not_reached_is_no_change() {
    let bundle = recorded(Kind::Voice, 2).unwrap();
    let changes =
        another_bot("Is there anything else I can do for you?", "Is there something else I can do?");

    let comparison = all(
        vec![compared(1, &bundle, &changes)],
        &["outcome != recorded", "unfinished > 0", "cause == bot_hung_up"],
    );

    let call = &comparison.calls[0];
    let row = call.transcript.iter().find(|row| row.parts.len() > 1).unwrap();
    let parts: Vec<_> = row.parts.iter().map(|part| (part.kind, part.text.trim())).collect();
    assert_eq!(parts[0], (PartKind::Same, "Is there"), "{parts:?}");
    assert_eq!(&parts[1..3], [(PartKind::Removed, "anything"), (PartKind::Added, "something")], "{parts:?}");
    assert_eq!(row.speaker, Speaker::Bot);
    let first = call.first_difference.as_ref().unwrap();
    assert!(first.a.starts_with("bot: Is there anything") && first.b.starts_with("bot: Is there something"));
    assert_eq!(call.changed, [Aspect::Transcript], "{:#?}", call.b);
    assert!(call.b.unfinished.as_ref().unwrap().contains("no audio"));
    let words = &call.words;
    assert!(words.removed <= 2 && words.a == words.same + words.replaced + words.removed, "{words:?}");
    assert_eq!(comparison.totals.b.outcomes, [("not known".to_owned(), 1)].into());
    let [outcome, unfinished, cause] = &comparison.rules[..] else { panic!() };
    assert!(outcome.fired && outcome.calls[0].why.starts_with("not known: "), "{outcome:?}");
    assert!(unfinished.fired && !cause.fired);
}

#[test]
fn costs_are_what_was_asked_of_engines() {
    let bundle = recorded(Kind::Voice, 1).unwrap();
    let call = compared(1, &bundle, &Changes::default());

    let said = |row: &&offhook_replay::compare::Row| row.speaker == Speaker::Bot;
    let texts = call.transcript.iter().filter(said).flat_map(|row| &row.parts);
    let characters: usize = texts.map(|part| part.text.chars().count()).sum();
    assert_eq!(call.a.costs.synthesized_characters, Some(characters as u64));
    let heard = call.a.costs.recognizer_seconds.unwrap();
    assert!(heard > 2.0 && heard * 1000.0 < call.a.talk_ms as f64, "{heard}");
    assert_eq!((call.a.costs.tool_calls, call.a.costs.tool_failures), (1, 0));
    assert!(
        call.a.sound.as_ref().unwrap().caller.contains("00")
            && call.a.sound.as_ref().unwrap().bot.len() > 100
    );
}

#[test]
fn two_recordings_of_a_call_are_compared_turn_by_turn() {
    // The same caller and conversation over another line: other times, the same words.
    let [one, other] = [3, 11].map(|number| recorded(Kind::Keys, number).unwrap());
    let sides = [&one, &other].map(|bundle| SideOfCall::recorded(bundle, false).unwrap());
    let [a, b] = sides;

    let call = compare(1, "a.call".to_owned(), Some("b.call".to_owned()), a, b, TurnsBy::Order);

    let both = call.turns.iter().filter(|pair| pair.a.is_some() && pair.b.is_some()).count();
    assert!(both > 0 && both + 1 >= call.turns.len().min(2), "{:#?}", call.turns);
    assert!(call.a.departure.is_none() && call.b.departure.is_none());
}

#[test]
fn rules_name_the_place_of_a_mistake_and_what_would_be_right() {
    for (rule, column, told) in [
        ("turn_p59 > 900ms", 1, "did you mean turn_p50"),
        ("", 1, "write METRIC COMPARISON VALUE"),
        ("turn_p95 900ms", 10, "one of >, >=, <, <=, ==, !="),
        ("turn_p95 = 900ms", 10, "one of >, >=, <, <=, ==, !="),
        ("turn_p95 > 900", 15, "write 900ms, 1.2s"),
        ("turn_p95 > fast", 12, "write a number"),
        ("turn_p95 > 5%", 12, "recorded + 10%"),
        ("no_match_rate > 5", 18, "write 5%"),
        ("departed > recorded", 12, "side a has none"),
        ("outcome > sold", 11, "== or !="),
        ("slots == recorded", 10, "!= recorded"),
        ("departed > 0 and failed > 0", 14, "repeat --fail-on"),
        ("turn_p95 > recorded + 100", 26, "write 900ms"),
    ] {
        let error = Rule::parse(rule).unwrap_err();

        assert_eq!(error.column, column, "{rule}: {error}");
        assert!(error.to_string().contains(told), "{rule}: {error}");
    }
    let unknown = Rule::parse("latency > 1s").unwrap_err().to_string();
    for metric in ["barge_in", "no_match_rate", "synthesized_characters", "outcome, cause"] {
        assert!(unknown.contains(metric), "{unknown}");
    }
    for rule in
        ["turn_p95>1.2s", " lead_in_max >= a - 10% ", "no_match_rate > recorded + 5%", "cause != crash"]
    {
        Rule::parse(rule).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn numbers_are_judged_against_both_sides_and_the_calls_that_could_not_be_compared() {
    let calls = of_kind(Kind::Keys, 0..3, &Changes::default());
    let failed = NotCompared { file: "x.call".to_owned(), call_id: None, reason: "cut".to_owned() };
    let rules: Vec<Rule> =
        ["failed > 0", "failed_rate > 25%", "turns < 1", "synthesized_characters > recorded - 1"]
            .iter()
            .map(|rule| Rule::parse(rule).unwrap())
            .collect();

    let comparison = Comparison::of("test", Default::default(), calls, vec![failed], &rules);

    let fired: Vec<bool> = comparison.rules.iter().map(|rule| rule.fired).collect();
    assert_eq!(fired, [true, false, false, true], "{:#?}", comparison.rules);
    assert_eq!((comparison.rules[0].calls[0].file.as_str(), comparison.totals.not_compared), ("x.call", 1));
    assert!(comparison.rules[1].found.contains("25.0 %"), "{:?}", comparison.rules[1]);
}

#[test]
fn recorded_calls_become_tests_that_pass_with_their_bot_and_fail_with_another() {
    let (mut made, mut lines, mut left_out) = (0, 0, 0);
    for kind in [
        Kind::Voice,
        Kind::Keys,
        Kind::BargeIn,
        Kind::TransferSucceeds,
        Kind::TransferFails,
        Kind::HangUp,
        Kind::EngineFailures,
    ] {
        for number in 0..4 {
            let Some(bundle) = recorded(kind, number) else { continue };
            let test = match to_test(&bundle) {
                Ok(test) => test,
                Err(
                    error @ (ToTestError::NotABot(_) | ToTestError::Nothing | ToTestError::NothingPasses(_)),
                ) => {
                    println!("{kind:?} {number}: {error}");
                    continue;
                }
                Err(error) => panic!("{kind:?} {number}: {error}"),
            };
            let MadeTest { item, expectations, notes, .. } = &test;
            let (bot, source) = bot_of(&bundle);

            assert!(passes(&bot, item), "{kind:?} {number}:\n{item}");
            let other = source.replace("Good", "Bad").replace("Hello", "Howdy").replace("tea?", "juice?");
            if item.contains("Hello") || item.contains("tea?") {
                let other = Arc::new(Bot::parse(&other, "other.yaml").unwrap());
                assert!(!passes(&other, item), "{kind:?} {number}:\n{item}");
            }
            (made, lines) = (made + 1, lines + expectations);
            left_out += notes.iter().filter(|note| note.starts_with("left out")).count();
            notes.iter().for_each(|note| println!("{kind:?} {number}: {note}"));
        }
    }
    println!("{made} tests with {lines} expectations; {left_out} lines left out");
    assert!(made >= 20 && lines > 6 * made && left_out * 10 < lines, "{made} {lines} {left_out}");
}

#[test]
fn a_test_says_what_was_said_keyed_answered_and_transferred() {
    let voice = to_test(&recorded(Kind::Voice, 1).unwrap()).unwrap();
    let transfer = to_test(&recorded(Kind::TransferSucceeds, 1).unwrap()).unwrap();

    for part in [
        "  - name: \"call voice-1\"\n",
        "    tools: {\"find_order\":[{\"body\":",
        "      - caller: \"",
        "      - called: {\"find_order\":\"/orders/",
        "      - variables: {\"order_number\":\"",
        "      - state: \"menu\"\n",
        "      - outcome: \"order_",
        "      - ended: true\n",
    ] {
        assert!(voice.item.contains(part), "{part}:\n{}", voice.item);
    }
    assert!(!voice.item.contains("127.0.0.1"), "nothing of the server's configuration:\n{}", voice.item);
    assert!(transfer.item.contains("transferred_to: \"agents\""), "{}", transfer.item);
    assert!(transfer.item.contains("transfers: {\"agents\":\"succeeded\"}"), "{}", transfer.item);
}

#[test]
fn a_masked_number_is_in_no_test_and_the_test_still_leads_where_the_call_led() {
    for number in 0..4 {
        let (_, recording) = Simulation::new(Scenario::card(number, true)).with_bundle(Keep::Header).run();
        let bundle = Bundle::open(recording.into_bundle().unwrap().unwrap().as_slice()).unwrap();

        let test = to_test(&bundle).unwrap();

        let digits: String = test.item.chars().filter(char::is_ascii_digit).collect();
        assert!(!test.item.contains("1111") && !digits.contains("4111"), "{}", test.item);
        assert!(!test.item.contains("four one one"), "{}", test.item);
        assert!(passes(&bot_of(&bundle).0, &test.item), "{}", test.item);
        assert!(test.notes.is_empty(), "{:?}", test.notes);
        let given =
            if number % 2 == 0 { "keys: \"XXXXXXXXXXXXXXXX\"" } else { "caller: \"masked: 16 digits\"" };
        assert!(test.item.contains(given) && test.item.contains("bot: \"Paid with XXXX. "), "{}", test.item);
    }
}

#[test]
fn what_no_bot_file_took_cannot_be_a_test() {
    let error = to_test(&recorded(Kind::Echo, 1).unwrap()).unwrap_err();

    assert!(error.to_string().contains("built-in bot 'echo'"), "{error}");
}

fn bot_of(bundle: &Bundle) -> (Arc<Bot>, String) {
    let head = offhook_replay::CallHead::from_meta(&bundle.meta).unwrap();
    let RoleHead::Bot { file_name, yaml } = head.control.role else { panic!() };
    (Arc::new(Bot::parse(&yaml, &file_name).unwrap()), yaml)
}

fn passes(bot: &Arc<Bot>, item: &str) -> bool {
    run_tests_beside(bot, &format!("{TESTS_FILE_HEAD}{item}"), "call.tests.yaml").unwrap().passed()
}
