//! The framing of one journal entry: length, checksum, payload.

use crate::checksum::crc32;

/// Bytes before the payload: length and checksum, both little endian.
pub(crate) const HEADER: usize = 8;

/// No entry is longer; a larger length is damage.
pub const LONGEST: usize = 1 << 20;

/// One entry as it was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of the segment it stood in.
    pub segment: u64,
    /// What was appended.
    pub payload: Vec<u8>,
}

/// Appends the framed `payload` to `out`.
pub(crate) fn write(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32(payload).to_le_bytes());
    out.extend_from_slice(payload);
}

/// The whole entries at the front of `bytes`, and how many bytes they take. What follows was torn or damaged.
pub(crate) fn read_all(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let mut entries = Vec::new();
    let mut at = 0;
    while let Some(payload) = read_one(&bytes[at..]) {
        at += HEADER + payload.len();
        entries.push(payload.to_vec());
    }
    (entries, at)
}

fn read_one(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(bytes.get(0..4)?.try_into().ok()?) as usize;
    let checksum = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
    if length > LONGEST {
        return None;
    }
    let payload = bytes.get(HEADER..HEADER + length)?;
    (crc32(payload) == checksum).then_some(payload)
}
