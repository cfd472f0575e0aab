//! What `examples/train-telephone` found: the file `telephone.bin`.

use offhook_pocketsphinx_ffi::CEPSTRUM;

use super::shape::Bands;
use super::spectrum::BANDS;

/// Frames to each side that a cepstral vector is estimated from.
pub(super) const CONTEXT: usize = 5;
/// Inputs of the estimate.
pub(super) const INPUTS: usize = (2 * CONTEXT + 1) * BANDS;
const MAGIC: &[u8; 8] = b"offhook1";
/// Numbers of the acoustic model that share a step of quantization.
const STEPS: usize = 3 * CEPSTRUM;

/// An affine estimate of what a wide band would have sounded like, and how the means of the model move towards it.
pub(super) struct Table {
    pub(super) usual: Bands,
    /// For each number of a cepstral vector: its offset, then a weight for each input.
    pub(super) estimate: Vec<[f32; 1 + INPUTS]>,
    /// Fingerprint of the file of means that the moves belong to.
    pub(super) means: u64,
    pub(super) steps: [f32; STEPS],
    /// One for each number of the file, in its order.
    pub(super) moves: Vec<i8>,
}

impl Table {
    pub(super) fn read(bytes: &[u8]) -> Option<Table> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let means = u64::from_le_bytes(take(&mut rest)?);
        let mut number = || Some(f32::from_le_bytes(take(&mut rest)?));
        let mut usual = [0.0; BANDS];
        for value in &mut usual {
            *value = number()?;
        }
        let mut estimate = vec![[0.0; 1 + INPUTS]; CEPSTRUM];
        for value in estimate.iter_mut().flatten() {
            *value = number()?;
        }
        let mut steps = [0.0; STEPS];
        for value in &mut steps {
            *value = number()?;
        }
        Some(Table { usual, estimate, means, steps, moves: rest.iter().map(|byte| *byte as i8).collect() })
    }

    /// The numbers of the model's means, moved. None where they are not those that the table was made for.
    pub(super) fn moved(&self, means: &[f32], fingerprint: u64) -> Option<Vec<f32>> {
        (fingerprint == self.means && means.len() == self.moves.len()).then(|| {
            let number = |n: usize| means[n] + f32::from(self.moves[n]) * self.steps[step(n)];
            (0..means.len()).map(number).collect()
        })
    }
}

/// Which step of quantization the number at `n` of the file of means has.
pub(super) fn step(n: usize) -> usize {
    let (density, number) = (n / CEPSTRUM, n % CEPSTRUM);
    density / DENSITIES % 3 * CEPSTRUM + number
}

/// Densities of one codebook and stream of the model.
pub(super) const DENSITIES: usize = 128;

/// FNV-1a.
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, others) = rest.split_first_chunk()?;
    *rest = others;
    Some(*first)
}

/// The file as bytes; the other way round of [`Table::read`].
#[cfg_attr(not(test), allow(dead_code, reason = "the trainer writes, the product reads"))]
pub(super) fn write(table: &Table) -> Vec<u8> {
    let numbers = table.usual.iter().chain(table.estimate.iter().flatten()).chain(&table.steps);
    let mut bytes = MAGIC.to_vec();
    bytes.extend(table.means.to_le_bytes());
    bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
    bytes.extend(table.moves.iter().map(|part| *part as u8));
    bytes
}

/// A file of means or variances of the model: what stands before the numbers, and they.
pub(super) fn read_s3(bytes: &[u8]) -> Option<(&[u8], Vec<f32>)> {
    const END: &[u8] = b"endhdr\n";
    let end = bytes.windows(END.len()).position(|part| part == END)? + END.len();
    // Byte order, codebooks, streams, densities, a length for each stream, how many numbers.
    let mut rest = bytes.get(end + 4..)?;
    let mut number = || Some(u32::from_le_bytes(take(&mut rest)?) as usize);
    let shape = [number()?, number()?, number()?];
    let lengths = [number()?, number()?, number()?];
    let count = number()?;
    let fits = shape[1..] == [3, DENSITIES] && lengths == [CEPSTRUM; 3];
    let numbers = rest.get(..count * 4)?.chunks_exact(4);
    let numbers = numbers.map(|part| f32::from_le_bytes([part[0], part[1], part[2], part[3]])).collect();
    fits.then_some((&bytes[end..bytes.len() - rest.len()], numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_it_was_written_and_moves_only_its_own_model() {
        let means = vec![1.0; 2 * 3 * DENSITIES * CEPSTRUM];
        let mut table = Table {
            usual: [0.5; BANDS],
            estimate: vec![[0.25; 1 + INPUTS]; CEPSTRUM],
            means: 7,
            steps: std::array::from_fn(|n| n as f32),
            moves: vec![0; means.len()],
        };
        table.moves[DENSITIES * CEPSTRUM + 2] = -3;

        let read = Table::read(&write(&table)).unwrap();

        assert_eq!((read.usual, read.means, &read.estimate), (table.usual, 7, &table.estimate));
        let moved = read.moved(&means, 7).unwrap();
        assert_eq!(moved[DENSITIES * CEPSTRUM + 2], 1.0 - 3.0 * (CEPSTRUM + 2) as f32);
        assert_eq!(moved.iter().filter(|number| **number != 1.0).count(), 1);
        assert_eq!((read.moved(&means, 8), read.moved(&means[1..], 7)), (None, None));
        assert!(Table::read(b"offhook1 and nothing").is_none());
    }
}
