//! The front end that the model was trained with (`feat.params`): 25 bands from 130 to 6800 Hz, 13 cepstra, liftered.

use crate::spectrum::{Bank, Spectrum};
use crate::{Cepstrum, NUMBERS};

const BANDS: usize = 25;
const LIFTER: f32 = 22.0;

pub(crate) fn cepstra(samples: &[f32]) -> Vec<Cepstrum> {
    let samples: Vec<i16> = samples.iter().map(|sample| *sample as i16).collect();
    let mut frames: Vec<[f32; BANDS]> = Vec::new();
    Spectrum::with_bank(Bank::new(130.0, 6_800.0)).push(&samples, &mut frames);
    frames.iter().map(cepstrum).collect()
}

fn cepstrum(energies: &[f32; BANDS]) -> Cepstrum {
    let logs = energies.map(|energy| (energy + 1e-4).ln());
    std::array::from_fn(|number| {
        let turn = std::f32::consts::PI * number as f32;
        let cosine = |n: usize| (turn * (n as f32 + 0.5) / BANDS as f32).cos();
        let sum: f32 = logs.iter().enumerate().map(|(n, log)| log * cosine(n)).sum();
        let scale = (if number == 0 { 1.0 } else { 2.0 } / BANDS as f32).sqrt();
        sum * scale * (1.0 + LIFTER / 2.0 * (turn / LIFTER).sin())
    })
}

const _: () = assert!(NUMBERS <= BANDS);
