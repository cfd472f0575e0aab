//! Whether the caller speaks.
//!
//! [`VoiceActivity`] asks the `earshot` network for a score every 16 ms and compares it with a threshold that follows
//! the line: a fixed one calls all noise speech at 5 dB signal-to-noise ratio.

mod line;
mod recent;

use std::fmt;

use earshot::Detector;

use crate::{Frame, Periodicity, Upsampler8To16, level};
use line::Line;

/// What [`VoiceActivity`] thinks of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Voicing {
    /// How much it sounds like speech, 0 to 1, before any threshold.
    pub score: f32,
    /// Whether it is taken for speech.
    pub voiced: bool,
    /// Whether it is a voice beyond doubt: speech is so most of the time, coughs, clicks and noise hardly ever.
    pub vocal: bool,
    /// Root mean square level in dBFS.
    pub energy_dbfs: f32,
    /// How periodic it is, 0 to 1: high in vowels, low in coughs, clicks and noise.
    pub periodicity: f32,
}

/// Judges a caller's audio frame by frame. About 10 KiB; nothing is allocated after [`Self::new`].
pub struct VoiceActivity {
    detector: Box<Detector>,
    periodicity: Periodicity,
    upsampler: Upsampler8To16,
    pending: [i16; BLOCK],
    pending_len: usize,
    last_score: f32,
    line: Line,
}

/// A vocal frame is at least so periodic,
const VOCAL_PERIODICITY: f32 = 0.55;
/// and either so periodic that its score does not matter,
const CERTAIN_PERIODICITY: f32 = 0.8;
/// or periodicity and score add up to this.
const VOCAL_SUM: f32 = 1.2;
/// The share of voice in a frame is never taken for less, or chance would be amplified.
const LEAST_CLEAR_SHARE: f32 = 0.6;
/// What noise may score before its score is held against the speech within it.
const HARMLESS_SCORE: f32 = 0.6;
/// A loud frame that repeats itself as much is a voice, whatever the network thinks yet: it lags, this does not.
const VOICE_PERIODICITY: f32 = 0.75;

/// What the network takes at once: 16 ms at 16 kHz.
const BLOCK: usize = 256;

impl Default for VoiceActivity {
    fn default() -> Self {
        VoiceActivity::new()
    }
}

impl VoiceActivity {
    /// Starts on an unknown line. Allocates the network's state (8 KiB).
    pub fn new() -> Self {
        VoiceActivity {
            detector: Box::default(),
            periodicity: Periodicity::new(),
            upsampler: Upsampler8To16::new(),
            pending: [0; BLOCK],
            pending_len: 0,
            last_score: 0.0,
            line: Line::new(),
        }
    }

    /// Judges the next frame, at 16 kHz; one at 8 kHz is brought to 16 kHz first and so is judged 4 ms late.
    pub fn push(&mut self, frame: &Frame) -> Voicing {
        let energy_dbfs = level::dbfs(frame.samples());
        let periodicity = self.periodicity.push(frame);
        let score = match <&[i16; 160]>::try_from(frame.samples()) {
            Ok(narrow) => {
                let mut wide = [0; 320];
                self.upsampler.process(narrow, &mut wide);
                self.score(&wide)
            }
            Err(_) => self.score(frame.samples()),
        };
        let voiced = self.is_voiced(score, energy_dbfs, periodicity);
        let vocal = voiced && self.is_vocal(score, energy_dbfs, periodicity);
        Voicing { score, voiced, vocal, energy_dbfs, periodicity }
    }

    /// Cuts the frames into the network's blocks; a frame completes one or two of them.
    fn score(&mut self, samples: &[i16]) -> f32 {
        let mut best: Option<f32> = None;
        let mut rest = samples;
        while !rest.is_empty() {
            let taken = rest.len().min(BLOCK - self.pending_len);
            self.pending[self.pending_len..][..taken].copy_from_slice(&rest[..taken]);
            self.pending_len += taken;
            rest = &rest[taken..];
            if self.pending_len == BLOCK {
                self.pending_len = 0;
                let score = self.detector.predict_i16(&self.pending);
                best = Some(best.map_or(score, |best| best.max(score)));
            }
        }
        self.last_score = best.unwrap_or(self.last_score);
        self.last_score
    }

    fn is_voiced(&mut self, score: f32, energy_dbfs: f32, periodicity: f32) -> bool {
        let loud = self.line.learn(energy_dbfs, score, periodicity);
        let scored = self.line.is_known() && score > self.line.threshold();
        loud && (scored || periodicity > VOICE_PERIODICITY)
    }

    fn is_vocal(&self, score: f32, energy_dbfs: f32, periodicity: f32) -> bool {
        let score = score - (self.line.usual_score() - HARMLESS_SCORE).max(0.0);
        // Noise does not repeat itself: it lowers the periodicity of the voice within it by its share of the energy.
        let periodicity = (periodicity / self.line.clear_share(energy_dbfs).max(LEAST_CLEAR_SHARE)).min(1.0);
        if periodicity >= CERTAIN_PERIODICITY {
            return !self.line.is_lifeless();
        }
        !self.line.is_level() && periodicity >= VOCAL_PERIODICITY && periodicity + score >= VOCAL_SUM
    }
}

impl fmt::Debug for VoiceActivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceActivity").field("last_score", &self.last_score).finish_non_exhaustive()
    }
}
