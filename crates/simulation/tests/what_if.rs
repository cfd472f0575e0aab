//! Calls out of their bundles with something changed: only what should change does, and what nobody knows is not
//! invented.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::Duration;

use offhook_audio::AudioChunk;
use offhook_call_control::SpeakRequest;
use offhook_conversation::{Bot, ToolAnswer, ToolCall, ToolFailure};
use offhook_engine_api::{EngineError, RecognizerEvent};
use offhook_journal::bundle::{Bundle, Keep};
use offhook_replay::{Answer, Beyond, Changes, Heard, Helpers, PlayReport, Surroundings, play, play_with};
use offhook_simulation::{CallReport, Kind, Scenario, Simulation};

/// Waking on a tick moves a moment by this much.
const TICK: Duration = Duration::from_millis(5);

fn recorded(kind: Kind, number: u64) -> Option<(CallReport, Bundle)> {
    let (report, recording) = Simulation::new(Scenario::new(kind, number)).with_bundle(Keep::Header).run();
    let bytes = recording.into_bundle()?.unwrap();
    Some((report, Bundle::open(bytes.as_slice()).unwrap()))
}

fn changes(settings: &[&str]) -> Changes {
    let mut changes = Changes::default();
    settings.iter().for_each(|setting| changes.set(setting).unwrap());
    changes
}

fn again(kind: Kind, number: u64, settings: &[&str]) -> Option<PlayReport> {
    let (_, bundle) = recorded(kind, number)?;
    Some(play(&bundle, &changes(settings), Beyond::Stop).unwrap())
}

#[test]
fn a_call_that_is_played_again_with_nothing_changed_never_leaves_its_recording() {
    for kind in Kind::ALL {
        for number in 0..8 {
            let Some(report) = again(kind, number, &[]) else { continue };

            assert_eq!(report.departure, None, "{kind:?} {number}");
            assert_eq!(report.stopped, None, "{kind:?} {number}");
            assert_eq!(report.played, report.recorded, "{kind:?} {number}");
        }
    }
}

#[test]
fn another_end_of_speech_changes_the_turns_that_were_spoken_by_just_that_and_no_other() {
    let (mut spoken, mut changed, mut stopped) = (0, 0, 0);
    for number in 0..24 {
        let Some(report) = again(Kind::Voice, number, &["end_of_speech=900ms"]) else { continue };
        let (then, now) = (&report.recorded.turns, &report.played.turns);
        stopped += usize::from(report.stopped.is_some());
        for (turn, (then, now)) in then.iter().zip(now).enumerate() {
            let of = |ledger: &offhook_call_control::TurnLedger, name: &str| {
                ledger
                    .segments
                    .iter()
                    .find(|segment| segment.name == name)
                    .map_or(0, |segment| segment.micros)
            };
            let (before, after) = (of(&then.ledger, "voice_activity"), of(&now.ledger, "voice_activity"));
            if before == 0 {
                continue;
            }
            spoken += 1;
            // The bot's own policies are 700 ms, and 1000 ms after a number.
            let moved = after as i64 - before as i64;
            let expected = if before > 950_000 { -100_000 } else { 200_000 };
            let is_it = (moved - expected).unsigned_abs() <= 65_000; // a packet of the longest ptime
            changed += usize::from(is_it);
            assert!(is_it, "call {number} turn {turn}: {before} became {after}; {report:#?}");
        }
        assert!(report.departure.is_some() || then.is_empty(), "call {number}");
    }
    println!(
        "{spoken} spoken turns, {changed} moved by what was asked; {stopped} calls could not be played to their end"
    );
    assert!(spoken >= 40, "{spoken}");
}

#[test]
fn a_setting_that_no_turn_depends_on_changes_none() {
    for number in 0..12 {
        let Some(report) = again(Kind::Keys, number, &["end_of_speech=900ms", "longest_speech=20s"]) else {
            continue;
        };

        assert_eq!(report.changed_turns(TICK), Vec::<usize>::new(), "{number}");
        assert_eq!(report.stopped, None, "{number}");
        assert_eq!(report.played.states, report.recorded.states, "{number}");
        assert_eq!(report.played.cause, report.recorded.cause, "{number}");
    }
}

#[test]
fn a_shorter_limit_ends_the_call_at_that_limit() {
    let report = again(Kind::Voice, 1, &["call_time=4s"]).unwrap();

    let departure = report.departure.as_ref().unwrap();
    assert_eq!(departure.what, "a half wants to be woken at a moment at which it was not");
    assert_eq!(report.played.cause, Some(offhook_call_control::EndCause::TimeLimit), "{report:#?}");
    let lasted = report.played.talk_time();
    assert!(lasted >= Duration::from_millis(3_999) && lasted < Duration::from_secs(5), "{lasted:?}");
}

fn after_sales(change: impl Fn(&str) -> String) -> Changes {
    let text = change(include_str!("../../../bots/after-sales.yaml"));
    let mut changes = Changes::default();
    changes.bot(Bot::parse(&text, "after-sales.yaml").unwrap());
    changes
}

#[test]
fn a_bot_that_says_something_new_is_stopped_where_the_recording_has_no_audio_for_it() {
    let (_, bundle) = recorded(Kind::Voice, 2).unwrap();
    let other = after_sales(|text| {
        assert!(text.contains("Is there anything else I can do for you?"));
        text.replace("Is there anything else I can do for you?", "Would you like anything else?")
    });

    let report = play(&bundle, &other, Beyond::Stop).unwrap();

    let stopped = report.stopped.as_ref().unwrap();
    assert!(stopped.contains("Would you like anything else?") && stopped.contains("no audio"), "{stopped}");
    let departure = report.departure.as_ref().unwrap();
    assert!(departure.got.contains("Would you like anything else?"), "{departure}");
    // All before it went as it had gone.
    let said = report.played.transcript.len();
    assert!(said > 4, "{report:#?}");
    assert_eq!(report.played.transcript[..said - 1], report.recorded.transcript[..said - 1]);
    assert_ne!(report.played.bot_version, report.recorded.bot_version);
}

#[test]
fn a_bot_that_only_has_another_name_never_leaves_the_recording() {
    let (_, bundle) = recorded(Kind::Voice, 2).unwrap();
    let other = after_sales(|text| format!("{text}\n# another version\n"));

    let report = play(&bundle, &other, Beyond::Stop).unwrap();

    assert_eq!((report.departure, report.stopped), (None, None));
    assert_ne!(report.played.bot_version, report.recorded.bot_version);
    assert_eq!(report.played.transcript, report.recorded.transcript);
}

#[test]
fn where_nobody_answers_time_outs_take_their_course_and_every_call_comes_to_an_end() {
    let mut beyond = 0;
    for kind in [Kind::Voice, Kind::BargeIn, Kind::TransferFails, Kind::EngineFailures] {
        for number in 0..10 {
            let Some((_, bundle)) = recorded(kind, number) else { continue };
            let settings = changes(&["end_of_speech=250ms", "barge_in=none"]);

            let report = play(&bundle, &settings, Beyond::TimeOut).unwrap();

            beyond += usize::from(report.notes.iter().any(|note| note.contains("nobody answers")));
            let over = report.stopped.as_ref().is_none_or(|why| why.contains("the recording is over"));
            assert!(over, "{kind:?} {number}: {:?}", report.stopped);
        }
    }
    assert!(beyond >= 3, "{beyond}");
}

#[test]
fn a_bot_that_is_not_interrupted_any_more_is_played_as_far_as_its_audio_goes() {
    let (mut cut_short, mut whole) = (0, 0);
    for number in (0..64).filter(|number| number % 4 != 3) {
        let Some((call, bundle)) = recorded(Kind::BargeIn, number) else { continue };
        if call.record.barge_ins == 0 {
            continue;
        }

        let report = play(&bundle, &changes(&["barge_in=none"]), Beyond::Stop).unwrap();

        assert_eq!(report.played.barge_ins, 0, "{number}");
        match &report.stopped {
            Some(why) => {
                cut_short += usize::from(why.contains("was cut short then and is not now"));
            }
            None => whole += 1,
        }
    }
    println!("{cut_short} end where the recorded audio does, {whole} were played whole");
    assert!(cut_short >= 1 && whole >= 1, "{cut_short}, {whole}");
}

#[test]
fn calls_full_of_interruptions_are_played_to_their_end_with_another_end_of_speech() {
    let mut played = 0;
    for number in 0..12 {
        let report = again(Kind::BargeIn, number, &["end_of_speech=900ms"]).unwrap();

        assert_eq!(report.stopped, None, "{number}");
        assert_eq!(report.played.cause, report.recorded.cause, "{number}");
        played += usize::from(report.departure.is_some());
    }
    assert!(played >= 10, "{played}");
}

/// Speaks three seconds of everything, understands nothing.
struct Humming;

impl Surroundings for Humming {
    fn recognize(&mut self, _heard: &Heard<'_>) -> Answer<RecognizerEvent> {
        humming(RecognizerEvent::NoMatch)
    }

    fn speak(&mut self, _request: &SpeakRequest) -> Answer<Result<Vec<AudioChunk>, EngineError>> {
        let chunk = AudioChunk { sample_rate: 16_000, samples: vec![4_000; 1_600].into() };
        humming(Ok(vec![chunk; 30]))
    }

    fn call_tool(&mut self, _call: &ToolCall) -> Answer<Result<ToolAnswer, ToolFailure>> {
        humming(Err(ToolFailure::TimedOut))
    }

    fn voice_of_caller(&mut self, _text: &str) -> Vec<i16> {
        Vec::new()
    }
}

fn humming<T>(what: T) -> Answer<T> {
    Answer { what, took: Duration::from_millis(50), by: "humming".to_owned() }
}

#[test]
fn where_somebody_speaks_what_was_cut_short_is_said_to_its_end() {
    let mut rests = 0;
    for number in (0..24).filter(|number| number % 4 != 3) {
        let Some((call, bundle)) = recorded(Kind::BargeIn, number) else { continue };
        if call.record.barge_ins == 0 {
            continue;
        }

        let helpers = Helpers { around: Some(&mut Humming), caller: None };
        // Only who sounds for longer is heard as an interruption: the recording is left in the middle of a prompt.
        let settings = changes(&["pause_after=2s", "decide_within=3s"]);
        let report = play_with(&bundle, &settings, Beyond::Stop, helpers).unwrap();

        let over = report.stopped.as_ref().is_none_or(|why| why.contains("the recording is over"));
        assert!(over, "{number}: {:?}", report.stopped);
        let by_them = report.answered.iter().filter(|one| one.by == "humming");
        rests += by_them.filter(|one| one.what.starts_with("the rest of")).count();
    }
    println!("{rests} prompts were said to their end");
    assert!(rests >= 1, "{rests}");
}
