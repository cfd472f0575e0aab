//! Our Custom Blocks: number, magic, kind, length, checksum, content.

use crate::checksum::crc32;
use crate::pcapng::{CUSTOM, begin_block, end_block};

/// The Private Enterprise Number of our blocks and options. 32473 is the one that RFC 5612 keeps for documentation;
/// the project has none of its own, so everything of ours begins with a magic besides.
pub const ENTERPRISE: u32 = 32473;

/// Begins the content of every block of ours.
pub(super) const BLOCK_MAGIC: [u8; 4] = *b"OFHK";
/// Begins the content of every option of ours.
pub(super) const OPTION_MAGIC: [u8; 2] = *b"oH";

pub(super) const META: u32 = 1;
pub(super) const STEPS: u32 = 2;
pub(super) const BLOB: u32 = 3;
pub(super) const END: u32 = 4;

/// Bytes between the start of the block's body and its content.
const HEADER: usize = 20;

/// Appends a block whose content `fill` writes; answers its length.
pub(super) fn write(out: &mut Vec<u8>, kind: u32, fill: impl FnOnce(&mut Vec<u8>)) -> usize {
    let start = begin_block(out, CUSTOM);
    out.extend_from_slice(&ENTERPRISE.to_le_bytes());
    out.extend_from_slice(&BLOCK_MAGIC);
    out.extend_from_slice(&kind.to_le_bytes());
    let lengths = out.len();
    out.extend_from_slice(&[0; 8]);
    let content = out.len();
    fill(out);
    let length = (out.len() - content) as u32;
    let checksum = crc32(out.get(content..).unwrap_or_default());
    if let Some(place) = out.get_mut(lengths..content) {
        place[..4].copy_from_slice(&length.to_le_bytes());
        place[4..].copy_from_slice(&checksum.to_le_bytes());
    }
    end_block(out, start)
}

/// A block of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Custom<'a> {
    pub kind: u32,
    /// `None` where the checksum does not match.
    pub content: Option<&'a [u8]>,
}

/// Reads the body of a Custom Block; `None` where it is somebody else's.
pub(super) fn read(body: &[u8]) -> Option<Custom<'_>> {
    let header = body.get(..HEADER)?;
    if header[..4] != ENTERPRISE.to_le_bytes() || header[4..8] != BLOCK_MAGIC {
        return None;
    }
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let content = body[HEADER..].get(..number(12) as usize);
    Some(Custom { kind: number(8), content: content.filter(|content| crc32(content) == number(16)) })
}
