//! Callers whose words are text.

use std::collections::VecDeque;
use std::time::Duration;

use offhook_call_control::{CallEvent, EndCause};
use offhook_replay::encounter::{Caller, Met, meet};
use offhook_replay::{Act, Asked, Line, Talker, Who};

use crate::around::{Around, bot, replays, setup};

/// Says its lines, one when it is asked.
struct Reader(VecDeque<Act>);

impl Talker for Reader {
    fn turn(&mut self, _so_far: &[Line]) -> Act {
        self.0.pop_front().unwrap_or(Act::HangUp)
    }

    fn name(&self) -> String {
        "the lines".to_owned()
    }
}

fn talk(bot_name: &str, acts: &[Act], around: &mut Around) -> Met {
    let mut reader = Reader(acts.iter().cloned().collect());
    meet(setup(bot(bot_name)), Caller::Talks(&mut reader), around).unwrap()
}

fn say(text: &str) -> Act {
    Act::Say(text.to_owned())
}

#[test]
fn a_caller_of_text_is_served_by_the_sample_bot_and_the_bundle_replays() {
    let mut around = Around::new();
    let acts = [
        say("where is my order"),
        say("two four six nine one three five seven"),
        say("yes please"),
        say("no thank you"),
    ];

    let Met { report, bundle } = talk("after-sales.yaml", &acts, &mut around);

    assert_eq!(report.stopped, None, "{report:#?}");
    assert_eq!(report.record.outcome.as_deref(), Some("order_status_told"), "{report:#?}");
    assert_eq!(report.record.cause, Some(EndCause::BotHungUp));
    assert_eq!(report.record.turns.len(), 4);
    assert!(around.asked[0].ends_with("/orders/24691357"), "{:?}", around.asked);
    // The recognizer was given what the machine heard: the sound, and a little before and after it.
    assert!(around.heard.iter().all(|frames| (60..200).contains(frames)), "{:?}", around.heard);
    let caller = report.lines.iter().filter(|line| line.who == Who::Caller);
    assert_eq!(caller.count(), 4);
    for asked in [Asked::Recognizer, Asked::Synthesizer, Asked::Tool, Asked::Caller] {
        assert!(report.answered.iter().any(|answered| answered.asked == asked), "{asked:?}");
    }
    replays(&bundle);
}

#[test]
fn keys_reach_a_chinese_bot_and_a_failing_system_is_told() {
    let mut around = Around { fails: true, ..Around::new() };
    let press = |keys: &str| Act::Press(keys.to_owned());
    let acts = [press("1"), press("12345678"), press("1"), Act::Wait(Duration::from_secs(1))];

    let Met { report, bundle } = talk("after-sales-zh.yaml", &acts, &mut around);

    assert_eq!(report.stopped, None, "{report:#?}");
    assert_eq!(report.record.digits, "1123456781");
    assert!(report.lines.iter().any(|line| line.who == Who::Bot && line.text.contains('您')), "{report:#?}");
    let failed = report
        .facts
        .iter()
        .any(|fact| matches!(&fact.event, CallEvent::ToolFinished { error: Some(_), status: None, .. }));
    assert!(failed, "{report:#?}");
    replays(&bundle);
}

#[test]
fn a_transfer_is_taken_for_accepted_and_the_report_says_so() {
    let Met { report, bundle } = talk("after-sales.yaml", &[say("talk to a person")], &mut Around::new());

    assert_eq!(report.record.cause, Some(EndCause::Transferred), "{report:#?}");
    assert!(report.notes.iter().any(|note| note.contains("nobody was called")), "{report:#?}");
    replays(&bundle);
}

#[test]
fn a_caller_who_hangs_up_ends_the_call() {
    let Met { report, bundle } = talk("after-sales.yaml", &[], &mut Around::new());

    assert_eq!(report.record.cause, Some(EndCause::CallerHungUp), "{report:#?}");
    replays(&bundle);
}

#[test]
fn a_sound_that_no_detector_takes_for_speech_is_noted() {
    let mut around = Around { voice: vec![0; 8_000], ..Around::new() };

    let Met { report, .. } = talk("after-sales.yaml", &[say("where is my order")], &mut around);

    assert!(report.notes.iter().any(|note| note.contains("nobody listened")), "{report:#?}");
}

#[test]
fn the_same_call_twice_is_the_same_byte_for_byte() {
    let acts = [say("where is my order"), Act::Wait(Duration::from_secs(20))];

    let [one, other] = [(); 2].map(|()| talk("after-sales.yaml", &acts, &mut Around::new()));

    assert_eq!(one.report, other.report);
    assert!(one.bundle == other.bundle);
}

#[test]
fn what_a_masked_state_is_told_stands_neither_in_the_report_nor_in_the_bundle() {
    const CARD: &str = "four one one one two two two two";
    let yaml = "bot: pay\nstart: ask\nslots: { card: { digits: 8, masked: true } }\nstates:\n  \
                ask: { say: Your card number please., listen: { slot: card, filled: done } }\n  \
                done: { say: Thank you. Goodbye., hang_up: true }\n";
    let bot = offhook_conversation::Bot::parse(yaml, "pay.yaml").unwrap();
    let mut reader = Reader(VecDeque::from([say(CARD)]));

    let Met { report, bundle } = meet(setup(bot), Caller::Talks(&mut reader), &mut Around::new()).unwrap();

    assert_eq!(report.record.cause, Some(EndCause::BotHungUp), "{report:#?}");
    let told = format!("{report:?}");
    assert!(!told.contains(CARD) && !told.contains("41112222"), "{told}");
    assert!(told.contains("(masked)"), "{told}");
    let contains = |what: &str| bundle.windows(what.len()).any(|part| part == what.as_bytes());
    assert!(!contains(CARD) && !contains("41112222"));
    replays(&bundle);
}
