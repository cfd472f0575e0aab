//! Our own FIR between 8 and 16 kHz.
//!
//! Neighbouring outputs are computed side by side: each has one accumulator that adds the taps from the oldest sample
//! to the newest. The compiler may put neighbours into one vector register, but never changes the order of a sum.

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};

use super::taps::{DOWN, UP, UP_TAPS};

/// Samples of 20 ms at 8 kHz.
const NARROW: usize = 160;
/// Samples of 20 ms at 16 kHz.
const WIDE: usize = 320;
/// Older samples that the filter still needs.
const HISTORY: usize = UP_TAPS - 1;
/// How many outputs are computed side by side: a whole number of vector registers of every CPU we know.
const LANES: usize = 16;

/// Makes 16 kHz from 8 kHz, 20 ms at a time, 4 ms late.
#[derive(Clone, Debug)]
pub struct Upsampler8To16 {
    history: [i16; HISTORY],
}

impl Default for Upsampler8To16 {
    fn default() -> Self {
        Upsampler8To16::new()
    }
}

impl Upsampler8To16 {
    /// Starts after silence.
    pub const fn new() -> Self {
        Upsampler8To16 { history: [0; HISTORY] }
    }

    /// Takes 20 ms at 8 kHz and writes 20 ms at 16 kHz.
    pub fn process(&mut self, input: &[i16; NARROW], output: &mut [i16; WIDE]) {
        let window = window(&mut self.history, input.iter().copied());
        let [whole, half] = &UP;
        #[cfg(feature = "planted-faults")]
        let (whole, half) = (&without_oldest(whole), &without_oldest(half));
        let mut on_input = [0.0; NARROW];
        let mut between = [0.0; NARROW];
        convolve(&window, whole, &mut on_input);
        convolve(&window, half, &mut between);
        for (pair, (first, second)) in output.chunks_exact_mut(2).zip(on_input.iter().zip(&between)) {
            pair[0] = to_sample(*first);
            pair[1] = to_sample(*second);
        }
    }
}

/// Makes 8 kHz from 16 kHz, 20 ms at a time, 4 ms late.
#[derive(Clone, Debug)]
pub struct Downsampler16To8 {
    even: [i16; HISTORY],
    odd: [i16; HISTORY],
}

impl Default for Downsampler16To8 {
    fn default() -> Self {
        Downsampler16To8::new()
    }
}

impl Downsampler16To8 {
    /// Starts after silence.
    pub const fn new() -> Self {
        Downsampler16To8 { even: [0; HISTORY], odd: [0; HISTORY] }
    }

    /// Takes 20 ms at 16 kHz and writes 20 ms at 8 kHz.
    pub fn process(&mut self, input: &[i16; WIDE], output: &mut [i16; NARROW]) {
        let even = window(&mut self.even, input.iter().step_by(2).copied());
        let odd = window(&mut self.odd, input.iter().skip(1).step_by(2).copied());
        let mut sums = [0.0; NARROW];
        convolve(&even, &DOWN[0], &mut sums);
        convolve(&odd, &DOWN[1], &mut sums);
        for (sample, sum) in output.iter_mut().zip(&sums) {
            *sample = to_sample(*sum);
        }
    }
}

#[cfg(feature = "planted-faults")]
fn without_oldest(taps: &[f32; UP_TAPS]) -> [f32; UP_TAPS] {
    let mut taps = *taps;
    if is_planted(Fault::OldestTapMissing) {
        taps[0] = 0.0;
    }
    taps
}

/// The samples that the outputs of this frame see, oldest first; `history` moves on.
fn window(history: &mut [i16; HISTORY], input: impl Iterator<Item = i16>) -> [f32; HISTORY + NARROW] {
    let mut window = [0.0; HISTORY + NARROW];
    let mut newest = [0i16; NARROW];
    for (slot, sample) in newest.iter_mut().zip(input) {
        *slot = sample;
    }
    for (slot, sample) in window.iter_mut().zip(history.iter().chain(&newest)) {
        *slot = f32::from(*sample);
    }
    history.copy_from_slice(&newest[NARROW - HISTORY..]);
    window
}

/// Adds to `sums[n]` the products of `taps` with `window[n..]`, oldest sample first.
fn convolve(window: &[f32; HISTORY + NARROW], taps: &[f32; UP_TAPS], sums: &mut [f32; NARROW]) {
    for (block, sums) in sums.chunks_exact_mut(LANES).enumerate() {
        let mut lanes = [0.0; LANES];
        lanes.copy_from_slice(sums);
        let samples = &window[block * LANES..][..UP_TAPS - 1 + LANES];
        for (samples, tap) in samples.windows(LANES).zip(taps) {
            for (lane, sample) in lanes.iter_mut().zip(samples) {
                *lane += *sample * *tap;
            }
        }
        sums.copy_from_slice(&lanes);
    }
}

/// Rounds to the nearest integer and clips. Adding this number leaves the integer in the low bits of the mantissa,
/// which is branch-free and the same on every CPU.
fn to_sample(value: f32) -> i16 {
    const ROUNDER: f32 = 12_582_912.0;
    let clipped = value.clamp(-32_768.0, 32_767.0);
    ((clipped + ROUNDER).to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tones::Noise;

    #[test]
    fn the_samples_are_pinned_whatever_the_compiler_optimises() {
        let (mut up, mut down) = (Upsampler8To16::new(), Downsampler16To8::new());
        let mut noise = Noise::with_level(11, -6.0);
        let (mut narrow, mut wide, mut back) = ([0; NARROW], [0; WIDE], [0; NARROW]);
        let mut hash = 0xcbf2_9ce4_8422_2325u64;

        for _ in 0..50 {
            noise.fill(&mut narrow);
            up.process(&narrow, &mut wide);
            down.process(&wide, &mut back);
            for sample in wide.iter().chain(&back) {
                hash = (hash ^ u64::from(*sample as u16)).wrapping_mul(0x100_0000_01b3);
            }
        }

        assert_eq!(hash, PINNED, "other samples make every recorded call unreplayable");
    }

    /// Read off once, without optimisation and with all of it.
    const PINNED: u64 = 17371702933164235616;

    #[test]
    fn rounding_is_to_the_nearest_and_clips() {
        for (value, expected) in [
            (0.4, 0),
            (0.6, 1),
            (-0.6, -1),
            (-1.4, -1),
            (40_000.0, i16::MAX),
            (-40_000.0, i16::MIN),
            (-32_767.7, i16::MIN),
        ] {
            assert_eq!(to_sample(value), expected, "{value}");
        }
    }
}
