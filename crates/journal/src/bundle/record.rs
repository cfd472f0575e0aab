//! Records: steps and outputs as they stand in the option of a packet or in a Steps block.
//!
//! A head octet, then what differs from the record before in the same block: the sequence where it is not the next
//! one, the distance of `now`, the content. A deadline step takes five to eight bytes.

use offhook_time::{Half, Time};

use super::varint::{Cursor, put, put_signed};
use super::{BlobHash, PayloadHash, StepHead};

const KIND: u8 = 0x07;
const WHOLE_STEP: u8 = 0;
const PACKET_STEP: u8 = 1;
const BLOB_STEP: u8 = 2;
const OUTPUT: u8 = 3;
const OUTPUT_HASH: u8 = 4;
const PACKET_HASH: u8 = 5;
const LATER: u8 = 7;
const CONTROL: u8 = 0x08;
const SEQUENCE: u8 = 0x10;
const RESERVED: u8 = 0xE0;

/// No block has more: a reader's memory is bounded by it.
pub(super) const MOST: usize = 4096;

/// The content of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// A step's payload.
    Step(&'a [u8]),
    /// A step's payload around the packet of this block.
    PacketStep { before: &'a [u8], after: &'a [u8] },
    /// A step's payload around a blob.
    BlobStep { before: &'a [u8], blob: BlobHash, after: &'a [u8] },
    /// An output in full.
    Output(&'a [u8]),
    /// An output's hash and length.
    OutputHash(PayloadHash, u64),
}

impl Content<'_> {
    pub(super) fn is_output(&self) -> bool {
        match self {
            Content::Output(_) | Content::OutputHash(..) => true,
            Content::Step(_) | Content::PacketStep { .. } | Content::BlobStep { .. } => false,
        }
    }
}

/// One record of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A step or an output.
    Item(StepHead, Content<'a>),
    /// The hash of the payload that the packet of this block lacks.
    PacketHash(PayloadHash),
    /// A record of a later version: its kind and length.
    Later(u64, usize),
}

/// What the records of one block know of each other. Both sides start with the time base of the block.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    now: u64,
    /// The last sequence of each half in this block.
    last: [Option<u64>; 2],
}

impl Thread {
    pub(super) fn new(base: Time) -> Self {
        Thread { now: base.as_nanos(), last: [None; 2] }
    }

    /// Appends a step or an output; answers how many bytes it took.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, head: StepHead, content: Content<'_>) -> usize {
        let start = out.len();
        let half = match head.half {
            Half::Media => 0,
            Half::Control => CONTROL,
        };
        let sequence = self.sequence(head, content.is_output());
        out.push(kind(&content) | half | if sequence { SEQUENCE } else { 0 });
        if sequence {
            put(out, head.sequence);
        }
        put_signed(out, head.now.as_nanos().wrapping_sub(self.now) as i64);
        self.now = head.now.as_nanos();
        match content {
            Content::Step(payload) | Content::Output(payload) => run(out, payload),
            Content::PacketStep { before, after } => {
                run(out, before);
                run(out, after);
            }
            Content::BlobStep { before, blob, after } => {
                run(out, before);
                out.extend_from_slice(&blob.0);
                run(out, after);
            }
            Content::OutputHash(hash, length) => {
                out.extend_from_slice(&hash.0);
                put(out, length);
            }
        }
        out.len() - start
    }

    /// Whether the sequence must be said: a step is expected to be the next of its half, an output to belong to the
    /// last step.
    fn sequence(&mut self, head: StepHead, output: bool) -> bool {
        let last = &mut self.last[head.half as usize];
        let expected = last.and_then(|last| if output { Some(last) } else { last.checked_add(1) });
        *last = Some(head.sequence);
        expected != Some(head.sequence)
    }

    /// Reads the next record. `None` where the bytes are none.
    pub(super) fn read<'a>(&mut self, cursor: &mut Cursor<'a>) -> Option<Record<'a>> {
        let head = cursor.octet()?;
        match head & KIND {
            _ if head & RESERVED != 0 => None,
            LATER => {
                let kind = cursor.number()?;
                Some(Record::Later(kind, cursor.run()?.len()))
            }
            PACKET_HASH => Some(Record::PacketHash(PayloadHash(cursor.array()?))),
            kind @ WHOLE_STEP..=OUTPUT_HASH => {
                let step = self.head(head, kind, cursor)?;
                let content = match kind {
                    WHOLE_STEP => Content::Step(cursor.run()?),
                    PACKET_STEP => Content::PacketStep { before: cursor.run()?, after: cursor.run()? },
                    BLOB_STEP => Content::BlobStep {
                        before: cursor.run()?,
                        blob: BlobHash(cursor.array()?),
                        after: cursor.run()?,
                    },
                    OUTPUT => Content::Output(cursor.run()?),
                    _ => Content::OutputHash(PayloadHash(cursor.array()?), cursor.number()?),
                };
                Some(Record::Item(step, content))
            }
            _ => None,
        }
    }

    fn head(&mut self, head: u8, kind: u8, cursor: &mut Cursor<'_>) -> Option<StepHead> {
        let half = if head & CONTROL == 0 { Half::Media } else { Half::Control };
        let last = &mut self.last[half as usize];
        let sequence = if head & SEQUENCE != 0 {
            cursor.number()?
        } else if kind == OUTPUT || kind == OUTPUT_HASH {
            (*last)?
        } else {
            (*last)?.checked_add(1)?
        };
        *last = Some(sequence);
        self.now = self.now.wrapping_add(cursor.signed()? as u64);
        Some(StepHead { half, sequence, now: Time::from_nanos(self.now) })
    }
}

/// Appends the hash of a payload that was left out.
pub(super) fn write_packet_hash(out: &mut Vec<u8>, hash: PayloadHash) {
    out.push(PACKET_HASH);
    out.extend_from_slice(&hash.0);
}

fn kind(content: &Content<'_>) -> u8 {
    match content {
        Content::Step(_) => WHOLE_STEP,
        Content::PacketStep { .. } => PACKET_STEP,
        Content::BlobStep { .. } => BLOB_STEP,
        Content::Output(_) => OUTPUT,
        Content::OutputHash(..) => OUTPUT_HASH,
    }
}

fn run(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(half: Half, sequence: u64, now: u64) -> StepHead {
        StepHead { half, sequence, now: Time::from_nanos(now) }
    }

    #[test]
    fn records_come_back_whatever_their_times_and_sequences() {
        let records = [
            (head(Half::Media, 0, 5), Content::Step(b"a")),
            (head(Half::Media, 1, u64::MAX), Content::PacketStep { before: b"b", after: b"" }),
            (head(Half::Control, u64::MAX, 0), Content::Output(b"c")),
            (head(Half::Media, 1, 7), Content::OutputHash(PayloadHash([3; 8]), 320)),
            (
                head(Half::Media, 9, 7),
                Content::BlobStep { before: b"", blob: BlobHash([4; 32]), after: b"d" },
            ),
        ];
        let mut out = Vec::new();
        let mut thread = Thread::new(Time::from_millis(1));
        for (head, content) in records {
            thread.write(&mut out, head, content);
        }
        write_packet_hash(&mut out, PayloadHash([1; 8]));
        out.extend_from_slice(&[LATER, 40, 3, 1, 2, 3]);

        let mut thread = Thread::new(Time::from_millis(1));
        let mut cursor = Cursor(&out);

        for (head, content) in records {
            assert_eq!(thread.read(&mut cursor), Some(Record::Item(head, content)));
        }
        assert_eq!(thread.read(&mut cursor), Some(Record::PacketHash(PayloadHash([1; 8]))));
        assert_eq!(thread.read(&mut cursor), Some(Record::Later(40, 3)));
        assert!(cursor.is_empty());
    }

    #[test]
    fn a_deadline_beside_its_neighbours_takes_less_than_eight_bytes() {
        let mut out = Vec::new();
        let mut thread = Thread::new(Time::ZERO);
        thread.write(&mut out, head(Half::Media, 100_000, 1_000_000_000), Content::Step(&[2]));

        let taken = thread.write(&mut out, head(Half::Media, 100_001, 1_010_000_000), Content::Step(&[2]));

        assert!(taken < 8, "{taken}");
    }
}
