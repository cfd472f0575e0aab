//! What the caller heard last of an utterance, so that one that was interrupted for nothing goes on a little before
//! the place where it stopped.

use crate::live::LINE_RATE;

/// What was said longer ago is not repeated: a phrase of two or three words is found again by its end.
const MOST: usize = LINE_RATE as usize * 8 / 10;
/// A word that was cut in its middle is said whole: most are shorter.
const LEAST: usize = LINE_RATE as usize * 3 / 10;
/// Where it goes on is the quietest place in reach, looked for in steps of 10 ms.
const STEP: usize = LINE_RATE as usize / 100;
/// The pause between two words is as long as this or longer.
const QUIET: usize = 2 * STEP;

/// The last samples of the utterance that plays.
#[derive(Debug)]
pub(super) struct Again {
    /// A ring; empty where nothing is remembered.
    samples: Box<[i16]>,
    /// Samples of the utterance so far.
    written: u64,
    /// Of them to be said again.
    left: usize,
}

impl Again {
    /// One that remembers, or one that takes no memory and never repeats anything.
    pub(super) fn new(remembers: bool) -> Self {
        let samples = vec![0; if remembers { MOST } else { 0 }].into_boxed_slice();
        Again { samples, written: 0, left: 0 }
    }

    /// Another utterance follows.
    pub(super) fn forget(&mut self) {
        self.written = 0;
        self.left = 0;
    }

    /// The next samples of the utterance are on their way to the caller.
    pub(super) fn heard(&mut self, samples: &[i16]) {
        let len = self.samples.len() as u64;
        if len == 0 {
            return;
        }
        for sample in samples {
            self.samples[(self.written % len) as usize] = *sample;
            self.written += 1;
        }
    }

    /// The utterance goes on between two words, at most [`MOST`] before the place where it is. One that is masked goes on
    /// where its sound has no say.
    pub(super) fn go_back(&mut self, is_masked: bool) {
        let known = self.samples.len().min(self.written as usize);
        let nearest = (self.left + LEAST).min(known);
        let farthest = (self.left + MOST).min(known);
        let places = (nearest..=farthest).step_by(STEP);
        if is_masked {
            self.left = nearest;
            return;
        }
        self.left = places.min_by_key(|place| self.energy(*place)).unwrap_or(nearest);
    }

    /// Fills `out` with what is to be said again; answers how many samples.
    pub(super) fn take(&mut self, out: &mut [i16]) -> usize {
        let count = self.left.min(out.len());
        for sample in &mut out[..count] {
            *sample = self.at(self.left);
            self.left -= 1;
        }
        count
    }

    /// How loud it is from `back` samples ago on.
    fn energy(&self, back: usize) -> u64 {
        let until = back.saturating_sub(QUIET);
        (until + 1..=back).map(|back| i64::from(self.at(back)).pow(2).unsigned_abs()).sum()
    }

    /// The sample that is `back` samples old, from 1.
    fn at(&self, back: usize) -> i16 {
        let len = self.samples.len() as u64;
        if len == 0 {
            return 0;
        }
        self.samples[(self.written.saturating_sub(back as u64) % len) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loud(count: usize) -> Vec<i16> {
        (1..=count as i16).collect()
    }

    #[test]
    fn it_goes_back_to_the_gap_between_two_words() {
        let mut again = Again::new(true);
        again.heard(&[9_000; 8_000]);
        again.heard(&[0; QUIET]);
        again.heard(&[9_000; 4_000]);

        again.go_back(false);

        let mut out = [1; 4_000 + QUIET + 1];
        assert_eq!(again.take(&mut out), 4_000 + QUIET);
        assert_eq!((out[0], out[QUIET - 1], out[QUIET]), (0, 0, 9_000));
    }

    #[test]
    fn what_has_hardly_begun_begins_anew_and_another_utterance_is_not_mixed_up_with_it() {
        let mut again = Again::new(true);
        again.heard(&loud(100));
        again.go_back(false);
        let mut out = [0; 200];
        assert_eq!((again.take(&mut out[..60]), again.take(&mut out[60..])), (60, 40));
        assert_eq!(out[..100], loud(100));

        again.forget();
        again.go_back(false);

        assert_eq!(again.take(&mut out), 0);
    }

    #[test]
    fn one_without_memory_never_repeats_anything() {
        let mut again = Again::new(false);
        again.heard(&loud(100));
        again.go_back(false);

        assert_eq!(again.take(&mut [0; 10]), 0);
    }
}
