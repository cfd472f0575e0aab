//! Reads a bundle item by item.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::Arc;

use offhook_time::{Half, Time};
use sha2::{Digest, Sha256};

use super::custom::{self, ENTERPRISE, OPTION_MAGIC};
use super::hash::hex;
use super::record::{Content, MOST, Record, Thread};
use super::varint::Cursor;
use super::{
    Amount, BlobHash, Direction, End, Item, Meta, OutputBody, PacketKind, PayloadHash, Problem, RecordedBlob,
    RecordedOutput, RecordedPacket, RecordedStep, Sizes, StepBody, Unknown, VERSION, block, wire,
};
use crate::pcapng::{BlockReader, CUSTOM, Head, INTERFACE, Interface, Options, Order, PACKET, SECTION, code};
use crate::{Damage, Ending};

/// No more problems than this are kept: a damaged hour has as many as it has packets.
const PROBLEMS: usize = 100;

/// Reads a bundle from any [`Read`], finished or not, as an iterator of [`Item`]s. Never fails: when the items end,
/// [`ending`](Self::ending) says where and why. Holds the blobs of the call, and of the rest one block at a time.
#[derive(Debug)]
pub struct Reader<R> {
    blocks: BlockReader<R>,
    queue: VecDeque<Item>,
    state: State,
    ending: Option<Ending>,
}

#[derive(Debug, Default)]
struct State {
    interfaces: Vec<(Option<PacketKind>, Interface)>,
    /// Unix nanoseconds at `Time::ZERO`; known once the Meta was read.
    origin: Option<i64>,
    blobs: BTreeMap<BlobHash, Arc<[u8]>>,
    ended: bool,
    /// The ordinal of the next item.
    items: u64,
    next_step: [u64; 2],
    half_steps: [u64; 2],
    hash: Sha256,
    sizes: Sizes,
    problems: Vec<Problem>,
}

impl<R: Read> Reader<R> {
    /// Reads from the beginning of `input`. Give it a buffered one.
    pub fn new(input: R) -> Self {
        Reader {
            blocks: BlockReader::new(input),
            queue: VecDeque::new(),
            state: State::default(),
            ending: None,
        }
    }

    /// How far the bundle could be read; `None` while items still come.
    pub fn ending(&self) -> Option<Ending> {
        self.ending.filter(|_| self.queue.is_empty())
    }

    /// What does not fit together, the first hundred.
    pub fn problems(&self) -> &[Problem] {
        &self.state.problems
    }

    /// What the bytes read so far are spent on.
    pub fn sizes(&self) -> &Sizes {
        &self.state.sizes
    }

    /// The blobs read so far.
    pub fn blobs(&self) -> &BTreeMap<BlobHash, Arc<[u8]>> {
        &self.state.blobs
    }

    /// Where it reads from.
    pub fn get_ref(&self) -> &R {
        self.blocks.get_ref()
    }

    fn read_block(&mut self) -> Result<(), Ending> {
        let Some(head) = self.blocks.read()? else {
            let at = self.blocks.at();
            return Err(if self.state.ended { Ending::Complete } else { Ending::Cut { at } });
        };
        self.state
            .block(head, self.blocks.body(), self.blocks.raw(), &mut self.queue)
            .map_err(|why| Ending::Damaged { at: head.at, why })
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                return Some(item);
            }
            if self.ending.is_some() {
                return None;
            }
            self.ending = self.read_block().err();
        }
    }
}

impl State {
    fn block(
        &mut self,
        head: Head,
        body: &[u8],
        raw: &[u8],
        queue: &mut VecDeque<Item>,
    ) -> Result<(), Damage> {
        if self.ended {
            return Err(Damage::AfterEnd);
        }
        let mut found = Vec::new();
        let spent = match head.kind {
            SECTION if head.at > 0 => return Err(Damage::Second),
            SECTION => Spent::on(Bucket::Meta, 1),
            INTERFACE => {
                let interface = Interface::parse(body, head.order).ok_or(Damage::Content)?;
                self.interfaces.push((PacketKind::from_name(&interface.name), interface));
                Spent::on(Bucket::Meta, 0)
            }
            PACKET if self.origin.is_none() => return Err(Damage::NotABundle),
            PACKET => self.packet(head, body, &mut found)?,
            CUSTOM => self.custom(head, body, &mut found)?,
            kind => self.unknown(Unknown::Block { kind }, &mut found),
        };
        spent.add_to(&mut self.sizes, raw.len());
        if !self.ended {
            self.hash.update(raw);
        }
        queue.extend(found);
        Ok(())
    }

    fn unknown(&mut self, unknown: Unknown, found: &mut Vec<Item>) -> Spent {
        found.push(Item::Unknown(unknown));
        Spent::on(Bucket::Unknown, 1)
    }

    fn custom(&mut self, head: Head, body: &[u8], found: &mut Vec<Item>) -> Result<Spent, Damage> {
        let Some(custom) = custom::read(body) else {
            return Ok(self.unknown(Unknown::Block { kind: head.kind }, found));
        };
        let content = custom.content.ok_or(Damage::Checksum)?;
        if self.origin.is_none() && custom.kind != custom::META {
            return Err(Damage::NotABundle);
        }
        match custom.kind {
            custom::META => self.meta(content, found),
            custom::STEPS => self.steps(head, content, found),
            custom::BLOB => self.blob(head, content, found),
            custom::END => self.end(head, content, found),
            kind => Ok(self.unknown(Unknown::Ours { kind }, found)),
        }
    }

    fn meta(&mut self, content: &[u8], found: &mut Vec<Item>) -> Result<Spent, Damage> {
        if self.origin.is_some() {
            return Err(Damage::Second);
        }
        // A later version may have other fields, so its number is looked at alone first.
        let value: serde_json::Value = serde_json::from_slice(content).map_err(|_| Damage::Content)?;
        match value.get("version").and_then(serde_json::Value::as_u64).map(u32::try_from) {
            Some(Ok(version)) if version <= VERSION => {}
            Some(version) => return Err(Damage::Newer(version.unwrap_or(u32::MAX))),
            None => return Err(Damage::Content),
        }
        let meta: Meta = serde_json::from_value(value).map_err(|_| Damage::Content)?;
        self.origin = Some(meta.unix_ns_at_zero);
        found.push(Item::Meta(Box::new(meta)));
        Ok(Spent::on(Bucket::Meta, 0))
    }

    fn steps(&mut self, head: Head, content: &[u8], found: &mut Vec<Item>) -> Result<Spent, Damage> {
        let mut cursor = Cursor(content);
        let base = Time::from_nanos(cursor.number().ok_or(Damage::Content)?);
        self.ordinal(&mut cursor, head.at)?;
        let mut spent = Spent::on(Bucket::Steps, 0);
        self.records(cursor, base, head.at, None, &mut spent, found)?;
        Ok(spent)
    }

    fn blob(&mut self, head: Head, content: &[u8], found: &mut Vec<Item>) -> Result<Spent, Damage> {
        let mut cursor = Cursor(content);
        self.ordinal(&mut cursor, head.at)?;
        let hash = BlobHash(cursor.array().ok_or(Damage::Content)?);
        if BlobHash::of(cursor.0) != hash {
            return Err(Damage::BlobHash);
        }
        let bytes: Arc<[u8]> = cursor.0.into();
        self.blobs.insert(hash, Arc::clone(&bytes));
        found.push(Item::Blob(RecordedBlob { hash, bytes }));
        self.items = self.items.saturating_add(1);
        Ok(Spent::on(Bucket::Blobs, 1))
    }

    fn end(&mut self, head: Head, content: &[u8], found: &mut Vec<Item>) -> Result<Spent, Damage> {
        let end: End = serde_json::from_slice(content).map_err(|_| Damage::Content)?;
        let counts = [
            ("items", end.items, self.items),
            ("packets in", end.packets_in, self.sizes.packets_in.count),
            ("packets out", end.packets_out, self.sizes.packets_out.count),
            ("media steps", end.media_steps, self.half_steps[Half::Media as usize]),
            ("control steps", end.control_steps, self.half_steps[Half::Control as usize]),
            ("outputs", end.outputs, self.sizes.outputs.count),
            ("blobs", end.blobs, self.sizes.blobs.count),
            ("bytes", end.bytes, head.at),
        ];
        for (what, said, found) in counts {
            if said != found {
                self.problem(Problem::Count { what, said, found });
            }
        }
        if end.sha256 != hex(&self.hash.clone().finalize()) {
            self.problem(Problem::RunningHash);
        }
        self.ended = true;
        found.push(Item::End(end));
        Ok(Spent::on(Bucket::Meta, 0))
    }

    fn packet(&mut self, head: Head, body: &[u8], found: &mut Vec<Item>) -> Result<Spent, Damage> {
        let number = |at| head.order.u32(body, at).ok_or(Damage::Content);
        let interface = self.interfaces.get(number(0)? as usize);
        let ticks = head.order.halves(body, 4).ok_or(Damage::Content)?;
        let (captured, original) = (number(12)? as usize, number(16)? as usize);
        let data = body.get(20..).and_then(|rest| rest.get(..captured)).ok_or(Damage::Content)?;
        let options = Options::new(body, 20 + captured.next_multiple_of(4), head.order);
        let (flags, records) = packet_options(options, head.order);

        let Some((Some(kind), interface)) = interface else {
            return Ok(self.unknown(Unknown::Block { kind: PACKET }, found));
        };
        let (kind, unix_ns) = (*kind, interface.unix_ns(ticks));
        let Some(direction) = block::direction(flags) else {
            return Ok(self.unknown(Unknown::Block { kind: PACKET }, found));
        };
        let read = wire::read(kind, data, original).ok_or(Damage::Content)?;
        if !read.intact {
            self.problem(Problem::PacketChecksum { at: head.at });
        }
        let packet = RecordedPacket {
            kind,
            direction,
            at: Time::from_nanos(unix_ns.wrapping_add_signed(self.origin.unwrap_or(0).wrapping_neg())),
            unix_ns,
            source: read.source,
            destination: read.destination,
            bytes: read.payload.into(),
            original_length: read.length,
            payload_hash: None,
        };
        let mut spent = Spent::on(Bucket::packets(direction), 1);
        let mut cursor = Cursor(records);
        if !cursor.is_empty() {
            self.ordinal(&mut cursor, head.at)?;
        }
        let base = packet.at;
        self.records(cursor, base, head.at, Some(packet), &mut spent, found)?;
        Ok(spent)
    }

    fn ordinal(&mut self, cursor: &mut Cursor<'_>, at: u64) -> Result<(), Damage> {
        let found = cursor.number().ok_or(Damage::Content)?;
        if found != self.items {
            self.problem(Problem::Order { at, expected: self.items, found });
            self.items = found;
        }
        Ok(())
    }

    /// Reads the records of one block. Its packet comes before the record that speaks of it, or else last.
    fn records(
        &mut self,
        mut cursor: Cursor<'_>,
        base: Time,
        at: u64,
        mut packet: Option<RecordedPacket>,
        spent: &mut Spent,
        found: &mut Vec<Item>,
    ) -> Result<(), Damage> {
        let mut thread = Thread::new(base);
        let mut shared = None;
        let mut room = MOST;
        while !cursor.is_empty() {
            room = room.checked_sub(1).ok_or(Damage::Content)?;
            let before = cursor.0.len();
            let record = thread.read(&mut cursor).ok_or(Damage::Content)?;
            let taken = (before - cursor.0.len()) as u64;
            match record {
                Record::PacketHash(hash) => {
                    self.take_packet(&mut packet, Some(hash), &mut shared, found);
                }
                Record::Later(kind, _) => {
                    self.sizes.unknown.count += 1;
                    spent.move_to(Bucket::Unknown, taken);
                    found.push(Item::Unknown(Unknown::Record { kind }));
                }
                Record::Item(head, content) => {
                    if let Content::PacketStep { .. } = content {
                        self.take_packet(&mut packet, None, &mut shared, found);
                    }
                    let bucket = if content.is_output() { Bucket::Outputs } else { Bucket::Steps };
                    spent.move_to(bucket, taken);
                    bucket.of(&mut self.sizes).count += 1;
                    self.items = self.items.saturating_add(1);
                    if !content.is_output() {
                        self.sequence(head.half, head.sequence, at);
                    }
                    found.push(self.item(head, content, shared.as_ref())?);
                }
            }
        }
        self.take_packet(&mut packet, None, &mut shared, found);
        Ok(())
    }

    fn take_packet(
        &mut self,
        packet: &mut Option<RecordedPacket>,
        hash: Option<PayloadHash>,
        shared: &mut Option<Arc<[u8]>>,
        found: &mut Vec<Item>,
    ) {
        if let Some(mut packet) = packet.take() {
            packet.payload_hash = hash;
            *shared = (packet.bytes.len() == packet.original_length).then(|| Arc::clone(&packet.bytes));
            self.items = self.items.saturating_add(1);
            found.push(Item::Packet(packet));
        }
    }

    fn item(
        &self,
        head: super::StepHead,
        content: Content<'_>,
        packet: Option<&Arc<[u8]>>,
    ) -> Result<Item, Damage> {
        let around = |before: &[u8], shared: &Arc<[u8]>, after: &[u8]| StepBody::Around {
            before: before.to_vec(),
            shared: Arc::clone(shared),
            after: after.to_vec(),
        };
        let body = match content {
            Content::Output(bytes) => {
                return Ok(Item::Output(RecordedOutput { head, body: OutputBody::Whole(bytes.to_vec()) }));
            }
            Content::OutputHash(hash, length) => {
                return Ok(Item::Output(RecordedOutput { head, body: OutputBody::Hash { hash, length } }));
            }
            Content::Step(payload) => StepBody::Whole(payload.to_vec()),
            Content::PacketStep { before, after } => around(before, packet.ok_or(Damage::Content)?, after),
            Content::BlobStep { before, blob, after } => {
                around(before, self.blobs.get(&blob).ok_or(Damage::MissingBlob)?, after)
            }
        };
        Ok(Item::Step(RecordedStep { head, body }))
    }

    fn sequence(&mut self, half: Half, found: u64, at: u64) {
        let expected = std::mem::replace(&mut self.next_step[half as usize], found.saturating_add(1));
        self.half_steps[half as usize] += 1;
        if found != expected {
            self.problem(Problem::Sequence { at, half, expected, found });
        }
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// The flags of a packet and the records of our option, both empty where there are none.
fn packet_options<'a>(options: Options<'a>, order: Order) -> (u32, &'a [u8]) {
    let mut found = (0, [].as_slice());
    for (code, value) in options {
        match code {
            code::FLAGS => found.0 = order.u32(value, 0).unwrap_or(0),
            code::CUSTOM_BINARY => {
                let records = order
                    .u32(value, 0)
                    .filter(|number| *number == ENTERPRISE)
                    .and_then(|_| value.get(4..)?.strip_prefix(&OPTION_MAGIC));
                found.1 = records.unwrap_or(found.1);
            }
            _ => {}
        }
    }
    found
}

/// What a block is counted as; its records can take a part of it.
#[derive(Debug)]
struct Spent {
    rest: (Bucket, u64),
    moved: Vec<(Bucket, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bucket {
    PacketsIn,
    PacketsOut,
    Steps,
    Outputs,
    Blobs,
    Meta,
    Unknown,
}

impl Bucket {
    fn packets(direction: Direction) -> Bucket {
        match direction {
            Direction::Inbound => Bucket::PacketsIn,
            Direction::Outbound => Bucket::PacketsOut,
        }
    }

    fn of(self, sizes: &mut Sizes) -> &mut Amount {
        match self {
            Bucket::PacketsIn => &mut sizes.packets_in,
            Bucket::PacketsOut => &mut sizes.packets_out,
            Bucket::Steps => &mut sizes.steps,
            Bucket::Outputs => &mut sizes.outputs,
            Bucket::Blobs => &mut sizes.blobs,
            Bucket::Meta => &mut sizes.meta,
            Bucket::Unknown => &mut sizes.unknown,
        }
    }
}

impl Spent {
    fn on(bucket: Bucket, count: u64) -> Spent {
        Spent { rest: (bucket, count), moved: Vec::new() }
    }

    fn move_to(&mut self, bucket: Bucket, bytes: u64) {
        self.moved.push((bucket, bytes));
    }

    fn add_to(self, sizes: &mut Sizes, length: usize) {
        let mut rest = length as u64;
        for (bucket, bytes) in self.moved {
            bucket.of(sizes).bytes += bytes;
            rest = rest.saturating_sub(bytes);
        }
        let amount = self.rest.0.of(sizes);
        amount.bytes += rest;
        amount.count += self.rest.1;
    }
}
