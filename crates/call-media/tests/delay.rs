//! How long a voice takes through the half, in virtual time: the rows of the table of goals.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, clippy::print_stdout)]

mod common;

use std::time::Duration;

use common::{Scene, assert_continuous, bridge, delays, echo, noise, quiet_noise, settings};
use offhook_call_media::{LegId, MediaSettings, Port, Route};
use offhook_testkit::LineQuality;

const TICK: Duration = Duration::from_millis(1);

#[test]
fn echo_on_a_clean_line_takes_twelve_milliseconds_at_most_for_any_phase_of_the_caller() {
    for phase_us in [0, 150, 300, 450, 600, 750, 900] {
        let mut scene = Scene::new(echo());
        scene.tick = Some(TICK);
        scene
            .line
            .set_quality(LineQuality { delay: Duration::from_micros(phase_us), ..LineQuality::default() });
        scene.says = noise(5);
        scene.repeats = true;

        scene.run_for(Duration::from_secs(6));

        let delays = delays(&scene, 20);
        delays.print(&format!("echo, 1 ms tick, phase {phase_us} us"));
        assert!(delays.percentile(50.0) <= 12.0);
        assert!(delays.percentile(99.0) <= 15.0);
        assert_eq!(delays.unknown, 0);
        assert!(assert_continuous(&scene.left.rtp, 160) <= Duration::from_millis(24));
    }
}

#[test]
fn echo_without_listening_resamples_nothing_and_takes_two_milliseconds() {
    let caller = Port::Leg(LegId::CALLER);
    let mut scene = noisy(settings(&[Route::new(caller, caller)]));

    scene.run_for(Duration::from_secs(6));

    let delays = delays(&scene, 20);
    delays.print("8 kHz echo, 1 ms tick");
    assert!(delays.percentile(50.0) <= 1.5);
}

#[test]
fn an_application_at_8_khz_gets_the_callers_samples_and_the_caller_its_own() {
    let mut scene = noisy(bridge(8_000));
    scene.application_echo = Some(Duration::from_micros(600));

    scene.run_for(Duration::from_secs(6));

    let delays = delays(&scene, 20);
    delays.print("bridge 8 kHz, application 0.6 ms, 1 ms tick");
    assert!(delays.percentile(50.0) <= 2.5 + 0.6);
    assert!(delays.percentile(99.0) <= 5.0);
    assert_eq!(delays.unknown, 0);
}

#[test]
fn an_application_at_16_khz_costs_the_two_filters_more() {
    let mut scene = noisy(bridge(16_000));
    scene.application_echo = Some(Duration::from_micros(600));

    scene.run_for(Duration::from_secs(6));

    let delays = delays(&scene, 20);
    delays.print("bridge 16 kHz, application 0.6 ms, 1 ms tick");
    assert!(delays.percentile(50.0) <= 12.0);
    assert!(delays.percentile(99.0) <= 15.0);
}

#[test]
fn the_small_unrest_of_a_real_machine_costs_no_more_than_itself() {
    let mut scene = noisy(echo());
    scene.line.set_quality(LineQuality { jitter: Duration::from_micros(700), ..LineQuality::default() });

    scene.run_for(Duration::from_secs(20));

    let delays = delays(&scene, 20);
    delays.print("echo, packets up to 0.7 ms late");
    assert!(delays.percentile(50.0) <= 10.5);
    assert!(delays.percentile(99.0) <= 11.5);
    assert_eq!(delays.unknown, 0);
}

#[test]
fn a_callers_clock_that_is_off_is_followed_without_a_gap() {
    for clock_ppm in [-200, 200] {
        let mut scene = noisy(echo());
        scene.clock_ppm = clock_ppm;

        scene.run_for(Duration::from_secs(60));

        let delays = delays(&scene, 20);
        delays.print(&format!("echo, the caller's clock {clock_ppm} ppm off, a minute"));
        assert!(delays.percentile(100.0) <= 12.0, "{clock_ppm}");
        assert_eq!(delays.unknown, 0);
        assert_continuous(&scene.left.rtp, 160);
    }
}

#[test]
fn an_application_that_is_not_punctual_is_waited_for_as_long_as_it_needs_and_no_gap_is_heard() {
    let mut scene = noisy(bridge(16_000));
    scene.application_echo = Some(Duration::from_millis(1));
    scene.application_jitter = Duration::from_millis(6);

    scene.run_for(Duration::from_secs(20));

    let delays = delays(&scene, 100);
    delays.print("bridge 16 kHz, application 1-7 ms");
    assert!(delays.percentile(99.0) <= 19.0);
    assert!(delays.unknown <= 1, "{}", delays.unknown);
    assert!(assert_continuous(&scene.left.rtp, 160) <= Duration::from_millis(25));
}

#[test]
fn a_line_with_20_ms_of_jitter_costs_little_more_than_the_jitter_and_keeps_the_order() {
    let mut scene = noisy(echo());
    scene.line.set_quality(LineQuality { jitter: Duration::from_millis(20), ..LineQuality::default() });

    scene.run_for(Duration::from_secs(20));

    let delays = delays(&scene, 50);
    delays.print("echo, 20 ms jitter");
    assert!(delays.percentile(99.0) <= 45.0);
    let longest = assert_continuous(&scene.left.rtp, 160);
    assert!(longest <= Duration::from_millis(40), "{longest:?}");
    // In order: content never goes back.
    let backwards = delays.packets.windows(2).filter(|pair| pair[1].1 - pair[0].1 > 21.0).count();
    assert_eq!(backwards, 0);
}

#[test]
fn duplicates_add_no_delay() {
    let mut scene = noisy(echo());
    scene.line.set_quality(LineQuality { duplicates: 0.05, ..LineQuality::default() });

    scene.run_for(Duration::from_secs(20));

    let delays = delays(&scene, 20);
    delays.print("echo, 5 % duplicates");
    assert!(delays.percentile(99.0) <= 12.0);
}

#[test]
fn every_lost_packet_is_concealed_and_marked_and_the_rest_is_not_late() {
    let mut scene = noisy(MediaSettings {
        routes: vec![
            Route::new(Port::Leg(LegId::CALLER), Port::Leg(LegId::CALLER)),
            Route::new(Port::Leg(LegId::CALLER), Port::Recognizer),
        ],
        ..echo()
    });
    scene.line.set_quality(LineQuality { loss: 0.05, ..LineQuality::default() });

    scene.run_for(Duration::from_secs(20));

    let delays = delays(&scene, 20);
    delays.print("echo, 5 % loss");
    assert!(delays.percentile(50.0) <= 12.0);
    let concealed = scene.left.caller.iter().filter(|(_, frame, _)| frame.flags.concealed).count();
    // A packet that was lost at the very end is not missed yet.
    assert!((scene.line.lost() as i64 - concealed as i64).abs() <= 1, "{concealed} of {}", scene.line.lost());
    let timestamps: Vec<u32> = scene.left.caller.iter().map(|(_, frame, _)| frame.rtp_timestamp).collect();
    assert!(timestamps.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(160)), "a gap in the timeline");
    assert!(assert_continuous(&scene.left.rtp, 160) <= Duration::from_millis(25));
}

#[test]
fn reordering_is_undone() {
    let mut scene = noisy(echo());
    scene.line.set_quality(LineQuality {
        reordered: 0.05,
        reordered_by: Duration::from_millis(30),
        ..LineQuality::default()
    });

    scene.run_for(Duration::from_secs(20));

    let delays = delays(&scene, 50);
    delays.print("echo, 5 % reordered by 30 ms");
    assert!(delays.percentile(99.0) <= 60.0);
    assert_continuous(&scene.left.rtp, 160);
}

#[test]
fn after_bad_seconds_the_delay_is_clean_again_within_three_seconds_of_speech() {
    for (what, quality) in impairments() {
        let mut scene = noisy(echo());
        scene.run_for(Duration::from_secs(3));

        scene.line.set_quality(quality);
        scene.run_for(Duration::from_secs(5));
        scene.line.set_quality(LineQuality::default());
        scene.run_for(Duration::from_secs(6));

        let all = delays(&scene, 20);
        all.between(3_500.0, 8_000.0).print(&format!("{what}, during"));
        all.between(8_000.0, 9_000.0).print(&format!("{what}, first second after"));
        let after = all.between(11_000.0, 14_000.0);
        after.print(&format!("{what}, from three seconds after"));
        assert!(after.percentile(99.0) <= 12.5, "{what}");
        assert_continuous(&scene.left.rtp, 160);
    }
}

#[test]
fn after_bad_seconds_the_delay_is_clean_again_within_one_second_of_silence() {
    for (what, quality) in impairments() {
        let mut scene = noisy(echo());
        scene.says = quiet_noise(5);
        scene.run_for(Duration::from_secs(3));

        scene.line.set_quality(quality);
        scene.run_for(Duration::from_secs(5));
        scene.line.set_quality(LineQuality::default());
        scene.run_for(Duration::from_secs(4));

        let all = delays(&scene, 20);
        let after = all.between(9_050.0, 12_000.0);
        after.print(&format!("{what}, in silence, from one second after"));
        assert!(after.percentile(99.0) <= 12.5, "{what}");
    }
}

fn impairments() -> [(&'static str, LineQuality); 4] {
    let clean = LineQuality::default();
    [
        ("60 ms jitter", LineQuality { jitter: Duration::from_millis(60), ..clean }),
        ("10 % duplicates", LineQuality { duplicates: 0.1, ..clean }),
        ("20 ms jitter and 5 % loss", LineQuality { jitter: Duration::from_millis(20), loss: 0.05, ..clean }),
        (
            "5 % reordered by 30 ms",
            LineQuality { reordered: 0.05, reordered_by: Duration::from_millis(30), ..clean },
        ),
    ]
}

fn noisy(settings: MediaSettings) -> Scene {
    let mut scene = Scene::new(settings);
    scene.tick = Some(TICK);
    scene.says = noise(5);
    scene.repeats = true;
    scene
}
