//! Who talks into the bot, through both halves of the call: what stops it, what pauses it, and when it asks again.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, clippy::print_stdout)]

use std::time::Duration;

use offhook_call_control::{CallEvent, EndCause, Speaker};
use offhook_simulation::{CallReport, Scenario, Simulation, Sound};
use offhook_time::Time;

/// Calls of each case: other clips, other moments, other ticks and rates.
const CALLS: u64 = 12;

/// How long the question takes where nobody interrupts it.
const QUESTION: Duration = Duration::from_secs(3);

fn play(barge_in: &str, sound: &Sound) -> Vec<CallReport> {
    let calls = (0..CALLS).map(|number| {
        let (report, _) = Simulation::new(Scenario::interruption(number, barge_in, sound)).run();
        assert!(report.violations.is_empty(), "{barge_in}, {sound:?}, {number}: {:?}", report.violations);
        report
    });
    calls.collect()
}

fn speech(text: &str) -> Sound {
    Sound::Speech(text.to_owned())
}

fn when(report: &CallReport, wanted: impl Fn(&CallEvent) -> bool) -> Option<Time> {
    report.told.iter().find(|(_, event)| wanted(event)).map(|(at, _)| *at)
}

/// When the bot set out to say something that begins so.
fn says(report: &CallReport, words: &str) -> Option<Time> {
    when(
        report,
        |event| matches!(event, CallEvent::Said { speaker: Speaker::Bot, text, .. } if text.starts_with(words)),
    )
}

fn barge_in(report: &CallReport) -> Option<Time> {
    when(report, |event| matches!(event, CallEvent::BargeIn { .. }))
}

fn not_understood(report: &CallReport) -> Option<Time> {
    when(report, |event| matches!(event, CallEvent::NotUnderstood { .. }))
}

#[test]
fn speech_that_stops_the_bot_and_means_nothing_is_asked_again_as_soon_as_it_is_over() {
    for nonsense in ["", "pizza"] {
        for report in play("speech", &speech(nonsense)) {
            let stopped = barge_in(&report).expect("the bot stops");
            let asked_again = says(&report, "Pardon").expect("the bot asks again");

            assert!(!report.utterances[0].1);
            assert_eq!(not_understood(&report), Some(asked_again));
            // The longest clip, the silence after it and the slowest recognizer; the no-input timer is six seconds more.
            let waited = asked_again.since(stopped);
            assert!(waited < Duration::from_millis(1_900 + 700 + 600 + 100), "{waited:?}");
        }
    }
}

#[test]
fn where_only_an_answer_stops_the_bot_nonsense_pauses_it_and_it_goes_on_a_little_before() {
    for nonsense in ["", "pizza"] {
        for report in play("recognized", &speech(nonsense)) {
            assert_eq!((barge_in(&report), not_understood(&report)), (None, None), "call {}", report.number);
            let (ended, whole) = report.utterances[0];
            assert!(whole, "call {}", report.number);
            let took = ended.since(says(&report, "Would").unwrap());
            // Paused over the speech, the silence after it and the recognition; and something was said again.
            assert!(took > QUESTION + Duration::from_millis(700 + 300), "call {}: {took:?}", report.number);
            let asked_again = says(&report, "Hello").expect("the silence afterwards is one");
            let silence = asked_again.since(ended);
            assert!(silence.abs_diff(Duration::from_secs(6)) < Duration::from_millis(50), "{silence:?}");
        }
    }
}

#[test]
fn an_answer_stops_the_bot_where_speech_may_interrupt_it() {
    for word in ["speech", "recognized"] {
        for report in play(word, &speech("tea please")) {
            assert!(barge_in(&report).is_some(), "{word}, call {}", report.number);
            assert!(
                !report.utterances[0].1 && says(&report, "Bye").is_some(),
                "{word}, call {}",
                report.number
            );
            assert_eq!(report.cause, Some(EndCause::BotHungUp));
            assert_eq!(report.record.barge_ins, 1, "an interruption is told once");
        }
    }
}

#[test]
fn a_cough_pauses_the_bot_at_most() {
    for word in ["speech", "recognized"] {
        for report in play(word, &Sound::Cough) {
            assert_eq!(
                (barge_in(&report), not_understood(&report)),
                (None, None),
                "{word}, {}",
                report.number
            );
            assert!(report.utterances[0].1, "{word}, call {}", report.number);
            let took = report.utterances[0].0.since(says(&report, "Would").unwrap());
            assert!(
                took < QUESTION + Duration::from_millis(1_500),
                "{word}, call {}: {took:?}",
                report.number
            );
        }
    }
}

#[test]
fn where_keys_or_nothing_may_interrupt_speech_does_nothing() {
    for word in ["digits", "none"] {
        for report in play(word, &speech("pizza")) {
            assert!(report.utterances[0].1, "{word}, call {}", report.number);
            assert_eq!(barge_in(&report), None, "{word}, call {}", report.number);
            let took = report.utterances[0].0.since(says(&report, "Would").unwrap());
            assert!(took < QUESTION + Duration::from_millis(400), "{word}, call {}: {took:?}", report.number);
        }
    }
}
