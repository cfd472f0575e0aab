//! An application whose answers come late now and then, as on a machine that has other work too.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, clippy::print_stdout)]

mod common;

use std::time::Duration;

use common::{Scene, assert_continuous, bridge, echo, noise};
use offhook_rtp_proto::RtpPacket;
use offhook_testkit::LineQuality;

const FRAME: Duration = Duration::from_millis(20);
const USUAL: Duration = Duration::from_millis(1);

#[test]
fn an_answer_that_comes_late_once_makes_its_own_packet_late_and_no_other() {
    let mut scene = scene();

    let stalls = stalled(&mut scene, Duration::from_micros(7_400), 30);

    let late = lateness_ms(&scene);
    let above = late.iter().filter(|late| **late > 3.0).count();
    assert!(above <= stalls, "{above} packets of {} for {stalls} late answers", late.len());
    assert!(late.iter().all(|late| *late < 9.0));
    assert!(assert_continuous(&scene.left.rtp, 160) <= Duration::from_millis(29));
}

#[test]
fn answers_that_miss_their_packet_do_not_make_the_stream_run_ahead_of_the_clock() {
    let mut scene = scene();

    stalled(&mut scene, Duration::from_millis(26), 30);

    // Backlog that leaves sooner instead of being shortened waits at the far end: it is the same delay.
    let late = lateness_ms(&scene);
    let latest = late.iter().copied().fold(0.0, f64::max);
    assert!(latest < 22.0, "the stream moved by {latest} ms against its own clock");
}

#[test]
fn on_a_machine_with_a_little_unrest_no_call_moves_by_a_frame_whatever_its_phase() {
    for phase_us in (0..20_000).step_by(900) {
        let mut scene = Scene::new(echo());
        scene.tick = Some(Duration::from_millis(1));
        let delay = Duration::from_micros(phase_us);
        scene.line.set_quality(LineQuality {
            delay,
            jitter: Duration::from_micros(700),
            ..LineQuality::default()
        });
        scene.says = noise(3);
        scene.repeats = true;
        scene.run_for(Duration::from_secs(2));
        scene.left.rtp.clear();

        scene.run_for(Duration::from_secs(20));

        let late = lateness_ms(&scene).into_iter().fold(0.0, f64::max);
        assert!(late < 6.0, "phase {phase_us} us: {late} ms");
    }
}

fn scene() -> Scene {
    let mut scene = Scene::new(bridge(16_000));
    scene.tick = Some(Duration::from_millis(1));
    scene.says = noise(3);
    scene.repeats = true;
    scene.application_echo = Some(USUAL);
    scene.run_for(Duration::from_secs(3));
    scene.left.rtp.clear();
    scene
}

/// Once a second one answer takes that much longer.
fn stalled(scene: &mut Scene, by: Duration, times: usize) -> usize {
    for _ in 0..times {
        scene.application_echo = Some(USUAL + by);
        scene.run_for(FRAME);
        scene.application_echo = Some(USUAL);
        scene.run_for(Duration::from_millis(980));
    }
    times
}

/// Each packet's departure less its RTP time, against the earliest.
fn lateness_ms(scene: &Scene) -> Vec<f64> {
    let first = RtpPacket::parse(&scene.left.rtp[0].1).unwrap().header.timestamp;
    let late: Vec<f64> = scene
        .left
        .rtp
        .iter()
        .map(|(at, packet)| {
            let timestamp = RtpPacket::parse(packet).unwrap().header.timestamp;
            at.as_nanos() as f64 / 1e6 - timestamp.since(first) as f64 / 8.0
        })
        .collect();
    let best = late.iter().copied().fold(f64::INFINITY, f64::min);
    late.iter().map(|late| late - best).collect()
}
