//! Telephone lines, each a little different.

use crate::chance::Chance;

/// Silence before and after, in samples of 16 kHz.
const BEFORE: usize = 4_000;
const AFTER: usize = 6_400;

/// The wide-band speech with silence around it and a trace of noise, as a good microphone gives it.
pub(crate) fn microphone(speech: &[f32], chance: &mut Chance) -> Vec<f32> {
    padded(speech, BEFORE, AFTER).iter().map(|sample| sample * 3_276.8 + 4.0 * chance.normal()).collect()
}

/// The same over a telephone, back at 16 kHz as the server's resampler gives it.
pub(crate) fn telephone(speech: &[f32], chance: &mut Chance) -> Vec<i16> {
    let low = [300.0, 300.0, 200.0, 80.0, 0.0][chance.below(5)];
    let high = [3_400.0, 3_400.0, 3_600.0, 3_850.0][chance.below(4)];
    let level = 32_768.0 * 10f32.powf((-15.0 - 15.0 * chance.part()) / 20.0);
    let narrow: Vec<f32> = filtered(speech, low, high, 160).into_iter().step_by(2).collect();
    let mut squares: Vec<f32> = narrow.iter().map(|sample| sample * sample).collect();
    squares.sort_by(f32::total_cmp);
    let loud = &squares[squares.len() / 2..];
    let factor = level / (loud.iter().sum::<f32>() / loud.len().max(1) as f32).sqrt().max(1e-9);
    let mut line = padded(&narrow, BEFORE / 2, AFTER / 2);
    line.iter_mut().for_each(|sample| *sample *= factor);
    if chance.part() < 0.35 {
        let loudness = level * 10f32.powf(-(15.0 + 10.0 * chance.part()) / 20.0);
        let is_pink = chance.part() < 0.6;
        let mut smooth = 0.0;
        for sample in &mut line {
            let white = chance.normal();
            smooth = 0.85 * smooth + 0.5 * white;
            *sample += loudness * if is_pink { smooth } else { white };
        }
    } else if chance.part() < 0.5 {
        let loudness = 32_768.0 * 10f32.powf((-72.0 + 12.0 * chance.part()) / 20.0);
        line.iter_mut().for_each(|sample| *sample += loudness * chance.normal());
    }
    let companded = chance.part() < 0.5;
    let mut wide = vec![0.0; 2 * line.len()];
    for (n, sample) in line.iter().enumerate() {
        let sample = sample.round().clamp(-32_768.0, 32_767.0);
        wide[2 * n] = 2.0 * if companded { mu_law(sample) } else { sample };
    }
    filtered(&wide, 0.0, 3_720.0, 64).iter().map(|sample| *sample as i16).collect()
}

fn padded(samples: &[f32], before: usize, after: usize) -> Vec<f32> {
    let mut all = vec![0.0; before];
    all.extend(samples);
    all.resize(all.len() + after, 0.0);
    all
}

fn mu_law(sample: f32) -> f32 {
    let scaled = sample / 32_768.0;
    let companded = (255.0 * scaled.abs()).ln_1p() / 256f32.ln();
    let quantized = (companded * 127.0).round() / 127.0;
    ((quantized * 256f32.ln()).exp_m1() / 255.0).copysign(scaled) * 32_768.0
}

/// A windowed-sinc band pass at 16 kHz, `half` samples to each side.
fn filtered(samples: &[f32], low: f32, high: f32, half: i32) -> Vec<f32> {
    let sinc = |cut: f32, n: i32| match n {
        0 => cut / 8_000.0,
        _ => (std::f32::consts::PI * cut / 8_000.0 * n as f32).sin() / (std::f32::consts::PI * n as f32),
    };
    let taps: Vec<f32> = (-half..=half)
        .map(|n| {
            let window = 0.54 + 0.46 * (std::f32::consts::PI * n as f32 / (half + 1) as f32).cos();
            (sinc(high, n) - sinc(low, n)) * window
        })
        .collect();
    let padded = padded(samples, half as usize, half as usize);
    padded.windows(taps.len()).map(|part| part.iter().zip(&taps).map(|(a, b)| a * b).sum()).collect()
}
