//! Chance, for scenarios.

use offhook_time::Randomness;

use crate::clips::Clips;
use crate::plan::Act;

/// Draws from the scenario's randomness.
pub(super) struct Draw(pub(super) Randomness);

impl Draw {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.0.unit() < share
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    pub(super) fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| self.pick(&['0', '1', '5', '9', '*', '#'])).collect()
    }

    pub(super) fn speech(&mut self, text: &str) -> Act {
        let clip = self.below(Clips::get().speech.len() as u64) as usize;
        Act::Say { clip, text: text.to_owned() }
    }
}
