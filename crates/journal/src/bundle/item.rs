//! What a bundle holds, as its reader gives it back.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use offhook_time::{Half, Time};

use super::{BlobHash, Direction, End, Meta, PacketKind, PayloadHash, StepHead};

/// One thing out of a bundle, in the order in which the writer was given it.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// What the call was run with: the first item.
    Meta(Box<Meta>),
    /// A packet. Where it is also a step, that follows at once.
    Packet(RecordedPacket),
    /// A step of one half.
    Step(RecordedStep),
    /// An output of one half.
    Output(RecordedOutput),
    /// A blob, before the first step that refers to it.
    Blob(RecordedBlob),
    /// What the writer counted: the last item of a finished bundle.
    End(End),
    /// Something that this version does not know. It was stepped over.
    Unknown(Unknown),
}

impl Item {
    /// The step, if it is one.
    pub fn as_step(&self) -> Option<&RecordedStep> {
        if let Item::Step(step) = self { Some(step) } else { None }
    }

    /// The packet, if it is one.
    pub fn as_packet(&self) -> Option<&RecordedPacket> {
        if let Item::Packet(packet) = self { Some(packet) } else { None }
    }

    /// The output, if it is one.
    pub fn as_output(&self) -> Option<&RecordedOutput> {
        if let Item::Output(output) = self { Some(output) } else { None }
    }
}

/// A packet that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedPacket {
    /// What it is.
    pub kind: PacketKind,
    /// Which way it went.
    pub direction: Direction,
    /// When, on the clock of the call.
    pub at: Time,
    /// When, in nanoseconds of Unix time.
    pub unix_ns: u64,
    /// Who sent it. An IPv4 address beside an IPv6 one has become `::ffff:a.b.c.d`.
    pub source: SocketAddr,
    /// Who was to have it.
    pub destination: SocketAddr,
    /// What was kept of the datagram or message.
    pub bytes: Arc<[u8]>,
    /// How long it was.
    pub original_length: usize,
    /// Hash of the bytes that were not kept.
    pub payload_hash: Option<PayloadHash>,
}

/// A step whose payload is put together when it is asked for: it may share its bytes with a packet or a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedStep {
    /// Which step.
    pub head: StepHead,
    /// Its payload in parts.
    pub body: StepBody,
}

/// The payload of a step, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepBody {
    /// All of it.
    Whole(Vec<u8>),
    /// In front of the shared bytes, those, and behind them.
    Around {
        /// In front.
        before: Vec<u8>,
        /// The packet's bytes or the blob.
        shared: Arc<[u8]>,
        /// Behind.
        after: Vec<u8>,
    },
}

impl StepBody {
    /// The payload, byte for byte as it was recorded.
    pub fn payload(&self) -> Cow<'_, [u8]> {
        match self {
            StepBody::Whole(payload) => Cow::Borrowed(payload),
            StepBody::Around { before, shared, after } => {
                Cow::Owned([before.as_slice(), shared, after].concat())
            }
        }
    }
}

/// An output of one half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedOutput {
    /// The step that caused it.
    pub head: StepHead,
    /// What it was.
    pub body: OutputBody,
}

/// An output in full or what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputBody {
    /// Its bytes.
    Whole(Vec<u8>),
    /// Their hash and length.
    Hash {
        /// The hash.
        hash: PayloadHash,
        /// How many bytes.
        length: u64,
    },
}

impl OutputBody {
    /// Whether `bytes` are this output.
    pub fn is(&self, bytes: &[u8]) -> bool {
        match self {
            OutputBody::Whole(whole) => whole == bytes,
            OutputBody::Hash { hash, length } => {
                *length == bytes.len() as u64 && *hash == PayloadHash::of(bytes)
            }
        }
    }
}

/// A blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedBlob {
    /// Its name.
    pub hash: BlobHash,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// Something that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// A block of a kind that is not ours, or a packet on an interface that is not.
    Block {
        /// Its type as pcapng numbers them.
        kind: u32,
    },
    /// A block of ours of a later version.
    Ours {
        /// Its kind.
        kind: u32,
    },
    /// A record of a later version in a block that we know.
    Record {
        /// Its kind.
        kind: u64,
    },
}

/// Something that does not fit together, though every block could be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Blocks are missing or changed places.
    #[error("at {at}: item {found} stands where item {expected} should")]
    Order {
        /// Offset of the block.
        at: u64,
        /// The ordinal that should come.
        expected: u64,
        /// The ordinal that came.
        found: u64,
    },
    /// Steps of one half are missing or changed places: the recorder dropped some.
    #[error("at {at}: step {found} of the {half:?} half stands where step {expected} should")]
    Sequence {
        /// Offset of the block.
        at: u64,
        /// Which half.
        half: Half,
        /// The sequence that should come.
        expected: u64,
        /// The sequence that came.
        found: u64,
    },
    /// The checksums of a packet are wrong.
    #[error("at {at}: the checksum of the packet is wrong")]
    PacketChecksum {
        /// Offset of the block.
        at: u64,
    },
    /// The End block counts something else than is there.
    #[error("the end says {said} {what}, there are {found}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// What the End block says.
        said: u64,
        /// What is there.
        found: u64,
    },
    /// Some byte before the End block was changed.
    #[error("the bytes of the bundle are not those that were written")]
    RunningHash,
}
