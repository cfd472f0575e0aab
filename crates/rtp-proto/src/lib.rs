//! RTP, RTCP, jitter buffer, telephone events and concealment as pure state machines.
//!
//! Owns what stands in RTP and RTCP packets and what a stream needs to be played and sent. It must not know sockets,
//! codecs, SIP or calls, and allocates nothing after construction. Start with [`RtpPacket`], then [`JitterBuffer`]
//! for a stream that comes in and [`StreamSender`] for one that goes out.

mod comfort_noise;
mod concealment;
mod error;
mod jitter;
mod numbers;
mod packet;
pub mod rtcp;
mod sender;
mod source;
mod telephone_event;

pub use comfort_noise::{NoiseGenerator, NoiseLevel};
pub use concealment::Concealer;
pub use error::Malformed;
pub use jitter::{JitterBuffer, JitterConfig, JitterStatistics, Playable, Prefer, Pushed, Released, Sizing};
pub use numbers::{ExtendedSequence, PayloadType, RtpTimestamp, SequenceNumber, Ssrc};
pub use packet::{DatagramKind, Extension, HEADER_LEN, RtpHeader, RtpPacket};
pub use sender::{SentCounts, StreamSender};
pub use source::{Source, Verdict};
pub use telephone_event::{
    Digit, DigitEvent, DigitReceiver, DigitSender, DigitSenderConfig, EventPacket, NextEvent, QueueFull,
    TelephoneEvent,
};
