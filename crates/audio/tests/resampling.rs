//! What the resamplers promise: exact sizes, short delay, a flat telephone band, no aliases.
#![allow(clippy::print_stdout, reason = "the figures are the point")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::f64::consts::PI;

use offhook_audio::{Downsampler16To8, FrameResampler, UnsupportedRate, Upsampler8To16};

const RATES: [u32; 5] = [8_000, 16_000, 22_050, 24_000, 48_000];

/// Amplitude of the tones: the louder, the less 16-bit rounding counts.
const LOUD: f64 = 30_000.0;

/// One of the resamplers, 20 ms at a time.
type Process = Box<dyn FnMut(&[i16], &mut [i16])>;

struct Case {
    name: String,
    from: u32,
    to: u32,
    /// Milliseconds.
    delay: f64,
    make: Box<dyn Fn() -> Process>,
}

#[test]
fn the_delay_is_4_ms_by_fir_5_by_fft_and_10_where_22050_takes_part() {
    for case in cases() {
        // A burst of 1 kHz in the middle of 200 ms of silence; its energy keeps its centre.
        let burst = |n: usize| {
            let t = n as f64 / f64::from(case.from) - 0.1;
            12_000.0 * (-(t / 0.006).powi(2)).exp() * (2.0 * PI * 1_000.0 * t).sin()
        };

        let output = run(&case, 15, burst);

        let energy: f64 = output.iter().map(|sample| sample * sample).sum();
        let centre: f64 = output.iter().enumerate().map(|(n, sample)| n as f64 * sample * sample).sum();
        let delay = (centre / energy / f64::from(case.to) - 0.1) * 1_000.0;
        println!("{}: delay {delay:.2} ms", case.name);
        assert!((delay - case.delay).abs() < 0.07, "{}: {delay}", case.name);
    }
}

#[test]
fn the_telephone_band_is_flat_to_3400_hz() {
    for case in cases() {
        for frequency in [300.0, 1_000.0, 2_000.0, 3_000.0, 3_400.0] {
            let output = run(&case, 30, tone(frequency, case.from));

            let gain = decibels(amplitude(&settled(&output), frequency, case.to) / LOUD);
            assert!(gain.abs() < 0.2, "{} at {frequency} Hz: {gain} dB", case.name);
        }
    }
}

#[test]
fn nothing_appears_that_was_not_there() {
    for case in cases() {
        let (narrow, wide) =
            (f64::from(case.from.min(case.to)) / 2.0, f64::from(case.from.max(case.to)) / 2.0);
        let (mut worst, mut at) = (f64::MIN, 0.0);
        // Up: the images above the old band. Down: what would fold back into the telephone band.
        for step in 0..12 {
            let (frequency, image) = if case.from < case.to {
                let frequency = 303.7 + 3_096.3 * f64::from(step) / 11.0;
                (frequency, f64::from(case.from) - frequency)
            } else {
                let folded = 303.7 + 3_096.3 * f64::from(step) / 11.0;
                (2.0 * narrow - folded, folded)
            };
            if frequency < wide && image < f64::from(case.to) / 2.0 {
                let output = run(&case, 30, tone(frequency, case.from));
                let level = decibels(amplitude(&settled(&output), image, case.to) / LOUD);
                if level > worst {
                    (worst, at) = (level, frequency);
                }
            }
        }
        if worst == f64::MIN {
            // All images lie above what the output can hold, or nothing folds back.
            continue;
        }
        println!("{}: worst alias {worst:.1} dB, of {at:.0} Hz", case.name);
        assert!(worst < -88.0, "{}: {worst}", case.name);
    }
}

#[test]
fn every_pair_of_rates_takes_and_gives_exactly_20_ms() {
    for from in RATES {
        for to in RATES {
            let mut resampler = FrameResampler::new(from, to).unwrap();
            assert_eq!(
                (resampler.input_len(), resampler.output_len()),
                (from as usize / 50, to as usize / 50)
            );

            let frames = 50;
            let input = vec![1_000; resampler.input_len()];
            let mut output = vec![7; resampler.output_len()];
            (0..frames).for_each(|_| resampler.process(&input, &mut output));

            assert!(
                output.iter().all(|sample| (i32::from(*sample) - 1_000).abs() <= 1),
                "{from} to {to}: {output:?}"
            );
        }
    }
}

#[test]
fn equal_rates_pass_samples_through_untouched() {
    let mut resampler = FrameResampler::new(16_000, 16_000).unwrap();
    let input: Vec<i16> = (0..320).map(|n| (n * 200 - 32_000) as i16).collect();
    let mut output = vec![0; 320];

    resampler.process(&input, &mut output);

    assert_eq!(output, input);
    assert_eq!(resampler.delay(), 0);
}

#[test]
fn missing_input_is_silence_and_surplus_output_too() {
    let mut resampler = FrameResampler::new(8_000, 8_000).unwrap();
    let mut output = [9; 170];

    resampler.process(&[5; 100], &mut output);

    assert_eq!((output[..100].to_vec(), output[100..].to_vec()), (vec![5; 100], vec![0; 70]));
}

#[test]
fn other_rates_are_refused() {
    assert_eq!(FrameResampler::new(44_100, 8_000).unwrap_err(), UnsupportedRate { from: 44_100, to: 8_000 });
    assert!(FrameResampler::new(8_000, 11_025).is_err());
}

#[test]
fn full_scale_clips_instead_of_wrapping() {
    let square = |n: usize| if (n / 20).is_multiple_of(2) { 32_767.0 } else { -32_768.0 };
    for case in cases() {
        let output = run(&case, 10, square);

        let period = case.to as usize / (case.from as usize / 40).max(1);
        let jumps = output.windows(2).filter(|pair| (pair[1] - pair[0]).abs() > 50_000.0).count();
        assert!(jumps <= output.len() * 2 / period.max(1), "{}: {jumps}", case.name);
        assert!(output.contains(&32_767.0) || output.iter().any(|sample| *sample > 32_000.0));
    }
}

fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case {
            name: "FIR 8000 to 16000".into(),
            from: 8_000,
            to: 16_000,
            delay: 4.0,
            make: Box::new(|| {
                let mut fir = Upsampler8To16::new();
                Box::new(move |input, output| {
                    fir.process(input.try_into().unwrap(), output.try_into().unwrap())
                })
            }),
        },
        Case {
            name: "FIR 16000 to 8000".into(),
            from: 16_000,
            to: 8_000,
            delay: 4.0,
            make: Box::new(|| {
                let mut fir = Downsampler16To8::new();
                Box::new(move |input, output| {
                    fir.process(input.try_into().unwrap(), output.try_into().unwrap())
                })
            }),
        },
    ];
    for from in RATES {
        for to in RATES.into_iter().filter(|to| *to != from) {
            let delay = if from == 22_050 || to == 22_050 { 10.0 } else { 5.0 };
            let make: Box<dyn Fn() -> Process> = Box::new(move || {
                let mut resampler = FrameResampler::new(from, to).unwrap();
                Box::new(move |input, output| resampler.process(input, output))
            });
            cases.push(Case { name: format!("FFT {from} to {to}"), from, to, delay, make });
        }
    }
    cases
}

fn run(case: &Case, frames: usize, signal: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut process = (case.make)();
    let (takes, gives) = (case.from as usize / 50, case.to as usize / 50);
    let mut output = vec![0; gives];
    let frames = (0..frames).flat_map(|frame| {
        let input: Vec<i16> = (0..takes).map(|n| signal(frame * takes + n).round() as i16).collect();
        process(&input, &mut output);
        output.iter().map(|sample| f64::from(*sample)).collect::<Vec<_>>()
    });
    frames.collect()
}

fn tone(frequency: f64, rate: u32) -> impl Fn(usize) -> f64 {
    move |n| LOUD * (2.0 * PI * frequency * n as f64 / f64::from(rate)).sin()
}

/// The output without its first 100 ms.
fn settled(output: &[f64]) -> Vec<f64> {
    output[output.len() / 6..].to_vec()
}

/// Amplitude of one frequency, by a Fourier sum under a Blackman-Harris window (its side lobes lie at -92 dB).
fn amplitude(signal: &[f64], frequency: f64, rate: u32) -> f64 {
    let (mut re, mut im, mut weight) = (0.0, 0.0, 0.0);
    for (n, sample) in signal.iter().enumerate() {
        let turn = 2.0 * PI * n as f64 / signal.len() as f64;
        let window =
            0.358_75 - 0.488_29 * turn.cos() + 0.141_28 * (2.0 * turn).cos() - 0.011_68 * (3.0 * turn).cos();
        let angle = 2.0 * PI * frequency * n as f64 / f64::from(rate);
        re += window * sample * angle.cos();
        im -= window * sample * angle.sin();
        weight += window;
    }
    2.0 * re.hypot(im) / weight
}

fn decibels(ratio: f64) -> f64 {
    20.0 * ratio.max(1e-9).log10()
}
