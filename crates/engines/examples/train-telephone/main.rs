//! Makes `src/recognizers/features/telephone.bin`: how telephone audio becomes what the acoustic model expects.
//!
//!     cargo run --release -p offhook-engines --example train-telephone [-- FILE]
//!
//! Needs flite, espeak-ng and pocketsphinx-en-us (Debian 12); nobody's recorded speech. Takes some minutes.
//!
//! 1. Every voice says every text; each utterance is heard by a good microphone and over two telephone lines.
//! 2. The text is aligned with the wide-band cepstra: a senone for each frame.
//! 3. An affine map from the telephone's bands (with five frames to each side) to the wide-band cepstra, by least squares.
//! 4. The model's means move to the mapped frames of their senones, the more the more frames there are (MAP).

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool that engineers run")]

mod align;
mod chance;
mod corpus;
mod line;
mod model;
#[allow(dead_code, reason = "shared with the product")]
#[path = "../../src/recognizers/features/shape.rs"]
mod shape;
#[allow(dead_code, unreachable_pub, reason = "shared with the product")]
#[path = "../../src/recognizers/features/spectrum.rs"]
mod spectrum;
#[allow(dead_code, reason = "shared with the product")]
#[path = "../../src/recognizers/features/table.rs"]
mod table;
mod wide;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use chance::Chance;
use model::{Feature, Model, features};
use shape::{Bands, Line, Utterance};
use spectrum::{BANDS, Spectrum};
use table::{CONTEXT, DENSITIES, INPUTS, Table};

const NUMBERS: usize = offhook_pocketsphinx_ffi::CEPSTRUM;
type Cepstrum = [f32; NUMBERS];

/// Frames that the model's own mean weighs as much as.
const PRIOR: f32 = 50.0;
/// How often the shares of the densities are found anew with the moved means.
const ROUNDS: usize = 2;
/// Telephone lines that each utterance goes over.
const LINES: u64 = 2;

/// One utterance, ready to learn from.
struct Example {
    voice: usize,
    text: String,
    wide: Vec<Cepstrum>,
    lines: Vec<Utterance>,
    seed: u64,
}

fn main() {
    let target = std::env::args().nth(1).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("src/recognizers/features/telephone.bin"),
        PathBuf::from,
    );
    let folder = Path::new(offhook_pocketsphinx_ffi::MODEL_DIRECTORY);
    let mut model = Model::read(&folder.join("en-us"));
    let dictionary = std::fs::read_to_string(folder.join("cmudict-en-us.dict")).unwrap();
    let said = align::Pronunciations::read(&dictionary);

    let examples = spoken();
    let usual = usual_line(&examples);
    let voices = voice_means(&examples);
    println!(
        "{} utterances, {} frames",
        examples.len(),
        examples.iter().map(|e| e.wide.len()).sum::<usize>()
    );

    let learned = in_parallel(examples.len(), |n| {
        let example = &examples[n];
        let mean = &voices[example.voice];
        let wide: Vec<Cepstrum> =
            example.wide.iter().map(|frame| std::array::from_fn(|k| frame[k] - mean[k])).collect();
        let senones = align::align(&model, &said, &features(&wide), &example.text);
        (wide, senones, inputs(example, &usual))
    });
    println!("aligned");

    let estimate = least_squares(learned.iter().map(|(wide, _, lines)| (wide, lines)));
    println!("mapped");

    let original = model.means.clone();
    for round in 0..ROUNDS {
        let parts = in_parallel(2, |part| {
            let mut sums = Sums::new(original.len());
            for (_, senones, lines) in learned.iter().skip(part).step_by(2) {
                for bands in lines {
                    let mapped: Vec<Cepstrum> =
                        (0..bands.len()).map(|at| mapped(&estimate, &stacked(bands, at))).collect();
                    sums.add(&model, &features(&mapped), senones);
                }
            }
            sums
        });
        model.means = moved(&original, &parts);
        println!("moved the means, round {}", round + 1);
    }

    let (steps, moves) = quantized(&original, &model.means);
    let means = table::fingerprint(&model.file);
    let table = Table { usual, estimate, means, steps, moves };
    std::fs::write(&target, table::write(&table)).unwrap();
    println!("{}", target.display());
}

/// Every voice, every text, over every line.
fn spoken() -> Vec<Example> {
    let jobs: Vec<(usize, String, u64)> = (0..corpus::VOICES.len())
        .flat_map(|voice| {
            let texts = corpus::texts(&mut Chance::new(voice as u64));
            texts.into_iter().enumerate().map(move |(n, text)| (voice, text, (voice * 1_000 + n) as u64))
        })
        .collect();
    let scratch = std::env::temp_dir().join(format!("offhook-train-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).unwrap();
    let examples = in_parallel(jobs.len(), |n| {
        let (voice, text, seed) = &jobs[n];
        let speech = corpus::speak(&corpus::VOICES[*voice], text, &scratch.join(format!("{n}.wav")));
        std::fs::remove_file(scratch.join(format!("{n}.wav"))).unwrap();
        let wide = wide::cepstra(&line::microphone(&speech, &mut Chance::new(*seed)));
        let lines = (0..LINES)
            .map(|line| {
                let heard = line::telephone(&speech, &mut Chance::new(seed + 1_000_000 * (line + 1)));
                let mut frames = Vec::new();
                Spectrum::new().push(&heard, &mut frames);
                frames.truncate(wide.len());
                Utterance::new(&frames)
            })
            .collect();
        Example { voice: *voice, text: text.clone(), wide, lines, seed: *seed }
    });
    std::fs::remove_dir(&scratch).unwrap();
    examples
}

fn usual_line(examples: &[Example]) -> Bands {
    let mut sum = [0.0f64; BANDS];
    let mut total = 0.0;
    for line in examples.iter().flat_map(|example| &example.lines) {
        sum.iter_mut().zip(&line.shape).for_each(|(sum, log)| *sum += f64::from(log * line.speech));
        total += f64::from(line.speech);
    }
    sum.map(|sum| (sum / total) as f32)
}

/// The mean over all that a voice says: that of a single word would take its own sounds out.
fn voice_means(examples: &[Example]) -> Vec<Cepstrum> {
    let mut sums = vec![([0.0f64; NUMBERS], 0.0); corpus::VOICES.len()];
    for example in examples {
        let (sum, count) = &mut sums[example.voice];
        for frame in &example.wide {
            sum.iter_mut().zip(frame).for_each(|(sum, number)| *sum += f64::from(*number));
            *count += 1.0;
        }
    }
    sums.iter().map(|(sum, count)| sum.map(|sum| (sum / count) as f32)).collect()
}

/// The normalized bands of each line of an example. Lines are coloured at random; on some the call has gone on for long
/// enough to know that.
fn inputs(example: &Example, usual: &Bands) -> Vec<Vec<Bands>> {
    let lines = example.lines.iter().enumerate();
    lines
        .map(|(n, heard)| {
            let mut chance = Chance::new(example.seed + 7_000_000 * (n as u64 + 1));
            let waves: [f32; 3] = [0.5, 0.3, 0.2].map(|size| size * chance.normal());
            let colour: Bands = std::array::from_fn(|band| {
                let at = std::f32::consts::PI * (band as f32 + 0.5) / BANDS as f32;
                (1u8..).zip(waves).map(|(turns, size)| size * (f32::from(turns) * at).cos()).sum()
            });
            let add = |bands: &Bands| -> Bands { std::array::from_fn(|n| bands[n] + colour[n]) };
            let coloured = Utterance {
                logs: heard.logs.iter().map(add).collect(),
                shape: add(&heard.shape),
                speech: heard.speech,
            };
            let is_known = chance.part() < 0.4;
            coloured.normalized(&Line::usual(if is_known { add(usual) } else { *usual }))
        })
        .collect()
}

fn stacked(frames: &[Bands], at: usize) -> [f32; INPUTS] {
    let mut inputs = [0.0; INPUTS];
    for (place, bands) in inputs.chunks_exact_mut(BANDS).enumerate() {
        bands.copy_from_slice(&frames[(at + place).saturating_sub(CONTEXT).min(frames.len() - 1)]);
    }
    inputs
}

fn mapped(estimate: &[[f32; 1 + INPUTS]], inputs: &[f32; INPUTS]) -> Cepstrum {
    std::array::from_fn(|number| {
        let weights = &estimate[number];
        weights[0] + weights[1..].iter().zip(inputs).map(|(weight, input)| weight * input).sum::<f32>()
    })
}

/// Solves the normal equations by Gauss's elimination, a little regularized.
fn least_squares<'a>(
    examples: impl Iterator<Item = (&'a Vec<Cepstrum>, &'a Vec<Vec<Bands>>)>,
) -> Vec<[f32; 1 + INPUTS]> {
    const SIZE: usize = 1 + INPUTS;
    let mut matrix = vec![[0.0f64; SIZE]; SIZE];
    let mut right = vec![[0.0f64; NUMBERS]; SIZE];
    for (number, (wide, lines)) in examples.enumerate() {
        for bands in lines {
            // Sums of a few hundred frames in single precision are exact enough, and quick.
            let mut part = vec![[0.0f32; SIZE]; SIZE];
            let mut wanted = vec![[0.0f32; NUMBERS]; SIZE];
            for at in (number % 2..bands.len().min(wide.len())).step_by(2) {
                let mut row = [1.0; SIZE];
                row[1..].copy_from_slice(&stacked(bands, at));
                for (n, value) in row.iter().enumerate() {
                    part[n][n..].iter_mut().zip(&row[n..]).for_each(|(sum, other)| *sum += value * other);
                    wanted[n].iter_mut().zip(&wide[at]).for_each(|(sum, number)| *sum += value * number);
                }
            }
            for n in 0..SIZE {
                matrix[n].iter_mut().zip(&part[n]).for_each(|(sum, part)| *sum += f64::from(*part));
                right[n].iter_mut().zip(&wanted[n]).for_each(|(sum, part)| *sum += f64::from(*part));
            }
        }
    }
    for n in 0..SIZE {
        let (above, below) = matrix.split_at_mut(n);
        below[0].iter_mut().zip(above.iter()).for_each(|(mirrored, row)| *mirrored = row[n]);
        below[0][n] += 0.03;
    }
    for n in 0..SIZE {
        let (pivot, wanted) = (matrix[n], right[n]);
        for k in n + 1..SIZE {
            let factor = matrix[k][n] / pivot[n];
            matrix[k].iter_mut().zip(&pivot).for_each(|(value, pivot)| *value -= factor * pivot);
            right[k].iter_mut().zip(&wanted).for_each(|(value, wanted)| *value -= factor * wanted);
        }
    }
    let mut solved = vec![[0.0f64; NUMBERS]; SIZE];
    for n in (0..SIZE).rev() {
        let mut row = right[n];
        for k in n + 1..SIZE {
            row.iter_mut().zip(&solved[k]).for_each(|(value, known)| *value -= matrix[n][k] * known);
        }
        solved[n] = row.map(|value| value / matrix[n][n]);
    }
    (0..NUMBERS).map(|number| std::array::from_fn(|n| solved[n][number] as f32)).collect()
}

/// What the densities of the model explain of what was heard.
struct Sums {
    shares: Vec<f64>,
    heard: Vec<f64>,
}

impl Sums {
    fn new(means: usize) -> Sums {
        Sums { shares: vec![0.0; means / NUMBERS], heard: vec![0.0; means] }
    }

    fn add(&mut self, model: &Model, features: &[Feature], senones: &[usize]) {
        for (feature, senone) in features.iter().zip(senones) {
            let codebook = model.codebook(*senone);
            let (shares, _) = model.shares(&model.densities(feature, codebook), *senone);
            for (n, share) in shares.iter().enumerate().filter(|(_, share)| **share > 1e-4) {
                let density = codebook * shares.len() + n;
                self.shares[density] += f64::from(*share);
                let heard = &mut self.heard[density * NUMBERS..(density + 1) * NUMBERS];
                let numbers = heard.iter_mut().zip(&feature[n / DENSITIES]);
                numbers.for_each(|(sum, number)| *sum += f64::from(share * number));
            }
        }
    }
}

fn moved(original: &[f32], parts: &[Sums]) -> Vec<f32> {
    let number = |n: usize| {
        let heard: f64 = parts.iter().map(|part| part.heard[n]).sum();
        let shares: f64 = parts.iter().map(|part| part.shares[n / NUMBERS]).sum();
        ((f64::from(PRIOR * original[n]) + heard) / (f64::from(PRIOR) + shares)) as f32
    };
    (0..original.len()).map(number).collect()
}

fn quantized(original: &[f32], moved: &[f32]) -> ([f32; 3 * NUMBERS], Vec<i8>) {
    let mut steps = [0.0f32; 3 * NUMBERS];
    for (n, (from, to)) in original.iter().zip(moved).enumerate() {
        let step = &mut steps[table::step(n)];
        *step = step.max((to - from).abs() / 127.0);
    }
    let pairs = original.iter().zip(moved).enumerate();
    let moves = pairs.map(|(n, (from, to))| ((to - from) / steps[table::step(n)]).round() as i8);
    (steps, moves.collect())
}

/// `make(n)` for each n below `count`, in order, on all processors.
fn in_parallel<T: Send>(count: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let made = Mutex::new(Vec::with_capacity(count));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let result = make(n);
                    made.lock().unwrap().push((n, result));
                }
            });
        }
    });
    let mut made = made.into_inner().unwrap();
    made.sort_by_key(|(n, _)| *n);
    made.into_iter().map(|(_, result)| result).collect()
}
