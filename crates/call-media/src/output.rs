//! Where the media half puts what leaves.

use std::net::SocketAddr;

use offhook_audio::Frame;

use crate::{LegId, MediaEvent};

/// Takes what leaves, at once and in order. A trait of plain calls, so that nothing is queued or allocated.
pub trait Outputs {
    /// An RTP packet for the leg's far end, to the negotiated address or the one it was heard from
    /// ([`MediaSource::Learn`](crate::MediaSource)).
    fn rtp(&mut self, leg: LegId, to: SocketAddr, packet: &[u8]);

    /// An RTCP packet for the leg's far end.
    fn rtcp(&mut self, leg: LegId, to: SocketAddr, packet: &[u8]);

    /// The next 20 ms for the recognizer: gap-free by RTP timestamp, concealed frames marked, 16 kHz.
    /// `in_utterance` is false for audio outside the caller's turns (pre-roll material).
    fn caller_audio(&mut self, frame: &Frame, in_utterance: bool);

    /// The next 20 ms for the application behind the bridge, at the bridge's rate.
    fn application_audio(&mut self, frame: &Frame);

    /// An event for `call-control`.
    fn event(&mut self, event: MediaEvent);
}
