//! How much of a stranger's bytes we take.

/// Limits that hold before anything is allocated for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the start line and all headers together.
    pub header_bytes: usize,
    /// Header lines.
    pub header_lines: usize,
    /// Octets of the body.
    pub body_bytes: usize,
}

impl Default for Limits {
    /// Room for forty proxies and a signed identity, and for every body that a datagram can carry.
    fn default() -> Self {
        Limits { header_bytes: 32 * 1024, header_lines: 256, body_bytes: 64 * 1024 }
    }
}
