//! What a call did, as hashes.

use std::fmt;

use offhook_time::Time;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// A hash under way.
#[derive(Clone, Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Adds `bytes` as what left at `now`; `what` tells kinds apart.
    pub fn bytes(&mut self, what: u8, now: Time, bytes: &[u8]) {
        self.0.update([what]);
        self.0.update(now.as_nanos().to_le_bytes());
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds a value by its encoding.
    pub fn value(&mut self, what: u8, now: Time, value: &impl Serialize) {
        let bytes = postcard::to_allocvec(value).unwrap_or_default();
        self.bytes(what, now, &bytes);
    }

    /// The first 64 bits: plenty to tell two calls apart.
    fn finish(self) -> u64 {
        self.0.finalize().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// The hashes of one call under way.
#[derive(Debug, Default)]
pub(crate) struct Hashing {
    pub sip: Digest,
    pub rtp: Digest,
    pub media: Digest,
    pub control: Digest,
    pub facts: Digest,
}

impl Hashing {
    pub fn finish(self) -> Digests {
        Digests {
            sip: self.sip.finish(),
            rtp: self.rtp.finish(),
            media: self.media.finish(),
            control: self.control.finish(),
            facts: self.facts.finish(),
        }
    }
}

/// What a call did. Two runs that agree in all of them sent the same bytes at the same moments and told the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Egress: SIP datagrams with their moments and addresses.
    pub sip: u64,
    /// Egress: RTP and RTCP packets with their moments and addresses.
    pub rtp: u64,
    /// Every output of the media half.
    pub media: u64,
    /// Every output of the control half.
    pub control: u64,
    /// The facts: what record and API are told.
    pub facts: u64,
}

impl fmt::Display for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Digests { sip, rtp, media, control, facts } = self;
        write!(f, "{sip:016x} {rtp:016x} {media:016x} {control:016x} {facts:016x}")
    }
}
