//! What the bot says, from chunks at any rate to packets.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, clippy::print_stdout)]

mod common;

use std::time::Duration;

use common::{Scene, assert_continuous, conversation};
use offhook_call_media::{MediaCommand, MediaEvent, MediaSettings, RefusalCause};
use offhook_engine_api::UtteranceId;

#[test]
fn audio_of_any_rate_is_played_whole_and_in_order() {
    for rate in [8_000, 16_000, 22_050, 24_000, 48_000] {
        let mut scene = Scene::new(conversation());
        scene.announce(1, false, false);
        // 1.33 s in chunks of odd lengths.
        let samples = tone(rate, 1.33);
        samples.chunks(777).for_each(|chunk| scene.speech(1, rate, chunk));
        scene.command(MediaCommand::EndOfUtterance { utterance: UtteranceId(1) });

        scene.run_for(Duration::from_secs(2));

        let loud = loud_samples(&scene);
        assert!((loud as f64 / 8_000.0 - 1.33).abs() < 0.015, "{rate}: {loud}");
        let jumps = largest_jump(&scene);
        assert!(jumps < 2_800, "{rate}: a click of {jumps}");
        assert!(scene.events().contains(&MediaEvent::PlaybackFinished {
            utterance: UtteranceId(1),
            played: scene_duration(rate, &samples),
            completed: true
        }));
        assert_eq!(given_back(&scene), samples.len(), "{rate}");
        assert_continuous(&scene.left.rtp, 160);
    }
}

#[test]
fn utterances_are_said_in_the_order_of_their_announcement_whatever_comes_first() {
    let mut scene = Scene::new(conversation());
    scene.announce(1, false, false);
    scene.announce(2, false, false);
    scene.speech(2, 8_000, &[2_000; 1_600]);
    scene.command(MediaCommand::EndOfUtterance { utterance: UtteranceId(2) });
    scene.run_for(Duration::from_millis(300));
    scene.speech(1, 16_000, &[8_000; 3_200]);
    scene.command(MediaCommand::EndOfUtterance { utterance: UtteranceId(1) });

    scene.run_for(Duration::from_secs(1));

    let order: Vec<UtteranceId> = scene
        .events()
        .iter()
        .filter_map(|event| match event {
            MediaEvent::PlaybackStarted { utterance, .. } => Some(*utterance),
            _ => None,
        })
        .collect();
    assert_eq!(order, [UtteranceId(1), UtteranceId(2)]);
    let heard: Vec<i16> = scene.heard().into_iter().flat_map(|(_, samples)| samples).collect();
    let first = heard.iter().position(|sample| *sample > 7_000).unwrap();
    let second = heard.iter().rposition(|sample| *sample > 1_900).unwrap();
    assert!(second > first + 1_600 + 1_500);
}

#[test]
fn audio_of_an_utterance_that_was_cancelled_or_never_announced_goes_back_unheard() {
    let mut scene = Scene::new(conversation());
    scene.announce(1, false, false);
    scene.speech(1, 8_000, &tone(8_000, 2.0));
    scene.run_for(Duration::from_millis(500));
    scene.command(MediaCommand::Cancel { utterance: UtteranceId(1) });
    let cancelled = scene.now;
    scene.speech(1, 8_000, &tone(8_000, 1.0));
    scene.speech(9, 8_000, &tone(8_000, 1.0));

    scene.run_for(Duration::from_secs(2));

    assert_eq!(given_back(&scene), 4 * 8_000);
    let after: Vec<i16> = scene
        .heard()
        .into_iter()
        .filter(|(at, _)| at.since(cancelled) > Duration::from_millis(21))
        .flat_map(|(_, samples)| samples)
        .collect();
    assert!(after.iter().all(|sample| sample.unsigned_abs() < 10));
    assert!(largest_jump(&scene) < 2_800);
    let finished =
        scene.events().iter().filter(|event| matches!(event, MediaEvent::PlaybackFinished { .. })).count();
    assert_eq!(finished, 1);
}

#[test]
fn cancelling_all_ends_what_plays_and_what_waits() {
    let mut scene = Scene::new(conversation());
    for utterance in 1..=3 {
        scene.announce(utterance, false, false);
        scene.speech(utterance, 8_000, &tone(8_000, 1.0));
    }
    scene.run_for(Duration::from_millis(300));

    scene.command(MediaCommand::CancelAll);
    scene.run_for(Duration::from_millis(500));

    let finished: Vec<(u32, bool)> = scene
        .events()
        .iter()
        .filter_map(|event| match event {
            MediaEvent::PlaybackFinished { utterance, completed, .. } => Some((utterance.0, *completed)),
            _ => None,
        })
        .collect();
    assert_eq!(finished.len(), 3);
    assert!(finished.iter().all(|(_, completed)| !completed));
    assert_eq!(given_back(&scene), 3 * 8_000);
}

#[test]
fn a_synthesizer_that_stalls_gives_silence_without_a_click_and_is_counted() {
    let mut scene = Scene::new(conversation());
    scene.announce(1, false, false);
    scene.speech(1, 16_000, &tone(16_000, 0.5));
    scene.run_for(Duration::from_secs(1));
    scene.speech(1, 16_000, &tone(16_000, 0.5));
    scene.command(MediaCommand::EndOfUtterance { utterance: UtteranceId(1) });
    scene.run_for(Duration::from_secs(1));
    scene.command(MediaCommand::Close);

    let Some(MediaEvent::Closed(report)) = scene.events().last().cloned() else { panic!() };
    assert!((20..=28).contains(&report.underruns), "{}", report.underruns);
    assert!(largest_jump(&scene) < 2_800);
    assert!((loud_samples(&scene) as i64 - 8_000).abs() < 200);
}

#[test]
fn more_chunks_than_fit_are_refused_once_and_given_back() {
    let mut scene = Scene::new(MediaSettings { speech_queue: 4, ..conversation() });
    scene.announce(1, false, false);

    (0..10).for_each(|_| scene.speech(1, 8_000, &[1_000; 800]));

    let refused = MediaEvent::SpeechRefused { utterance: UtteranceId(1), cause: RefusalCause::QueueFull };
    assert_eq!(scene.events().iter().filter(|event| **event == refused).count(), 1);
    assert_eq!(given_back(&scene), 6 * 800);
}

#[test]
fn a_rate_that_cannot_be_resampled_is_refused() {
    let mut scene = Scene::new(conversation());
    scene.announce(1, false, false);

    scene.speech(1, 11_025, &[1_000; 800]);

    let refused = MediaEvent::SpeechRefused { utterance: UtteranceId(1), cause: RefusalCause::SampleRate };
    assert!(scene.events().contains(&refused));
    assert_eq!(given_back(&scene), 800);
}

#[test]
fn playback_starts_with_the_first_packet_and_knows_when_its_audio_came() {
    let mut scene = Scene::new(conversation());
    scene.run_for(Duration::from_millis(500));
    scene.announce(1, false, false);
    scene.run_for(Duration::from_millis(333));
    let audio_at = scene.now;
    scene.speech(1, 8_000, &tone(8_000, 0.5));

    scene.run_for(Duration::from_secs(1));

    let started = scene.first(|event| matches!(event, MediaEvent::PlaybackStarted { .. })).unwrap();
    let first = scene.heard().into_iter().find(|(_, samples)| samples.iter().any(|s| s.unsigned_abs() > 100));
    assert_eq!(first.map(|(at, _)| at), Some(started));
    assert!(scene.events().contains(&MediaEvent::PlaybackStarted { utterance: UtteranceId(1), audio_at }));
    assert!(started.since(audio_at) <= Duration::from_millis(20));
}

fn tone(rate: u32, seconds: f64) -> Vec<i16> {
    let count = (f64::from(rate) * seconds) as usize;
    let step = 440.0 * std::f64::consts::TAU / f64::from(rate);
    (0..count).map(|n| (6_000.0 * (n as f64 * step).sin()) as i16).collect()
}

fn scene_duration(rate: u32, samples: &[i16]) -> Duration {
    samples
        .chunks(777)
        .map(|chunk| Duration::from_nanos(chunk.len() as u64 * 1_000_000_000 / u64::from(rate)))
        .sum()
}

/// Samples between the first and the last that are heard.
fn loud_samples(scene: &Scene) -> usize {
    let heard: Vec<i16> = scene.heard().into_iter().flat_map(|(_, samples)| samples).collect();
    // A tone passes through zero: a run of silence is one of ten samples.
    heard.windows(10).filter(|window| window.iter().any(|sample| sample.unsigned_abs() > 200)).count()
}

fn largest_jump(scene: &Scene) -> i32 {
    let heard: Vec<i16> = scene.heard().into_iter().flat_map(|(_, samples)| samples).collect();
    heard.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}

/// Samples in the chunks that control may free.
fn given_back(scene: &Scene) -> usize {
    let discarded = |event: &MediaEvent| match event {
        MediaEvent::Discard(chunk) => chunk.samples.len(),
        _ => 0,
    };
    scene.events().iter().map(discarded).sum()
}
