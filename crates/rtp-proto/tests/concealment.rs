//! What a listener would notice of a concealed gap: level, clicks, machine sound, the way back.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints its figures, and its helpers may panic"
)]

use offhook_rtp_proto::Concealer;
use offhook_time::{Randomness, Seed};

const FRAME: usize = 160;

#[test]
fn good_frames_pass_unchanged() {
    let speech = voiced(50, 110.0);
    let mut concealer = Concealer::new();

    for frame in speech.chunks(FRAME) {
        let mut out = frame.to_vec();
        concealer.good(&mut out);
        assert_eq!(out, frame);
    }
}

#[test]
fn a_lost_frame_of_a_voice_keeps_its_level_and_nearly_its_shape() {
    for pitch in [85.0, 110.0, 150.0, 190.0] {
        let speech = voiced(50, pitch);
        let played = play(&speech, |frame| frame % 10 == 5);

        for frame in (5..50).step_by(10) {
            let at = frame * FRAME;
            let (truth, made_up) = (&speech[at..at + FRAME], &played[at..at + FRAME]);
            let level = decibels(power(made_up) / power(truth));
            let error = decibels(
                truth.iter().zip(made_up).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
                    / FRAME as f64
                    / power(truth),
            );
            println!("{pitch} Hz, frame {frame}: level {level:+.1} dB, error {error:+.1} dB");
            assert!((-4.0..=1.0).contains(&level), "{level}");
            assert!(error < -3.0, "silence in its place would be 0 dB, this is {error}");
        }
    }
}

#[test]
fn no_seam_clicks() {
    for pitch in [85.0, 110.0, 150.0, 190.0] {
        for gap in 1..=6 {
            // Without its upper harmonics the voice is smooth: a click stands out.
            let speech = voice(60, pitch, 500.0);
            let played = play(&speech, |frame| frame > 5 && frame % 12 < gap);

            let (usual, worst) = (largest_step(&speech), largest_step(&played));
            println!("{pitch} Hz, gaps of {} ms: largest step {worst}, in the original {usual}", gap * 20);
            assert!(worst <= usual * 13 / 10, "{worst} against {usual}");
        }
    }
}

#[test]
fn a_long_gap_fades_out_by_sixty_milliseconds() {
    let speech = voiced(30, 120.0);
    let played = play(&speech, |frame| frame >= 10);

    let levels: Vec<_> = (10..20)
        .map(|frame| {
            decibels(power(&played[frame * FRAME..][..FRAME]).max(0.01) / power(&speech[..FRAME * 10]))
        })
        .collect();

    println!("level frame by frame: {levels:.1?}");
    assert!(levels[0] > -4.0 && levels[1] < levels[0] && levels[2] < levels[1] - 3.0);
    assert!(levels[3..].iter().all(|level| *level < -35.0), "{levels:?}");
}

#[test]
fn background_noise_goes_on_through_a_long_gap() {
    let mut random = Randomness::new(Seed::from_number(5));
    let background: Vec<i16> = (0..100 * FRAME).map(|_| random.below(121) as i16 - 60).collect();

    let played = play(&background, |frame| frame >= 90);

    let level = decibels(power(&played[96 * FRAME..]) / power(&background));
    println!("noise in the gap against noise before: {level:+.1} dB");
    assert!((-6.0..=2.0).contains(&level), "{level}");
}

#[test]
fn loss_before_any_audio_is_silence_and_full_scale_does_not_overflow() {
    let mut out = [7; FRAME];
    Concealer::new().conceal(&mut out);
    assert!(out.iter().all(|sample| sample.abs() < 10));

    for frame_size in [80, 160, 240, 320, 480] {
        let loud: Vec<i16> =
            (0..frame_size * 10).map(|n| if n / 40 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let mut concealer = Concealer::new();
        for (n, frame) in loud.chunks(frame_size).enumerate() {
            let mut frame = frame.to_vec();
            if n % 3 == 2 { concealer.conceal(&mut frame) } else { concealer.good(&mut frame) }
        }
    }
}

#[test]
fn the_same_input_sounds_the_same_always() {
    let speech = voiced(50, 133.0);
    let lost = |frame: usize| frame % 4 == 3;

    assert_eq!(play(&speech, lost), play(&speech, lost));
}

fn play(speech: &[i16], lost: impl Fn(usize) -> bool) -> Vec<i16> {
    let mut concealer = Concealer::new();
    let mut played = Vec::new();
    for (n, frame) in speech.chunks(FRAME).enumerate() {
        let mut frame = frame.to_vec();
        if lost(n) {
            concealer.conceal(&mut frame)
        } else {
            concealer.good(&mut frame)
        }
        played.extend(frame);
    }
    played
}

/// A voice: harmonics up to `top` Hz (3 kHz) that fall by 6 dB per octave, a pitch that moves, a breath of noise.
fn voiced(frames: usize, pitch: f64) -> Vec<i16> {
    voice(frames, pitch, 3000.0)
}

fn voice(frames: usize, pitch: f64, top: f64) -> Vec<i16> {
    let mut random = Randomness::new(Seed::from_number(1));
    let mut phase = 0.0;
    (0..frames * FRAME)
        .map(|n| {
            let now = n as f64 / 8000.0;
            phase += pitch * (1.0 + 0.03 * (now * 7.0).sin()) / 8000.0;
            let harmonics = (top / pitch) as u32;
            let sum: f64 = (1..=harmonics)
                .map(|k| (std::f64::consts::TAU * phase * f64::from(k)).sin() / f64::from(k))
                .sum();
            (sum * 5000.0 + (random.unit() - 0.5) * 200.0) as i16
        })
        .collect()
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64
}

fn decibels(ratio: f64) -> f64 {
    10.0 * ratio.log10()
}

fn largest_step(samples: &[i16]) -> i32 {
    samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}
