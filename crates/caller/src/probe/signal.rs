//! A signal of which no two stretches are alike.

use std::f64::consts::PI;

use offhook_time::{Randomness, Seed};

/// Loud enough to stand far above companding noise, quiet enough never to clip.
const RMS: f64 = 4_000.0;

/// The band that a path through 16 kHz and back keeps whole.
const LOW_HERTZ: f64 = 300.0;
const HIGH_HERTZ: f64 = 3_000.0;

/// Taps of the band filter on each side.
const HALF: usize = 48;

/// `samples` of noise in the telephone band at 8 kHz, decided by `seed`.
pub fn noise(seed: u64, samples: usize) -> Vec<i16> {
    let mut randomness = Randomness::new(Seed::from_number(seed));
    let white: Vec<f64> = (0..samples + 2 * HALF).map(|_| randomness.unit() - 0.5).collect();
    let taps = band_filter();
    // The variance of evenly spread noise of width 1 is 1/12; the filter multiplies it by the sum of squared taps.
    let gain = RMS / (taps.iter().map(|tap| tap * tap).sum::<f64>() / 12.0).sqrt();
    white
        .windows(taps.len())
        .map(|window| window.iter().zip(&taps).map(|(sample, tap)| sample * tap).sum::<f64>() * gain)
        .map(|sample| sample.round().clamp(-32_000.0, 32_000.0) as i16)
        .take(samples)
        .collect()
}

fn band_filter() -> Vec<f64> {
    let low_pass = |hertz: f64, n: f64| {
        let x = 2.0 * hertz / 8_000.0;
        if n == 0.0 { x } else { (PI * x * n).sin() / (PI * n) }
    };
    (0..=2 * HALF)
        .map(|index| {
            let n = index as f64 - HALF as f64;
            let window = 0.5 + 0.5 * (PI * n / (HALF as f64 + 1.0)).cos();
            (low_pass(HIGH_HERTZ, n) - low_pass(LOW_HERTZ, n)) * window
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::rms;

    #[test]
    fn it_is_as_loud_as_it_says_and_never_clips() {
        let samples = noise(1, 80_000);

        assert!((rms(&samples) - RMS).abs() < 100.0, "{}", rms(&samples));
        assert!(samples.iter().all(|sample| sample.abs() < 32_000));
    }

    #[test]
    fn seeds_differ_and_repeat() {
        assert_eq!(noise(1, 1000), noise(1, 1000));
        assert_ne!(noise(1, 1000), noise(2, 1000));
    }
}
