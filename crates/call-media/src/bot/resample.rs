//! From the rate of a voice to the rate of the line.

use offhook_audio::{Downsampler16To8, FrameResampler};

use crate::live::{LINE_FRAME, LINE_RATE};

/// Different rates that one call may play.
const RATES: usize = 4;

/// Samples of 20 ms at the highest rate that can be resampled (48 kHz).
const STAGE: usize = 960;

/// Collects 20 ms at a voice's rate and makes 20 ms of the line's.
#[derive(Debug)]
pub(super) struct ToLine {
    resamplers: Vec<Resampler>,
    selected: usize,
    stage: Box<[i16; STAGE]>,
    staged: usize,
    /// Sound has entered the resampler.
    begun: bool,
    /// Samples of the line that are still to come for what was fed.
    owed: usize,
}

#[derive(Debug)]
struct Resampler {
    rate: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The rate of the line.
    None,
    /// The FIR: 4 ms, and the same samples on every CPU.
    Half(Box<Downsampler16To8>),
    /// All others.
    Fft(Box<FrameResampler>),
}

impl ToLine {
    pub(super) fn new(rates: &[u32]) -> Self {
        let mut to_line = ToLine {
            resamplers: Vec::with_capacity(RATES),
            selected: 0,
            stage: Box::new([0; STAGE]),
            staged: 0,
            begun: false,
            owed: 0,
        };
        for rate in rates {
            to_line.prepare(*rate);
        }
        to_line
    }

    /// Has a resampler for the rate ready; builds one on the first use of a rate. False where there is none.
    pub(super) fn prepare(&mut self, rate: u32) -> bool {
        if self.resamplers.iter().any(|resampler| resampler.rate == rate) {
            return true;
        }
        if self.resamplers.len() == RATES {
            return false;
        }
        let Some(kind) = Kind::new(rate) else { return false };
        self.resamplers.push(Resampler { rate, kind });
        true
    }

    /// Whether audio of this rate can be collected now: the stage holds none of another rate.
    pub(super) fn accepts(&self, rate: u32) -> bool {
        self.rate() == rate || !self.has_rest()
    }

    /// Collects at this rate from now on.
    pub(super) fn select(&mut self, rate: u32) {
        if rate == self.rate() {
            return;
        }
        self.reset();
        if let Some(at) = self.resamplers.iter().position(|resampler| resampler.rate == rate) {
            self.selected = at;
        }
    }

    /// Whether 20 ms are collected.
    pub(super) fn is_full(&self) -> bool {
        self.staged > 0 && self.staged >= self.frame()
    }

    /// Whether something was collected, or sounds on inside the resampler.
    pub(super) fn has_rest(&self) -> bool {
        self.staged > 0 || self.owed > 0
    }

    /// Takes what is missing to 20 ms; answers how many samples.
    pub(super) fn collect(&mut self, samples: &[i16]) -> usize {
        let count = samples.len().min(self.frame() - self.staged);
        self.stage[self.staged..self.staged + count].copy_from_slice(&samples[..count]);
        self.staged += count;
        count
    }

    /// Makes 20 ms of the line's rate, with silence for what is missing. Answers how many of them are sound: at the
    /// end of an utterance the resampler is emptied and no more.
    pub(super) fn process(&mut self, out: &mut [i16; LINE_FRAME]) -> usize {
        let frame = self.frame().max(1);
        let staged = std::mem::take(&mut self.staged);
        self.stage[staged..frame].fill(0);
        let Some(resampler) = self.resamplers.get_mut(self.selected) else { return 0 };
        let delay = resampler.kind.process(&self.stage[..frame], out);
        if !std::mem::replace(&mut self.begun, true) {
            self.owed += delay;
        }
        self.owed += staged * LINE_FRAME / frame;
        let sound = self.owed.min(LINE_FRAME);
        self.owed -= sound;
        sound
    }

    /// Forgets what was collected and what sounds on.
    pub(super) fn reset(&mut self) {
        self.staged = 0;
        self.owed = 0;
        if std::mem::take(&mut self.begun)
            && let Some(resampler) = self.resamplers.get_mut(self.selected)
        {
            resampler.kind.reset();
        }
    }

    fn rate(&self) -> u32 {
        self.resamplers.get(self.selected).map_or(0, |resampler| resampler.rate)
    }

    fn frame(&self) -> usize {
        (self.rate() / 50) as usize
    }
}

impl Kind {
    fn new(rate: u32) -> Option<Self> {
        match rate {
            LINE_RATE => Some(Kind::None),
            16_000 => Some(Kind::Half(Box::default())),
            _ => FrameResampler::new(rate, LINE_RATE).ok().map(|fft| Kind::Fft(Box::new(fft))),
        }
    }

    /// Answers the delay in samples of the line.
    fn process(&mut self, input: &[i16], out: &mut [i16; LINE_FRAME]) -> usize {
        match self {
            Kind::None => {
                let count = input.len().min(LINE_FRAME);
                out[..count].copy_from_slice(&input[..count]);
                0
            }
            Kind::Half(fir) => {
                if let Ok(input) = input.try_into() {
                    fir.process(input, out);
                }
                // 4 ms (see `Downsampler16To8`).
                32
            }
            Kind::Fft(fft) => {
                fft.process(input, out);
                fft.delay()
            }
        }
    }

    fn reset(&mut self) {
        match self {
            Kind::None => {}
            Kind::Half(fir) => **fir = Downsampler16To8::new(),
            // One frame of silence pushes the rest out: its memory is one chunk of at most 20 ms.
            Kind::Fft(fft) => fft.process(&[], &mut [0; LINE_FRAME]),
        }
    }
}
