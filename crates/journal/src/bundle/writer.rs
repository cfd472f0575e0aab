//! Writes a bundle while the call runs.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use offhook_time::{Half, Step, Time};
use sha2::{Digest, Sha256};

use super::custom;
use super::hash::hex;
use super::record::{Content, Thread};
use super::varint::put;
use super::{BlobHash, End, Keep, Meta, Packet, PayloadHash, Sizes, StepHead, block, rtp_header_length};

/// Small steps wait at most so long for a packet that carries them. A kill loses no more than this and the time
/// between two calls of [`Writer::flush_due`].
const HOLD: Duration = Duration::from_millis(200);
/// Steps that wait are written as a block of their own when they take so many bytes.
const HELD_BYTES: usize = 4096;
/// ... or are so many: their heads too must fit into an option of a packet, which has room for 64 KiB.
const HELD_RECORDS: usize = 128;
/// What is encoded goes to the file in pieces of about this size: a fifth of a second is four to five kilobytes.
const BUFFER: usize = 8 << 10;
/// Contents longer than this would make blocks that Wireshark refuses.
const LONGEST_CONTENT: usize = 8 << 20;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file refused. Nothing more is written, because half a block may stand at its end.
    #[error("writing the bundle failed: {0}")]
    Io(#[from] io::Error),
    /// A packet, step or blob is longer than the format can hold. It was left out; the bundle can go on without it.
    #[error("{0} bytes do not fit into one block of a bundle")]
    TooLong(usize),
    /// An earlier write failed.
    #[error("the bundle ended with an earlier error")]
    Failed,
    /// The Meta cannot be encoded.
    #[error("the meta data cannot be encoded: {0}")]
    Meta(#[from] serde_json::Error),
}

/// Writes one call's bundle to any [`Write`], block after block: what was flushed can be read, wherever it stops.
///
/// Steps come in the order of handling, each half for itself; the file keeps the order in which the writer was called.
/// The writer reads no clock: [`flush_due`](Self::flush_due) must be called now and then. Dropped without
/// [`finish`](Self::finish), it leaves a bundle that ends as cut.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// Blocks not yet handed to `out`.
    buffer: Vec<u8>,
    origin: i64,
    held: Vec<Held>,
    /// The bytes of `held`, one after another.
    arena: Vec<u8>,
    /// The ordinal of the next item that is encoded.
    items: u64,
    half_steps: [u64; 2],
    blobs: BTreeSet<BlobHash>,
    /// When the oldest thing came that `out` has not got.
    oldest: Option<Time>,
    hash: Sha256,
    written: u64,
    sizes: Sizes,
    failed: bool,
}

/// A step or output that waits for a block; its bytes stand in the arena.
#[derive(Clone, Copy, Debug)]
struct Held {
    head: StepHead,
    kind: HeldKind,
    length: usize,
}

#[derive(Clone, Copy, Debug)]
enum HeldKind {
    Step,
    Output,
    OutputHash(PayloadHash, u64),
    BlobStep { before: usize, blob: BlobHash },
}

impl<W: Write> Writer<W> {
    /// Writes the headers and the Meta block.
    pub fn begin(out: W, meta: &Meta) -> Result<Self, WriteError> {
        let mut buffer = Vec::with_capacity(BUFFER);
        let mut sizes = Sizes::default();
        block::section(&mut buffer, meta);
        sizes.meta.count += 1;
        block::interfaces(&mut buffer);
        let json = serde_json::to_vec(meta)?;
        if json.len() > LONGEST_CONTENT {
            return Err(WriteError::TooLong(json.len()));
        }
        custom::write(&mut buffer, custom::META, |out| out.extend_from_slice(&json));
        sizes.meta.bytes = buffer.len() as u64;
        let mut writer = Writer {
            out,
            buffer,
            origin: meta.unix_ns_at_zero,
            held: Vec::new(),
            arena: Vec::new(),
            items: 0,
            half_steps: [0; 2],
            blobs: BTreeSet::new(),
            oldest: None,
            hash: Sha256::new(),
            written: 0,
            sizes,
            failed: false,
        };
        writer.flush()?;
        Ok(writer)
    }

    /// A step whose payload is kept as it is. Deadlines and other small ones cost a few bytes.
    pub fn step(&mut self, step: Step<'_>) -> Result<(), WriteError> {
        let head = StepHead { half: step.half, sequence: step.sequence, now: step.now };
        self.hold(head, HeldKind::Step, &[step.payload])
    }

    /// A step whose payload is `before`, then the bytes of `packet`, then `after`: the packet is stored once.
    pub fn packet_step(
        &mut self,
        head: StepHead,
        before: &[u8],
        packet: &Packet<'_>,
        after: &[u8],
    ) -> Result<(), WriteError> {
        if before.len() + after.len() > HELD_BYTES {
            // Too long for an option.
            self.packet(packet, Keep::Whole)?;
            return self.hold(head, HeldKind::Step, &[before, packet.bytes, after]);
        }
        self.write_packet(packet, packet.bytes.len(), Some((head, before, after)))
    }

    /// A step whose payload is `before`, then `blob`, then `after`: equal blobs are stored once.
    pub fn blob_step(
        &mut self,
        head: StepHead,
        before: &[u8],
        blob: &[u8],
        after: &[u8],
    ) -> Result<(), WriteError> {
        let name = self.blob(blob, head.now)?;
        self.hold(head, HeldKind::BlobStep { before: before.len(), blob: name }, &[before, after])
    }

    /// A packet that is no step: SIP beside the events it caused, and what we sent.
    pub fn packet(&mut self, packet: &Packet<'_>, keep: Keep) -> Result<(), WriteError> {
        let kept = match keep {
            Keep::Whole => packet.bytes.len(),
            Keep::Header if packet.kind == super::PacketKind::Rtp => {
                rtp_header_length(packet.bytes).unwrap_or(packet.bytes.len())
            }
            Keep::Header => packet.bytes.len(),
        };
        self.write_packet(packet, kept, None)
    }

    /// An output in full, of the step that `head` names.
    pub fn output(&mut self, head: StepHead, bytes: &[u8]) -> Result<(), WriteError> {
        self.hold(head, HeldKind::Output, &[bytes])
    }

    /// An output as its hash and length.
    pub fn output_hash(&mut self, head: StepHead, bytes: &[u8]) -> Result<(), WriteError> {
        self.hold(head, HeldKind::OutputHash(PayloadHash::of(bytes), bytes.len() as u64), &[])
    }

    /// Stores `bytes` unless they are stored already; answers their name.
    pub fn blob(&mut self, bytes: &[u8], now: Time) -> Result<BlobHash, WriteError> {
        let name = BlobHash::of(bytes);
        if self.blobs.contains(&name) {
            return Ok(name);
        }
        self.check(bytes.len())?;
        // Ordinals rise through the file.
        self.write_held();
        let ordinal = self.items;
        let taken = custom::write(&mut self.buffer, custom::BLOB, |out| {
            put(out, ordinal);
            out.extend_from_slice(&name.0);
            out.extend_from_slice(bytes);
        });
        self.items += 1;
        self.sizes.blobs.add(taken);
        self.blobs.insert(name);
        self.wrote(now)?;
        Ok(name)
    }

    /// Hands everything to the file: after this a kill loses nothing that came before.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.write_held();
        self.hand_over()?;
        self.out.flush().inspect_err(|_| self.failed = true)?;
        Ok(())
    }

    /// Hands to the file what has waited for 200 ms. Younger steps go on waiting for a packet that carries them.
    pub fn flush_due(&mut self, now: Time) -> Result<(), WriteError> {
        let due = |since: Option<Time>| since.is_some_and(|since| since + HOLD <= now);
        if due(self.held.first().map(|held| held.head.now)) {
            self.write_held();
        }
        if due(self.oldest) {
            self.hand_over()?;
            self.out.flush().inspect_err(|_| self.failed = true)?;
        }
        Ok(())
    }

    /// Writes the End block; answers the file and what its bytes were spent on.
    pub fn finish(mut self) -> Result<(W, Sizes), WriteError> {
        self.write_held();
        self.hand_over()?;
        let end = End {
            items: self.items,
            packets_in: self.sizes.packets_in.count,
            packets_out: self.sizes.packets_out.count,
            media_steps: self.half_steps[Half::Media as usize],
            control_steps: self.half_steps[Half::Control as usize],
            outputs: self.sizes.outputs.count,
            blobs: self.sizes.blobs.count,
            bytes: self.written,
            sha256: hex(&self.hash.clone().finalize()),
        };
        let mut json = serde_json::to_vec(&end)?;
        // No padding: a block in which any changed byte is noticed.
        json.resize(json.len().next_multiple_of(4), b' ');
        let taken = custom::write(&mut self.buffer, custom::END, |out| out.extend_from_slice(&json));
        self.sizes.meta.bytes += taken as u64;
        self.flush()?;
        Ok((self.out, self.sizes))
    }

    /// What the bytes so far were spent on. Steps that still wait for a block are not in it.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// The file. What was not flushed is not in it.
    pub fn get_ref(&self) -> &W {
        &self.out
    }

    fn write_packet(
        &mut self,
        packet: &Packet<'_>,
        kept: usize,
        step: Option<(StepHead, &[u8], &[u8])>,
    ) -> Result<(), WriteError> {
        self.check(packet.bytes.len())?;
        let Writer { buffer, held, arena, items, origin, .. } = self;
        let mut spent = Spent::default();
        let block = block::packet(buffer, packet, kept, *origin, |out| {
            put(out, *items);
            let mut thread = Thread::new(packet.at);
            spent = encode(held, arena, &mut thread, out);
            if kept < packet.bytes.len() {
                super::record::write_packet_hash(out, PayloadHash::of(&packet.bytes[kept..]));
            }
            if let Some((head, before, after)) = step {
                let content = Content::PacketStep { before, after };
                spent.steps.add(thread.write(out, head, content));
                spent.halves[head.half as usize] += 1;
            }
        });
        let taken = block.ok_or(WriteError::TooLong(packet.bytes.len()))?;
        let amount = match packet.direction {
            super::Direction::Inbound => &mut self.sizes.packets_in,
            super::Direction::Outbound => &mut self.sizes.packets_out,
        };
        amount.add(taken - spent.bytes());
        self.items += 1;
        self.account(spent);
        self.wrote(packet.at)
    }

    /// Keeps a step or an output until a block takes it.
    fn hold(&mut self, head: StepHead, kind: HeldKind, parts: &[&[u8]]) -> Result<(), WriteError> {
        let length = parts.iter().map(|part| part.len()).sum();
        self.check(length)?;
        let waited = self.held.first().is_some_and(|first| first.head.now + HOLD <= head.now);
        if waited || self.arena.len() + length > HELD_BYTES || self.held.len() == HELD_RECORDS {
            self.write_held();
        }
        for part in parts {
            self.arena.extend_from_slice(part);
        }
        self.held.push(Held { head, kind, length });
        if length > HELD_BYTES {
            self.write_held();
        }
        self.wrote(head.now)
    }

    /// Writes what waits as a block of its own.
    fn write_held(&mut self) {
        let Some(first) = self.held.first() else { return };
        let (base, ordinal) = (first.head.now, self.items);
        let Writer { buffer, held, arena, .. } = self;
        let mut spent = Spent::default();
        let taken = custom::write(buffer, custom::STEPS, |out| {
            put(out, base.as_nanos());
            put(out, ordinal);
            spent = encode(held, arena, &mut Thread::new(base), out);
        });
        spent.steps.bytes += (taken - spent.bytes()) as u64;
        self.account(spent);
    }

    fn account(&mut self, spent: Spent) {
        self.items += spent.steps.count + spent.outputs.count;
        for (sum, amount) in [(&mut self.sizes.steps, spent.steps), (&mut self.sizes.outputs, spent.outputs)]
        {
            sum.count += amount.count;
            sum.bytes += amount.bytes;
        }
        for (sum, count) in self.half_steps.iter_mut().zip(spent.halves) {
            *sum += count;
        }
        self.held.clear();
        self.arena.clear();
    }

    fn check(&self, length: usize) -> Result<(), WriteError> {
        if self.failed {
            return Err(WriteError::Failed);
        }
        if length > LONGEST_CONTENT { Err(WriteError::TooLong(length)) } else { Ok(()) }
    }

    fn wrote(&mut self, now: Time) -> Result<(), WriteError> {
        self.oldest.get_or_insert(now);
        if self.buffer.len() >= BUFFER { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), WriteError> {
        self.check(0)?;
        self.out.write_all(&self.buffer).inspect_err(|_| self.failed = true)?;
        self.hash.update(&self.buffer);
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        // A blob made it large once; a call has to be small.
        self.buffer.shrink_to(BUFFER * 2);
        self.oldest = self.held.first().map(|held| held.head.now);
        Ok(())
    }
}

/// What the records of one block took.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    steps: super::Amount,
    outputs: super::Amount,
    halves: [u64; 2],
}

impl Spent {
    fn bytes(&self) -> usize {
        (self.steps.bytes + self.outputs.bytes) as usize
    }
}

fn encode(held: &[Held], arena: &[u8], thread: &mut Thread, out: &mut Vec<u8>) -> Spent {
    let mut spent = Spent::default();
    let mut rest = arena;
    for Held { head, kind, length } in held {
        let (bytes, after) = rest.split_at_checked(*length).unwrap_or_default();
        rest = after;
        let content = match kind {
            HeldKind::Step => Content::Step(bytes),
            HeldKind::Output => Content::Output(bytes),
            HeldKind::OutputHash(hash, length) => Content::OutputHash(*hash, *length),
            HeldKind::BlobStep { before, blob } => {
                let (before, after) = bytes.split_at_checked(*before).unwrap_or_default();
                Content::BlobStep { before, blob: *blob, after }
            }
        };
        let taken = thread.write(out, *head, content);
        if content.is_output() {
            spent.outputs.add(taken);
        } else {
            spent.steps.add(taken);
            spent.halves[head.half as usize] += 1;
        }
    }
    spent
}
