//! How early audio is ready before it has to leave.

use std::time::Duration;

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};

/// Frames that are remembered: 0.64 s. The latest but one of them decides: a machine or an application that stumbles
/// makes one frame late, and that one may be waited for; two in that time are a habit, for which all leave later.
const FRAMES: usize = 32;

/// Frames that must have been seen before a queue is called too early: enough to have met the usual noise. They are
/// also all that counts in silence, where nobody hears a frame that comes too late.
const TRUSTED: usize = 8;

/// The slack of recent frames: deadline less the moment the frame became available, in nanoseconds. Negative where a
/// frame came after its deadline.
#[derive(Clone, Debug)]
pub(crate) struct SlackWindow {
    nanos: [i64; FRAMES],
    next: usize,
    len: usize,
}

impl SlackWindow {
    pub(crate) const fn new() -> Self {
        SlackWindow { nanos: [0; FRAMES], next: 0, len: 0 }
    }

    pub(crate) fn push(&mut self, nanos: i64) {
        self.nanos[self.next] = nanos;
        self.next = (self.next + 1) % FRAMES;
        self.len = (self.len + 1).min(FRAMES);
    }

    /// The least slack of the window but one; of a single frame its own. `None` before the first frame.
    pub(crate) fn least(&self) -> Option<i64> {
        let (mut least, mut second) = (i64::MAX, i64::MAX);
        for slack in &self.nanos[..self.len] {
            second = second.min(least.max(*slack));
            least = least.min(*slack);
        }
        #[cfg(feature = "planted-faults")]
        let second = if is_planted(Fault::SlackOfTheWorst) { least } else { second };
        match self.len {
            0 => None,
            1 => Some(least),
            _ => Some(second),
        }
    }

    /// The same, once enough frames were seen to believe that earlier would not be too early.
    pub(crate) fn trusted(&self) -> Option<i64> {
        if self.len < TRUSTED { None } else { self.least() }
    }

    /// The latest frame is silent: what is long past counts no more.
    pub(crate) fn note_silence(&mut self) {
        if self.len > TRUSTED {
            self.nanos.rotate_left((self.next + FRAMES - TRUSTED) % FRAMES);
            self.len = TRUSTED;
            self.next = TRUSTED;
        }
    }

    /// The deadlines moved, or audio was dropped: what was measured under the old ones is worth `nanos` more.
    pub(crate) fn shift(&mut self, nanos: i64) {
        self.nanos[..self.len].iter_mut().for_each(|slack| *slack += nanos);
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.next = 0;
    }
}

/// A duration as signed nanoseconds.
pub(crate) const fn nanos(duration: Duration) -> i64 {
    duration.as_nanos() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_frame_but_one_of_the_window_decides_until_it_leaves() {
        let mut window = SlackWindow::new();

        window.push(2);
        let alone = window.least();
        window.push(1);
        (0..FRAMES - 2).for_each(|_| window.push(9));
        let with_both = window.least();
        window.push(9);

        assert_eq!((alone, with_both), (Some(2), Some(2)));
        assert_eq!(window.least(), Some(9));
    }

    #[test]
    fn one_late_frame_is_a_stumble_and_two_are_a_habit() {
        let mut window = SlackWindow::new();
        (0..10).for_each(|_| window.push(9));

        window.push(-5);
        let stumbled = window.least();
        window.push(-4);

        assert_eq!((stumbled, window.least()), (Some(9), Some(-4)));
    }

    #[test]
    fn in_silence_only_the_latest_frames_count() {
        let mut window = SlackWindow::new();

        (0..50).for_each(|n| window.push(n));
        window.note_silence();

        assert_eq!(window.least(), Some(43));
        (0..FRAMES as i64).for_each(|n| window.push(100 + n));
        assert_eq!(window.least(), Some(101));
    }

    #[test]
    fn a_few_frames_are_not_believed() {
        let mut window = SlackWindow::new();

        (0..TRUSTED - 1).for_each(|_| window.push(5));

        assert_eq!(window.trusted(), None);
        assert_eq!(window.least(), Some(5));
    }
}
