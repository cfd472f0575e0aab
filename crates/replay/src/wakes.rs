//! Whether a half is fed as it was: no step is missing, and it wants to be woken when it was and at no other moment.

use std::collections::VecDeque;
use std::time::Duration;

use offhook_time::{Half, Time};

/// Drivers wake on a tick: a deadline may be this late in the recording without being missed.
const SLACK: Duration = Duration::from_millis(50);

/// The steps of one half, as they are fed.
#[derive(Debug)]
pub(crate) struct Wakes {
    half: Half,
    next: u64,
    /// The recorded deadlines that were not fed yet.
    deadlines: VecDeque<Time>,
    /// The latest moment that was reached.
    now: Time,
}

/// A deadline that is not where it was.
#[derive(Debug)]
pub(crate) struct Moved {
    pub what: &'static str,
    pub at: Time,
    pub recorded: Option<Time>,
    pub due: Option<Time>,
}

impl Wakes {
    /// `deadlines` are all that the recording has of this half.
    pub fn new(half: Half, deadlines: &[Time]) -> Wakes {
        Wakes { half, next: 0, deadlines: deadlines.iter().copied().collect(), now: Time::ZERO }
    }

    /// Says which steps are missing before the step `found`.
    pub fn gap(&mut self, found: u64) -> Option<String> {
        let expected = std::mem::replace(&mut self.next, found + 1);
        (found != expected)
            .then(|| format!("step {expected} should come and step {found} comes: the recorder lost some, and nothing after can be run"))
    }

    /// A step at `now` is next, while the half wants to be woken at `due`.
    pub fn step(&mut self, is_deadline: bool, due: Option<Time>, now: Time) -> Result<(), Moved> {
        if is_deadline {
            self.deadlines.pop_front();
            self.now = self.now.max(now);
            return match due {
                Some(due) if due == now => Ok(()),
                due => Err(Moved { what: self.moved(), at: now, recorded: Some(now), due }),
            };
        }
        // Asked between two moments: at one moment packets go before deadlines, and may move them. A machine that stood
        // still was late for all of them.
        let passed = due.filter(|due| now > self.now && *due + SLACK < self.now);
        let recorded = self.deadlines.front().copied();
        self.now = self.now.max(now);
        match passed {
            Some(at) if recorded != due => Err(Moved { what: self.missing(), at, recorded, due }),
            Some(_) | None => Ok(()),
        }
    }

    fn moved(&self) -> &'static str {
        match self.half {
            Half::Control => "a deadline of the control half moved",
            Half::Media => "a deadline of the media half moved",
        }
    }

    fn missing(&self) -> &'static str {
        match self.half {
            Half::Control => "the control half wants to be woken at a moment at which it was not",
            Half::Media => "the media half wants to be woken at a moment at which it was not",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn wakes(deadlines: &[u64]) -> Wakes {
        let deadlines: Vec<Time> = deadlines.iter().map(|millis| ms(*millis)).collect();
        Wakes::new(Half::Control, &deadlines)
    }

    #[test]
    fn a_deadline_at_its_recorded_moment_is_right_however_late_it_was_fed() {
        let mut wakes = wakes(&[100]);

        for now in [50, 900, 1_800] {
            assert!(wakes.step(false, Some(ms(100)), ms(now)).is_ok(), "{now}");
        }

        assert!(wakes.step(true, Some(ms(100)), ms(100)).is_ok());
    }

    #[test]
    fn a_deadline_at_another_moment_has_moved() {
        let moved = wakes(&[100]).step(true, Some(ms(120)), ms(100)).unwrap_err();

        assert_eq!(moved.what, "a deadline of the control half moved");
        assert_eq!((moved.recorded, moved.due), (Some(ms(100)), Some(ms(120))));
    }

    #[test]
    fn a_deadline_that_passed_and_never_was_is_noticed_though_nothing_else_changes() {
        let mut wakes = wakes(&[9_000]);

        assert!(wakes.step(false, Some(ms(100)), ms(90)).is_ok());
        assert!(wakes.step(false, Some(ms(100)), ms(700)).is_ok());
        let missing = wakes.step(false, Some(ms(100)), ms(800)).unwrap_err();

        assert_eq!((missing.at, missing.recorded), (ms(100), Some(ms(9_000))));
    }
}
