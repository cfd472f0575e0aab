//! Changing the sample rate of a stream, 20 ms at a time, exact sizes, no allocation.
//!
//! [`Upsampler8To16`] and [`Downsampler16To8`] stand on the caller's way in, where decisions depend on the samples:
//! fixed order of every sum, no fused multiply-add, no choice by CPU. [`FrameResampler`] serves all other rates.

mod fft;
mod fir;
mod taps;

pub use fft::{FrameResampler, UnsupportedRate};
pub use fir::{Downsampler16To8, Upsampler8To16};
