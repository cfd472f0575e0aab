//! Blocks from a stream of bytes that may end or go wrong anywhere.

use std::io::{self, Read};

use super::{LONGEST, ORDER_MARK, SECTION, code};
use crate::{Damage, Ending};

/// Byte order of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    /// The 16 bits at `at`, where there are so many.
    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let octets = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self {
            Order::Little => u16::from_le_bytes(octets),
            Order::Big => u16::from_be_bytes(octets),
        })
    }

    /// The 32 bits at `at`, where there are so many.
    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let octets = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match self {
            Order::Little => u32::from_le_bytes(octets),
            Order::Big => u32::from_be_bytes(octets),
        })
    }

    /// A time stamp: the upper 32 bits at `at`, then the lower ones.
    pub(crate) fn halves(self, bytes: &[u8], at: usize) -> Option<u64> {
        Some(u64::from(self.u32(bytes, at)?) << 32 | u64::from(self.u32(bytes, at.checked_add(4)?)?))
    }
}

/// A block as it was found; its body is [`BlockReader::body`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub kind: u32,
    /// Offset of its first byte.
    pub at: u64,
    pub order: Order,
}

/// Reads block after block into one buffer.
#[derive(Debug)]
pub(crate) struct BlockReader<R> {
    input: R,
    at: u64,
    block: Vec<u8>,
    order: Option<Order>,
}

/// Type, length and the length again.
const FRAME: usize = 12;

impl<R: Read> BlockReader<R> {
    pub(crate) fn new(input: R) -> Self {
        BlockReader { input, at: 0, block: Vec::new(), order: None }
    }

    pub(crate) fn get_ref(&self) -> &R {
        &self.input
    }

    /// Offset of the next block.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Reads the next block; `None` where the input ends between two blocks.
    pub(crate) fn read(&mut self) -> Result<Option<Head>, Ending> {
        let at = self.at;
        let damaged = |why| Ending::Damaged { at, why };
        // What a packed file says when it stops too early.
        let is_cut = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        let io = |error: io::Error| {
            if is_cut(&error) { Ending::Cut { at } } else { damaged(Damage::Io(error.kind())) }
        };

        self.block.clear();
        self.block.resize(FRAME, 0);
        match fill(&mut self.input, &mut self.block).map_err(io)? {
            0 => return Ok(None),
            FRAME => {}
            _ => return Err(Ending::Cut { at }),
        }
        let order = self.order().map_err(damaged)?;
        let kind = order.u32(&self.block, 0).unwrap_or_default();
        let length = order.u32(&self.block, 4).unwrap_or_default() as usize;
        if !(FRAME..=LONGEST).contains(&length) || !length.is_multiple_of(4) {
            return Err(damaged(Damage::Length));
        }
        // Grows with what is really there: a length alone reserves nothing.
        let rest = (length - FRAME) as u64;
        let read = self.input.by_ref().take(rest).read_to_end(&mut self.block).map_err(io)?;
        if (read as u64) < rest {
            return Err(Ending::Cut { at });
        }
        if order.u32(&self.block, length - 4) != Some(length as u32) {
            return Err(damaged(Damage::LengthsDiffer));
        }
        self.order = Some(order);
        self.at += length as u64;
        Ok(Some(Head { kind, at, order }))
    }

    /// What stands between the lengths of the block last read.
    pub(crate) fn body(&self) -> &[u8] {
        self.block.get(8..self.block.len().saturating_sub(4)).unwrap_or_default()
    }

    /// The whole block last read.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.block
    }

    /// A section header sets the order of what follows it.
    fn order(&self) -> Result<Order, Damage> {
        if self.block.get(..4) != Some(SECTION.to_le_bytes().as_slice()) {
            return self.order.ok_or(Damage::NotACapture);
        }
        if Order::Little.u32(&self.block, 8) == Some(ORDER_MARK) {
            Ok(Order::Little)
        } else if Order::Big.u32(&self.block, 8) == Some(ORDER_MARK) {
            Ok(Order::Big)
        } else {
            Err(Damage::ByteOrder)
        }
    }
}

/// Fills `buffer` as far as the input goes; answers how far.
pub(crate) fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The options of a block: code and value. Ends at the first that does not fit.
#[derive(Clone, Debug)]
pub(crate) struct Options<'a> {
    rest: &'a [u8],
    order: Order,
}

impl<'a> Options<'a> {
    /// The options in `bytes`, which begin at `at`.
    pub(crate) fn new(bytes: &'a [u8], at: usize, order: Order) -> Self {
        Options { rest: bytes.get(at..).unwrap_or_default(), order }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let code = self.order.u16(self.rest, 0)?;
        let length = usize::from(self.order.u16(self.rest, 2)?);
        if code == code::END {
            return None;
        }
        let value = self.rest.get(4..4 + length)?;
        self.rest = self.rest.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    }
}
