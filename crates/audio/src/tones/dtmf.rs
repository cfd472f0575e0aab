//! DTMF in the audio band (ITU-T Q.23, Q.24).

use super::Sine;

/// Low group, one per row of the keypad, in Hz.
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
/// High group, one per column of the keypad, in Hz.
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYPAD: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// The two tones of one key.
#[derive(Clone, Debug)]
pub struct DtmfGenerator {
    low: Sine,
    high: Sine,
}

impl DtmfGenerator {
    /// The tones of `digit` (`0`-`9`, `A`-`D`, `*`, `#`), -9 dBFS for the low and -7 dBFS for the high one at their
    /// peaks; `None` for anything else.
    pub fn new(digit: char, sample_rate: u32) -> Option<Self> {
        let (row, column) = key(digit)?;
        Some(DtmfGenerator {
            low: Sine::new(ROWS[row], 11_600.0, sample_rate),
            high: Sine::new(COLUMNS[column], 14_600.0, sample_rate),
        })
    }

    /// Overwrites `samples` with the next part of the sound.
    pub fn fill(&mut self, samples: &mut [i16]) {
        self.low.fill(samples);
        for sample in samples {
            let mut high = [0];
            self.high.fill(&mut high);
            *sample = sample.saturating_add(high[0]);
        }
    }
}

/// Finds key presses in audio at 8 kHz. Each press is reported once, at its second block of 12.75 ms.
#[derive(Clone, Debug)]
pub struct DtmfDetector {
    goertzels: [Goertzel; 8],
    energy: f32,
    filled: usize,
    last: Option<char>,
    pressed: Option<char>,
    absent: u8,
}

/// Samples of one decision: fine enough to tell 697 from 770 Hz, and two fit into the shortest tone (40 ms) at any phase.
const BLOCK: usize = 102;
/// Q.24: the tones must stand out of everything else. Share of the energy that lies in the two of them.
const PURITY: f32 = 0.6;
/// Mean square (full scale 1.0) below which nothing counts: -40 dBFS.
const QUIET: f32 = 1e-4;
/// Q.24 allows 8 dB between the two tones one way and 4 dB the other; 8 dB both ways as a power ratio.
const TWIST: f32 = 6.3;
/// The strongest tone of a group is at least this many times stronger than the second: keeps speech out.
const SELECTIVITY: f32 = 4.0;
/// Blocks without the tone that end a press; one may be spoiled by noise.
const RELEASE: u8 = 2;

impl Default for DtmfDetector {
    fn default() -> Self {
        DtmfDetector::new()
    }
}

impl DtmfDetector {
    /// Starts after silence.
    pub fn new() -> Self {
        let mut goertzels = [Goertzel::default(); 8];
        for (goertzel, frequency) in goertzels.iter_mut().zip(ROWS.iter().chain(&COLUMNS)) {
            goertzel.coefficient =
                (2.0 * libm::cos(2.0 * core::f64::consts::PI * frequency / 8_000.0)) as f32;
        }
        DtmfDetector { goertzels, energy: 0.0, filled: 0, last: None, pressed: None, absent: 0 }
    }

    /// Takes up to 20 ms at 8 kHz; the digit whose press was recognised in them, if any.
    pub fn push(&mut self, samples: &[i16]) -> Option<char> {
        let mut found = None;
        for sample in samples {
            let value = f32::from(*sample) / 32_768.0;
            self.energy += value * value;
            self.goertzels.iter_mut().for_each(|goertzel| goertzel.push(value));
            self.filled += 1;
            if self.filled == BLOCK {
                found = self.finish_block().or(found);
            }
        }
        found
    }

    fn finish_block(&mut self) -> Option<char> {
        let seen = self.judge_block();
        self.goertzels.iter_mut().for_each(Goertzel::restart);
        (self.energy, self.filled) = (0.0, 0);
        let twice = seen.is_some() && seen == self.last;
        self.last = seen;
        if twice && self.pressed != seen {
            (self.pressed, self.absent) = (seen, 0);
            return seen;
        }
        self.absent = if seen == self.pressed { 0 } else { self.absent.saturating_add(1) };
        if self.absent >= RELEASE {
            self.pressed = None;
        }
        None
    }

    fn judge_block(&self) -> Option<char> {
        let mut powers = [0.0; 8];
        for (power, goertzel) in powers.iter_mut().zip(&self.goertzels) {
            *power = goertzel.power();
        }
        let (row, low, second_low) = strongest(&powers[..4]);
        let (column, high, second_high) = strongest(&powers[4..]);
        // A pure tone of amplitude a gives (a·n/2)²; its energy over the block is n·a²/2.
        let tonal = (low + high) * 2.0 / BLOCK as f32;
        let clear = self.energy > QUIET * BLOCK as f32
            && tonal > PURITY * self.energy
            && low < high * TWIST
            && high < low * TWIST
            && low > second_low * SELECTIVITY
            && high > second_high * SELECTIVITY;
        clear.then(|| KEYPAD[row][column])
    }
}

/// One term of a Fourier transform, sample by sample.
#[derive(Clone, Copy, Debug, Default)]
struct Goertzel {
    coefficient: f32,
    newer: f32,
    older: f32,
}

impl Goertzel {
    fn push(&mut self, sample: f32) {
        let next = sample + self.coefficient * self.newer - self.older;
        (self.older, self.newer) = (self.newer, next);
    }

    fn power(&self) -> f32 {
        self.newer * self.newer + self.older * self.older - self.coefficient * self.newer * self.older
    }

    fn restart(&mut self) {
        (self.newer, self.older) = (0.0, 0.0);
    }
}

/// Index and value of the largest, and the second largest value.
fn strongest(powers: &[f32]) -> (usize, f32, f32) {
    let mut best = (0, 0.0, 0.0);
    for (index, power) in powers.iter().enumerate() {
        if *power > best.1 {
            best = (index, *power, best.1);
        } else if *power > best.2 {
            best.2 = *power;
        }
    }
    best
}

fn key(digit: char) -> Option<(usize, usize)> {
    let digit = digit.to_ascii_uppercase();
    KEYPAD.iter().enumerate().find_map(|(row, keys)| Some((row, keys.iter().position(|key| *key == digit)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tones::Noise;

    const KEYS: [char; 16] = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0', '*', '#', 'A', 'B', 'C', 'D'];

    #[test]
    fn every_key_is_found_once_at_any_phase_of_the_blocks() {
        for digit in KEYS {
            for lead in (0..BLOCK).step_by(17) {
                let mut audio = vec![0; lead + 400 + 600];
                DtmfGenerator::new(digit, 8_000).unwrap().fill(&mut audio[lead..lead + 400]);

                assert_eq!(found(&audio), [digit], "lead {lead}");
            }
        }
    }

    #[test]
    fn the_same_key_twice_is_two_presses() {
        let mut audio = vec![0; 2400];
        DtmfGenerator::new('5', 8_000).unwrap().fill(&mut audio[0..560]);
        DtmfGenerator::new('5', 8_000).unwrap().fill(&mut audio[1000..1560]);

        assert_eq!(found(&audio), ['5', '5']);
    }

    #[test]
    fn keys_are_found_in_noise_fifteen_decibels_down() {
        for (seed, digit) in KEYS.into_iter().enumerate() {
            let mut audio = vec![0; 1600];
            DtmfGenerator::new(digit, 8_000).unwrap().fill(&mut audio[400..960]);
            let mut noise = Noise::with_level(seed as u64, -24.0);
            audio.iter_mut().for_each(|sample| *sample = sample.saturating_add(noise.sample()));

            assert_eq!(found(&audio), [digit]);
        }
    }

    #[test]
    fn noise_single_tones_and_unknown_keys_are_no_key() {
        let mut noise = vec![0; 80_000];
        Noise::with_level(1, -15.0).fill(&mut noise);
        let mut row = vec![0; 8_000];
        Sine::new(770.0, 12_000.0, 8_000).fill(&mut row);

        assert_eq!(found(&noise), []);
        assert_eq!(found(&row), []);
        assert!(DtmfGenerator::new('x', 8_000).is_none());
    }

    fn found(audio: &[i16]) -> Vec<char> {
        let mut detector = DtmfDetector::new();
        audio.chunks(160).filter_map(|frame| detector.push(frame)).collect()
    }
}
