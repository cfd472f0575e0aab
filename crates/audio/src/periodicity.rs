//! How periodic sound is: what tells a voice from a cough, a click or a noise.

use crate::Frame;

/// Finds the strongest repetition between 50 and 400 Hz in the last 45 ms, at 4 kHz.
///
/// A vowel through a telephone scores 0.8 to 1.0 even where its fundamental is cut off; noise about 0.4, noise that a
/// mouth has coloured about 0.5.
#[derive(Clone, Debug)]
pub struct Periodicity {
    /// The last samples before decimation, for the low-pass filter.
    tail: [f32; TAPS - 1],
    /// The decimated signal with its lowest tones weakened, oldest first.
    recent: [f32; KEPT],
    /// The last decimated sample.
    last: f32,
}

/// Rate of the search.
const RATE: usize = 4_000;
/// Samples of one frame at that rate.
const STEP: usize = RATE / 50;
/// Shortest period that counts: 400 Hz.
const MIN_LAG: usize = RATE / 400;
/// Longest period that counts: 50 Hz.
const MAX_LAG: usize = RATE / 50;
/// How much signal is compared with its past: 25 ms hold one period of the lowest voice and several of most.
const WINDOW: usize = 100;
const KEPT: usize = WINDOW + MAX_LAG;
/// Length of the low-pass filter at 16 kHz.
const TAPS: usize = 32;
/// What of each sample is taken from the next. Noise with most of its power in low tones (wind, a car, a door) seems to
/// repeat itself; a voice does so in all its overtones.
const LEVELLED: f32 = 0.95;
/// Mean square below which rounding noise would decide.
const FLOOR: f32 = 16.0;

impl Default for Periodicity {
    fn default() -> Self {
        Periodicity::new()
    }
}

impl Periodicity {
    /// Starts after silence.
    pub const fn new() -> Self {
        Periodicity { tail: [0.0; TAPS - 1], recent: [0.0; KEPT], last: 0.0 }
    }

    /// Takes the next frame (8 or 16 kHz, but always the same) and says how periodic the last 45 ms were: 0 to 1.
    pub fn push(&mut self, frame: &Frame) -> f32 {
        self.decimate(frame.samples());
        let newest = &self.recent[MAX_LAG..];
        let energy = dot(newest, newest);
        if energy < FLOOR * WINDOW as f32 {
            return 0.0;
        }
        let mut past_energy =
            dot(&self.recent[MAX_LAG - MIN_LAG..][..WINDOW], &self.recent[MAX_LAG - MIN_LAG..][..WINDOW]);
        let mut best = 0.0f32;
        for lag in MIN_LAG..=MAX_LAG {
            let start = MAX_LAG - lag;
            let past = &self.recent[start..start + WINDOW];
            if lag > MIN_LAG {
                let (entered, left) = (self.recent[start], self.recent[start + WINDOW]);
                past_energy += entered * entered - left * left;
            }
            let product = dot(newest, past);
            // Divided by the mean of both energies, not by their root: a burst resembles nothing before it.
            best = best.max(2.0 * product / (energy + past_energy.max(0.0)));
        }
        best.min(1.0)
    }

    /// Low-pass at about 1 kHz and keep every fourth (16 kHz) or second (8 kHz) sample.
    fn decimate(&mut self, samples: &[i16]) {
        let factor = (samples.len() / STEP).max(1);
        let mut line = [0.0; TAPS - 1 + crate::MAX_FRAME_SAMPLES];
        line[..TAPS - 1].copy_from_slice(&self.tail);
        for (slot, sample) in line[TAPS - 1..].iter_mut().zip(samples) {
            *slot = f32::from(*sample);
        }
        let taps: &[f32] = if factor == 4 { &LOW_PASS_16K } else { &LOW_PASS_8K };
        self.recent.copy_within(STEP.., 0);
        for (n, slot) in self.recent[KEPT - STEP..].iter_mut().enumerate() {
            let newest = TAPS - 1 + n * factor;
            let sample = dot(&line[newest + 1 - taps.len()..=newest], taps);
            *slot = sample - LEVELLED * self.last;
            self.last = sample;
        }
        self.tail.copy_from_slice(&line[samples.len()..][..TAPS - 1]);
    }
}

/// Sum of products in a fixed order: eight running sums, then those from the first to the last.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a_blocks, b_blocks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_blocks.zip(b_blocks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

static LOW_PASS_16K: [f32; TAPS] = bump::<TAPS>();
static LOW_PASS_8K: [f32; TAPS / 2] = bump::<{ TAPS / 2 }>();

/// A smooth bump (the square of a parabola) whose taps add up to one: -6 dB near 900 Hz.
const fn bump<const N: usize>() -> [f32; N] {
    let mut taps = [0.0; N];
    let mut sum = 0.0;
    let mut n = 0;
    while n < N {
        let x = (2 * n + 1) as f32 / N as f32 - 1.0;
        taps[n] = (1.0 - x * x) * (1.0 - x * x);
        sum += taps[n];
        n += 1;
    }
    n = 0;
    while n < N {
        taps[n] /= sum;
        n += 1;
    }
    taps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tones::Noise;

    #[test]
    fn a_voice_without_its_fundamental_is_periodic_at_both_rates() {
        for rate in [8_000, 16_000] {
            for pitch in [60.0, 110.0, 180.0, 250.0, 390.0] {
                let harmonics = |n: usize| {
                    let at =
                        |k: f64| (2.0 * core::f64::consts::PI * k * pitch * n as f64 / f64::from(rate)).sin();
                    let heard = (1..40).map(f64::from).filter(|k| (300.0..3400.0).contains(&(k * pitch)));
                    (heard.map(|k| at(k) / k).sum::<f64>() * 8_000.0) as i16
                };

                let score = last(rate, harmonics);

                assert!(score > 0.9, "{pitch} Hz at {rate} Hz: {score}");
            }
        }
    }

    #[test]
    fn noise_is_not_periodic() {
        let mut noise = Noise::with_level(5, -20.0);
        let mut periodicity = Periodicity::new();
        let mut scores: Vec<f32> = (0..500)
            .map(|_| {
                let mut frame = Frame::silence(16_000);
                noise.fill(frame.samples_mut());
                periodicity.push(&frame)
            })
            .collect();

        scores.sort_by(f32::total_cmp);

        assert!(scores[250] < 0.45, "half of the frames: {}", scores[250]);
        assert!(scores[495] < 0.65, "99 % of the frames: {}", scores[495]);
    }

    #[test]
    fn a_click_and_silence_are_not_periodic() {
        assert!(last(16_000, |n| if n == 3_100 { 30_000 } else { 0 }) < 0.1);
        assert_eq!(last(16_000, |_| 0), 0.0);
    }

    /// The score of the tenth frame of a signal.
    fn last(rate: u32, signal: impl Fn(usize) -> i16) -> f32 {
        let mut periodicity = Periodicity::new();
        let len = rate as usize / 50;
        let scores = (0..10).map(|frame| {
            let samples: Vec<i16> = (0..len).map(|n| signal(frame * len + n)).collect();
            periodicity.push(&Frame::from_samples(&samples))
        });
        scores.last().unwrap()
    }
}
