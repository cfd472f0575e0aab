//! What the message tests share.

use std::path::PathBuf;

use offhook_sip_proto::message::{Limits, Malformed, Message};

/// The folder of raw messages beside the crates.
pub fn fixture_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../sip-fixtures")
}

/// Reads a datagram with the default limits.
pub fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
    Message::parse(bytes, &Limits::default())
}
