//! Comfort noise (RFC 3389): the level of the background in one octet, and noise at that level.

use serde::{Deserialize, Serialize};

/// Level of background noise in −dBov (0..=127): 0 dBov is the power of a full-scale square wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NoiseLevel(u8);

impl NoiseLevel {
    /// Nothing to hear.
    pub const SILENCE: NoiseLevel = NoiseLevel(127);

    /// Reads a comfort noise payload: the first octet is the level, spectral coefficients after it are allowed
    /// to be ignored (RFC 3389 §3.3). `None` where it is empty.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        payload.first().map(|octet| NoiseLevel(octet & 0x7f))
    }

    /// The level of `samples`, to be sent.
    pub fn measure(samples: &[i16]) -> Self {
        let sum: u64 = samples.iter().map(|sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
        let power = sum / samples.len().max(1) as u64;
        let level = RMS.iter().position(|rms| u64::from(*rms).pow(2) <= power << 16).unwrap_or(127);
        NoiseLevel(level.min(127) as u8)
    }

    /// The payload as it goes onto the wire: white noise, no coefficients.
    pub fn to_bytes(self) -> [u8; 1] {
        [self.0]
    }

    /// The number in −dBov.
    pub fn minus_dbov(self) -> u8 {
        self.0
    }

    /// Root mean square of the samples at this level.
    pub fn rms(self) -> u16 {
        (RMS[usize::from(self.0 & 127)] >> 8) as u16
    }
}

/// Root mean square at each level in 1/256 of a sample step: each is 10^(-1/20) of the one before.
const RMS: [u32; 128] = {
    let mut table = [0; 128];
    // 10^(-1/20) in 2^-40.
    let ratio: u128 = 979_942_617_541;
    let mut rms: u128 = 32_768 << 40;
    let mut level = 0;
    while level < table.len() {
        table[level] = (rms >> 32) as u32;
        rms = (rms * ratio) >> 40;
        level += 1;
    }
    table
};

/// White noise that a seed decides; integers only, so a replay hears the same.
#[derive(Clone, Debug)]
pub struct NoiseGenerator {
    state: u32,
}

impl NoiseGenerator {
    /// Starts the sequence of `seed`.
    pub fn new(seed: u32) -> Self {
        NoiseGenerator { state: seed | 1 }
    }

    /// Fills `out` with noise of `level`.
    pub fn fill(&mut self, level: NoiseLevel, out: &mut [i16]) {
        let rms = i64::from(level.rms());
        out.iter_mut().for_each(|sample| *sample = self.sample(rms));
    }

    /// One sample of noise with a root mean square of `rms`.
    pub(crate) fn sample(&mut self, rms: i64) -> i16 {
        // Uniform noise peaks at √3 times its root mean square; 1.7320508 in 2^-16.
        let peak = (rms * 113_512) >> 16;
        let unit = i64::from(self.step() >> 16) - 0x8000;
        ((unit * peak) >> 15).clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16
    }

    /// Marsaglia's xorshift with period 2^32 - 1.
    fn step(&mut self) -> u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_in_decibels() {
        assert_eq!(NoiseLevel(0).rms(), 32_768);
        assert_eq!(NoiseLevel(20).rms(), 3_276);
        assert_eq!(NoiseLevel(60).rms(), 32);
    }

    #[test]
    fn noise_is_measured_at_the_level_it_was_made_with() {
        let mut generator = NoiseGenerator::new(1);
        let mut samples = [0; 1600];

        for level in (6..70).map(NoiseLevel) {
            generator.fill(level, &mut samples);

            let measured = i16::from(NoiseLevel::measure(&samples).minus_dbov());
            assert!((measured - i16::from(level.0)).abs() <= 2, "{level:?} measured {measured}");
        }
    }

    #[test]
    fn a_payload_is_one_octet_and_coefficients_are_ignored() {
        assert_eq!(NoiseLevel::parse(&[0x80 | 45, 1, 2]), Some(NoiseLevel(45)));
        assert_eq!(NoiseLevel::parse(&[]), None);
        assert_eq!(NoiseLevel::measure(&[0; 160]), NoiseLevel::SILENCE);
        assert_eq!(NoiseLevel(45).to_bytes(), [45]);
    }
}
