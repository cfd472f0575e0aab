//! The low-pass filter of the FIR resamplers, computed by the compiler: the same bits in every build.
//!
//! A windowed sinc: cutoff 0.93 of 4 kHz, Kaiser window with beta 8, 32 samples of 8 kHz to each side. Flat to
//! 3.4 kHz, aliases and images at -89 dB and less, 4 ms of delay.

/// Samples of 8 kHz that the filter reaches to each side of its centre.
pub const HALF: usize = 32;
/// Taps of one phase at 8 kHz.
pub const UP_TAPS: usize = 2 * HALF;
/// Taps of the whole filter at 16 kHz.
pub const DOWN_TAPS: usize = 4 * HALF;

/// Pass band as part of the 4 kHz that an 8 kHz stream can hold.
const CUTOFF: f64 = 0.93;
/// Shape of the Kaiser window: more is lower side lobes and a wider transition.
const BETA: f64 = 8.0;

/// The two phases that make 16 kHz from 8 kHz. Each sums to one.
pub static UP: [[f32; UP_TAPS]; 2] = [up_phase(0.0), up_phase(0.5)];

/// The filter before every second sample is dropped, taps for even and odd input apart. Together they sum to one.
pub static DOWN: [[f32; UP_TAPS]; 2] = down_taps();

/// Tap `k` weighs the input sample `k` of the window whose output lies `offset` samples after the input `HALF - 1`.
const fn up_phase(offset: f64) -> [f32; UP_TAPS] {
    let mut exact = [0.0; UP_TAPS];
    let mut sum = 0.0;
    let mut k = 0;
    while k < UP_TAPS {
        exact[k] = kernel((HALF - 1) as f64 + offset - k as f64);
        sum += exact[k];
        k += 1;
    }
    let mut taps = [0.0; UP_TAPS];
    k = 0;
    while k < UP_TAPS {
        taps[k] = (exact[k] / sum) as f32;
        k += 1;
    }
    taps
}

const fn down_taps() -> [[f32; UP_TAPS]; 2] {
    let mut exact = [0.0; DOWN_TAPS];
    let mut sum = 0.0;
    let mut k = 0;
    while k < DOWN_TAPS {
        exact[k] = kernel((DOWN_TAPS / 2 - 1) as f64 / 2.0 - k as f64 / 2.0);
        sum += exact[k];
        k += 1;
    }
    let mut taps = [[0.0; UP_TAPS]; 2];
    k = 0;
    while k < DOWN_TAPS {
        taps[k % 2][k / 2] = (exact[k] / sum) as f32;
        k += 1;
    }
    taps
}

/// The filter at `t`, in samples of 8 kHz from its centre.
const fn kernel(t: f64) -> f64 {
    let edge = t / HALF as f64;
    let inside = 1.0 - edge * edge;
    if inside < 0.0 {
        return 0.0;
    }
    sinc(CUTOFF * t) * bessel_i0_of_square(BETA * BETA * inside)
}

/// sin(πx) / πx.
const fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    sin_pi(x) / (core::f64::consts::PI * x)
}

/// sin(πx) by its Taylor series, after bringing x into -0.5..=0.5.
const fn sin_pi(x: f64) -> f64 {
    let turns = (x + if x < 0.0 { -0.5 } else { 0.5 }) as i64;
    let angle = (x - turns as f64) * core::f64::consts::PI;
    let mut term = angle;
    let mut sum = angle;
    let mut n = 1;
    while n < 12 {
        term *= -angle * angle / ((2 * n) * (2 * n + 1)) as f64;
        sum += term;
        n += 1;
    }
    if turns % 2 == 0 { sum } else { -sum }
}

/// The modified Bessel function I0 of the root of `square`, by its power series.
const fn bessel_i0_of_square(square: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    let mut k = 1;
    while k < 30 {
        term *= square / (4 * k * k) as f64;
        sum += term;
        k += 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_agree_with_the_library_functions() {
        for n in -1000..1000 {
            let x = f64::from(n) * 0.037;
            assert!((sin_pi(x) - (core::f64::consts::PI * x).sin()).abs() < 1e-12, "{x}");
        }
        // Abramowitz & Stegun table 9.8.
        assert!((bessel_i0_of_square(1.0) - 1.266_065_878).abs() < 1e-8);
        assert!((bessel_i0_of_square(64.0) - 427.564_116).abs() < 1e-5);
    }

    #[test]
    fn the_taps_are_pinned() {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for tap in UP.as_flattened().iter().chain(DOWN.as_flattened()) {
            hash = (hash ^ u64::from(tap.to_bits())).wrapping_mul(0x100_0000_01b3);
        }

        assert_eq!(hash, PINNED, "other taps make every recorded call unreplayable");
    }

    /// Read off once.
    const PINNED: u64 = 8586128051155070363;
}
