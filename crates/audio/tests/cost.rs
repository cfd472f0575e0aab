//! What one frame costs: `cargo test --release -p offhook-audio --test cost -- --ignored --nocapture`.
#![allow(clippy::print_stdout, reason = "the figures are the point")]
#![allow(clippy::unwrap_used, clippy::disallowed_types, reason = "a stopwatch beside the pure code")]

use std::hint::black_box;
use std::time::Instant;

use offhook_audio::tones::{DtmfDetector, Noise};
use offhook_audio::{
    Downsampler16To8, Frame, FrameResampler, G711, Periodicity, Upsampler8To16, VoiceActivity,
};

#[test]
#[ignore = "a measurement of a release build, not a check"]
fn microseconds_per_frame() {
    let (mut narrow, mut wide, mut codes, mut any) = ([0; 160], [0; 320], [0; 160], [0; 960]);
    Noise::with_level(1, -20.0).fill(&mut narrow);
    Noise::with_level(2, -20.0).fill(&mut wide);
    let (input, wide_input, frame) = (narrow, wide, Frame::from_samples(&wide));

    measure("G.711 encode and decode", || {
        G711::ALaw.encode(black_box(&input), &mut codes);
        G711::ALaw.decode(&codes, &mut narrow);
    });
    let mut up = Upsampler8To16::new();
    measure("FIR 8 to 16 kHz", || up.process(black_box(&input), &mut wide));
    let mut down = Downsampler16To8::new();
    measure("FIR 16 to 8 kHz", || down.process(black_box(&wide_input), &mut narrow));
    for (from, to) in [(16_000, 8_000), (8_000, 16_000), (22_050, 8_000), (24_000, 8_000), (48_000, 16_000)] {
        let mut resampler = FrameResampler::new(from, to).unwrap();
        let source = vec![1_000; resampler.input_len()];
        let gives = resampler.output_len();
        measure(&format!("FFT {from} to {to}"), || resampler.process(black_box(&source), &mut any[..gives]));
    }
    let mut periodicity = Periodicity::new();
    measure("periodicity", || {
        black_box(periodicity.push(black_box(&frame)));
    });
    let mut vad = VoiceActivity::new();
    measure("voice activity, periodicity included", || {
        black_box(vad.push(black_box(&frame)));
    });
    let mut digits = DtmfDetector::new();
    measure("DTMF detector", || {
        black_box(digits.push(black_box(&input)));
    });
}

/// Prints the median of many runs.
fn measure(title: &str, mut run: impl FnMut()) {
    let mut nanos: Vec<u128> = (0..4_000)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_nanos()
        })
        .collect();
    nanos.sort_unstable();
    println!("{title}: {:.2} µs", nanos[nanos.len() / 2] as f64 / 1_000.0);
}
