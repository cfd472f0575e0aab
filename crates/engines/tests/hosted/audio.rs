//! Speech made on the spot, as it sounds over a telephone.

use std::path::Path;

use offhook_audio::Frame;
use offhook_flite_ffi::Flite;

/// Frames of 20 ms at 16 kHz; the text in this voice, band-limited, through µ-law, with silence around it.
pub(crate) fn spoken(voice: &str, text: &str) -> Vec<Frame> {
    let mut samples = vec![0.0; 4_800];
    let mut voice = Flite::load().unwrap().voice(voice).unwrap();
    voice
        .speak(text, |_, piece| {
            samples.extend(piece.iter().map(|sample| f32::from(*sample)));
            true
        })
        .unwrap();
    samples.extend([0.0; 8_000]);
    frames(&telephone(&samples))
}

/// The frames of a committed sample at 8 kHz.
pub(crate) fn sample(path: &Path) -> Vec<Frame> {
    let mut reader = hound::WavReader::open(path).unwrap();
    assert_eq!(reader.spec().sample_rate, 8_000, "{}", path.display());
    let mut wide = vec![0.0; 0];
    for sample in reader.samples::<i16>() {
        wide.extend([2.0 * f32::from(sample.unwrap()), 0.0]);
    }
    let samples = filter(&wide, 0.0, 3_900.0);
    frames(&samples.iter().map(|sample| *sample as i16).collect::<Vec<_>>())
}

fn frames(samples: &[i16]) -> Vec<Frame> {
    samples.chunks_exact(320).map(Frame::from_samples).collect()
}

/// 300-3400 Hz, 8 kHz, µ-law and back to 16 kHz.
fn telephone(samples: &[f32]) -> Vec<i16> {
    let narrow = filter(samples, 300.0, 3_400.0);
    let loudest = narrow.iter().fold(1.0f32, |loudest, sample| loudest.max(sample.abs()));
    let mut wide = vec![0.0; narrow.len()];
    for (n, sample) in narrow.iter().enumerate().step_by(2) {
        wide[n] = 2.0 * mu_law(sample * 12_000.0 / loudest);
    }
    filter(&wide, 0.0, 3_900.0).iter().map(|sample| *sample as i16).collect()
}

/// What is left of a sample after 8-bit companding.
fn mu_law(sample: f32) -> f32 {
    let scaled = (sample / 32_768.0).clamp(-1.0, 1.0);
    let companded = (255.0 * scaled.abs()).ln_1p() / 256f32.ln();
    let quantized = (companded * 127.0).round() / 127.0;
    ((quantized * 256f32.ln()).exp_m1() / 255.0).copysign(scaled) * 32_768.0
}

/// A windowed-sinc band pass at 16 kHz.
fn filter(samples: &[f32], low: f32, high: f32) -> Vec<f32> {
    const HALF: i32 = 160;
    let sinc = |cut: f32, n: i32| {
        let edge = 2.0 * cut / 16_000.0;
        if n == 0 {
            edge
        } else {
            (std::f32::consts::PI * edge * n as f32).sin() / (std::f32::consts::PI * n as f32)
        }
    };
    let taps: Vec<f32> = (-HALF..=HALF)
        .map(|n| {
            let window = 0.5 + 0.5 * (std::f32::consts::PI * n as f32 / (HALF + 1) as f32).cos();
            (sinc(high, n) - sinc(low, n)) * window
        })
        .collect();
    (0..samples.len() as i32)
        .map(|at| {
            let from = (at - HALF).max(0);
            let to = (at + HALF).min(samples.len() as i32 - 1);
            (from..=to).map(|n| samples[n as usize] * taps[(at - n + HALF) as usize]).sum()
        })
        .collect()
}
