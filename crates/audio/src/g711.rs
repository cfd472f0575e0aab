//! G.711: A-law and µ-law (ITU-T G.711, RFC 3551 §4.5.14).
//!
//! Both directions are table look-ups; the tables are computed by the compiler from the segment formulas.

use serde::{Deserialize, Serialize};

/// One of the two companding laws of ITU-T G.711. Eight bits per sample, 8 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum G711 {
    /// PCMA, RTP payload type 8.
    ALaw,
    /// PCMU, RTP payload type 0.
    MuLaw,
}

impl G711 {
    /// The sample that `code` stands for.
    pub const fn decode_sample(self, code: u8) -> i16 {
        match self {
            G711::ALaw => A_DECODE[code as usize],
            G711::MuLaw => MU_DECODE[code as usize],
        }
    }

    /// The code of the interval that `sample` lies in.
    pub const fn encode_sample(self, sample: i16) -> u8 {
        match self {
            G711::ALaw => A_ENCODE[(sample as u16 >> A_SHIFT) as usize],
            G711::MuLaw => MU_ENCODE[(sample as u16 >> MU_SHIFT) as usize],
        }
    }

    /// The code for silence.
    pub const fn silence(self) -> u8 {
        self.encode_sample(0)
    }

    /// Decodes `codes` into the front of `samples` and returns how many were written: the shorter length of the two.
    pub fn decode(self, codes: &[u8], samples: &mut [i16]) -> usize {
        let table = match self {
            G711::ALaw => &A_DECODE,
            G711::MuLaw => &MU_DECODE,
        };
        for (sample, code) in samples.iter_mut().zip(codes) {
            *sample = table[usize::from(*code)];
        }
        samples.len().min(codes.len())
    }

    /// Encodes `samples` into the front of `codes` and returns how many were written: the shorter length of the two.
    pub fn encode(self, samples: &[i16], codes: &mut [u8]) -> usize {
        let pairs = codes.iter_mut().zip(samples);
        match self {
            G711::ALaw => {
                pairs.for_each(|(code, sample)| *code = A_ENCODE[usize::from(*sample as u16 >> A_SHIFT)])
            }
            G711::MuLaw => {
                pairs.for_each(|(code, sample)| *code = MU_ENCODE[usize::from(*sample as u16 >> MU_SHIFT)])
            }
        }
        samples.len().min(codes.len())
    }
}

/// A-law quantises 13-bit samples with no step below 2, so 12 bits decide the code.
const A_SHIFT: u32 = 4;
/// µ-law quantises 14-bit samples.
const MU_SHIFT: u32 = 2;

static A_DECODE: [i16; 256] = a_decode_table();
static MU_DECODE: [i16; 256] = mu_decode_table();
static A_ENCODE: [u8; 1 << (16 - A_SHIFT)] = a_encode_table();
static MU_ENCODE: [u8; 1 << (16 - MU_SHIFT)] = mu_encode_table();

const fn a_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        // Even bits are inverted on the line; the sign bit is 1 for positive values.
        let bits = code as u8 ^ 0x55;
        let segment = (bits >> 4) & 7;
        let step = ((bits & 15) as i16) << 4;
        let magnitude = match segment {
            0 => step + 8,
            _ => (step + 0x108) << (segment - 1),
        };
        table[code] = if bits & 0x80 != 0 { magnitude } else { -magnitude };
        code += 1;
    }
    table
}

const fn mu_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        // All bits are inverted on the line; the sign bit is then 1 for negative values.
        let bits = !(code as u8);
        let segment = (bits >> 4) & 7;
        let magnitude = (((((bits & 15) as i16) << 1) + 33) << segment) - 33;
        table[code] = if bits & 0x80 != 0 { -(magnitude << MU_SHIFT) } else { magnitude << MU_SHIFT };
        code += 1;
    }
    table
}

const fn a_encode_table() -> [u8; 1 << (16 - A_SHIFT)] {
    let mut table = [0; 1 << (16 - A_SHIFT)];
    let mut index = 0;
    while index < table.len() {
        let value = signed(index, 16 - A_SHIFT);
        let magnitude = if value < 0 { !value } else { value };
        let code = if magnitude < 32 {
            magnitude
        } else {
            let segment = magnitude.ilog2() as i32 - 3;
            (segment << 4) | ((magnitude >> (segment - 1)) & 15)
        };
        let sign = if value < 0 { 0 } else { 0x80 };
        table[index] = (code | sign) as u8 ^ 0x55;
        index += 1;
    }
    table
}

const fn mu_encode_table() -> [u8; 1 << (16 - MU_SHIFT)] {
    let mut table = [0; 1 << (16 - MU_SHIFT)];
    let mut index = 0;
    while index < table.len() {
        let value = signed(index, 16 - MU_SHIFT);
        let biased = (if value < 0 { !value } else { value }) + 33;
        let clipped = if biased > 0x1fff { 0x1fff } else { biased };
        let segment = clipped.ilog2() as i32 - 5;
        let code = (segment << 4) | ((clipped >> (segment + 1)) & 15);
        let sign = if value < 0 { 0x80 } else { 0 };
        table[index] = !((code | sign) as u8);
        index += 1;
    }
    table
}

/// `index` read as a two's complement number of `bits` bits.
const fn signed(index: usize, bits: u32) -> i32 {
    let value = index as i32;
    if value >= 1 << (bits - 1) { value - (1 << bits) } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAWS: [G711; 2] = [G711::ALaw, G711::MuLaw];

    #[test]
    fn every_code_decodes_to_the_value_of_the_itu_tables() {
        for code in 0..=255 {
            assert_eq!(G711::ALaw.decode_sample(code), a_law_of_table_1(code), "A-law {code:#04x}");
            assert_eq!(G711::MuLaw.decode_sample(code), mu_law_of_table_2(code), "µ-law {code:#04x}");
        }
    }

    #[test]
    fn every_sample_is_encoded_by_the_decision_values_of_the_itu_tables() {
        for (law, decisions, scale) in
            [(G711::ALaw, a_law_decisions(), 8), (G711::MuLaw, mu_law_decisions(), 4)]
        {
            for sample in i16::MIN..=i16::MAX {
                let code = law.encode_sample(sample);
                let bits = if law == G711::ALaw { code ^ 0x55 } else { !code };
                let positive = (bits & 0x80 != 0) == (law == G711::ALaw);
                // A value on a border belongs to the interval above it, in two's complement on both sides of zero.
                let magnitude = if sample < 0 { !i32::from(sample) } else { i32::from(sample) };
                let above = decisions.iter().filter(|decision| **decision * scale <= magnitude).count();
                assert_eq!(positive, sample >= 0, "{law:?} {sample}");
                assert_eq!(usize::from(bits & 0x7f), (above - 1).min(127), "{law:?} {sample}");
            }
        }
    }

    #[test]
    fn decoding_and_encoding_again_changes_no_code_but_the_negative_zero_of_mu_law() {
        for law in LAWS {
            for code in 0..=255 {
                let again = law.encode_sample(law.decode_sample(code));
                let expected = if law == G711::MuLaw && code == 0x7f { 0xff } else { code };
                assert_eq!(again, expected, "{law:?}");
            }
        }
    }

    #[test]
    fn slices_are_coded_sample_by_sample_up_to_the_shorter_one() {
        for law in LAWS {
            let samples: Vec<i16> = (0..160).map(|n| (n * 397 - 31_000) as i16).collect();
            let mut codes = [0; 170];
            let mut decoded = [0; 150];

            assert_eq!(law.encode(&samples, &mut codes), 160);
            assert_eq!(law.decode(&codes, &mut decoded), 150);

            assert!(
                decoded.iter().zip(&samples).all(|(d, s)| *d == law.decode_sample(law.encode_sample(*s)))
            );
        }
    }

    #[test]
    fn silence_is_the_code_of_the_standards() {
        assert_eq!(G711::ALaw.silence(), 0xd5);
        assert_eq!(G711::MuLaw.silence(), 0xff);
    }

    fn a_law_of_table_1(code: u8) -> i16 {
        let bits = code ^ 0x55;
        let (decisions, n) = (a_law_decisions(), usize::from(bits & 0x7f));
        let value = (decisions[n] + decisions[n + 1]) / 2 * 8;
        (if bits & 0x80 != 0 { value } else { -value }) as i16
    }

    fn mu_law_of_table_2(code: u8) -> i16 {
        let bits = !code;
        let (decisions, n) = (mu_law_decisions(), usize::from(bits & 0x7f));
        // y(0) = 0; the others are midpoints.
        let value = if n == 0 { 0 } else { (decisions[n] + decisions[n + 1]) / 2 * 4 };
        (if bits & 0x80 != 0 { -value } else { value }) as i16
    }

    /// ITU-T G.711 table 1: the decision values, in units of 1/4096 of full scale.
    fn a_law_decisions() -> Vec<i32> {
        decisions(vec![0], &[(2, 32), (4, 16), (8, 16), (16, 16), (32, 16), (64, 16), (128, 16)])
    }

    /// ITU-T G.711 table 2: the decision values, in units of 1/8192 of full scale.
    fn mu_law_decisions() -> Vec<i32> {
        decisions(
            vec![0, 1],
            &[(2, 15), (4, 16), (8, 16), (16, 16), (32, 16), (64, 16), (128, 16), (256, 16)],
        )
    }

    fn decisions(mut values: Vec<i32>, segments: &[(i32, usize)]) -> Vec<i32> {
        for (step, count) in segments {
            for _ in 0..*count {
                values.push(values.last().unwrap() + step);
            }
        }
        values
    }
}
