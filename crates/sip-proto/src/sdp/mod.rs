//! Session descriptions (RFC 8866) and offer/answer (RFC 3264).
//!
//! [`SessionDescription`] is what was read or will be written; lines we do not interpret are kept. [`answer`],
//! [`offer`] and [`apply_answer`] turn descriptions and [`LocalCapabilities`] into a [`NegotiatedStream`].

mod attribute;
mod description;
mod negotiate;
mod parse;
mod stream;

pub use attribute::{Direction, RtpMap};
pub use description::{Connection, MediaDescription, Origin, SessionDescription};
pub use negotiate::{Negotiated, NegotiationError, answer, apply_answer, offer, reoffer};
pub use parse::SdpError;
pub use stream::{Codec, LocalCapabilities, NegotiatedStream};

/// The media type of a description.
pub const CONTENT_TYPE: &str = "application/sdp";
