//! G.711 of the caller's own (ITU-T G.711), so that a fault of the server's tables cannot hide itself.

use serde::Serialize;

/// The companding law: which of the two G.711 codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Law {
    /// µ-law, static payload type 0.
    #[serde(rename = "PCMU")]
    Mu,
    /// A-law, static payload type 8.
    #[serde(rename = "PCMA")]
    A,
}

impl Law {
    /// The static payload type (RFC 3551 §6).
    pub const fn payload_type(self) -> u8 {
        match self {
            Law::Mu => 0,
            Law::A => 8,
        }
    }

    /// The encoding name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Law::Mu => "PCMU",
            Law::A => "PCMA",
        }
    }

    /// The law of a static payload type.
    pub const fn of_payload_type(payload_type: u8) -> Option<Law> {
        match payload_type {
            0 => Some(Law::Mu),
            8 => Some(Law::A),
            _ => None,
        }
    }

    /// The octet that decodes nearest to zero from above.
    pub const fn silence(self) -> u8 {
        self.encode(0)
    }

    /// One sample from one octet.
    pub const fn decode(self, octet: u8) -> i16 {
        match self {
            Law::Mu => DECODED[0][octet as usize],
            Law::A => DECODED[1][octet as usize],
        }
    }

    /// The nearest octet of a sample.
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Law::Mu => encode_mu(sample),
            Law::A => encode_a(sample),
        }
    }

    /// Appends the samples of `octets`.
    pub fn decode_into(self, octets: &[u8], samples: &mut Vec<i16>) {
        samples.extend(octets.iter().map(|octet| self.decode(*octet)));
    }
}

/// Added before the segment is looked for, so that each segment of µ-law starts at a power of two.
const MU_BIAS: i32 = 0x84;
/// The largest magnitude whose biased value still has a segment.
const MU_CLIP: i32 = 32_635;

const DECODED: [[i16; 256]; 2] = {
    let mut tables = [[0; 256]; 2];
    let mut octet = 0;
    while octet < 256 {
        tables[0][octet] = decode_mu(octet as u8);
        tables[1][octet] = decode_a(octet as u8);
        octet += 1;
    }
    tables
};

const fn decode_mu(octet: u8) -> i16 {
    let bits = !octet;
    let magnitude = ((((bits & 0x0f) as i32) << 3) + MU_BIAS) << ((bits >> 4) & 7);
    (if bits & 0x80 == 0 { magnitude - MU_BIAS } else { MU_BIAS - magnitude }) as i16
}

const fn encode_mu(sample: i16) -> u8 {
    let sign: u8 = if sample < 0 { 0x80 } else { 0 };
    let loud = (sample as i32).abs();
    let magnitude = (if loud > MU_CLIP { MU_CLIP } else { loud }) + MU_BIAS;
    let segment = 24 - magnitude.leading_zeros() as i32;
    let mantissa = ((magnitude >> (segment + 3)) & 0x0f) as u8;
    !(sign | ((segment as u8) << 4) | mantissa)
}

const fn decode_a(octet: u8) -> i16 {
    let bits = octet ^ 0x55;
    let mantissa = ((bits & 0x0f) as i32) << 4;
    let magnitude = match (bits >> 4) & 7 {
        0 => mantissa + 8,
        segment => (mantissa + 0x108) << (segment - 1),
    };
    (if bits & 0x80 == 0 { -magnitude } else { magnitude }) as i16
}

const fn encode_a(sample: i16) -> u8 {
    let sign: u8 = if sample < 0 { 0 } else { 0x80 };
    let magnitude = (if sample < 0 { !sample } else { sample }) as i32;
    let segment = if magnitude < 256 { 0 } else { 24 - magnitude.leading_zeros() as i32 };
    let shift = if segment == 0 { 4 } else { segment + 3 };
    let mantissa = ((magnitude >> shift) & 0x0f) as u8;
    (sign | ((segment as u8) << 4) | mantissa) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_survives_decoding_and_encoding() {
        for law in [Law::Mu, Law::A] {
            for octet in 0..=255u8 {
                // µ-law has two zeros; the negative one comes back as the positive.
                let expected = if law == Law::Mu && octet == 0x7f { 0xff } else { octet };
                assert_eq!(law.encode(law.decode(octet)), expected, "{} {octet:#04x}", law.name());
            }
        }
    }

    #[test]
    fn known_values_of_the_recommendation() {
        assert_eq!((Law::Mu.decode(0x00), Law::Mu.decode(0x80), Law::Mu.silence()), (-32124, 32124, 0xff));
        assert_eq!((Law::A.decode(0x2a), Law::A.decode(0xaa), Law::A.silence()), (-32256, 32256, 0xd5));
    }

    #[test]
    fn encoding_errs_by_at_most_half_a_step() {
        for law in [Law::Mu, Law::A] {
            for sample in i16::MIN..=i16::MAX {
                let error = (i32::from(law.decode(law.encode(sample))) - i32::from(sample)).abs();
                // The largest segment has steps of 1024; below, a step is a sixteenth of the magnitude at most.
                let allowed = i32::from(sample).abs().clamp(256, 16_384) / 32 + 9;
                let clipped = i32::from(sample).abs() > 32_124;
                assert!(error <= allowed || clipped, "{} {sample}: {error}", law.name());
            }
        }
    }
}
