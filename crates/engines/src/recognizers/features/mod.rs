//! From telephone audio to what the acoustic model expects.
//!
//! The model was trained on people before wide-band microphones; a telephone carries 300-3400 Hz. So the cepstra that
//! the model wants are estimated from the bands that a telephone carries, frame by frame with their neighbours, and the
//! means of the model are moved to where such estimates of several voices fall. Both come from `telephone.bin`, which
//! `examples/train-telephone` makes.

mod shape;
mod spectrum;
mod table;

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use offhook_pocketsphinx_ffi::CEPSTRUM;

pub(super) use shape::Line;
use shape::{Bands, Utterance};
use spectrum::{BANDS, Energies, Spectrum};
use table::{CONTEXT, INPUTS, Table};

const TABLE: &[u8] = include_bytes!("telephone.bin");

/// What is quieter than the loudest frame by this factor is no speech any more.
const SPEECH: f32 = 1e-3;

/// One cepstral vector.
pub(super) type Cepstrum = [f32; CEPSTRUM];

/// The estimate; one for all calls.
pub(super) struct Telephone {
    table: Table,
}

impl Telephone {
    /// None where the table is broken.
    pub(super) fn load() -> Option<Telephone> {
        Some(Telephone { table: Table::read(TABLE)? })
    }

    /// What is known of a line before its first word.
    pub(super) fn unknown_line(&self) -> Line {
        Line::usual(self.table.usual)
    }

    /// The means of the model in `folder`, moved, as a file in memory; none where the model is another one than the
    /// table was made for. The file lives as long as what is returned; its path is [`path_of`].
    pub(super) fn moved_means(&self, folder: &Path) -> std::io::Result<Option<OwnedFd>> {
        let bytes = std::fs::read(folder.join("means"))?;
        let moved = table::read_s3(&bytes).and_then(|(shape, means)| {
            let moved = self.table.moved(&means, table::fingerprint(&bytes))?;
            // Without a checksum in the header none is expected at the end.
            let mut file = b"s3\nversion 1.0\nendhdr\n".to_vec();
            file.extend(shape);
            file.extend(moved.iter().flat_map(|number| number.to_le_bytes()));
            Some(file)
        });
        let Some(moved) = moved else { return Ok(None) };
        let file = rustix::fs::memfd_create("means", rustix::fs::MemfdFlags::CLOEXEC)?;
        let mut file = std::fs::File::from(file);
        file.write_all(&moved)?;
        Ok(Some(file.into()))
    }

    /// The vectors of an utterance, ready for a decoder that normalizes nothing.
    pub(super) fn cepstra(&self, heard: &Heard, line: &Line) -> Vec<Cepstrum> {
        let frames = Utterance::new(&heard.frames).normalized(line);
        (0..frames.len()).map(|at| self.cepstrum(&frames, at)).collect()
    }

    fn cepstrum(&self, frames: &[Bands], at: usize) -> Cepstrum {
        let mut inputs = [0.0; INPUTS];
        for (place, bands) in inputs.chunks_exact_mut(BANDS).enumerate() {
            let neighbour = (at + place).saturating_sub(CONTEXT).min(frames.len() - 1);
            bands.copy_from_slice(&frames[neighbour]);
        }
        std::array::from_fn(|number| estimate(&self.table.estimate[number], &inputs))
    }
}

fn estimate(weights: &[f32; 1 + INPUTS], inputs: &[f32; INPUTS]) -> f32 {
    let (offset, weights) = (weights[0], &weights[1..]);
    // Several sums at once, so that the compiler may use wide registers.
    let mut sums = [0.0f32; 8];
    for (weights, inputs) in weights.chunks_exact(8).zip(inputs.chunks_exact(8)) {
        for ((sum, weight), input) in sums.iter_mut().zip(weights).zip(inputs) {
            *sum += weight * input;
        }
    }
    offset + sums.iter().sum::<f32>()
}

/// How a file in memory is named for a library that opens files.
pub(super) fn path_of(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// The audio of one utterance so far.
pub(super) struct Heard {
    spectrum: Spectrum,
    frames: Vec<Energies>,
    loudest: f32,
    end: usize,
}

impl Heard {
    pub(super) fn new() -> Heard {
        Heard { spectrum: Spectrum::new(), frames: Vec::new(), loudest: 0.0, end: 0 }
    }

    pub(super) fn push(&mut self, samples: &[i16]) {
        let before = self.frames.len();
        self.spectrum.push(samples, &mut self.frames);
        for (n, frame) in self.frames.iter().enumerate().skip(before) {
            let energy: f32 = frame.iter().sum();
            self.loudest = self.loudest.max(energy);
            if energy > self.loudest * SPEECH {
                self.end = n + 1;
            }
        }
    }

    /// Frames of 10 ms.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// The frame after the last that is less than 30 dB below the loudest; 0 while all is silent.
    pub(super) fn end_of_speech(&self) -> usize {
        self.end
    }

    /// Teaches the line what this utterance says about it.
    pub(super) fn teach(&self, line: &mut Line) {
        line.learn(&Utterance::new(&self.frames));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_table_is_whole_and_fits_the_model_that_debian_ships() {
        let telephone = Telephone::load().unwrap();
        let folder = Path::new(offhook_pocketsphinx_ffi::MODEL_DIRECTORY).join("en-us");

        assert!(telephone.table.estimate.iter().flatten().all(|weight| weight.is_finite()));
        if folder.exists() {
            let file = telephone.moved_means(&folder).unwrap().unwrap();
            let original = std::fs::metadata(folder.join("means")).unwrap().len();
            let moved = std::fs::metadata(path_of(&file)).unwrap().len();
            assert!(original.abs_diff(moved) < 100, "{original} {moved}");
        }
    }

    #[test]
    fn an_utterance_of_any_length_has_a_vector_for_each_frame() {
        let telephone = Telephone::load().unwrap();
        for samples in [0, 410, 1_000, 16_000] {
            let mut heard = Heard::new();
            heard.push(&vec![100; samples]);

            let cepstra = telephone.cepstra(&heard, &telephone.unknown_line());

            assert_eq!(cepstra.len(), heard.len());
            assert!(cepstra.iter().flatten().all(|number| number.is_finite()));
        }
    }
}
