//! Finished bundles in half the space, and one way to open any of them.
//!
//! A packed bundle is an LZ4 frame around the same file: Wireshark opens that as it is too. Done after the call, because
//! a compressor holds more memory than a call may have and a cut frame shows Wireshark nothing.

use std::io::{self, Cursor, Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::seal::{self, KEY, SealError, SealedReader};
use crate::pcapng::fill;

/// Begins an LZ4 frame.
const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();

/// Packs `input` into `output`; answers how many bytes went in. To be sealed too, pack first: `output` is then the
/// [`SealedWriter`](seal::SealedWriter).
pub fn pack(mut input: impl Read, output: impl Write) -> io::Result<u64> {
    let info = FrameInfo::new().block_mode(BlockMode::Linked).block_size(BlockSize::Max256KB);
    let mut encoder = FrameEncoder::with_frame_info(info, output);
    let read = io::copy(&mut input, &mut encoder)?;
    encoder.finish().map_err(io::Error::from)?.flush()?;
    Ok(read)
}

/// Opens a bundle whether it is plain, packed, sealed, or packed and sealed: gives the plain bytes.
pub fn open<'a>(input: impl Read + 'a, key: Option<&[u8; KEY]>) -> Result<Box<dyn Read + 'a>, SealError> {
    let (first, input) = peek(input)?;
    if seal::is_sealed(&first) {
        let sealed = SealedReader::open(input, key.ok_or(SealError::KeyMissing)?)?;
        let (first, sealed) = peek(sealed)?;
        return Ok(unpacked(&first, sealed));
    }
    Ok(unpacked(&first, input))
}

fn unpacked<'a>(first: &[u8], input: impl Read + 'a) -> Box<dyn Read + 'a> {
    if first.starts_with(&MAGIC) { Box::new(FrameDecoder::new(input)) } else { Box::new(input) }
}

/// The first bytes, and the input as if they had not been read.
fn peek<R: Read>(mut input: R) -> io::Result<(Vec<u8>, impl Read + use<R>)> {
    let mut first = vec![0; seal::MAGIC.len()];
    let read = fill(&mut input, &mut first)?;
    first.truncate(read);
    Ok((first.clone(), Cursor::new(first).chain(input)))
}
