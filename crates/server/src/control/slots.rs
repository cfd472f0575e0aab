//! Places in the workers' tables.

use crate::worker::Slot;

/// The places of one worker. A place is used again with the next generation.
#[derive(Debug)]
pub(super) struct Slots {
    generations: Vec<u32>,
    free: Vec<u32>,
    most: usize,
}

impl Slots {
    /// As many as the worker has taken memory for.
    pub fn new(most: usize) -> Self {
        Slots { generations: Vec::new(), free: Vec::new(), most }
    }

    /// Whether the worker can take no more calls.
    pub fn is_full(&self) -> bool {
        self.in_use() >= self.most
    }

    /// A free place; ask [`is_full`](Self::is_full) first.
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
        let mut slots = Slots::new(4);
        let first = slots.take();
        slots.give_back(first);

        let second = slots.take();

        assert_eq!(first.index, second.index);
        assert_ne!(first.generation, second.generation);
    }

    #[test]
    fn a_worker_is_full_when_every_place_has_a_call() {
        let mut slots = Slots::new(2);
        let first = slots.take();
        assert!(!slots.is_full());
        slots.take();

        assert!(slots.is_full());
        slots.give_back(first);
        assert!(!slots.is_full());
    }
}
