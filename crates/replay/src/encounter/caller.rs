//! The caller's part: packets as they were captured, or words and keys when it is the caller's turn.

use std::collections::VecDeque;
use std::time::Duration;

use offhook_audio::G711;
use offhook_rtp_proto::{PayloadType, RtpHeader, RtpTimestamp, SequenceNumber, Ssrc};
use offhook_time::Time;

use super::mouth::{BEAT, Mouth, PACKET, payload_type};
use crate::foreign::{Schedule, Sound, Timed};
use crate::surroundings::Talker;

/// The payload type of keys, as the caller offers it.
pub(super) const EVENTS: u8 = 101;

/// Who calls.
pub enum Caller<'a> {
    /// Somebody whose packets were recorded: they keep their moments from the answer on.
    Recorded {
        /// The packets.
        schedule: Schedule,
        /// How long the caller stays when all is said and the bot is quiet.
        linger: Duration,
    },
    /// Somebody who waits for the bot, then says or keys something.
    Talks(&'a mut dyn Talker),
}

/// The law of most of the audio in a schedule.
pub fn law_of(schedule: &Schedule) -> G711 {
    let count = |law| schedule.packets.iter().filter(|packet| packet.sound == Sound::Audio(law)).count();
    if count(G711::ALaw) > count(G711::MuLaw) { G711::ALaw } else { G711::MuLaw }
}

/// A schedule of audio that nobody has packets of: 8 kHz, a packet every 20 ms.
pub fn schedule_of_samples(samples: &[i16], law: G711) -> Schedule {
    let packet = |(at, samples): (usize, &[i16])| {
        let mut pcm = [0; PACKET];
        pcm[..samples.len()].copy_from_slice(samples);
        let mut payload = vec![0; PACKET];
        law.encode(&pcm, &mut payload);
        Timed {
            offset: BEAT * at as u32,
            source: 0,
            sound: Sound::Audio(law),
            marker: at == 0,
            sequence: at as u16,
            timestamp: (at * PACKET) as u32,
            payload,
        }
    };
    Schedule { packets: samples.chunks(PACKET).enumerate().map(packet).collect(), ..Schedule::default() }
}

/// The packets of a caller, each when it is due.
#[derive(Debug)]
pub(super) struct Line {
    law: G711,
    ssrc: u32,
    recorded: VecDeque<Timed>,
    answered_at: Option<Time>,
    last: Option<(RtpHeader, u32)>,
    pub mouth: Option<Mouth>,
    next_beat: Time,
}

impl Line {
    pub fn new(law: G711, ssrc: u32, recorded: Vec<Timed>) -> Line {
        let recorded = recorded.into();
        Line { law, ssrc, recorded, answered_at: None, last: None, mouth: None, next_beat: Time::ZERO }
    }

    /// The call is up: packets count from here.
    pub fn begin(&mut self, now: Time) {
        self.answered_at = Some(now);
        if self.recorded.is_empty() {
            self.open_mouth(now);
        }
    }

    /// All that was recorded was sent.
    pub fn is_exhausted(&self) -> bool {
        self.recorded.is_empty()
    }

    /// When the next packet is due.
    pub fn next(&self) -> Option<Time> {
        let answered_at = self.answered_at?;
        match self.recorded.front() {
            Some(packet) => Some(answered_at + packet.offset),
            None => self.mouth.as_ref().map(|_| self.next_beat),
        }
    }

    /// The packet that is due at `now`.
    pub fn take(&mut self, now: Time) -> Option<Vec<u8>> {
        if self.next().is_none_or(|next| next > now) {
            return None;
        }
        let Some(timed) = self.recorded.pop_front() else {
            self.next_beat += BEAT;
            return self.mouth.as_mut().map(Mouth::packet);
        };
        let bytes = self.datagram(&timed);
        if self.recorded.is_empty() {
            self.open_mouth(now + BEAT);
        }
        Some(bytes)
    }

    /// What follows the recorded packets: silence, so that the line does not die, or words.
    fn open_mouth(&mut self, at: Time) {
        self.next_beat = at;
        self.mouth = Some(match self.last {
            Some((header, samples)) => Mouth::after(self.law, Some(EVENTS), &header, samples),
            None => Mouth::new(self.law, Some(EVENTS), self.ssrc, 1, 160),
        });
    }

    fn datagram(&mut self, timed: &Timed) -> Vec<u8> {
        let (kind, payload, samples) = match timed.sound {
            Sound::Audio(law) if law == self.law => {
                (payload_type(law), timed.payload.clone(), timed.payload.len() as u32)
            }
            // One law was agreed on for the call.
            Sound::Audio(law) => {
                let mut pcm = vec![0; timed.payload.len()];
                law.decode(&timed.payload, &mut pcm);
                let mut payload = vec![0; pcm.len()];
                self.law.encode(&pcm, &mut payload);
                (payload_type(self.law), payload, pcm.len() as u32)
            }
            Sound::TelephoneEvent => (EVENTS, timed.payload.clone(), PACKET as u32),
        };
        let Ok(payload_type) = PayloadType::new(kind) else { return Vec::new() };
        let header = RtpHeader {
            marker: timed.marker,
            payload_type,
            sequence: SequenceNumber(timed.sequence),
            timestamp: RtpTimestamp(timed.timestamp),
            ssrc: Ssrc(self.ssrc.wrapping_add(u32::from(timed.source))),
        };
        let is_later = self.last.is_none_or(|(last, _)| {
            last.ssrc != header.ssrc || (header.sequence.0.wrapping_sub(last.sequence.0) as i16) > 0
        });
        if is_later {
            self.last = Some((header, samples));
        }
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend(payload);
        bytes
    }
}
