//! Any pair of the rates that engines and codecs use, by `rubato`'s FFT resampler.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};
use thiserror::Error;

/// A rate that telephony and our engines do not use. Ours to configure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no resampler from {from} to {to} Hz: rates are 8000, 16000, 22050, 24000 and 48000")]
pub struct UnsupportedRate {
    /// The rate that was to be read, in Hz.
    pub from: u32,
    /// The rate that was to be written, in Hz.
    pub to: u32,
}

/// Resamples 20 ms at a time between 8, 16, 22.05, 24 and 48 kHz: 5 ms late, 10 ms where 22.05 kHz takes part, not at
/// all where both rates are the same.
#[derive(Debug)]
pub struct FrameResampler {
    from: u32,
    to: u32,
    fft: Option<Fft<f32>>,
}

/// Samples of 20 ms at 48 kHz.
const MAX_SAMPLES: usize = 960;

impl FrameResampler {
    /// Plans the transforms: allocates; [`Self::process`] does not.
    pub fn new(from: u32, to: u32) -> Result<Self, UnsupportedRate> {
        const RATES: [u32; 5] = [8_000, 16_000, 22_050, 24_000, 48_000];
        let unsupported = UnsupportedRate { from, to };
        if !RATES.contains(&from) || !RATES.contains(&to) {
            return Err(unsupported);
        }
        let fft = if from == to { None } else { Some(plan(from, to).ok_or(unsupported)?) };
        Ok(FrameResampler { from, to, fft })
    }

    /// Samples of one frame that [`Self::process`] reads.
    pub fn input_len(&self) -> usize {
        (self.from / 50) as usize
    }

    /// Samples of one frame that [`Self::process`] writes.
    pub fn output_len(&self) -> usize {
        (self.to / 50) as usize
    }

    /// How much later sound leaves than it came, in samples of the output rate.
    pub fn delay(&self) -> usize {
        self.fft.as_ref().map_or(0, Resampler::output_delay)
    }

    /// Takes 20 ms at the one rate, writes 20 ms at the other. Missing input counts as silence, longer is cut; what
    /// `output` has beyond 20 ms becomes silence.
    pub fn process(&mut self, input: &[i16], output: &mut [i16]) {
        let mut source = [0.0; MAX_SAMPLES];
        let mut sink = [0.0; MAX_SAMPLES];
        let taken = input.len().min(self.input_len());
        for (slot, sample) in source.iter_mut().zip(&input[..taken]) {
            *slot = f32::from(*sample);
        }
        let produced = self.output_len();
        match &mut self.fft {
            Some(fft) => run(fft, &source[..(self.from / 50) as usize], &mut sink[..produced]),
            None => sink = source,
        }
        output.fill(0);
        for (slot, value) in output.iter_mut().zip(&sink[..produced]) {
            *slot = (if *value < 0.0 { value - 0.5 } else { value + 0.5 }) as i16;
        }
    }
}

/// 22.05 kHz has no whole number of samples in 10 ms: there the chunk is the frame. Otherwise it is 10 ms, because the
/// delay is half a chunk. Hann² keeps 3.4 kHz flat at that length, the default window does not.
fn plan(from: u32, to: u32) -> Option<Fft<f32>> {
    let per_second = if from.is_multiple_of(100) && to.is_multiple_of(100) { 100 } else { 50 };
    let chunk = (from / per_second) as usize;
    let (from, to) = (from as usize, to as usize);
    Fft::new_custom(from, to, chunk, 1, 1, WindowFunction::Hann2, FixedSync::Both).ok()
}

/// Feeds `source` chunk by chunk. Sizes are exact by construction; were they not, the frame would be silent.
fn run(fft: &mut Fft<f32>, source: &[f32], sink: &mut [f32]) {
    let (takes, gives) = (fft.input_frames_next(), fft.output_frames_next());
    for (source, sink) in source.chunks_exact(takes).zip(sink.chunks_exact_mut(gives)) {
        let gives = sink.len();
        let (Ok(source), Ok(mut sink)) =
            (InterleavedSlice::new(source, 1, takes), InterleavedSlice::new_mut(sink, 1, gives))
        else {
            return;
        };
        if fft.process_into_buffer(&source, &mut sink, None).is_err() {
            return;
        }
    }
}
