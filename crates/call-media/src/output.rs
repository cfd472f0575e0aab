//! Where the media half puts what leaves.

use std::net::SocketAddr;

use offhook_audio::Frame;

use crate::{LegId, MediaEvent};

/// Takes what leaves, at once and in order. A trait of plain calls, so that nothing is queued or allocated.
pub trait Outputs {
    /// An RTP packet for the leg's far end, to the negotiated address or the one it was heard from
    /// ([`MediaSource::Learn`](crate::MediaSource)).
    fn rtp(&mut self, leg: LegId, to: SocketAddr, packet: &[u8]);

    /// [`rtp`](Self::rtp) with a packet that must be sent as it is and recorded as [`hide_sent`](crate::hide_sent) makes
    /// it.
    fn masked_rtp(&mut self, leg: LegId, to: SocketAddr, packet: &[u8]) {
        self.rtp(leg, to, packet);
    }

    /// What the half made of sound that is masked: a recorder keeps it beside the input in hand, a replay tells it
    /// back before ([`CallMedia::foretell`](crate::CallMedia::foretell)).
    fn judged(&mut self, judgement: &[u8]) {
        let _ = judgement;
    }

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
