//! Gain, fades and mixing.

/// The factor for a gain in decibels.
pub fn from_db(db: f32) -> f32 {
    libm::powf(10.0, db / 20.0)
}

/// `sample` times `factor`, rounded, clipped at full scale.
pub fn scale(sample: i16, factor: f32) -> i16 {
    let value = f32::from(sample) * factor;
    (if value < 0.0 { value - 0.5 } else { value + 0.5 }) as i16
}

/// Adds `other` to `samples`, clipped at full scale. The longer of the two keeps its tail.
pub fn mix(samples: &mut [i16], other: &[i16]) {
    for (sample, other) in samples.iter_mut().zip(other) {
        *sample = sample.saturating_add(*other);
    }
}

/// Adds `other` times `factor` to `samples`, clipped at full scale.
pub fn mix_scaled(samples: &mut [i16], other: &[i16], factor: f32) {
    for (sample, other) in samples.iter_mut().zip(other) {
        *sample = sample.saturating_add(scale(*other, factor));
    }
}

/// A gain that moves in a straight line, sample by sample, so that muting and fading do not click.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GainRamp {
    gain: f32,
    target: f32,
    step: f32,
    left: u32,
}

impl GainRamp {
    /// A steady factor (1.0 changes nothing).
    pub const fn new(gain: f32) -> Self {
        GainRamp { gain, target: gain, step: 0.0, left: 0 }
    }

    /// Moves to `target` over the next `samples` samples; at once where that is zero.
    pub fn move_to(&mut self, target: f32, samples: u32) {
        self.target = target;
        self.left = samples;
        if samples == 0 {
            self.gain = target;
            self.step = 0.0;
        } else {
            self.step = (target - self.gain) / samples as f32;
        }
    }

    /// The factor for the next sample.
    pub const fn gain(&self) -> f32 {
        self.gain
    }

    /// The factor it moves to.
    pub const fn target(&self) -> f32 {
        self.target
    }

    /// Whether it still moves.
    pub const fn is_moving(&self) -> bool {
        self.left > 0
    }

    /// Applies the next part of the ramp to `samples`.
    pub fn apply(&mut self, samples: &mut [i16]) {
        let ramped = samples.len().min(self.left as usize);
        let (moving, steady) = samples.split_at_mut(ramped);
        for sample in moving {
            *sample = scale(*sample, self.gain);
            self.gain += self.step;
        }
        self.left -= ramped as u32;
        if self.left == 0 {
            self.gain = self.target;
        }
        if self.gain == 0.0 {
            steady.fill(0);
        } else if self.gain != 1.0 {
            steady.iter_mut().for_each(|sample| *sample = scale(*sample, self.gain));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fade_reaches_silence_without_a_jump_and_stays_there() {
        let mut ramp = GainRamp::new(1.0);
        let mut frames = [[10_000i16; 160]; 3];

        ramp.move_to(0.0, 240);
        frames.iter_mut().for_each(|frame| ramp.apply(frame));

        let samples = frames.as_flattened();
        assert_eq!(samples[0], 10_000);
        assert!(samples.windows(2).all(|pair| (0..=42).contains(&(pair[0] - pair[1]))));
        assert!(samples[240..].iter().all(|sample| *sample == 0));
        assert!(!ramp.is_moving());
    }

    #[test]
    fn a_gain_of_one_changes_nothing() {
        let mut frame = [i16::MIN, -1, 0, 1, i16::MAX];

        GainRamp::new(1.0).apply(&mut frame);

        assert_eq!(frame, [i16::MIN, -1, 0, 1, i16::MAX]);
    }

    #[test]
    fn a_new_target_starts_from_where_the_old_ramp_was() {
        let mut ramp = GainRamp::new(1.0);
        let mut half = [10_000i16; 50];
        ramp.move_to(0.0, 100);
        ramp.apply(&mut half);

        ramp.move_to(1.0, 50);
        let mut back = [10_000i16; 51];
        ramp.apply(&mut back);

        assert!((i32::from(back[0]) - 5_000).abs() < 10);
        assert_eq!(back[50], 10_000);
    }

    #[test]
    fn mixing_and_scaling_clip_instead_of_wrapping() {
        let mut samples = [30_000, -30_000, 5];

        mix(&mut samples, &[10_000, -10_000, 6]);
        mix_scaled(&mut samples, &[0, 0, 100], 0.5);

        assert_eq!(samples, [i16::MAX, i16::MIN, 61]);
        assert_eq!(scale(20_000, 2.0), i16::MAX);
        assert_eq!(scale(-20_000, 2.0), i16::MIN);
    }

    #[test]
    fn six_decibels_are_a_factor_of_two() {
        assert!((from_db(6.0206) - 2.0).abs() < 1e-3);
    }
}
