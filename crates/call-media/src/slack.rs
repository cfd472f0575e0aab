//! How early audio is ready before it has to leave.

use std::time::Duration;

/// Frames that are remembered: 0.64 s. The latest of them decides, so one late frame keeps its room that long.
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

    /// The least slack of the window; `None` before the first frame.
    pub(crate) fn least(&self) -> Option<i64> {
        self.nanos[..self.len].iter().copied().min()
    }

    /// The least slack, once enough frames were seen to believe that earlier would not be too early.
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
    fn the_latest_frame_of_the_window_decides_until_it_leaves() {
        let mut window = SlackWindow::new();

        window.push(1);
        (0..FRAMES - 1).for_each(|_| window.push(9));
        let with_it = window.least();
        window.push(9);

        assert_eq!(with_it, Some(1));
        assert_eq!(window.least(), Some(9));
    }

    #[test]
    fn in_silence_only_the_latest_frames_count() {
        let mut window = SlackWindow::new();

        (0..50).for_each(|n| window.push(n));
        window.note_silence();

        assert_eq!(window.least(), Some(42));
        (0..FRAMES as i64).for_each(|n| window.push(100 + n));
        assert_eq!(window.least(), Some(100));
    }

    #[test]
    fn a_few_frames_are_not_believed() {
        let mut window = SlackWindow::new();

        (0..TRUSTED - 1).for_each(|_| window.push(5));

        assert_eq!(window.trusted(), None);
        assert_eq!(window.least(), Some(5));
    }
}
