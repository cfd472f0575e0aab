//! The probe against echoes whose delay is known.

use std::time::Duration;

use offhook_caller::g711::Law;
use offhook_caller::probe::{Heard, locate, noise, report};
use offhook_caller::wav::{FRAME, resample};
use offhook_time::{Randomness, Seed, Time};

const FRAMES: usize = 500;
const LONGEST: Duration = Duration::from_millis(600);

/// One sample at 8 kHz, in milliseconds.
const SAMPLE_MS: f64 = 0.125;

#[test]
fn an_instant_echo_is_zero() {
    let (sent, left) = sent();
    let mut heard = Heard::new();
    for (frame, at) in sent.chunks(FRAME).zip(&left) {
        heard.push(frame, *at);
    }

    let found = report(&locate(&sent, &left, &heard, LONGEST));

    assert_eq!((found.frames, found.damaged, found.slips), (FRAMES as u64, 0, 0));
    assert_eq!((found.added_ms.min, found.added_ms.max), (0.0, 0.0));
}

#[test]
fn a_delay_between_packets_is_exact_to_a_sample() {
    for delay_samples in [1usize, 37, 72, 159, 160, 161, 1000, 3999] {
        let (sent, left) = sent();
        let echoed = delayed(&sent, delay_samples);
        let mut heard = Heard::new();
        for (frame, at) in echoed.chunks(FRAME).zip(&left) {
            heard.push(frame, *at + Duration::from_micros(300));
        }

        let found = report(&locate(&sent, &left, &heard, LONGEST));

        let expected = delay_samples as f64 * SAMPLE_MS + 0.3;
        // The end of what was sent has not come back yet.
        assert!(found.damaged as usize <= delay_samples / FRAME + 1, "{delay_samples}: {found:?}");
        assert!((found.added_ms.min - expected).abs() <= 0.001, "{delay_samples}: {found:?}");
        assert!((found.added_ms.max - expected).abs() <= 0.001, "{delay_samples}: {found:?}");
    }
}

#[test]
fn companding_and_a_filter_through_16_khz_do_not_hide_the_frames() {
    let (sent, left) = sent();
    let up: Vec<f64> = resample(&floats(&sent), 8_000, 16_000).into_iter().map(f64::from).collect();
    // Nine milliseconds at 16 kHz: between two samples of 8 kHz it would still be found within one.
    let mut wide = vec![0.0; 145];
    wide.extend(up);
    let back = resample(&wide, 16_000, 8_000);
    let companded: Vec<i16> = back.iter().map(|s| Law::Mu.decode(Law::Mu.encode(*s))).collect();
    let mut heard = Heard::new();
    for (frame, at) in companded.chunks(FRAME).zip(&left) {
        heard.push(frame, *at);
    }

    let found = report(&locate(&sent, &left, &heard, LONGEST));

    assert!(found.damaged <= 1, "{found:?}");
    assert!((found.added_ms.p50 - 145.0 / 16.0).abs() <= SAMPLE_MS, "{found:?}");
    assert!(found.added_ms.max - found.added_ms.min <= 2.0 * SAMPLE_MS, "{found:?}");
}

#[test]
fn lost_frames_are_damaged_and_the_others_keep_their_delay() {
    let (sent, left) = sent();
    let mut randomness = Randomness::new(Seed::from_number(9));
    let mut heard = Heard::new();
    let mut lost = 0;
    for (frame, at) in sent.chunks(FRAME).zip(&left) {
        let concealed = noise(randomness.next_u64(), FRAME);
        let gone = randomness.unit() < 0.05;
        lost += u64::from(gone);
        heard.push(if gone { &concealed } else { frame }, *at + Duration::from_millis(23));
    }

    let found = report(&locate(&sent, &left, &heard, LONGEST));

    assert!(lost > 10);
    assert_eq!(found.damaged, lost);
    assert_eq!((found.added_ms.min, found.added_ms.max), (23.0, 23.0));
}

#[test]
fn a_delay_that_jumps_is_followed_and_counted_as_a_slip() {
    let (sent, left) = sent();
    let mut heard = Heard::new();
    let silence = [0i16; FRAME];
    for (n, (frame, at)) in sent.chunks(FRAME).zip(&left).enumerate() {
        if n == 200 {
            // Two packets of silence are slipped in: everything after is 40 ms late.
            heard.push(&silence, *at);
            heard.push(&silence, *at + Duration::from_millis(20));
        }
        heard.push(frame, *at + Duration::from_millis(if n < 200 { 5 } else { 45 }));
    }

    let delays = locate(&sent, &left, &heard, LONGEST);

    assert_eq!(report(&delays).slips, 1);
    assert_eq!(delays[199].unwrap().delay_ms, 5.0);
    assert_eq!(delays[200].unwrap().delay_ms, 45.0);
}

#[test]
fn silence_coming_back_is_all_damaged() {
    let (sent, left) = sent();
    let mut heard = Heard::new();
    for at in &left {
        heard.push(&[0; FRAME], *at);
    }

    assert_eq!(report(&locate(&sent, &left, &heard, LONGEST)).damaged, FRAMES as u64);
}

fn sent() -> (Vec<i16>, Vec<Time>) {
    let left = (0..FRAMES as u64).map(|n| Time::from_millis(1000 + 20 * n)).collect();
    (noise(42, FRAMES * FRAME), left)
}

fn delayed(samples: &[i16], by: usize) -> Vec<i16> {
    let mut echoed = vec![0; by];
    echoed.extend(&samples[..samples.len() - by]);
    echoed
}

fn floats(samples: &[i16]) -> Vec<f64> {
    samples.iter().map(|sample| f64::from(*sample)).collect()
}
