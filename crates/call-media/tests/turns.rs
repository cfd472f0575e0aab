//! Who speaks when: barge-in, coughs, digits, the turn ledger.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, clippy::print_stdout)]

mod common;

use std::time::Duration;

use common::{Scene, conversation, cough, sample};
use offhook_call_media::{BargeIn, LegId, MediaCommand, MediaEvent, MediaSettings, OnSpeech, TurnPolicy};
use offhook_engine_api::UtteranceId;
use offhook_time::Time;

/// Where the first word begins in `barge-in-rms` (see its JSON), in samples.
const FIRST_WORD: usize = 10_080;
/// Where it ends.
const FIRST_END: usize = 18_560;

const BOT: u32 = 1;

#[test]
fn speech_pauses_the_bot_at_once_and_then_stops_it() {
    let mut scene = talking_bot(true, true);
    scene.says = sample("barge-in-rms");

    scene.run_for(Duration::from_secs(4));

    let onset = scene.sent_at(FIRST_WORD as f64);
    let started =
        scene.first(|event| matches!(event, MediaEvent::SpeechStarted { paused: Some(_), .. })).unwrap();
    let confirmed =
        scene.first(|event| matches!(event, MediaEvent::SpeechConfirmed { stopped: Some(_) })).unwrap();
    let (to_pause, to_stop) = (millis(started) - onset, millis(confirmed) - onset);
    println!("pause {to_pause:.0} ms and stop {to_stop:.0} ms after the labelled onset");
    assert!(to_pause <= 150.0 + 20.0, "{to_pause}");
    assert!(to_stop <= 550.0 + 20.0, "{to_stop}");
    // One packet later nothing of the bot is heard.
    let pause_heard = last_loud(&scene) - millis(started);
    assert!(pause_heard <= 25.0, "{pause_heard}");
    let Some(MediaEvent::PlaybackFinished { completed, played, .. }) = finished(&scene) else {
        panic!("{:?}", scene.events())
    };
    assert!(!completed);
    let heard = Duration::from_secs_f64((millis(started) - millis(first_packet(&scene))) / 1e3);
    assert!(played.abs_diff(heard) <= Duration::from_millis(45), "{played:?}, {heard:?}");
}

#[test]
fn speech_does_not_stop_what_it_may_not_interrupt() {
    let mut scene = talking_bot(false, false);
    scene.says = sample("barge-in-rms");

    scene.run_for(Duration::from_secs(4));

    assert!(scene.events().contains(&MediaEvent::SpeechConfirmed { stopped: None }));
    assert!(finished(&scene).is_none());
    assert!(last_loud(&scene) > millis(scene.now) - 45.0);
}

#[test]
fn speech_that_means_nothing_pauses_and_what_was_said_goes_on_a_little_before() {
    let mut scene = talking_bot_with(BargeIn { speech: OnSpeech::Pause, digits: true });
    scene.says = sample("barge-in-rms")[..FIRST_END + 4_000].to_vec();

    scene.run_for(Duration::from_millis(3_600));
    let quiet_before = millis(scene.now) - last_loud(&scene);
    scene.command(MediaCommand::Resume);
    scene.run_for(Duration::from_secs(30));

    let ended = scene.first(|event| matches!(event, MediaEvent::SpeechEnded { .. })).unwrap();
    assert!(millis(ended) > 2_000.0 && quiet_before > 600.0, "{quiet_before} ms quiet");
    assert!(scene.events().contains(&MediaEvent::SpeechConfirmed { stopped: None }));
    let played = Duration::from_secs(20);
    let whole = MediaEvent::PlaybackFinished { utterance: UtteranceId(BOT), played, completed: true };
    assert_eq!(finished(&scene), Some(whole));
    let heard: Vec<i16> = scene.heard().into_iter().flat_map(|(_, samples)| samples).collect();
    let loud = |samples: &[i16]| samples.iter().filter(|sample| sample.unsigned_abs() > 100).count();
    let again = (loud(&heard) - loud(&ramp(20))) / 8;
    assert!((270..=820).contains(&again), "{again} ms were said again");
}

#[test]
fn what_waits_until_speech_is_understood_stays_paused_over_a_cough() {
    let mut scene = talking_bot_with(BargeIn { speech: OnSpeech::Pause, digits: true });
    scene.says = sample("barge-in-rms")[..FIRST_END + 8_000].to_vec();
    scene.says.extend(cough(1));
    scene.says.extend(common::quiet_noise(3));

    scene.run_for(Duration::from_secs(6));
    assert!(last_loud(&scene) < 2_000.0 + millis(offhook_testkit::start()), "{}", last_loud(&scene));
    scene.command(MediaCommand::Cancel { utterance: UtteranceId(BOT) });
    scene.run_for(Duration::from_millis(100));

    let events = scene.events();
    let stopped = |event: &MediaEvent| matches!(event, MediaEvent::PlaybackFinished { completed: false, .. });
    assert_eq!(count(&events, stopped), 1);
    assert_eq!(count(&events, |event| matches!(event, MediaEvent::SpeechRejected { resumed: Some(_) })), 0);
}

#[test]
fn what_is_behind_a_stopped_utterance_and_only_pauses_waits_to_begin() {
    let mut scene = talking_bot(true, true);
    scene.announce_with(2, BargeIn { speech: OnSpeech::Pause, digits: true });
    scene.speech(2, 8_000, &ramp(1));
    scene.command(MediaCommand::EndOfUtterance { utterance: UtteranceId(2) });
    scene.says = sample("barge-in-rms")[..FIRST_END + 4_000].to_vec();

    scene.run_for(Duration::from_secs(4));
    let began = |scene: &Scene| {
        count(
            &scene.events(),
            |event| matches!(event, MediaEvent::PlaybackStarted { utterance, .. } if utterance.0 == 2),
        )
    };
    assert_eq!(began(&scene), 0);
    scene.command(MediaCommand::Resume);
    scene.run_for(Duration::from_secs(2));

    assert_eq!(began(&scene), 1);
}

#[test]
fn coughs_pause_the_bot_at_most_and_never_stop_it() {
    let mut paused = 0;
    for number in 1..=12 {
        let mut scene = talking_bot(true, true);
        let mut says = common::quiet_noise(2);
        says.extend(cough(number));
        says.extend(common::quiet_noise(2));
        scene.says = says;

        scene.run_for(Duration::from_secs(6));

        let events = scene.events();
        let stopped = events.iter().any(|event| matches!(event, MediaEvent::SpeechConfirmed { .. }));
        assert!(!stopped, "cough {number}: {events:?}");
        let pauses = count(&events, |event| matches!(event, MediaEvent::SpeechStarted { .. }));
        let resumes = count(&events, |event| matches!(event, MediaEvent::SpeechRejected { .. }));
        assert_eq!(pauses, resumes, "cough {number}: {events:?}");
        paused += pauses;
        assert!(last_loud(&scene) > millis(scene.now) - 45.0, "cough {number}: the bot fell silent");
    }
    println!("12 coughs paused the bot {paused} times and stopped it never");
}

#[test]
fn a_pause_loses_nothing_of_what_the_bot_says() {
    let mut scene = talking_bot(true, true);
    scene.run_for(Duration::from_secs(1));
    scene.command(MediaCommand::Hold { paused: true });
    scene.run_for(Duration::from_millis(500));
    let (silent_from, loud_until) = (millis(scene.now) - 470.0, last_loud(&scene));
    scene.command(MediaCommand::Hold { paused: false });
    scene.run_for(Duration::from_secs(30));

    let heard: Vec<i16> = scene.heard().into_iter().flat_map(|(_, samples)| samples).collect();
    let loud = heard.iter().filter(|sample| sample.unsigned_abs() > 100).count();
    assert!(loud_until <= silent_from + 30.0);
    // Twenty seconds of a ramp that is never silent: all of it but the ends of two fades came out.
    let expected = ramp(20).iter().filter(|sample| sample.unsigned_abs() > 100).count();
    assert!(loud.abs_diff(expected) < 200, "{loud} of {expected}");
    assert_eq!(
        finished(&scene),
        Some(MediaEvent::PlaybackFinished {
            utterance: UtteranceId(BOT),
            played: Duration::from_secs(20),
            completed: true
        })
    );
}

#[test]
fn a_digit_stops_the_bot_at_its_first_packet_and_counts_once() {
    let mut scene = talking_bot(false, true);
    scene.run_for(Duration::from_secs(2));
    scene.press('5');
    let pressed = scene.now;

    scene.run_for(Duration::from_secs(2));

    let digits: Vec<MediaEvent> =
        scene.events().into_iter().filter(|event| matches!(event, MediaEvent::Digit { .. })).collect();
    let [
        MediaEvent::Digit {
            leg: LegId::CALLER, digit: '5', duration, stopped: Some((stopped, heard)), ..
        },
    ] = digits[..]
    else {
        panic!("{digits:?}")
    };
    assert_eq!(stopped, UtteranceId(BOT));
    assert!(duration >= Duration::from_millis(100) && duration <= Duration::from_millis(160), "{duration:?}");
    assert!(heard > Duration::from_millis(1_800) && heard < Duration::from_millis(2_100), "{heard:?}");
    assert!(last_loud(&scene) - millis(pressed) < 60.0);
}

#[test]
fn digits_are_counted_once_each_whatever_the_line_does() {
    let mut scene = Scene::new(conversation());
    scene.line.set_quality(offhook_testkit::LineQuality {
        loss: 0.2,
        duplicates: 0.2,
        reordered: 0.1,
        reordered_by: Duration::from_millis(30),
        jitter: Duration::from_millis(15),
        ..Default::default()
    });
    scene.run_for(Duration::from_secs(1));
    "4711*0#8".chars().for_each(|key| scene.press(key));

    scene.run_for(Duration::from_secs(4));

    let heard: String = scene
        .events()
        .iter()
        .filter_map(|event| if let MediaEvent::Digit { digit, .. } = event { Some(*digit) } else { None })
        .collect();
    assert_eq!(heard, "4711*0#8");
}

#[test]
fn a_turn_ends_with_the_ledger_of_its_last_word() {
    let mut scene = Scene::new(conversation());
    scene.says = sample("barge-in-rms");

    scene.run_for(Duration::from_secs(4));

    let ended = scene.left.events.iter().find_map(|(at, event)| match event {
        MediaEvent::SpeechEnded { times } => Some((*at, *times)),
        _ => None,
    });
    let (at, times) = ended.expect("an end");
    let end = scene.sent_at(FIRST_END as f64);
    let off = millis(times.last_voiced_arrived_at) - end;
    println!("the last packet of speech arrived {off:.0} ms after the labelled end");
    assert!(off.abs() <= 20.0, "{off}");
    assert!(times.last_voiced_released_at.since(times.last_voiced_arrived_at) < Duration::from_millis(2));
    assert_eq!(times.detected_at, at);
    let silence = at.since(times.last_voiced_arrived_at);
    assert!(
        silence >= TurnPolicy::default().end_of_speech && silence < Duration::from_millis(700),
        "{silence:?}"
    );
}

#[test]
fn the_recognizer_gets_every_frame_and_knows_which_belong_to_a_turn() {
    let mut scene = Scene::new(conversation());
    scene.says = sample("barge-in-rms");

    scene.run_for(Duration::from_secs(4));

    let frames = &scene.left.caller;
    assert!(frames.iter().all(|(_, frame, _)| frame.sample_rate() == 16_000));
    assert!(
        frames.windows(2).all(|pair| pair[1].1.rtp_timestamp == pair[0].1.rtp_timestamp.wrapping_add(160))
    );
    let changes = frames.windows(2).filter(|pair| pair[0].2 != pair[1].2).count();
    let started = count(&scene.events(), |event| matches!(event, MediaEvent::SpeechStarted { .. }));
    assert!(started >= 1 && changes >= 2 * started - 1 && changes <= 2 * started, "{changes} {started}");
}

#[test]
fn control_may_end_a_turn_and_a_long_one_ends_by_itself() {
    let mut scene = Scene::new(conversation());
    scene.says = sample("barge-in-rms")[FIRST_WORD - 4_000..FIRST_END].to_vec();
    scene.run_for(Duration::from_millis(1_300));
    scene.command(MediaCommand::EndTurn);
    let by_control = count(&scene.events(), |event| matches!(event, MediaEvent::SpeechEnded { .. }));

    let policy = TurnPolicy { longest_speech: Duration::from_millis(400), ..TurnPolicy::default() };
    let mut scene = Scene::new(MediaSettings { policy, ..conversation() });
    scene.says = sample("barge-in-rms");
    scene.run_for(Duration::from_secs(3));
    let first_end = scene.first(|event| matches!(event, MediaEvent::SpeechEnded { .. })).expect("an end");

    assert_eq!(by_control, 1);
    assert!(millis(first_end) - scene.sent_at(FIRST_WORD as f64) < 700.0);
}

#[test]
fn a_new_policy_changes_how_patient_the_turn_is() {
    let mut scene = Scene::new(conversation());
    scene.says = sample("barge-in-rms");
    let end_of_speech = Duration::from_millis(300);
    scene.command(MediaCommand::SetPolicy(TurnPolicy { end_of_speech, ..TurnPolicy::default() }));

    scene.run_for(Duration::from_secs(4));

    let ended = scene.left.events.iter().find_map(|(at, event)| match event {
        MediaEvent::SpeechEnded { times } => Some(at.since(times.last_voiced_arrived_at)),
        _ => None,
    });
    assert!(ended.is_some_and(|silence| silence < Duration::from_millis(400)), "{ended:?}");
}

/// A bot that has twenty seconds to say.
fn talking_bot(speech: bool, digits: bool) -> Scene {
    let speech = if speech { OnSpeech::Stop } else { OnSpeech::Ignore };
    talking_bot_with(BargeIn { speech, digits })
}

fn talking_bot_with(barge_in: BargeIn) -> Scene {
    let mut scene = Scene::new(conversation());
    scene.announce_with(BOT, barge_in);
    ramp(20).chunks(800).for_each(|chunk| scene.speech(BOT, 8_000, chunk));
    scene.command(MediaCommand::EndOfUtterance { utterance: UtteranceId(BOT) });
    scene
}

/// Loud all the time, and nothing that a voice detector or a codec minds.
fn ramp(seconds: usize) -> Vec<i16> {
    (0..seconds * 8_000).map(|n| (6_000.0 * (n as f64 * 0.35).sin()) as i16).collect()
}

fn finished<S: offhook_time::StepSink>(scene: &Scene<S>) -> Option<MediaEvent> {
    scene.events().into_iter().find(|event| matches!(event, MediaEvent::PlaybackFinished { .. }))
}

fn first_packet(scene: &Scene) -> Time {
    scene.first(|event| matches!(event, MediaEvent::PlaybackStarted { .. })).unwrap()
}

/// When the last packet left that is not silent, in milliseconds.
fn last_loud(scene: &Scene) -> f64 {
    let loud = |(_, samples): &(Time, Vec<i16>)| samples.iter().any(|sample| sample.unsigned_abs() > 500);
    scene.heard().iter().rfind(|packet| loud(packet)).map_or(0.0, |(at, _)| millis(*at))
}

fn count(events: &[MediaEvent], wanted: impl Fn(&MediaEvent) -> bool) -> usize {
    events.iter().filter(|event| wanted(event)).count()
}

fn millis(at: Time) -> f64 {
    at.as_nanos() as f64 / 1e6
}
