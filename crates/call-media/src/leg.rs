//! One leg: the way in, the way out, and the reports about both.

use std::net::SocketAddr;
use std::time::Duration;

use offhook_audio::gain::GainRamp;
use offhook_audio::{Downsampler16To8, Frame, Upsampler8To16};
use offhook_engine_api::UtteranceId;
use offhook_rtp_proto::rtcp::{Cname, RtcpConfig, RtcpSession};
use offhook_time::{Randomness, Time, WallClock};

use crate::egress::Egress;
use crate::ingress::Ingress;
use crate::{Gain, JitterPreference, LegId, LegSettings, Outputs, Port, StreamReport, StreamSettings};

/// Bits per second of G.711 in one direction, which RTCP takes 5 % of (RFC 3550 §6.2).
const SESSION_BANDWIDTH: u32 = 64_000;

/// Samples over which a gain changes: 5 ms at 16 kHz.
const GAIN_CHANGE: u32 = 80;

/// What a leg is built from besides its own settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Common<'a> {
    pub(crate) sources: &'a [(Port, usize)],
    pub(crate) jitter: JitterPreference,
    pub(crate) cname: Cname,
    pub(crate) wall: WallClock,
}

/// One leg of the call.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) stream: Option<StreamSettings>,
    pub(crate) ingress: Ingress,
    pub(crate) egress: Egress,
    pub(crate) upsampler: Upsampler8To16,
    pub(crate) downsampler: Downsampler16To8,
    /// Gain towards those that take frames and have no clock of their own.
    pub(crate) to_application: Option<GainRamp>,
    pub(crate) to_recognizer: Option<GainRamp>,
    /// The last frame, where another leg sets the pace of the application.
    pub(crate) mailbox: Option<Frame>,
    /// What the digit that is being held has stopped.
    pub(crate) stopped_by_digit: Option<(UtteranceId, Duration)>,
    /// When the first packet of the digit that is being held came.
    pub(crate) digit_began: Option<Time>,
    rtcp: RtcpSession,
    rtcp_dropped: u64,
}

impl Leg {
    pub(crate) fn new(
        settings: &LegSettings,
        common: Common<'_>,
        randomness: &mut Randomness,
        now: Time,
    ) -> Self {
        let egress = Egress::new(settings.leg, common.sources, randomness);
        let config = RtcpConfig {
            ssrc: egress.ssrc(),
            cname: common.cname,
            session_bandwidth: SESSION_BANDWIDTH,
            wall: common.wall,
        };
        Leg {
            id: settings.leg,
            stream: None,
            ingress: Ingress::new(settings.source, common.jitter),
            egress,
            upsampler: Upsampler8To16::new(),
            downsampler: Downsampler16To8::new(),
            to_application: None,
            to_recognizer: None,
            mailbox: None,
            stopped_by_digit: None,
            digit_began: None,
            rtcp: RtcpSession::new(config, randomness, now),
            rtcp_dropped: 0,
        }
    }

    /// Offer and answer settled something.
    pub(crate) fn set_stream(&mut self, stream: StreamSettings, now: Time) {
        let received_before = self.receives();
        self.stream = Some(stream);
        self.ingress.settle(&stream, received_before, now);
        self.egress.start(now);
    }

    /// Whether RTP is expected.
    pub(crate) fn receives(&self) -> bool {
        self.stream.is_some_and(|stream| stream.direction.receives())
    }

    /// Whether RTP leaves.
    pub(crate) fn sends(&self) -> bool {
        self.stream.is_some_and(|stream| stream.direction.sends()) && self.ingress.remote().is_some()
    }

    /// When anything of this leg is due.
    pub(crate) fn poll_timeout(&self, rtp_timeout: Duration) -> Option<Time> {
        let silence = if self.receives() { self.ingress.silence_timeout(rtp_timeout) } else { None };
        let reports = if self.rtcp_remote().is_some() { self.rtcp.poll_timeout() } else { None };
        let all = [self.ingress.poll_timeout(), self.egress.poll_timeout(), silence, reports];
        all.into_iter().flatten().min()
    }

    /// Takes RTCP.
    pub(crate) fn handle_rtcp(&mut self, datagram: &[u8], source: SocketAddr, arrived_at: Time) {
        let heard = self.ingress.is_known_host(source)
            && self.rtcp.handle_datagram(datagram, &mut self.ingress.reception, arrived_at).is_ok();
        self.rtcp_dropped += u64::from(!heard);
    }

    /// Sends a report where one is due.
    pub(crate) fn report(&mut self, outputs: &mut impl Outputs, now: Time) {
        let Some(to) = self.rtcp_remote() else { return };
        if self.rtcp.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        let mut buffer = [0; RtcpSession::MAX_DATAGRAM];
        let counts = self.egress.counts();
        let timestamp = self.egress.timestamp_at(now);
        let reception = &mut self.ingress.reception;
        if let Some(len) = self.rtcp.poll_transmit(counts, timestamp, reception, &mut buffer, now) {
            outputs.rtcp(self.id, to, &buffer[..len]);
        }
    }

    /// Sends the last report, with a BYE.
    pub(crate) fn say_goodbye(&mut self, outputs: &mut impl Outputs, now: Time) {
        let Some(to) = self.rtcp_remote() else { return };
        let mut buffer = [0; RtcpSession::MAX_DATAGRAM];
        let counts = self.egress.counts();
        let timestamp = self.egress.timestamp_at(now);
        let reception = &mut self.ingress.reception;
        if let Ok(len) = self.rtcp.write_goodbye(counts, timestamp, reception, &mut buffer, now) {
            outputs.rtcp(self.id, to, &buffer[..len]);
        }
    }

    /// What the stream did.
    pub(crate) fn stream_report(&self) -> StreamReport {
        let jitter = self.ingress.statistics();
        let micros = |duration: Duration| u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
        StreamReport {
            received: jitter.received,
            lost: jitter.lost,
            late: jitter.late,
            duplicates: jitter.duplicates,
            concealed: self.ingress.concealed(),
            dropped: self.ingress.dropped() + self.rtcp_dropped,
            sent: self.egress.sent(),
            jitter_us: micros(self.ingress.reception.jitter()),
            round_trip_us: self.rtcp.last_heard().round_trip.map_or(0, micros),
        }
    }

    /// Sets or changes the gain towards a destination that takes frames.
    pub(crate) fn set_frame_gain(&mut self, to: Port, gain: Gain) {
        let factor = f32::from(gain.0) / f32::from(Gain::UNITY.0);
        if let Some(slot) = self.frame_gain(to) {
            match slot {
                Some(ramp) => ramp.move_to(factor, GAIN_CHANGE),
                None => *slot = Some(GainRamp::new(factor)),
            }
        }
    }

    /// Takes the route to such a destination out.
    pub(crate) fn remove_frame_gain(&mut self, to: Port) {
        if let Some(slot) = self.frame_gain(to) {
            *slot = None;
        }
    }

    fn frame_gain(&mut self, to: Port) -> Option<&mut Option<GainRamp>> {
        match to {
            Port::Application => Some(&mut self.to_application),
            Port::Recognizer => Some(&mut self.to_recognizer),
            Port::Leg(_) | Port::Bot => None,
        }
    }

    /// Reports follow what was learned of the far end's address: the next port, or the same one with rtcp-mux.
    fn rtcp_remote(&self) -> Option<SocketAddr> {
        let stream = self.stream?;
        let negotiated = stream.remote_rtcp?;
        let remote = self.ingress.remote()?;
        if Some(remote) == stream.remote_rtp {
            return Some(negotiated);
        }
        let multiplexed = Some(negotiated) == stream.remote_rtp;
        let port = if multiplexed { remote.port() } else { remote.port().wrapping_add(1) };
        Some(SocketAddr::new(remote.ip(), port))
    }
}
