//! Blocks into a buffer that is used again. Always little endian.

use super::code;

/// Begins a block at the end of `out`; answers where.
pub(crate) fn begin_block(out: &mut Vec<u8>, kind: u32) -> usize {
    let start = out.len();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    start
}

/// Pads and closes the block begun at `start`; answers its length.
pub(crate) fn end_block(out: &mut Vec<u8>, start: usize) -> usize {
    pad(out, start);
    let length = out.len() + 4 - start;
    out.extend_from_slice(&(length as u32).to_le_bytes());
    if let Some(place) = out.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&(length as u32).to_le_bytes());
    }
    length
}

/// Adds an option. Longer values than an option can hold are cut.
pub(crate) fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
    let start = out.len();
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
    pad(out, start);
}

/// Ends a list of options.
pub(crate) fn option_end(out: &mut Vec<u8>) {
    option(out, code::END, &[]);
}

/// Zeros up to the next multiple of four since `start`.
pub(crate) fn pad(out: &mut Vec<u8>, start: usize) {
    let length = (out.len() - start).next_multiple_of(4);
    out.resize(start + length, 0);
}
