//! How loud samples are.

/// What silence is given instead of minus infinity, in dBFS: below one step of a 16-bit sample.
pub const SILENCE_DBFS: f32 = -100.0;

/// Mean square of `samples`, full scale = 1.0. Zero where there are none.
pub fn energy(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: i64 = samples.iter().map(|sample| i64::from(i32::from(*sample) * i32::from(*sample))).sum();
    sum as f32 / samples.len() as f32 / (32_768.0 * 32_768.0)
}

/// Root mean square level in dB below full scale (a full-scale square wave is 0, a sine -3), [`SILENCE_DBFS`] at least.
pub fn dbfs(samples: &[i16]) -> f32 {
    dbfs_of_energy(energy(samples))
}

/// The level that belongs to a mean square, as in [`dbfs`].
pub fn dbfs_of_energy(energy: f32) -> f32 {
    if energy <= 0.0 { SILENCE_DBFS } else { (10.0 * libm::log10f(energy)).max(SILENCE_DBFS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_wave_of_half_scale_is_six_decibels_down() {
        let square: Vec<i16> = (0..160).map(|n| if n % 8 < 4 { 16_384 } else { -16_384 }).collect();

        assert!((dbfs(&square) + 6.02).abs() < 0.01);
    }

    #[test]
    fn silence_and_nothing_have_the_lowest_level() {
        assert_eq!(dbfs(&[0; 160]), SILENCE_DBFS);
        assert_eq!(dbfs(&[]), SILENCE_DBFS);
    }

    #[test]
    fn the_loudest_samples_do_not_overflow() {
        assert!(dbfs(&[i16::MIN; 320]).abs() < 0.01);
    }
}
