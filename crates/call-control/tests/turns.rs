//! Turns between caller and bot, their ledger, and engines that fail.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod common;

use std::time::Duration;

use common::{Bench, bot};
use offhook_call_control::{CallEvent, EndCause, Input, Output, RecognizerCommand, TurnLedger};
use offhook_call_media::{MediaCommand, MediaEvent, TurnTimes};
use offhook_engine_api::{EngineError, RecognizerEvent, SynthesizerEvent, UtteranceId};
use offhook_time::Time;

/// A bot that has asked and listens.
fn listening() -> Bench {
    let mut bench = Bench::up(|settings| settings.role = bot());
    bench.pass(200);
    let utterance = UtteranceId(1);
    bench.media(MediaEvent::PlaybackStarted { utterance, audio_at: bench.now });
    bench.pass(800);
    let played = Duration::from_millis(800);
    bench.media(MediaEvent::PlaybackFinished { utterance, played, completed: true });
    bench
}

/// The caller speaks for half a second and is silent for 600 ms.
fn speak(bench: &mut Bench) -> Time {
    bench.media(MediaEvent::SpeechStarted { onset: bench.now, paused: None });
    bench.pass(300);
    bench.media(MediaEvent::SpeechConfirmed { stopped: None });
    bench.pass(200);
    let last = bench.now;
    bench.pass(600);
    let times = TurnTimes {
        last_voiced_arrived_at: last,
        last_voiced_released_at: last + Duration::from_millis(1),
        detected_at: bench.now,
        ..TurnTimes::default()
    };
    bench.media(MediaEvent::SpeechEnded { times });
    last
}

fn gone() -> EngineError {
    EngineError::Gone { engine: "test".to_owned(), why: "planted".to_owned() }
}

fn ledgers(bench: &Bench) -> Vec<TurnLedger> {
    let of = |event: CallEvent| match event {
        CallEvent::TurnCompleted { ledger } => Some(ledger),
        _ => None,
    };
    bench.events().into_iter().filter_map(of).collect()
}

#[test]
fn the_segments_of_a_turn_sum_to_the_silence_that_the_caller_hears() {
    let mut bench = listening();
    let last = speak(&mut bench);
    bench.pass(50);
    let heard = RecognizerEvent::Final { text: "tea".to_owned(), confidence: None };
    bench.feed(Input::Recognizer(heard));
    bench.pass(120);
    let audio_at = bench.now;
    bench.pass(7);

    let (utterance, first_packet_at) = (UtteranceId(2), bench.now);
    bench.media(MediaEvent::PlaybackStarted { utterance, audio_at });
    assert_eq!(ledgers(&bench), [], "the caller hears nothing yet");
    bench.pass(100);
    let heard_at = first_packet_at + Duration::from_millis(40);
    bench.media(MediaEvent::PlaybackHeard { utterance, audio_at, first_packet_at, heard_at });

    let [ledger] = &ledgers(&bench)[..] else { panic!("not one turn") };
    let millis: Vec<(&str, u64)> =
        ledger.segments.iter().map(|segment| (segment.name.as_str(), segment.micros / 1_000)).collect();
    assert_eq!(
        millis,
        [
            ("jitter_buffer", 1),
            ("voice_activity", 599),
            ("recognizer", 50),
            ("conversation", 0),
            ("synthesizer", 120),
            ("queue", 7),
            ("lead_in", 40)
        ]
    );
    assert_eq!((ledger.began_at, ledger.ended_at), (last, heard_at));
}

#[test]
fn a_recognizer_that_says_nothing_costs_its_time_and_no_more() {
    let mut bench = listening();
    speak(&mut bench);

    bench.pass(3_001);

    assert!(bench.events().iter().any(|event| matches!(event, CallEvent::NotUnderstood { count: 1 })));
    assert!(bench.events().iter().any(|event| matches!(event, CallEvent::EngineFailed { .. })));
}

#[test]
fn a_result_that_comes_after_its_time_is_nobodys() {
    let mut bench = listening();
    speak(&mut bench);
    bench.pass(3_001);
    let said = bench.events().len();

    bench.feed(Input::Recognizer(RecognizerEvent::Final { text: "tea".to_owned(), confidence: None }));

    assert_eq!(bench.events().len(), said);
}

#[test]
fn a_cough_is_no_turn() {
    let mut bench = listening();
    bench.media(MediaEvent::SpeechStarted { onset: bench.now, paused: None });
    bench.pass(100);
    bench.media(MediaEvent::SpeechRejected { resumed: None });

    bench.feed(Input::Recognizer(RecognizerEvent::NoMatch));

    assert!(!bench.events().iter().any(|event| matches!(event, CallEvent::NotUnderstood { .. })));
}

#[test]
fn a_word_too_short_for_voice_activity_still_counts_when_it_fits() {
    let mut bench = listening();
    bench.media(MediaEvent::SpeechStarted { onset: bench.now, paused: None });
    bench.media(MediaEvent::SpeechRejected { resumed: None });

    bench.feed(Input::Recognizer(RecognizerEvent::Final { text: "tea".to_owned(), confidence: None }));

    assert!(bench.events().iter().any(|event| matches!(event, CallEvent::Understood { .. })));
}

#[test]
fn nothing_is_recognized_while_the_bot_does_not_listen() {
    let mut bench = Bench::up(|_| {});

    speak(&mut bench);

    let recognized =
        |output: &Output| matches!(output, Output::Recognizer(RecognizerCommand::StartUtterance));
    assert_eq!(bench.moments(recognized), []);
}

#[test]
fn a_synthesizer_that_fails_or_is_late_ends_a_bot_that_has_no_other_way() {
    let mut failed = Bench::up(|settings| settings.role = bot());
    for utterance in 1..=6 {
        let utterance = UtteranceId(utterance);
        failed.feed(Input::Synthesizer(SynthesizerEvent::Failed { utterance, error: gone() }));
    }
    let mut late = Bench::up(|settings| settings.role = bot());

    late.pass(3_001);

    let cancelled = late.media_commands().contains(&MediaCommand::Cancel { utterance: UtteranceId(1) });
    assert!(cancelled, "what comes late is not played");
    let engine_failed = |bench: &Bench| {
        bench.events().iter().filter(|event| matches!(event, CallEvent::EngineFailed { .. })).count()
    };
    assert_eq!(engine_failed(&late), 1);
    assert!(engine_failed(&failed) >= 1);
    assert!(matches!(failed.ended(), None | Some(EndCause::EngineFailed)));
}

#[test]
fn an_interruption_is_told_with_how_much_was_heard() {
    let mut bench = Bench::up(|settings| settings.role = bot());
    let utterance = UtteranceId(1);
    bench.media(MediaEvent::PlaybackStarted { utterance, audio_at: bench.now });
    bench.pass(400);
    bench.media(MediaEvent::SpeechStarted { onset: bench.now, paused: Some(utterance) });
    let played = Duration::from_millis(400);

    bench.media(MediaEvent::SpeechConfirmed { stopped: Some((utterance, played)) });
    bench.media(MediaEvent::PlaybackFinished { utterance, played, completed: false });

    assert!(bench.events().contains(&CallEvent::BargeIn { played_ms: 400 }));
}
