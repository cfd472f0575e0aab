//! Places in the workers' tables.

use crate::worker::Slot;

/// The places of one worker. A place is used again with the next generation.
#[derive(Debug, Default)]
pub(super) struct Slots {
    generations: Vec<u32>,
    free: Vec<u32>,
}

impl Slots {
    pub fn take(&mut self) -> Slot {
        let index = self.free.pop().unwrap_or_else(|| {
            self.generations.push(0);
            (self.generations.len() - 1) as u32
        });
        let generation = &mut self.generations[index as usize];
        *generation = generation.wrapping_add(1);
        Slot { index, generation: *generation }
    }

    pub fn give_back(&mut self, slot: Slot) {
        self.free.push(slot.index);
    }

    pub fn in_use(&self) -> usize {
        self.generations.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_used_again_has_another_generation() {
        let mut slots = Slots::default();
        let first = slots.take();
        slots.give_back(first);

        let second = slots.take();

        assert_eq!(first.index, second.index);
        assert_ne!(first.generation, second.generation);
    }
}
