//! What is usual on a line.

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};

/// Percentiles of the last 2.5 s of a value between 0 and 1, in 128 steps.
#[derive(Clone, Debug)]
pub struct Recent {
    ring: [u8; FRAMES],
    counts: [u8; STEPS],
    next: usize,
    len: usize,
}

/// 2.5 s of frames: longer than most speech without a gap, short enough to follow a car that speeds up.
const FRAMES: usize = 125;
const STEPS: usize = 128;

impl Recent {
    /// Assumes that `values` came before the first frame.
    pub fn assume(values: &[f32]) -> Self {
        let mut recent = Recent { ring: [0; FRAMES], counts: [0; STEPS], next: 0, len: 0 };
        values.iter().for_each(|value| recent.push(*value));
        recent
    }

    /// Takes the value of the next frame.
    pub fn push(&mut self, value: f32) {
        let step = (value.clamp(0.0, 1.0) * (STEPS - 1) as f32 + 0.5) as u8;
        if self.len == FRAMES {
            self.counts[usize::from(self.ring[self.next])] -= 1;
        } else {
            self.len += 1;
        }
        self.ring[self.next] = step;
        self.counts[usize::from(step)] += 1;
        self.next = (self.next + 1) % FRAMES;
    }

    /// The value that `percent` of the frames stay at or below; zero before the first.
    pub fn percentile(&self, percent: usize) -> f32 {
        let wanted = (self.len * percent).div_ceil(100).max(1);
        #[cfg(feature = "planted-faults")]
        let wanted =
            if is_planted(Fault::PercentileRoundedDown) { (self.len * percent / 100).max(1) } else { wanted };
        let mut seen = 0;
        let step = self.counts.iter().position(|count| {
            seen += usize::from(*count);
            seen >= wanted
        });
        step.unwrap_or(0) as f32 / (STEPS - 1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_what_that_share_of_the_frames_stays_below() {
        let mut recent = Recent::assume(&[]);

        (0..100).for_each(|n| recent.push(if n % 4 == 0 { 0.1 } else { 0.9 }));

        assert!((recent.percentile(20) - 0.1).abs() < 0.01);
        assert!((recent.percentile(50) - 0.9).abs() < 0.01);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut recent = Recent::assume(&[0.0; FRAMES]);

        (0..FRAMES).for_each(|_| recent.push(0.7));

        assert!(recent.percentile(1) > 0.69);
    }

    #[test]
    fn nothing_is_usual_before_the_first_frame() {
        assert_eq!(Recent::assume(&[]).percentile(20), 0.0);
    }
}
