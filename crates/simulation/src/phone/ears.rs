//! What the caller hears: whether the bot speaks, judged from what arrives and nothing else.

use std::time::Duration;

use offhook_audio::G711;
use offhook_rtp_proto::{DatagramKind, PayloadType, RtpPacket};
use offhook_time::Time;

/// Mean level of a packet that is somebody speaking.
const LOUD: u64 = 400;

/// Packets further apart are no continuous sound.
const BREAK: Duration = Duration::from_millis(150);

#[derive(Debug, Default)]
pub(super) struct Ears {
    voice_from: Option<Time>,
    voice_until: Option<Time>,
    pub packets: u64,
}

impl Ears {
    pub fn hear(&mut self, datagram: &[u8], now: Time) {
        if DatagramKind::of(datagram) != DatagramKind::Rtp {
            return;
        }
        let Ok(packet) = RtpPacket::parse(datagram) else { return };
        self.packets += 1;
        let law = match packet.header.payload_type {
            PayloadType::PCMU => G711::MuLaw,
            PayloadType::PCMA => G711::ALaw,
            _ => return,
        };
        let mut samples = [0; 480];
        let length = packet.payload.len().min(samples.len());
        law.decode(&packet.payload[..length], &mut samples[..length]);
        let sum: u64 = samples[..length].iter().map(|sample| u64::from(sample.unsigned_abs())).sum();
        if sum / (length as u64).max(1) < LOUD {
            return;
        }
        if self.voice_until.is_none_or(|until| now.since(until) > BREAK) {
            self.voice_from = Some(now);
        }
        self.voice_until = Some(now);
    }

    /// Whether a voice was heard after `since` and then nothing for `quiet`.
    pub fn paused(&self, quiet: Duration, since: Time, now: Time) -> bool {
        self.voice_until.is_some_and(|until| until > since && now.since(until) >= quiet)
    }

    /// Whether a voice has been heard for `heard` and still is.
    pub fn speaking(&self, heard: Duration, since: Time, now: Time) -> bool {
        let (Some(from), Some(until)) = (self.voice_from, self.voice_until) else { return false };
        now.since(until) < BREAK && now.since(from.max(since)) >= heard
    }
}
