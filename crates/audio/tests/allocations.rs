//! Nothing allocates after its constructor, and what a constructor takes stays within a call's budget.
#![allow(unsafe_code, reason = "a global allocator cannot be counted without it; test only")]
#![allow(clippy::print_stdout, reason = "the figures are the point")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use offhook_audio::gain::GainRamp;
use offhook_audio::tones::{DtmfDetector, DtmfGenerator, Noise};
use offhook_audio::{
    Downsampler16To8, EndpointConfig, Endpointer, Frame, FrameResampler, G711, Upsampler8To16, VoiceActivity,
};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system allocator unchanged; counting touches only constant-initialised thread locals.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        BYTES.set(BYTES.get() + layout.size() as isize);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.set(BYTES.get() - layout.size() as isize);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_call_of_ten_seconds_allocates_nothing() {
    let mut up = Upsampler8To16::new();
    let mut down = Downsampler16To8::new();
    let mut vad = VoiceActivity::new();
    let mut endpointer = Endpointer::new(EndpointConfig::default());
    let mut ramp = GainRamp::new(1.0);
    let mut tones = DtmfGenerator::new('5', 8_000).unwrap();
    let mut digits = DtmfDetector::new();
    let rates = [8_000, 16_000, 22_050, 24_000, 48_000];
    let mut resamplers: Vec<FrameResampler> =
        rates.iter().flat_map(|from| rates.map(|to| FrameResampler::new(*from, to).unwrap())).collect();
    let mut noise = Noise::with_level(1, -20.0);
    let before = ALLOCATIONS.get();

    let (mut narrow, mut wide, mut codes, mut any) = ([0; 160], [0; 320], [0; 160], [0; 960]);
    let mut seen = 0;
    for n in 0..500 {
        match n / 50 % 3 {
            0 => noise.fill(&mut narrow),
            1 => tones.fill(&mut narrow),
            _ => narrow.fill(0),
        }
        let law = if n % 2 == 0 { G711::ALaw } else { G711::MuLaw };
        law.encode(&narrow, &mut codes);
        law.decode(&codes, &mut narrow);
        seen += usize::from(digits.push(&narrow).is_some());
        up.process(&narrow, &mut wide);
        let frame = Frame::from_samples(&wide);
        seen += usize::from(endpointer.push(&frame, &vad.push(&frame)).is_some());
        ramp.move_to((n % 3) as f32 / 2.0, 160);
        ramp.apply(&mut wide);
        down.process(&wide, &mut narrow);
        for resampler in &mut resamplers {
            let takes = resampler.input_len();
            let gives = resampler.output_len();
            resampler.process(&wide[..takes.min(320)], &mut any[..gives]);
        }
    }

    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert!(seen > 3, "the machines were at work: {seen}");
}

#[test]
fn the_state_of_a_call_is_small() {
    let vad = bytes(VoiceActivity::new);
    let endpointer = bytes(|| Endpointer::new(EndpointConfig::default()));
    let firs = bytes(Upsampler8To16::new) + bytes(Downsampler16To8::new);
    println!("voice activity {vad}, endpointer {endpointer}, both FIR resamplers {firs} bytes");
    assert!(vad + endpointer + firs < 16 * 1024, "{vad} {endpointer} {firs}");

    for (from, to) in
        [(16_000, 8_000), (8_000, 16_000), (22_050, 8_000), (24_000, 8_000), (48_000, 8_000), (8_000, 48_000)]
    {
        let size = bytes(|| FrameResampler::new(from, to).unwrap());
        println!("resampler {from} to {to}: {size} bytes");
        assert!(size < 64 * 1024, "{from} to {to}: {size}");
    }
}

/// What a value takes with all that it owns.
fn bytes<T>(make: impl FnOnce() -> T) -> isize {
    let before = BYTES.get();
    let value = make();
    let size = BYTES.get() - before + size_of::<T>() as isize;
    drop(value);
    size
}
