//! TCP streams in order (RFC 9293 §3.4): enough for SIP over TCP.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::ip::{IpPacket, array, word};
use super::{Account, StreamData, Unused};

/// Bytes ahead of a hole that are kept before the hole is given up.
const AHEAD: usize = 256 << 10;
/// Segments ahead of a hole that are kept.
const MOST_AHEAD: usize = 1024;
/// Directions of connections at the same time; the one that was quiet longest gives way.
const MOST: usize = 16_384;
/// Data farther from its place than any window allows is not of this connection.
const WINDOW: u32 = 1 << 30;

const SYN: u8 = 0x02;
const RST: u8 = 0x04;

type Key = (SocketAddr, SocketAddr);
type Sink<'a> = &'a mut dyn FnMut(StreamData);

#[derive(Debug, Default)]
pub(super) struct Streams {
    streams: BTreeMap<Key, Stream>,
    /// Counts segments: the age of each stream's last one.
    segments: u64,
}

#[derive(Debug)]
struct Stream {
    /// The sequence number of the next byte.
    next: u32,
    /// Bytes before `next` are missing.
    gap: bool,
    /// What came too early, by its distance from `next` when it came, which moves with `base`.
    ahead: BTreeMap<u64, Vec<u8>>,
    /// The position of `next` in the stream.
    base: u64,
    last: u64,
    unix_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Segment<'a> {
    sequence: u32,
    flags: u8,
    data: &'a [u8],
}

impl Streams {
    pub(super) fn handle(
        &mut self,
        packet: &IpPacket<'_>,
        account: &mut Account,
        unix_ns: u64,
        sink: Sink<'_>,
    ) -> Result<(), Unused> {
        let bytes = packet.payload;
        let header = usize::from(*bytes.get(12).ok_or(Unused::HeaderCut)? >> 4) * 4;
        if header < 20 || header > packet.length {
            return Err(Unused::Malformed);
        }
        // A snapped end is a hole in the stream; the segments behind it show it.
        let data = bytes.get(header..).ok_or(Unused::HeaderCut)?;
        let segment = Segment { sequence: u32::from_be_bytes(array(bytes, 4)?), flags: bytes[13], data };
        let key = (
            SocketAddr::new(packet.source, word(bytes, 0)?),
            SocketAddr::new(packet.destination, word(bytes, 2)?),
        );
        account.snapped += u64::from(bytes.len() < packet.length);
        self.segments += 1;
        self.segment(key, segment, account, unix_ns, sink)
    }

    fn segment(
        &mut self,
        key: Key,
        segment: Segment<'_>,
        account: &mut Account,
        unix_ns: u64,
        sink: Sink<'_>,
    ) -> Result<(), Unused> {
        let begins = segment.flags & SYN != 0;
        // The SYN itself takes one number.
        let start = segment.sequence.wrapping_add(u32::from(begins));
        if begins && self.streams.get(&key).is_none_or(|stream| stream.base > 0 || stream.next != start) {
            self.close(key, account, sink);
        }
        if segment.flags & RST != 0 {
            self.close(key, account, sink);
            return Err(Unused::NoData);
        }
        if !begins && segment.data.is_empty() && !self.streams.contains_key(&key) {
            return Err(Unused::NoData);
        }
        // Not forgotten after a FIN: what comes then was sent before.
        let stream = self.streams.entry(key).or_insert_with(|| Stream {
            next: start,
            // Without its SYN nobody knows what was before.
            gap: !begins,
            ahead: BTreeMap::new(),
            base: 0,
            last: 0,
            unix_ns,
        });
        stream.last = self.segments;
        stream.unix_ns = unix_ns;
        let result =
            if segment.data.is_empty() { Err(Unused::NoData) } else { stream.take(start, segment.data) };
        stream.give(key, sink);
        while stream.ahead.len() > MOST_AHEAD || stream.bytes_ahead() > AHEAD {
            stream.skip_hole(account);
            stream.give(key, sink);
        }
        if self.streams.len() > MOST {
            let oldest = self.streams.iter().min_by_key(|(_, stream)| stream.last).map(|(key, _)| *key);
            oldest.into_iter().for_each(|key| self.close(key, account, sink));
        }
        account.segments += u64::from(result.is_ok());
        result
    }

    /// Gives out what waits behind holes, at the end of the capture.
    pub(super) fn finish(&mut self, account: &mut Account, sink: Sink<'_>) {
        while let Some(key) = self.streams.keys().next().copied() {
            self.close(key, account, sink);
        }
    }

    fn close(&mut self, key: Key, account: &mut Account, sink: Sink<'_>) {
        if let Some(mut stream) = self.streams.remove(&key) {
            while !stream.ahead.is_empty() {
                stream.skip_hole(account);
                stream.give(key, sink);
            }
        }
    }
}

impl Stream {
    /// Keeps the new part of `data`.
    fn take(&mut self, sequence: u32, data: &[u8]) -> Result<(), Unused> {
        let distance = sequence.wrapping_sub(self.next) as i32;
        if distance.unsigned_abs() > WINDOW {
            return Err(Unused::OutOfWindow);
        }
        let known = usize::try_from(-i64::from(distance)).unwrap_or(0);
        let new = data.get(known..).filter(|new| !new.is_empty()).ok_or(Unused::Retransmission)?;
        let position = self.base + u64::try_from(distance).unwrap_or(0);
        if self.ahead.get(&position).is_some_and(|kept| kept.len() >= new.len()) {
            return Err(Unused::Retransmission);
        }
        self.ahead.insert(position, new.to_vec());
        Ok(())
    }

    /// Gives out what follows without a hole.
    fn give(&mut self, (source, destination): Key, sink: Sink<'_>) {
        while let Some(first) = self.ahead.first_entry().filter(|first| *first.key() <= self.base) {
            let (position, mut bytes) = first.remove_entry();
            let known = usize::try_from(self.base - position).unwrap_or(usize::MAX).min(bytes.len());
            bytes.drain(..known);
            if bytes.is_empty() {
                continue;
            }
            self.base += bytes.len() as u64;
            self.next = self.next.wrapping_add(bytes.len() as u32);
            let after_gap = std::mem::take(&mut self.gap);
            sink(StreamData { unix_ns: self.unix_ns, source, destination, bytes, after_gap });
        }
    }

    /// Gives the hole up: the stream goes on with what came after it.
    fn skip_hole(&mut self, account: &mut Account) {
        if let Some((position, _)) = self.ahead.first_key_value() {
            let missing = position.saturating_sub(self.base);
            self.base += missing;
            self.next = self.next.wrapping_add(missing as u32);
            self.gap = true;
            account.stream_gaps += 1;
        }
    }

    fn bytes_ahead(&self) -> usize {
        self.ahead.values().map(Vec::len).sum()
    }
}
