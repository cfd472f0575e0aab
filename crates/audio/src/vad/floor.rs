//! What is usual on a line when nobody speaks.

/// A low percentile of the last 2.5 s of a value between 0 and 1, in 64 steps.
///
/// Speech has gaps, noise has none: what is undercut a fifth of the time is the noise.
#[derive(Clone, Debug)]
pub struct Floor {
    ring: [u8; FRAMES],
    counts: [u8; STEPS],
    next: usize,
    len: usize,
}

/// 2.5 s of frames: longer than most words without a gap, short enough to follow a car that speeds up.
const FRAMES: usize = 125;
const STEPS: usize = 64;

impl Floor {
    /// Has seen nothing.
    pub const fn new() -> Self {
        Floor { ring: [0; FRAMES], counts: [0; STEPS], next: 0, len: 0 }
    }

    /// Takes the value of the next frame.
    pub fn push(&mut self, value: f32) {
        let step = (value.clamp(0.0, 1.0) * (STEPS - 1) as f32) as u8;
        if self.len == FRAMES {
            self.counts[usize::from(self.ring[self.next])] -= 1;
        } else {
            self.len += 1;
        }
        self.ring[self.next] = step;
        self.counts[usize::from(step)] += 1;
        self.next = (self.next + 1) % FRAMES;
    }

    /// The value that `percent` of the frames stay at or below; `None` before the first.
    pub fn percentile(&self, percent: usize) -> Option<f32> {
        let wanted = (self.len * percent).div_ceil(100).max(1);
        let mut seen = 0;
        self.counts.iter().enumerate().find_map(|(step, count)| {
            seen += usize::from(*count);
            (seen >= wanted).then(|| step as f32 / (STEPS - 1) as f32)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_what_a_fifth_of_the_frames_stays_below() {
        let mut floor = Floor::new();

        (0..100).for_each(|n| floor.push(if n % 4 == 0 { 0.1 } else { 0.9 }));

        assert!((floor.percentile(20).unwrap() - 0.1).abs() < 0.02);
        assert!((floor.percentile(50).unwrap() - 0.9).abs() < 0.02);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut floor = Floor::new();

        (0..FRAMES).for_each(|_| floor.push(0.0));
        (0..FRAMES).for_each(|_| floor.push(0.7));

        assert!(floor.percentile(1).unwrap() > 0.68);
    }

    #[test]
    fn nothing_is_known_before_the_first_frame() {
        assert_eq!(Floor::new().percentile(20), None);
    }
}
