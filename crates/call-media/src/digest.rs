//! What this half hands to engines, and what it makes of the caller's sound, as numbers for the recording: packets and
//! events are recorded and can be compared by replay, frames and opinions are not.

use offhook_audio::{Frame, Voicing};

use crate::MediaEvent;

/// How much of the call one number stands for: 5 s tell where two builds part, and cost next to nothing.
const FRAMES: u32 = 250;

/// Folds what happens in a call's frames.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Digest {
    frames: u32,
    given: u64,
    judged: u64,
    /// What is heard must be recorded nowhere, not even folded.
    is_hidden: bool,
}

impl Digest {
    /// The recognizer was given a frame.
    pub(crate) fn note_recognizer(&mut self, frame: &Frame, in_utterance: bool) {
        self.give(frame, 1 + u64::from(in_utterance));
    }

    /// The application was given a frame.
    pub(crate) fn note_application(&mut self, frame: &Frame) {
        self.give(frame, 3);
    }

    /// Voice activity judged a frame. Only what it decided: a score is another on another processor.
    pub(crate) fn judged(&mut self, voicing: &Voicing) {
        let decided = u64::from(voicing.voiced) << 1 | u64::from(voicing.vocal);
        self.judged = fold(self.judged, decided);
    }

    /// A frame of the caller is done. Every [`FRAMES`] of them there is something to tell.
    pub(crate) fn frame_done(&mut self) -> Option<MediaEvent> {
        self.frames += 1;
        if self.frames < FRAMES { None } else { self.take() }
    }

    /// What was folded since the last one; `None` where nothing was.
    pub(crate) fn take(&mut self) -> Option<MediaEvent> {
        let next = Digest { is_hidden: self.is_hidden, ..Digest::default() };
        let Digest { frames, given, judged, .. } = std::mem::replace(self, next);
        (frames > 0).then_some(MediaEvent::Digest { frames, given, judged })
    }

    /// From here on samples are left out.
    pub(crate) fn hide(&mut self) {
        self.is_hidden = true;
    }

    fn give(&mut self, frame: &Frame, to: u64) {
        let flags = frame.flags;
        let flags = [flags.concealed, flags.silence, flags.discontinuity];
        let flags = flags.iter().fold(to, |bits, flag| bits << 1 | u64::from(*flag));
        self.given = fold(self.given, u64::from(frame.rtp_timestamp) << 32 | flags);
        if self.is_hidden {
            return;
        }
        for samples in frame.samples().chunks(4) {
            let word = samples.iter().fold(0, |word, sample| word << 16 | u64::from(*sample as u16));
            self.given = fold(self.given, word);
        }
    }
}

/// One more word. Each step can be undone, so two runs that differ in one word differ ever after.
fn fold(folded: u64, word: u64) -> u64 {
    // 2^64 divided by the golden ratio: spreads what differs over all bits.
    (folded ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(samples: &[i16], concealed: bool) -> MediaEvent {
        let mut frame = Frame::from_samples(samples);
        frame.flags.concealed = concealed;
        let mut digest = Digest::default();
        digest.note_recognizer(&frame, false);
        digest.frame_done();
        digest.take().unwrap()
    }

    #[test]
    fn one_sample_one_flag_or_one_frame_more_is_another_digest() {
        let mut samples = [7i16; 320];
        let first = digest(&samples, false);
        assert_eq!(digest(&samples, false), first);
        assert_ne!(digest(&samples, true), first);

        samples[319] = 8;

        assert_ne!(digest(&samples, false), first);
    }

    #[test]
    fn five_seconds_are_told_at_a_time_and_the_rest_at_the_end() {
        let mut digest = Digest::default();

        let told: Vec<usize> = (0..600).filter(|_| digest.frame_done().is_some()).collect();

        assert_eq!(told, [249, 499]);
        assert!(matches!(digest.take(), Some(MediaEvent::Digest { frames: 100, .. })));
        assert_eq!(digest.take(), None);
    }
}
