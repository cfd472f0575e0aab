//! The first and the last block: what the call was run with, and what was written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The bundle format that this build writes. A reader refuses later ones.
pub const VERSION: u32 = 1;

/// What a call was run with: the inputs that are no steps. Stored as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// [`VERSION`].
    pub version: u32,
    /// The call's id, as in its record.
    pub call: String,
    /// The random seed, in hexadecimal digits.
    pub seed: String,
    /// Hash of the configuration that the call ran with.
    pub configuration_hash: String,
    /// Hash of the bot file; empty without a conversation.
    #[serde(default)]
    pub bot_hash: String,
    /// The build that handled the call.
    pub build: String,
    /// The machine, as far as results may depend on it.
    pub cpu_class: String,
    /// The operating system.
    #[serde(default)]
    pub os: String,
    /// Unix time in nanoseconds at `Time::ZERO`.
    pub unix_ns_at_zero: i64,
    /// Offset of the configured zone from UTC in seconds, east positive.
    pub utc_offset_seconds: i32,
    /// The name of the zone, where it has one.
    #[serde(default)]
    pub zone: String,
    /// What else the caller of the writer wants to find again.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// What was written, said by the writer when it finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Packets, steps, outputs and blobs together.
    pub items: u64,
    /// Packets that reached us.
    pub packets_in: u64,
    /// Packets that we sent.
    pub packets_out: u64,
    /// Steps of the half that runs every frame.
    pub media_steps: u64,
    /// Steps of the half that decides.
    pub control_steps: u64,
    /// Outputs.
    pub outputs: u64,
    /// Blobs stored.
    pub blobs: u64,
    /// Bytes before this block.
    pub bytes: u64,
    /// SHA-256 of all bytes before this block, in hexadecimal digits.
    pub sha256: String,
}

/// How often something stands in a bundle, and how many bytes of the file it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// Bytes of the file, framing included.
    pub bytes: u64,
}

impl Amount {
    pub(super) fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes as u64;
    }
}

/// What the bytes of a bundle are spent on. The sum of all is the length of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Packets that reached us, their payload included.
    pub packets_in: Amount,
    /// Packets that we sent.
    pub packets_out: Amount,
    /// Steps, without the packets and blobs that they share.
    pub steps: Amount,
    /// Outputs.
    pub outputs: Amount,
    /// Blobs.
    pub blobs: Amount,
    /// Section and interface headers, Meta and End.
    pub meta: Amount,
    /// Blocks that this version does not know.
    pub unknown: Amount,
}

impl Sizes {
    /// Bytes of all kinds.
    pub fn total(&self) -> u64 {
        let Sizes { packets_in, packets_out, steps, outputs, blobs, meta, unknown } = self;
        [packets_in, packets_out, steps, outputs, blobs, meta, unknown]
            .iter()
            .map(|amount| amount.bytes)
            .sum()
    }
}
