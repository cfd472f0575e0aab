//! Deadlines of many owners, the earliest first.

use std::collections::{BTreeMap, BTreeSet};

use offhook_time::Time;

/// One deadline per owner.
#[derive(Debug)]
pub(super) struct Timers<Owner> {
    queue: BTreeSet<(Time, Owner)>,
    armed: BTreeMap<Owner, Time>,
}

impl<Owner: Ord + Copy> Timers<Owner> {
    pub(super) fn new() -> Self {
        Timers { queue: BTreeSet::new(), armed: BTreeMap::new() }
    }

    /// Sets, moves or removes the deadline of `owner`.
    pub(super) fn arm(&mut self, owner: Owner, deadline: Option<Time>) {
        let before = match deadline {
            Some(at) => self.armed.insert(owner, at),
            None => self.armed.remove(&owner),
        };
        if before == deadline {
            return;
        }
        if let Some(before) = before {
            self.queue.remove(&(before, owner));
        }
        if let Some(at) = deadline {
            self.queue.insert((at, owner));
        }
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Time> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes the earliest deadline that is not after `now`.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<(Time, Owner)> {
        if self.next()? > now {
            return None;
        }
        let (at, owner) = self.queue.pop_first()?;
        self.armed.remove(&owner);
        Some((at, owner))
    }

    pub(super) fn is_armed(&self, owner: Owner) -> bool {
        self.armed.contains_key(&owner)
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_out_in_order_of_time_and_each_once() {
        let mut timers = Timers::new();
        timers.arm('a', Some(Time::from_millis(30)));
        timers.arm('b', Some(Time::from_millis(10)));
        timers.arm('a', Some(Time::from_millis(20)));

        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(Time::from_millis(25))).collect();

        assert_eq!(due, [(Time::from_millis(10), 'b'), (Time::from_millis(20), 'a')]);
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn a_removed_deadline_never_comes() {
        let mut timers = Timers::new();
        timers.arm('a', Some(Time::from_millis(30)));

        timers.arm('a', None);

        assert_eq!(timers.next(), None);
        assert_eq!(timers.pop_due(Time::MAX), None);
    }
}
