//! SIP messages, transactions, dialogs and SDP as pure state machines.
//!
//! The message layer: [`message`] (lossless parsing, typed headers, writing), [`framing`] (streams), [`sdp`]
//! (descriptions, offer and answer), [`policy`] (which requests a user agent server refuses and how) and [`model`]
//! (where `rsip` stands). Nothing here sees a socket or a clock. Start with [`message::Message`].

pub mod framing;
pub mod message;
pub mod model;
pub mod policy;
pub mod sdp;

pub mod dialog;
pub mod endpoint;
pub mod transaction;
pub mod user_agent;
