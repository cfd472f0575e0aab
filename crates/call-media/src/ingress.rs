//! From the datagrams of one far end to 20 ms frames by RTP timestamp, gap-free.

use std::net::SocketAddr;
use std::time::Duration;

use offhook_audio::{Frame, FrameFlags, G711, level, packet_level};
use offhook_rtp_proto::rtcp::ReceptionStatistics;
use offhook_rtp_proto::{
    Concealer, DigitEvent, DigitReceiver, JitterBuffer, JitterConfig, JitterStatistics, NoiseGenerator,
    NoiseLevel, PayloadType, Playable, Prefer, Pushed, Released, RtpPacket, RtpTimestamp, Ssrc,
};
use offhook_time::Time;

use crate::egress::law;
use crate::live::{LINE_FRAME, LINE_RATE};
use crate::source_check::{Judgement, SourceCheck};
use crate::{JitterPreference, MediaSource, StreamSettings};

/// Samples of the longest packet that is decoded: 120 ms, twice what anybody negotiates.
const LONGEST: usize = 960;

/// What telephone events are called inside, whatever number an offer gave them: it may change in mid-call, the
/// jitter buffer is built once. PCMA and PCMU never have this number.
const EVENT: PayloadType = match PayloadType::new(127) {
    Ok(payload_type) => payload_type,
    Err(_) => PayloadType::COMFORT_NOISE,
};

/// Frames below this are pauses, in which the jitter buffer may shrink.
const PAUSE_DBFS: f32 = -45.0;

/// What came of a datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arrived {
    /// Media.
    Media,
    /// Media, from an address that is believed from now on.
    Learned(SocketAddr),
    /// Media that comes too late to be played.
    Late {
        /// RTP timestamp of its first sample.
        timestamp: u32,
        /// Its level on the line.
        level: f32,
    },
    /// Nothing of ours.
    Dropped,
}

/// The way in from one far end.
#[derive(Debug)]
pub(crate) struct Ingress {
    check: SourceCheck,
    jitter: JitterBuffer,
    concealer: Concealer,
    background: Background,
    digits: DigitReceiver,
    pub(crate) reception: ReceptionStatistics,
    /// The codec in force, and the one before it: its last packets are still on their way.
    codecs: [Option<(PayloadType, G711)>; 2],
    telephone_event: Option<PayloadType>,
    /// Source and timestamp of the last key, and of one whose late packets must be recorded nowhere.
    last_event: Option<(Ssrc, RtpTimestamp)>,
    hidden_event: Option<(Ssrc, RtpTimestamp)>,
    cut: Cutter,
    dropped: u64,
    concealed: u64,
    heard_at: Time,
    timed_out: bool,
}

impl Ingress {
    pub(crate) fn new(source: MediaSource, prefer: JitterPreference) -> Self {
        let prefer = match prefer {
            JitterPreference::Delay => Prefer::Delay,
            JitterPreference::Loss => Prefer::Loss,
        };
        Ingress {
            check: SourceCheck::new(source),
            jitter: JitterBuffer::new(JitterConfig {
                telephone_event: Some(EVENT),
                prefer,
                ..JitterConfig::default()
            }),
            concealer: Concealer::new(),
            background: Background { noise: NoiseGenerator::new(0x0ff_b00c), level: None },
            digits: DigitReceiver::new(),
            reception: ReceptionStatistics::new(LINE_RATE),
            codecs: [None; 2],
            telephone_event: None,
            last_event: None,
            hidden_event: None,
            cut: Cutter::new(),
            dropped: 0,
            concealed: 0,
            heard_at: Time::ZERO,
            timed_out: false,
        }
    }

    /// Offer and answer settled something. The time-out counts from here where packets were not expected before.
    pub(crate) fn settle(&mut self, stream: &StreamSettings, expected_before: bool, now: Time) {
        self.check.negotiate(stream.remote_rtp);
        if let Ok(payload_type) = PayloadType::new(stream.payload_type) {
            let codec = Some((payload_type, law(stream.codec)));
            if self.codecs[0] != codec {
                self.codecs = [codec, self.codecs[0]];
            }
        }
        self.telephone_event = stream.telephone_event.and_then(|number| PayloadType::new(number).ok());
        if !expected_before {
            self.heard_at = now;
            self.timed_out = false;
        }
    }

    /// Where what we send goes.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        self.check.remote()
    }

    /// Whether RTCP from there belongs to the stream.
    pub(crate) fn is_known_host(&self, address: SocketAddr) -> bool {
        self.check.is_known_host(address)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Frames that were made up.
    pub(crate) fn concealed(&self) -> u64 {
        self.concealed
    }

    pub(crate) fn statistics(&self) -> JitterStatistics {
        self.jitter.statistics()
    }

    /// Counts a datagram that is none of ours.
    pub(crate) fn drop_datagram(&mut self) {
        self.dropped += 1;
    }

    /// Takes an RTP datagram. Then ask [`Self::next_digit`] and [`Self::next_frame`].
    pub(crate) fn handle_rtp(&mut self, datagram: &[u8], source: SocketAddr, arrived_at: Time) -> Arrived {
        let Ok(mut packet) = RtpPacket::parse(datagram) else {
            self.dropped += 1;
            return Arrived::Dropped;
        };
        let judgement = self.check.judge(&packet.header, source, arrived_at);
        if judgement == Judgement::Refused || !self.is_ours(packet.header.payload_type) {
            self.dropped += 1;
            return Arrived::Dropped;
        }
        if Some(packet.header.payload_type) == self.telephone_event {
            packet.header.payload_type = EVENT;
        }
        let mut late = None;
        match self.jitter.push(&packet, arrived_at, arrived_at) {
            Pushed::Stray => {
                self.dropped += 1;
                return Arrived::Dropped;
            }
            Pushed::Event => {
                self.reception.note_event(&packet);
                self.last_event = Some((packet.header.ssrc, packet.header.timestamp));
                if self.digits.handle_packet(&packet, arrived_at).is_err() {
                    self.dropped += 1;
                }
            }
            Pushed::Late => {
                self.reception.note_packet(&packet, arrived_at);
                late = self.level_of(&packet);
            }
            Pushed::Accepted | Pushed::Restarted | Pushed::Duplicate => {
                self.reception.note_packet(&packet, arrived_at);
            }
        }
        self.heard_at = self.heard_at.max(arrived_at);
        if let (Some(level), false) = (late, judgement == Judgement::Learned) {
            return Arrived::Late { timestamp: packet.header.timestamp.0, level };
        }
        if judgement == Judgement::Learned { Arrived::Learned(source) } else { Arrived::Media }
    }

    /// The level of the first 20 ms of a packet of audio.
    fn level_of(&self, packet: &RtpPacket<'_>) -> Option<f32> {
        let codec = self.codecs.iter().flatten().find(|(ours, _)| *ours == packet.header.payload_type);
        codec.map(|(_, law)| {
            let mut samples = [0i16; LINE_FRAME];
            let len = law.decode(packet.payload, &mut samples);
            packet_level(&samples[..len])
        })
    }

    /// A digit began or ended.
    pub(crate) fn next_digit(&mut self, now: Time) -> Option<DigitEvent> {
        self.digits.handle_timeout(now);
        self.digits.poll_event()
    }

    /// Whether a frame sounds like a pause.
    pub(crate) fn is_pause(frame: &Frame) -> bool {
        level::dbfs(frame.samples()) < PAUSE_DBFS
    }

    /// Whether the frame that was given last is a pause: then the jitter buffer may shrink.
    pub(crate) fn note_pause(&mut self, is_pause: bool) {
        self.jitter.note_silence(is_pause);
    }

    /// What telephone events are called by the far end.
    pub(crate) fn telephone_event(&self) -> Option<PayloadType> {
        self.telephone_event
    }

    /// The key that is held does not count; `is_hidden`: what still comes of it must be recorded nowhere.
    pub(crate) fn forget_held_key(&mut self, is_hidden: bool) {
        self.digits.forget_held();
        self.hidden_event = self.last_event.filter(|_| is_hidden);
    }

    /// Whether a datagram still belongs to a key that was pressed behind the mask.
    pub(crate) fn is_hidden_event(&self, datagram: &[u8]) -> bool {
        self.hidden_event.is_some_and(|hidden| {
            RtpPacket::parse(datagram).is_ok_and(|packet| {
                Some(packet.header.payload_type) == self.telephone_event
                    && (packet.header.ssrc, packet.header.timestamp) == hidden
            })
        })
    }

    /// The next 20 ms of the timeline, 8 kHz, where their turn has come. Ask until there is none, and tell after each
    /// whether it [is a pause](Self::note_pause).
    pub(crate) fn next_frame(&mut self, now: Time) -> Option<Frame> {
        loop {
            if let Some(frame) = self.cut.take() {
                self.concealed += u64::from(frame.flags.concealed);
                return Some(frame);
            }
            let mut samples = [0i16; LONGEST];
            let piece = match self.jitter.pop(now)? {
                Released::Packet(packet) => {
                    decode(&packet, &self.codecs, &mut self.concealer, &mut self.background, &mut samples)
                }
                Released::Lost { timestamp, samples: count } => {
                    let piece = Piece::made_up(timestamp, count, now);
                    self.concealer.conceal(&mut samples[..piece.len]);
                    Piece { flags: FrameFlags { concealed: true, ..FrameFlags::default() }, ..piece }
                }
                Released::Silence { timestamp, samples: count } => {
                    let piece = Piece::made_up(timestamp, count, now);
                    self.background.fill(&mut samples[..piece.len]);
                    Piece { flags: FrameFlags { silence: true, ..FrameFlags::default() }, ..piece }
                }
            };
            self.cut.append(&samples[..piece.len], &piece);
        }
    }

    /// By how much sooner frames come than when this was asked last. Ask before the frames.
    pub(crate) fn take_sooner(&mut self) -> Duration {
        self.jitter.take_sooner()
    }

    /// When something is due besides packets.
    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        [self.jitter.poll_timeout(), self.digits.poll_timeout()].into_iter().flatten().min()
    }

    /// When the far end has been silent for too long; `None` once that was said.
    pub(crate) fn silence_timeout(&self, limit: Duration) -> Option<Time> {
        (!self.timed_out).then(|| self.heard_at + limit)
    }

    /// It has been silent for too long: said once.
    pub(crate) fn time_out(&mut self) {
        self.timed_out = true;
    }

    /// Whether packets are back after that: said once.
    pub(crate) fn is_back(&mut self) -> bool {
        std::mem::take(&mut self.timed_out)
    }

    fn is_ours(&self, payload_type: PayloadType) -> bool {
        payload_type == PayloadType::COMFORT_NOISE
            || Some(payload_type) == self.telephone_event
            || self.codecs.iter().flatten().any(|(ours, _)| *ours == payload_type)
    }
}

/// What is heard while the far end says that nobody speaks (RFC 3389).
#[derive(Debug)]
struct Background {
    noise: NoiseGenerator,
    /// What its last comfort noise packet said; `None` since it spoke.
    level: Option<NoiseLevel>,
}

impl Background {
    fn fill(&mut self, samples: &mut [i16]) {
        match self.level {
            Some(level) => self.noise.fill(level, samples),
            None => samples.fill(0),
        }
    }
}

/// Decodes a packet: audio, or the level of the background from now on.
fn decode(
    packet: &Playable<'_>,
    codecs: &[Option<(PayloadType, G711)>; 2],
    concealer: &mut Concealer,
    background: &mut Background,
    samples: &mut [i16; LONGEST],
) -> Piece {
    let mut flags = FrameFlags { discontinuity: packet.discontinuity, ..FrameFlags::default() };
    let law = codecs.iter().flatten().find(|(ours, _)| *ours == packet.payload_type).map(|(_, law)| law);
    let len = match law {
        Some(law) => {
            let len = law.decode(packet.payload, samples);
            concealer.good(&mut samples[..len]);
            background.level = None;
            len
        }
        None => {
            flags.silence = true;
            let len = (packet.samples as usize).min(LONGEST);
            background.level = NoiseLevel::parse(packet.payload);
            background.fill(&mut samples[..len]);
            len
        }
    };
    Piece { timestamp: packet.timestamp, len, arrived_at: packet.arrived_at, flags }
}

/// A run of samples and what is known about it.
#[derive(Clone, Copy, Debug)]
struct Piece {
    timestamp: RtpTimestamp,
    len: usize,
    arrived_at: Time,
    flags: FrameFlags,
}

impl Piece {
    /// Of samples that no packet brought.
    fn made_up(timestamp: RtpTimestamp, count: u32, now: Time) -> Self {
        Piece { timestamp, len: (count as usize).min(LONGEST), arrived_at: now, flags: FrameFlags::default() }
    }
}

/// Cuts pieces of any length into frames of 20 ms.
#[derive(Debug)]
struct Cutter {
    samples: [i16; LONGEST + LINE_FRAME],
    len: usize,
    /// Of the first sample.
    timestamp: RtpTimestamp,
    arrived_at: Time,
    /// Of all pieces in the next frame.
    flags: FrameFlags,
}

impl Cutter {
    fn new() -> Self {
        Cutter {
            samples: [0; LONGEST + LINE_FRAME],
            len: 0,
            timestamp: RtpTimestamp::default(),
            arrived_at: Time::ZERO,
            flags: FrameFlags::default(),
        }
    }

    fn append(&mut self, samples: &[i16], piece: &Piece) {
        if self.len == 0 {
            self.timestamp = piece.timestamp;
            self.flags = piece.flags;
        } else {
            self.flags.concealed |= piece.flags.concealed;
            self.flags.silence &= piece.flags.silence;
            self.flags.discontinuity |= piece.flags.discontinuity;
        }
        self.arrived_at = piece.arrived_at;
        let room = self.samples.len() - self.len;
        let count = samples.len().min(room);
        self.samples[self.len..self.len + count].copy_from_slice(&samples[..count]);
        self.len += count;
    }

    fn take(&mut self) -> Option<Frame> {
        if self.len < LINE_FRAME {
            return None;
        }
        let mut frame = Frame::from_samples(&self.samples[..LINE_FRAME]);
        frame.rtp_timestamp = self.timestamp.0;
        frame.arrived_at = self.arrived_at;
        frame.flags = self.flags;
        self.samples.copy_within(LINE_FRAME..self.len, 0);
        self.len -= LINE_FRAME;
        self.timestamp = self.timestamp.plus(LINE_FRAME as u32);
        self.flags.discontinuity = false;
        Some(frame)
    }
}
