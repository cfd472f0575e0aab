//! Encryption at rest: a file in sealed chunks that can be read up to the last whole one.
//!
//! [`SealedWriter`] goes below the bundle's writer, [`SealedReader`] below its reader. XChaCha20-Poly1305; the nonce of
//! a chunk is the file's and the number of the chunk, so chunks can be neither changed, moved, left out nor taken from
//! another file; the last one says that it is the last.

use std::io::{self, Read, Write};

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{Key, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use crate::pcapng::fill;
use crate::{Damage, Ending};

/// Begins a sealed file.
pub const MAGIC: [u8; 8] = *b"OFHKSEAL";
/// Bytes of the key.
pub const KEY: usize = 32;
/// Bytes of the nonce that the caller gives: random, a new one for each file.
pub const NONCE: usize = 16;

const VERSION: u32 = 1;
const TAG: usize = 16;
/// Magic, version, fingerprint of the key, nonce; then a tag over them.
const HEADER: usize = 8 + 4 + 8 + NONCE;
/// Most bytes in a chunk: a reader holds one.
const CHUNK: usize = 64 << 10;
/// In the length of a chunk: there is none after it.
const LAST: u32 = 1 << 31;
/// The chunk number under which the header is sealed. No file has so many.
const HEADER_CHUNK: u64 = u64::MAX;

/// Why a sealed file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It is not sealed, or too short to say.
    #[error("not an encrypted bundle")]
    NotSealed,
    /// It is of a later version.
    #[error("encrypted in version {0}, which this build cannot read")]
    Newer(u32),
    /// It is sealed, and no key was given.
    #[error("the bundle is encrypted, and no key was given")]
    KeyMissing,
    /// It was sealed with another key.
    #[error("encrypted with another key: this one is {given}, the file wants {wanted}")]
    WrongKey {
        /// Fingerprint of the key given.
        given: String,
        /// Fingerprint of the key that sealed it.
        wanted: String,
    },
    /// The key is right, the header is not what was written.
    #[error("the header of the encrypted bundle was changed")]
    Changed,
    /// It cannot be read.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
}

/// A short name for a key, the same in every file: tells which key a file wants and gives nothing of it away.
pub fn fingerprint(key: &[u8; KEY]) -> String {
    super::hash::hex(&fingerprint_bytes(key))
}

/// Whether a file that begins with `bytes` is sealed.
pub fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Seals what is written to it. A flush ends a chunk, so all before it can be read after a kill.
pub struct SealedWriter<W> {
    out: W,
    seal: Seal,
    /// Room for the length, then the bytes of the chunk.
    chunk: Vec<u8>,
}

impl<W: Write> SealedWriter<W> {
    /// Writes the header. A nonce must never be used twice with one key.
    pub fn begin(mut out: W, key: &[u8; KEY], nonce: [u8; NONCE]) -> io::Result<Self> {
        let seal = Seal::new(key, nonce);
        let mut header = Vec::with_capacity(HEADER + TAG);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&fingerprint_bytes(key));
        header.extend_from_slice(&nonce);
        let tag = seal.close(HEADER_CHUNK, &header, &mut [])?;
        header.extend_from_slice(&tag);
        out.write_all(&header)?;
        Ok(SealedWriter { out, seal, chunk: vec![0; 4] })
    }

    /// Writes the last chunk; answers the file.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_chunk(LAST)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write_chunk(&mut self, last: u32) -> io::Result<()> {
        let (head, body) = self.chunk.split_at_mut(4);
        head.copy_from_slice(&(body.len() as u32 | last).to_le_bytes());
        let tag = self.seal.close(self.seal.number, head, body)?;
        self.seal.number += 1;
        self.chunk.extend_from_slice(&tag);
        let written = self.out.write_all(&self.chunk);
        self.chunk.truncate(4);
        written
    }
}

impl<W: Write> Write for SealedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK + 4 - self.chunk.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.chunk.extend_from_slice(taken);
        if self.chunk.len() == CHUNK + 4 {
            self.write_chunk(0)?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.len() > 4 {
            self.write_chunk(0)?;
        }
        self.out.flush()
    }
}

impl<W> std::fmt::Debug for SealedWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedWriter").field("chunk", &self.seal.number).finish_non_exhaustive()
    }
}

/// Opens what [`SealedWriter`] sealed. A cut file ends quietly after its last whole chunk, a changed one with an error
/// of kind `InvalidData`; [`ending`](Self::ending) tells them apart.
pub struct SealedReader<R> {
    input: R,
    seal: Seal,
    /// Offset of the next chunk.
    at: u64,
    chunk: Vec<u8>,
    given: usize,
    ending: Option<Ending>,
}

impl<R: Read> SealedReader<R> {
    /// Reads the header and checks the key.
    pub fn open(mut input: R, key: &[u8; KEY]) -> Result<Self, SealError> {
        let mut header = [0; HEADER + TAG];
        let read = fill(&mut input, &mut header)?;
        if read < header.len() || !is_sealed(&header) {
            return Err(SealError::NotSealed);
        }
        let (header, tag) = header.split_at(HEADER);
        let version = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        if version > VERSION {
            return Err(SealError::Newer(version));
        }
        if header[12..20] != fingerprint_bytes(key) {
            let wanted = super::hash::hex(&header[12..20]);
            return Err(SealError::WrongKey { given: fingerprint(key), wanted });
        }
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&header[20..]);
        let seal = Seal::new(key, nonce);
        if !seal.open(HEADER_CHUNK, header, &mut [], tag) {
            return Err(SealError::Changed);
        }
        let at = (HEADER + TAG) as u64;
        Ok(SealedReader { input, seal, at, chunk: Vec::new(), given: 0, ending: None })
    }

    /// How far the sealed file could be read, in offsets of the sealed file; `None` before its end.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    fn read_chunk(&mut self) -> Result<(), Ending> {
        let at = self.at;
        let io = |error: io::Error| Ending::Damaged { at, why: Damage::Io(error.kind()) };
        let mut head = [0; 4];
        if fill(&mut self.input, &mut head).map_err(io)? < head.len() {
            return Err(Ending::Cut { at });
        }
        let word = u32::from_le_bytes(head);
        let length = (word & !LAST) as usize;
        if length > CHUNK {
            return Err(Ending::Damaged { at, why: Damage::Changed });
        }
        self.chunk.clear();
        self.chunk.resize(length + TAG, 0);
        if fill(&mut self.input, &mut self.chunk).map_err(io)? < self.chunk.len() {
            self.chunk.clear();
            return Err(Ending::Cut { at });
        }
        let (body, tag) = self.chunk.split_at_mut(length);
        let whole = self.seal.open(self.seal.number, &head, body, tag);
        self.chunk.truncate(if whole { length } else { 0 });
        self.given = 0;
        if !whole {
            return Err(Ending::Damaged { at, why: Damage::Changed });
        }
        self.seal.number += 1;
        self.at += (4 + length + TAG) as u64;
        if word & LAST != 0 {
            let more = fill(&mut self.input, &mut [0]).map_err(io)?;
            let damaged = Ending::Damaged { at: self.at, why: Damage::AfterEnd };
            self.ending = Some(if more == 0 { Ending::Complete } else { damaged });
        }
        Ok(())
    }
}

impl<R: Read> Read for SealedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.chunk.len() && self.ending.is_none() {
            self.ending = self.read_chunk().err().or(self.ending);
        }
        let rest = self.chunk.get(self.given..).unwrap_or_default();
        if let (true, Some(Ending::Damaged { why, .. })) = (rest.is_empty(), self.ending) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let taken = rest.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&rest[..taken]);
        self.given += taken;
        Ok(taken)
    }
}

impl<R> std::fmt::Debug for SealedReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedReader")
            .field("at", &self.at)
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}

/// The cipher with the nonce of one file. Not `Debug`: it holds the key.
struct Seal {
    cipher: XChaCha20Poly1305,
    nonce: [u8; NONCE],
    /// The next chunk.
    number: u64,
}

impl Seal {
    fn new(key: &[u8; KEY], nonce: [u8; NONCE]) -> Self {
        Seal { cipher: XChaCha20Poly1305::new(&Key::from(*key)), nonce, number: 0 }
    }

    fn close(&self, number: u64, beside: &[u8], body: &mut [u8]) -> io::Result<[u8; TAG]> {
        let tag = self.cipher.encrypt_inout_detached(&self.chunk_nonce(number), beside, body.into());
        tag.map(Into::into).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
    }

    fn open(&self, number: u64, beside: &[u8], body: &mut [u8], tag: &[u8]) -> bool {
        let Ok(tag) = <[u8; TAG]>::try_from(tag) else { return false };
        let nonce = self.chunk_nonce(number);
        self.cipher.decrypt_inout_detached(&nonce, beside, body.into(), &Tag::from(tag)).is_ok()
    }

    fn chunk_nonce(&self, number: u64) -> XNonce {
        let mut nonce = [0; NONCE + 8];
        nonce[..NONCE].copy_from_slice(&self.nonce);
        nonce[NONCE..].copy_from_slice(&number.to_le_bytes());
        XNonce::from(nonce)
    }
}

fn fingerprint_bytes(key: &[u8; KEY]) -> [u8; 8] {
    let mut hash = Sha256::new();
    hash.update(b"offhook sealed bundle key");
    hash.update(key);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    first
}
