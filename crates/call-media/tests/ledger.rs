//! The ledger's moments against what anyone could measure on the wire: the labels of `audio-samples`, and the packets
//! that the bot sent. `cargo test -p offhook-call-media --test ledger -- --nocapture` shows the differences.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, clippy::print_stdout)]

mod common;

use std::path::Path;
use std::time::Duration;

use common::{Scene, conversation, sample};
use offhook_call_media::{MediaCommand, MediaEvent, MediaSettings, TurnPolicy, TurnTimes};
use offhook_engine_api::UtteranceId;
use offhook_time::Time;

/// One frame of 20 ms.
const FRAME_MS: f64 = 20.0;

const CLEAN: [&str; 7] = [
    "barge-in-rms",
    "order-status-espeak",
    "order-status-mandarin",
    "order-status-rms-mulaw",
    "order-status-slt",
    "person-kal16",
    "return-awb",
];

#[test]
fn every_turn_begins_and_ends_within_a_frame_of_its_labels() {
    let mut turns = 0;
    for name in CLEAN {
        for (times, onset, end) in labelled_turns(name) {
            let off = (millis(times.onset) - onset, millis(times.last_voiced_arrived_at) - end);
            println!("{name}: onset {:+.0} ms, end {:+.0} ms against the labels", off.0, off.1);
            assert!(off.0.abs() <= FRAME_MS + 0.5 && off.1.abs() <= FRAME_MS + 0.5, "{name}: {off:?}");
            assert!(
                times.last_voiced_released_at.since(times.last_voiced_arrived_at) < Duration::from_millis(2)
            );
            turns += 1;
        }
    }
    assert!(turns >= 20, "{turns}");
}

/// The labels were made before the noise was added: what is softer than the noise is in them and nobody hears it.
#[test]
fn in_noise_a_turn_ends_where_the_voice_goes_under() {
    let turns = labelled_turns("awkward-slt-noise");

    for (times, onset, end) in &turns {
        let off = (millis(times.onset) - onset, millis(times.last_voiced_arrived_at) - end);
        println!("noise: onset {:+.0} ms, end {:+.0} ms against the labels", off.0, off.1);
        assert!((-1.0..=101.0).contains(&off.0) && (-121.0..=1.0).contains(&off.1), "{off:?}");
    }
    assert_eq!(turns.len(), 7);
}

/// A packet that comes when its place was already filled up is not played, but anyone on the wire sees it.
#[test]
fn the_last_packet_of_speech_ends_it_even_where_it_comes_too_late_to_be_played() {
    let mut scene = Scene::new(conversation());
    let (_, end) = labels("barge-in-rms")[0];
    scene.says = sample("barge-in-rms")[..end + 8_000].to_vec();
    let last = scene.sent_at(((end - 1) / 160 * 160) as f64);
    let now = millis(scene.now);
    scene.run_for(Duration::from_secs_f64((last - now - 10.0) / 1e3));
    scene
        .line
        .set_quality(offhook_testkit::LineQuality { delay: Duration::from_millis(30), ..Default::default() });
    scene.run_for(Duration::from_millis(20));
    scene.line.set_quality(offhook_testkit::LineQuality::default());

    scene.run_for(Duration::from_secs(2));

    let times = ended_turns(&scene)[0];
    let off = millis(times.last_voiced_arrived_at) - (last + 30.0);
    assert!(off.abs() < 1.0, "{off}");
}

#[test]
fn the_bot_is_heard_from_its_first_audible_packet() {
    let mut scene = Scene::new(conversation());
    scene.run_for(Duration::from_millis(300));
    scene.announce(1, true, true);
    // A tenth of a second of silence, a soft hiss, then the voice.
    let soft = (0..600).map(|n| if n % 2 == 0 { 90 } else { -90 });
    let voice = (0..8_000).map(|n| (6_000.0 * (n as f64 * 0.35).sin()) as i16);
    let says: Vec<i16> = std::iter::repeat_n(0, 800).chain(soft).chain(voice).collect();
    scene.speech(1, 8_000, &says);
    let audio_reached_us = scene.now;
    scene.command(MediaCommand::EndOfUtterance { utterance: UtteranceId(1) });

    scene.run_for(Duration::from_secs(2));

    let heard: Vec<_> = scene.events().into_iter().filter(is_heard).collect();
    let [MediaEvent::PlaybackHeard { utterance: UtteranceId(1), audio_at, first_packet_at, heard_at }] =
        heard[..]
    else {
        panic!("{heard:?}")
    };
    let started = scene.first(|event| matches!(event, MediaEvent::PlaybackStarted { .. })).unwrap();
    let first_loud = scene.heard().iter().find(|(_, samples)| rms(samples) > 184.0).unwrap().0;
    assert_eq!((audio_at, first_packet_at, heard_at), (audio_reached_us, started, first_loud));
    let lead_in = heard_at.since(first_packet_at);
    assert!(lead_in >= Duration::from_millis(160) && lead_in <= Duration::from_millis(200), "{lead_in:?}");
}

#[test]
fn silence_is_played_and_never_heard() {
    let mut scene = Scene::new(conversation());
    scene.announce(1, true, true);
    scene.speech(1, 8_000, &[0; 8_000]);
    scene.command(MediaCommand::EndOfUtterance { utterance: UtteranceId(1) });

    scene.run_for(Duration::from_secs(2));

    let events = scene.events();
    assert!(events.iter().any(|event| matches!(event, MediaEvent::PlaybackFinished { completed: true, .. })));
    assert!(!events.iter().any(is_heard));
}

#[test]
fn a_barge_in_is_known_from_the_first_packet_of_speech_to_the_last_packet_of_the_bot() {
    let mut scene = Scene::new(conversation());
    scene.announce(1, true, true);
    let voice: Vec<i16> = (0..160_000).map(|n| (6_000.0 * (n as f64 * 0.35).sin()) as i16).collect();
    voice.chunks(800).for_each(|chunk| scene.speech(1, 8_000, chunk));
    scene.command(MediaCommand::EndOfUtterance { utterance: UtteranceId(1) });
    let labels = labels("barge-in-rms");
    scene.says = sample("barge-in-rms")[..labels[0].1 + 9_600].to_vec();

    scene.run_for(Duration::from_secs(5));

    let times = ended_turns(&scene)[0];
    let last_loud = scene.heard().iter().rfind(|(_, samples)| rms(samples) > 184.0).unwrap().0;
    assert_eq!(times.bot_quiet_at, Some(last_loud));
    let onset = scene.sent_at((labels[0].0 / 160 * 160) as f64);
    println!(
        "the bot fell silent {:.0} ms after the labelled onset, {:.0} by the ledger",
        millis(last_loud) - onset,
        millis(last_loud) - millis(times.onset)
    );
    assert!((millis(times.onset) - onset).abs() <= FRAME_MS + 0.5);
}

#[test]
fn a_key_that_stops_the_bot_says_when() {
    let mut scene = Scene::new(conversation());
    scene.announce(1, false, true);
    let voice: Vec<i16> = (0..80_000).map(|n| (6_000.0 * (n as f64 * 0.35).sin()) as i16).collect();
    voice.chunks(800).for_each(|chunk| scene.speech(1, 8_000, chunk));
    scene.run_for(Duration::from_secs(1));
    scene.press('5');

    scene.run_for(Duration::from_secs(1));

    let times = scene.events().into_iter().find_map(|event| match event {
        MediaEvent::Digit { times, .. } => Some(times),
        _ => None,
    });
    let times = times.unwrap();
    let last_loud = scene.heard().iter().rfind(|(_, samples)| rms(samples) > 184.0).unwrap().0;
    assert_eq!(times.bot_quiet_at, Some(last_loud));
    let held = times.last_voiced_arrived_at.since(times.onset);
    assert!(held >= Duration::from_millis(80) && held <= Duration::from_millis(120), "{held:?}");
}

/// The turns of a sample and, in milliseconds, when the packets of their labels arrived.
fn labelled_turns(name: &str) -> Vec<(TurnTimes, f64, f64)> {
    // So patient that a pause between two words is no end.
    let policy = TurnPolicy { end_of_speech: Duration::from_secs(1), ..TurnPolicy::default() };
    let mut scene = Scene::new(MediaSettings { policy, ..conversation() });
    scene.says = sample(name);
    scene.run_for(Duration::from_millis(scene.says.len() as u64 / 8 + 2_000));
    let sent = |position: usize| scene.sent_at((position / 160 * 160) as f64);
    let labels = labels(name);
    let turns = ended_turns(&scene);
    assert_eq!(turns.len(), labels.len(), "{name}: one turn for each utterance");
    let both = turns.into_iter().zip(labels);
    both.map(|(times, (start, end))| (times, sent(start), sent(end - 1))).collect()
}

fn ended_turns(scene: &Scene) -> Vec<TurnTimes> {
    let times = |event| match event {
        MediaEvent::SpeechEnded { times } => Some(times),
        _ => None,
    };
    scene.events().into_iter().filter_map(times).collect()
}

/// `start` and `end` of the utterances of a sample.
fn labels(name: &str) -> Vec<(usize, usize)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../audio-samples/{name}.json"));
    let text = std::fs::read_to_string(path).unwrap();
    let all = |key: &str| -> Vec<usize> {
        let values = text.lines().filter_map(|line| line.trim().strip_prefix(&format!("\"{key}\": ")));
        values.map(|value| value.trim_end_matches(',').parse().unwrap()).collect()
    };
    all("start").into_iter().zip(all("end")).collect()
}

fn is_heard(event: &MediaEvent) -> bool {
    matches!(event, MediaEvent::PlaybackHeard { .. })
}

fn rms(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (energy / samples.len() as f64).sqrt()
}

fn millis(at: Time) -> f64 {
    at.as_nanos() as f64 / 1e6
}
