//! Plain test signals, the same on every machine.

/// A sine.
#[derive(Clone, Debug)]
pub struct Sine {
    phase: f64,
    step: f64,
    amplitude: f64,
}

impl Sine {
    /// `frequency` in Hz, peak `amplitude` in units of a 16-bit sample.
    pub fn new(frequency: f64, amplitude: f64, sample_rate: u32) -> Self {
        Sine { phase: 0.0, step: frequency / f64::from(sample_rate), amplitude }
    }

    /// Overwrites `samples` with the next part of it.
    pub fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            let value = self.amplitude * libm::sin(2.0 * core::f64::consts::PI * self.phase);
            *sample = libm::round(value) as i16;
            self.phase = (self.phase + self.step) % 1.0;
        }
    }
}

/// White noise, uniformly distributed: `seed` decides every sample.
#[derive(Clone, Debug)]
pub struct Noise {
    state: u64,
    amplitude: i32,
}

impl Noise {
    /// Samples between `-amplitude` and `amplitude`.
    pub const fn new(seed: u64, amplitude: i16) -> Self {
        Noise { state: seed ^ 0x9e37_79b9_7f4a_7c15, amplitude: (amplitude as i32).abs() }
    }

    /// Noise with a root mean square level in dBFS.
    pub fn with_level(seed: u64, dbfs: f32) -> Self {
        let peak = 32_768.0 * crate::gain::from_db(dbfs) * libm::sqrtf(3.0);
        Noise::new(seed, peak as i16)
    }

    /// Overwrites `samples` with the next part of it.
    pub fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            *sample = self.sample();
        }
    }

    /// The next sample (SplitMix64, top bits).
    pub fn sample(&mut self) -> i16 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let unit = (bits >> 32) as i64 - (1 << 31);
        ((unit * i64::from(self.amplitude)) >> 31) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level;

    #[test]
    fn a_sine_of_half_scale_has_the_level_of_one() {
        let mut samples = [0; 1600];

        Sine::new(440.0, 16_384.0, 8_000).fill(&mut samples);

        assert!((level::dbfs(&samples) + 9.03).abs() < 0.05);
    }

    #[test]
    fn noise_has_the_level_that_was_asked_for_and_no_offset() {
        let mut samples = [0; 16_000];

        Noise::with_level(3, -30.0).fill(&mut samples);

        let mean = samples.iter().map(|s| f64::from(*s)).sum::<f64>() / 16_000.0;
        assert!((level::dbfs(&samples) + 30.0).abs() < 0.3);
        assert!(mean.abs() < 40.0);
    }

    #[test]
    fn the_seed_decides_the_noise() {
        let [mut a, mut b, mut c] = [[0; 64]; 3];

        Noise::new(1, 1000).fill(&mut a);
        Noise::new(1, 1000).fill(&mut b);
        Noise::new(2, 1000).fill(&mut c);

        assert_eq!(a, b);
        assert_ne!(a, c);
    }
}
