//! The application behind the bridge: what it says, and the marks it asks about.

use offhook_audio::{Downsampler16To8, Frame};

use crate::live::LINE_FRAME;
use crate::{MediaEvent, Outputs};

/// Marks that may wait. More are answered at once, as dropped.
const MARKS: usize = 32;

/// The application's side of the matrix.
#[derive(Debug)]
pub(crate) struct Application {
    rate: u32,
    downsampler: Downsampler16To8,
    marks: [Option<Waiting>; MARKS],
    /// Frames of another rate than was settled.
    refused: u64,
}

/// A mark, and the position in the queue that reaches it.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    mark: u32,
    position: u64,
}

impl Application {
    pub(crate) fn new(rate: u32) -> Self {
        Application { rate, downsampler: Downsampler16To8::new(), marks: [None; MARKS], refused: 0 }
    }

    /// Samples per second, both ways.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Frames of another rate than was settled.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// A frame at the line's rate; `None` where its rate is not what was settled.
    pub(crate) fn take(&mut self, frame: &Frame) -> Option<[i16; LINE_FRAME]> {
        if frame.sample_rate() != self.rate {
            self.refused += 1;
            return None;
        }
        let mut line = [0; LINE_FRAME];
        match frame.samples().try_into() {
            Ok(wide) => self.downsampler.process(wide, &mut line),
            Err(_) => line.copy_from_slice(frame.samples()),
        }
        Some(line)
    }

    /// Tells when the caller has heard everything up to `position`.
    pub(crate) fn mark(&mut self, mark: u32, position: u64, outputs: &mut impl Outputs) {
        match self.marks.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(Waiting { mark, position }),
            None => outputs.event(MediaEvent::MarkReached { mark, played: false }),
        }
    }

    /// The caller has heard everything up to `position`.
    pub(crate) fn reached(&mut self, position: u64, outputs: &mut impl Outputs) {
        self.answer(|waiting| waiting.position <= position, true, outputs);
    }

    /// What waited was thrown away.
    pub(crate) fn cleared(&mut self, outputs: &mut impl Outputs) {
        self.answer(|_| true, false, outputs);
    }

    fn answer(&mut self, which: impl Fn(&Waiting) -> bool, played: bool, outputs: &mut impl Outputs) {
        // Places are filled from the front, but one may be free before one that waits: ask for the oldest each time.
        while let Some(oldest) = self
            .marks
            .iter_mut()
            .filter(|place| place.as_ref().is_some_and(&which))
            .min_by_key(|place| place.map_or(u64::MAX, |waiting| waiting.position))
        {
            if let Some(Waiting { mark, .. }) = oldest.take() {
                outputs.event(MediaEvent::MarkReached { mark, played });
            }
        }
    }
}
