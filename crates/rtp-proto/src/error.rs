//! Whose fault it is: here always the sender's bytes, or a buffer of ours that is too small.

/// Why a datagram was not read or a packet not written. Count it, drop it, go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The datagram ends before what its header announces.
    #[error("cut short")]
    TooShort,
    /// Not version 2 of RTP.
    #[error("not RTP version 2")]
    Version,
    /// Padding of no octets, or more than there are.
    #[error("padding does not fit")]
    Padding,
    /// A payload type above 127.
    #[error("a payload type has seven bits")]
    PayloadType,
    /// A compound RTCP packet that does not begin with a report (RFC 3550 A.2).
    #[error("a compound packet begins with a report")]
    NoReport,
    /// A telephone event that is not four octets (RFC 4733 §2.3).
    #[error("a telephone event has four octets")]
    Event,
    /// What is to be written does not fit into the caller's buffer.
    #[error("the buffer is too small")]
    BufferTooSmall,
}
