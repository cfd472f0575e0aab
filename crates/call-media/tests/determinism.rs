//! The same inputs give the same outputs, also when they come out of a step log.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, clippy::print_stdout)]

mod common;

use std::time::Duration;

use common::{Left, Scene, bridge, conversation, echo, noise, sample, settings, stream};
use offhook_call_media::{
    CallMedia, Direction, LegId, LegSettings, MediaCommand, MediaSettings, Port, RecordedInput, Route,
    StreamSettings,
};
use offhook_engine_api::UtteranceId;
use offhook_testkit::LineQuality;
use offhook_time::{Seed, Step, StepSink, Time};

#[test]
fn a_call_replayed_from_its_steps_sends_the_same_octets_and_events() {
    for number in 0..40 {
        let (settings, first) = play(number);
        let (_, second) = play(number);
        assert!(same(&first.left, &second.left), "call {number} differs from itself");

        let replayed = replay(settings, &first.sink.steps);

        assert!(same(&first.left, &replayed), "call {number} differs from its replay");
        assert!(!first.left.rtp.is_empty());
    }
}

#[test]
fn calls_of_different_seeds_differ() {
    let (_, one) = play(0);
    let (_, other) = play(3);

    assert_ne!(one.left.rtp[0].1, other.left.rtp[0].1);
}

#[test]
fn a_payload_that_is_no_input_is_an_error() {
    assert!(RecordedInput::decode(&[200, 1, 2]).is_err());
    assert!(RecordedInput::decode(&[]).is_err());
}

#[test]
fn two_legs_hear_each_other_and_the_bot() {
    let (caller, agent) = (Port::Leg(LegId(0)), Port::Leg(LegId(1)));
    let routes = [
        Route::new(caller, agent),
        Route::new(agent, caller),
        Route::new(Port::Bot, caller),
        Route::new(Port::Bot, agent),
    ];
    let leg = |number| LegSettings { leg: LegId(number), stream: Some(stream()), ..LegSettings::default() };
    let mut scene = Scene::new(MediaSettings { legs: vec![leg(0), leg(1)], ..settings(&routes) });
    scene.says = noise(2);
    scene.run_for(Duration::from_secs(3));
    scene.announce(1, false, false);
    scene.speech(1, 8_000, &[5_000; 8_000]);
    scene.run_for(Duration::from_secs(2));

    let heard_by = |leg: u8| {
        let packets = scene.left.rtp_of(LegId(leg));
        let loud = |from: u64, to: u64| {
            packets
                .iter()
                .filter(|(at, samples)| {
                    (from..to).contains(&at.as_millis()) && samples.iter().any(|s| s.unsigned_abs() > 500)
                })
                .count()
        };
        (loud(1_000, 3_900), loud(4_000, 5_500))
    };
    // The caller speaks until 3.1 s, the bot from 4 s for a second.
    assert_eq!(heard_by(0).0, 0);
    assert!(heard_by(1).0 >= 98, "{:?}", heard_by(1));
    assert!((50..=52).contains(&heard_by(0).1), "{:?}", heard_by(0));
    assert!((50..=52).contains(&heard_by(1).1), "{:?}", heard_by(1));
}

/// A call full of everything, decided by its number.
fn play(number: u64) -> (MediaSettings, Scene<Log>) {
    let base = match number % 4 {
        0 => echo(),
        1 => bridge(if number % 8 == 1 { 8_000 } else { 16_000 }),
        _ => conversation(),
    };
    let settings = MediaSettings { seed: Seed::from_number(number), ..base };
    let mut scene = Scene::recorded(settings.clone(), Log::default());
    scene.line = offhook_testkit::Line::new(
        LineQuality {
            jitter: Duration::from_millis(number % 5 * 10),
            loss: (number % 3) as f64 * 0.03,
            duplicates: (number % 2) as f64 * 0.05,
            reordered: (number % 7) as f64 * 0.01,
            reordered_by: Duration::from_millis(25),
            ..LineQuality::default()
        },
        number,
    );
    scene.tick = number.is_multiple_of(2).then_some(Duration::from_millis(1));
    scene.application_echo = Some(Duration::from_millis(1));
    scene.says = sample("barge-in-rms");
    scene.announce(1, true, true);
    (0..20).for_each(|n| scene.speech(1, [8_000, 16_000][n % 2], &[1_000; 1_600]));
    scene.run_for(Duration::from_millis(1_500));
    scene.press('4');
    scene.announce(2, true, false);
    scene.speech(2, 16_000, &[-700; 4_000]);
    scene.command(MediaCommand::EndOfUtterance { utterance: UtteranceId(2) });
    scene.run_for(Duration::from_millis(1_000));
    let held = StreamSettings { direction: Direction::ReceiveOnly, ..stream() };
    scene.command(MediaCommand::SetStream { leg: LegId::CALLER, settings: held });
    scene.run_for(Duration::from_millis(300));
    scene.command(MediaCommand::SetStream { leg: LegId::CALLER, settings: stream() });
    scene.run_for(Duration::from_millis(1_500));
    scene.command(MediaCommand::Close);
    (settings, scene)
}

fn replay(settings: MediaSettings, steps: &[(Time, Vec<u8>)]) -> Left {
    let mut call = CallMedia::new(settings, offhook_testkit::start());
    let mut left = Left::default();
    for (now, payload) in steps {
        let input = RecordedInput::decode(payload).unwrap();
        input.with_input(|input| call.handle(input, &mut left, *now));
    }
    left
}

/// Everything but when a tick happened to be.
fn same(one: &Left, other: &Left) -> bool {
    let rtp = |left: &Left| left.rtp.iter().map(|(_, packet)| packet.clone()).collect::<Vec<_>>();
    let rtcp = |left: &Left| left.rtcp.iter().map(|(_, packet)| packet.clone()).collect::<Vec<_>>();
    let events = |left: &Left| left.events.iter().map(|(_, event)| event.clone()).collect::<Vec<_>>();
    let caller = |left: &Left| {
        let frame = |(_, frame, voiced): &(Time, offhook_audio::Frame, bool)| {
            (frame.samples().to_vec(), frame.rtp_timestamp, frame.flags, *voiced)
        };
        left.caller.iter().map(frame).collect::<Vec<_>>()
    };
    rtp(one) == rtp(other)
        && rtcp(one) == rtcp(other)
        && events(one) == events(other)
        && caller(one) == caller(other)
}

#[derive(Default)]
struct Log {
    steps: Vec<(Time, Vec<u8>)>,
}

impl StepSink for Log {
    fn record(&mut self, step: Step<'_>) {
        assert_eq!(step.sequence, self.steps.len() as u64);
        self.steps.push((step.now, step.payload.to_vec()));
    }
}
