//! What-if of a bundle, with somebody who answers where the recording does not.

use std::collections::VecDeque;

use offhook_call_control::EndCause;
use offhook_conversation::Bot;
use offhook_journal::bundle::Bundle;
use offhook_replay::encounter::{Caller, Reader, meet};
use offhook_replay::{
    Act, Asked, Beyond, Changes, Helpers, Line, PlayReport, Surroundings, Talker, Transcript, Who, play,
    play_with,
};

use crate::around::{Around, bot, setup};

const LINES: &str = "caller: where is my order\ncaller: two four six nine one three five seven\n\
                     caller: yes please\ncaller: no thank you\n";

/// A recorded call of the sample bot.
fn recorded() -> Bundle {
    let mut reader = Reader::new(Transcript::parse(LINES).unwrap());
    let met = meet(setup(bot("after-sales.yaml")), Caller::Talks(&mut reader), &mut Around::new()).unwrap();
    assert_eq!(met.report.record.outcome.as_deref(), Some("order_status_told"));
    Bundle::open(&met.bundle[..]).unwrap()
}

fn changed(from: &str, to: &str) -> Changes {
    let yaml = bot("after-sales.yaml").source().replace(from, to);
    assert_ne!(yaml, bot("after-sales.yaml").source(), "{from} is in it");
    let mut changes = Changes::default();
    changes.bot(Bot::parse(&yaml, "new.yaml").unwrap());
    changes
}

fn with(around: &mut dyn Surroundings, changes: &Changes) -> PlayReport {
    let helpers = Helpers { around: Some(around), caller: None };
    play_with(&recorded(), changes, Beyond::Stop, helpers).unwrap()
}

fn by(report: &PlayReport, asked: Asked) -> Vec<&str> {
    report.answered.iter().filter(|one| one.asked == asked).map(|one| one.by.as_str()).collect()
}

#[test]
fn a_call_with_nothing_changed_never_leaves_its_recording_and_asks_nobody() {
    let mut around = Around::new();

    let report = with(&mut around, &Changes::default());

    assert_eq!((report.departure, report.stopped), (None, None));
    assert!(report.answered.is_empty() && around.heard.is_empty() && around.asked.is_empty());
    assert_eq!(report.played, report.recorded);
}

#[test]
fn a_text_that_was_never_said_is_spoken_live_and_the_rest_comes_from_the_recording() {
    let changes = changed("Please say your eight digit order number", "Tell me the number of your order");

    let stopped = play(&recorded(), &changes, Beyond::Stop).unwrap();
    let report = with(&mut Around::new(), &changes);

    assert!(stopped.stopped.unwrap().contains("never said"));
    let departure = report.departure.clone().unwrap();
    assert!(departure.got.contains("Tell me the number"), "{departure}");
    assert_eq!(report.stopped, None, "{report:#?}");
    assert_eq!(report.played.outcome.as_deref(), Some("order_status_told"));
    let spoken = by(&report, Asked::Synthesizer);
    assert_eq!(spoken.iter().filter(|by| **by == "the test").count(), 1, "{report:#?}");
    assert!(spoken.contains(&"the recording"));
    assert_eq!(by(&report, Asked::Tool), ["the recording"]);
}

#[test]
fn where_other_words_are_awaited_the_recognizer_hears_the_audio_again() {
    // The recognizer of then was never told of these words.
    let changes = changed("where is my (order|package|parcel)", "where is my (order|package|box)");
    let mut around = Around::new();
    around.words =
        ["where is my box".to_owned(), "two four six nine one three five seven".to_owned()].to_vec();

    let report = with(&mut around, &changes);

    assert!(report.departure.is_some(), "{report:#?}");
    // A second and a half of sound, and what stood before it.
    assert!(around.heard.first().is_some_and(|frames| (60..200).contains(frames)), "{:?}", around.heard);
    assert!(by(&report, Asked::Recognizer).contains(&"the test"), "{report:#?}");
    let heard = report.played.transcript.iter().any(|(_, text)| text == "where is my box");
    assert!(heard, "{report:#?}");
}

#[test]
fn another_caller_goes_on_where_the_recording_is_left_and_the_far_end_is_who_it_was() {
    struct Other(VecDeque<&'static str>, usize);
    impl Talker for Other {
        fn turn(&mut self, so_far: &[Line]) -> Act {
            self.1 = so_far.iter().filter(|line| line.who == Who::Bot).count();
            self.0.pop_front().map_or(Act::HangUp, |text| Act::Say(text.to_owned()))
        }
        fn name(&self) -> String {
            "the other".to_owned()
        }
    }
    let changes = changed("Please say your eight digit order number", "Tell me the number of your order");
    let mut other = Other(["one one one one two two two two", "yes"].into(), 0);
    let mut around = Around::new();

    let helpers = Helpers { around: Some(&mut around), caller: Some(&mut other) };
    let report = play_with(&recorded(), &changes, Beyond::Stop, helpers).unwrap();

    assert_eq!(report.stopped, None, "{report:#?}");
    assert!(around.asked[0].ends_with("/orders/11112222"), "{:?}", around.asked);
    assert_eq!(by(&report, Asked::Caller), ["the other"; 3], "{report:#?}");
    assert_eq!(report.played.cause, Some(EndCause::CallerHungUp), "{report:#?}");
    assert!(other.1 >= 4, "it was told what the bot said: {}", other.1);
}
