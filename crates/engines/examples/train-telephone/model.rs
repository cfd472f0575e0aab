//! The acoustic model of Debian's `pocketsphinx-en-us`, read for training.
//!
//! 42 phones have a codebook of 128 densities in each of three streams (cepstra, their first and second differences);
//! a senone is a third of a phone in its context and mixes the densities of its phone's codebook.

use std::collections::BTreeMap;
use std::path::Path;

use crate::table::{DENSITIES, read_s3};
use crate::{Cepstrum, NUMBERS};

/// Cepstra, their first and their second differences.
pub(crate) type Feature = [Cepstrum; 3];

const STREAMS: usize = 3;

pub(crate) struct Model {
    /// As the file has them: codebook, stream, density, number.
    pub(crate) means: Vec<f32>,
    /// One over the variance.
    sharpness: Vec<f32>,
    /// What each density adds whatever is heard.
    constants: Vec<f32>,
    /// Logarithms of the weights: stream, density, senone.
    weights: Vec<Vec<f32>>,
    senones: usize,
    codebook_of: Vec<usize>,
    /// Senones of a phone without context, and of one between two others at a place of its word.
    alone: BTreeMap<String, [usize; 3]>,
    between: BTreeMap<(String, String, String, char), [usize; 3]>,
    pub(crate) file: Vec<u8>,
}

impl Model {
    pub(crate) fn read(folder: &Path) -> Model {
        let file = std::fs::read(folder.join("means")).unwrap();
        let (_, means) = read_s3(&file).unwrap();
        let variances = std::fs::read(folder.join("variances")).unwrap();
        let (_, variances) = read_s3(&variances).unwrap();
        let variances: Vec<f32> = variances.iter().map(|variance| variance.max(1e-4)).collect();
        let constants = variances.chunks_exact(NUMBERS);
        let constants = constants
            .map(|part| part.iter().map(|v| -0.5 * (2.0 * std::f32::consts::PI * v).ln()).sum())
            .collect();
        let mut model = Model {
            means,
            sharpness: variances.iter().map(|variance| 1.0 / variance).collect(),
            constants,
            weights: Vec::new(),
            senones: 0,
            codebook_of: Vec::new(),
            alone: BTreeMap::new(),
            between: BTreeMap::new(),
            file,
        };
        model.read_definitions(&std::fs::read(folder.join("mdef")).unwrap());
        model.read_weights(&std::fs::read(folder.join("sendump")).unwrap());
        model
    }

    /// bin_mdef: a header of text, counts, names, then a tree of contexts and the senones of each.
    fn read_definitions(&mut self, bytes: &[u8]) {
        let int = |at: usize| i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let counts = 12 + int(8);
        let [phones, all, emitting, alone, senones, _, sequences, _, nodes, _] =
            std::array::from_fn(|n| int(counts + 4 * n));
        assert_eq!(emitting, 3);
        self.senones = senones;
        let first = counts + 40;
        let mut at = first;
        let mut names = Vec::new();
        for _ in 0..phones {
            let end = at + bytes[at..].iter().position(|byte| *byte == 0).unwrap();
            names.push(String::from_utf8(bytes[at..end].to_vec()).unwrap());
            at = end + 1;
        }
        at = first + (at - first).div_ceil(4) * 4 + nodes * 8;
        let entries = at;
        let sequence = entries + all * 12 + 4;
        let ids = |number: usize| -> [usize; 3] {
            std::array::from_fn(|n| {
                let at = sequence + 2 * (3 * number + n);
                usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
            })
        };
        assert_eq!(int(sequence - 4), sequences * 3);
        self.codebook_of = vec![usize::MAX; senones];
        for number in 0..all {
            let entry = entries + 12 * number;
            let three = ids(int(entry));
            // Whether a filler for phones without context; place in the word, phone, left and right for others.
            let context = &bytes[entry + 8..entry + 12];
            let phone = if number < phones { number } else { usize::from(context[1]) };
            three.iter().for_each(|senone| self.codebook_of[*senone] = phone);
            if number < phones {
                self.alone.insert(names[phone].clone(), three);
            } else {
                let name = |n: usize| names[usize::from(context[n])].clone();
                let place = ['i', 'b', 'e', 's'][usize::from(context[0])];
                self.between.insert((name(1), name(2), name(3), place), three);
            }
        }
        assert_eq!(self.codebook_of[..alone].iter().max(), Some(&(phones - 1)));
    }

    fn read_weights(&mut self, bytes: &[u8]) {
        let mut start = (DENSITIES as i32).to_le_bytes().to_vec();
        start.extend((self.senones as i32).to_le_bytes());
        let from = bytes.windows(8).position(|part| part == start).unwrap() + 8;
        let mut rows = bytes[from..].chunks_exact(self.senones);
        for _ in 0..STREAMS * DENSITIES {
            // Logarithms to the base 1.0001, negative, of which ten bits were cut off.
            let row = rows.next().unwrap().iter();
            self.weights.push(row.map(|part| -f32::from(*part) * 1024.0 * 1.0001f32.ln()).collect());
        }
    }

    pub(crate) fn codebook(&self, senone: usize) -> usize {
        self.codebook_of[senone]
    }

    pub(crate) fn alone(&self, phone: &str) -> [usize; 3] {
        self.alone[phone]
    }

    /// The senones of a phone in its context, or of one at another place of the word, or without context.
    pub(crate) fn between(&self, phone: &str, left: &str, right: &str, place: char) -> [usize; 3] {
        let find = |place| self.between.get(&(phone.to_owned(), left.to_owned(), right.to_owned(), place));
        [place, 'b', 'e', 'i', 's'].into_iter().find_map(find).copied().unwrap_or(self.alone[phone])
    }

    /// Logarithms of the densities of a codebook, one stream after another.
    pub(crate) fn densities(&self, feature: &Feature, codebook: usize) -> Vec<f32> {
        let each = 0..STREAMS * DENSITIES;
        each.map(|n| {
            let density = codebook * STREAMS * DENSITIES + n;
            let at = density * NUMBERS..(density + 1) * NUMBERS;
            let parts = self.means[at.clone()].iter().zip(&self.sharpness[at]).zip(&feature[n / DENSITIES]);
            let distance: f32 = parts.map(|((mean, sharpness), x)| (x - mean) * (x - mean) * sharpness).sum();
            self.constants[density] - 0.5 * distance
        })
        .collect()
    }

    /// Each density's share of what a senone explains, stream by stream, and the logarithm of the whole.
    pub(crate) fn shares(&self, densities: &[f32], senone: usize) -> (Vec<f32>, f32) {
        let mut shares: Vec<f32> =
            densities.iter().zip(&self.weights).map(|(density, weights)| density + weights[senone]).collect();
        let mut total = 0.0;
        for stream in shares.chunks_exact_mut(DENSITIES) {
            let top = stream.iter().copied().fold(f32::MIN, f32::max);
            let mut sum = 0.0;
            for share in &mut *stream {
                // What is so far below adds nothing.
                *share = if *share - top < -20.0 { 0.0 } else { (*share - top).exp() };
                sum += *share;
            }
            stream.iter_mut().for_each(|share| *share /= sum);
            total += top + sum.ln();
        }
        (shares, total)
    }
}

/// Differences over two frames to each side, and differences of differences.
pub(crate) fn features(cepstra: &[Cepstrum]) -> Vec<Feature> {
    let last = cepstra.len() as i64 - 1;
    let at = |n: i64| &cepstra[n.clamp(0, last) as usize];
    let minus = |a: &Cepstrum, b: &Cepstrum| -> Cepstrum { std::array::from_fn(|n| a[n] - b[n]) };
    (0..=last)
        .map(|n| {
            let later = minus(at(n + 3), at(n - 1));
            let sooner = minus(at(n + 1), at(n - 3));
            [*at(n), minus(at(n + 2), at(n - 2)), minus(&later, &sooner)]
        })
        .collect()
}
