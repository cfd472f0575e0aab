//! Frames out of a pcap or pcapng file.

use std::io::{Chain, Cursor, Read};

use super::{Account, CaptureError};
use crate::pcapng::{
    BlockReader, Head, INTERFACE, Interface, LONGEST, OLD_PACKET, Order, PACKET, SECTION, SIMPLE_PACKET, fill,
};
use crate::{Damage, Ending};

const MAGIC_US: u32 = 0xA1B2_C3D4;
const MAGIC_NS: u32 = 0xA1B2_3C4D;
const PCAP_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
/// More interfaces than any machine has; a file that describes more is made to fill memory.
const MOST_INTERFACES: usize = 65_536;

/// A frame as it was captured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// `None` where the file describes no such interface.
    pub link: Option<u32>,
    pub unix_ns: Option<u64>,
    pub bytes: &'a [u8],
    pub original_length: usize,
}

/// Reads frame after frame.
#[derive(Debug)]
pub(super) enum Frames<R> {
    Pcap(Pcap<R>),
    Pcapng(Pcapng<R>),
}

impl<R: Read> Frames<R> {
    pub(super) fn open(mut input: R) -> Result<Self, CaptureError> {
        let mut magic = [0; 4];
        let read = fill(&mut input, &mut magic).map_err(|error| CaptureError::Io(error.kind()))?;
        if read < magic.len() {
            return Err(CaptureError::NotACapture);
        }
        if magic == SECTION.to_le_bytes() {
            let blocks = BlockReader::new(Cursor::new(magic).chain(input));
            return Ok(Frames::Pcapng(Pcapng { blocks, interfaces: Vec::new() }));
        }
        let (order, unit) = [Order::Little, Order::Big]
            .into_iter()
            .find_map(|order| match order.u32(&magic, 0)? {
                MAGIC_US => Some((order, 1_000)),
                MAGIC_NS => Some((order, 1)),
                _ => None,
            })
            .ok_or(CaptureError::NotACapture)?;
        Pcap::open(input, order, unit).map(Frames::Pcap)
    }

    pub(super) fn read(&mut self, account: &mut Account) -> Result<Frame<'_>, Ending> {
        match self {
            Frames::Pcap(pcap) => pcap.read(),
            Frames::Pcapng(pcapng) => pcapng.read(account),
        }
    }
}

/// The classic format.
#[derive(Debug)]
pub(super) struct Pcap<R> {
    input: R,
    order: Order,
    /// Nanoseconds of the smaller part of a time stamp.
    unit: u64,
    link: u32,
    at: u64,
    frame: Vec<u8>,
}

impl<R: Read> Pcap<R> {
    /// The magic was read.
    fn open(mut input: R, order: Order, unit: u64) -> Result<Self, CaptureError> {
        let mut rest = [0; PCAP_HEADER - 4];
        let read = fill(&mut input, &mut rest).map_err(|error| CaptureError::Io(error.kind()))?;
        match order.u32(&rest, 16) {
            Some(link) if read == rest.len() => {
                Ok(Pcap { input, order, unit, link, at: PCAP_HEADER as u64, frame: Vec::new() })
            }
            _ => Err(CaptureError::Cut),
        }
    }

    fn read(&mut self) -> Result<Frame<'_>, Ending> {
        let at = self.at;
        let damaged = |why| Ending::Damaged { at, why };
        let io = |error: std::io::Error| damaged(Damage::Io(error.kind()));
        let mut header = [0; RECORD_HEADER];
        match fill(&mut self.input, &mut header).map_err(io)? {
            RECORD_HEADER => {}
            0 => return Err(Ending::Complete),
            _ => return Err(Ending::Cut { at }),
        }
        let number = |place| self.order.u32(&header, place).unwrap_or_default();
        let (seconds, part, captured, original) = (number(0), number(4), number(8) as usize, number(12));
        if captured > LONGEST {
            return Err(damaged(Damage::Length));
        }
        self.frame.clear();
        // Grows with what is really there: a length alone reserves nothing.
        let read = self.input.by_ref().take(captured as u64).read_to_end(&mut self.frame).map_err(io)?;
        if read < captured {
            return Err(Ending::Cut { at });
        }
        self.at += (RECORD_HEADER + captured) as u64;
        Ok(Frame {
            link: Some(self.link),
            unix_ns: Some(u64::from(seconds) * 1_000_000_000 + u64::from(part) * self.unit),
            bytes: &self.frame,
            original_length: (original as usize).max(captured),
        })
    }
}

/// The newer format.
#[derive(Debug)]
pub(super) struct Pcapng<R> {
    blocks: BlockReader<Chain<Cursor<[u8; 4]>, R>>,
    interfaces: Vec<Interface>,
}

/// Where a packet stands in its block.
struct Place {
    interface: usize,
    ticks: Option<u64>,
    start: usize,
    captured: usize,
    original: usize,
}

impl<R: Read> Pcapng<R> {
    fn read(&mut self, account: &mut Account) -> Result<Frame<'_>, Ending> {
        let place = loop {
            let Some(head) = self.blocks.read()? else { return Err(Ending::Complete) };
            let damaged = || Ending::Damaged { at: head.at, why: Damage::Content };
            match head.kind {
                SECTION => self.interfaces.clear(),
                INTERFACE if self.interfaces.len() < MOST_INTERFACES => {
                    let interface = Interface::parse(self.blocks.body(), head.order);
                    self.interfaces.push(interface.ok_or_else(damaged)?);
                }
                PACKET | SIMPLE_PACKET | OLD_PACKET => {
                    let place = self.place(head).ok_or_else(damaged)?;
                    if place.start + place.captured > self.blocks.body().len() {
                        return Err(damaged());
                    }
                    break place;
                }
                _ => account.other_blocks += 1,
            }
        };
        let interface = self.interfaces.get(place.interface);
        Ok(Frame {
            link: interface.map(|interface| u32::from(interface.link)),
            unix_ns: place.ticks.and_then(|ticks| Some(interface?.unix_ns(ticks))),
            bytes: self.blocks.body().get(place.start..place.start + place.captured).unwrap_or_default(),
            original_length: place.original.max(place.captured),
        })
    }

    fn place(&self, head: Head) -> Option<Place> {
        let (body, order) = (self.blocks.body(), head.order);
        let length = |at| order.u32(body, at).map(|length| length as usize);
        if head.kind == SIMPLE_PACKET {
            let original = length(0)?;
            // The captured length is not said: the lesser of the block, the packet and the snap length.
            let snap = match self.interfaces.first().map_or(0, |interface| interface.snap as usize) {
                0 => usize::MAX,
                snap => snap,
            };
            let captured = original.min(snap).min(body.len().saturating_sub(4));
            return Some(Place { interface: 0, ticks: None, start: 4, captured, original });
        }
        // The old block counts dropped packets in the upper half of the word.
        let interface = match head.kind {
            OLD_PACKET => usize::from(order.u16(body, 0)?),
            _ => length(0)?,
        };
        let ticks = Some(order.halves(body, 4)?);
        Some(Place { interface, ticks, start: 20, captured: length(12)?, original: length(16)? })
    }
}
