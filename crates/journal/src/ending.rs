//! How far a file could be read, and why no further.

use std::io::ErrorKind;

/// How far a file could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// To its end, and the writer had finished it.
    Complete,
    /// The file stops in the middle or was never finished (`kill -9`, a full disk, a copy too early).
    /// Everything before `at` was read.
    Cut {
        /// Offset of the end of the last whole block.
        at: u64,
    },
    /// The bytes at `at` are not what a writer puts there. Everything before was read.
    Damaged {
        /// Offset of the block that could not be read.
        at: u64,
        /// What is wrong with it.
        why: Damage,
    },
}

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The first block is no section header.
    #[error("it does not begin as a capture file")]
    NotACapture,
    /// A capture file, but without our Meta block before the first packet.
    #[error("a capture file, but not a call bundle")]
    NotABundle,
    /// A bundle of a later version than this reader knows.
    #[error("a bundle of version {0}, which this build cannot read")]
    Newer(u32),
    /// A block or record length that no writer writes.
    #[error("an impossible length")]
    Length,
    /// The two lengths of a block differ.
    #[error("the lengths before and after the block differ")]
    LengthsDiffer,
    /// A section with an unknown byte order.
    #[error("an unknown byte order mark")]
    ByteOrder,
    /// A second section or a second Meta in one bundle.
    #[error("a second call in the same file")]
    Second,
    /// The checksum of one of our blocks does not match its content.
    #[error("the checksum does not match")]
    Checksum,
    /// The content of one of our blocks cannot be decoded.
    #[error("the content cannot be decoded")]
    Content,
    /// A step refers to a blob that was not stored before.
    #[error("a step refers to a blob that is not there")]
    MissingBlob,
    /// A blob is not what its hash says.
    #[error("a blob does not have the hash under which it is stored")]
    BlobHash,
    /// Something follows the End block.
    #[error("something follows the end of the call")]
    AfterEnd,
    /// Encrypted bytes are not those that were sealed.
    #[error("the encrypted bytes were changed")]
    Changed,
    /// The file could not be read on.
    #[error("reading failed: {0}")]
    Io(ErrorKind),
}
