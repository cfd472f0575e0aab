//! What a caller sends as RTP: a packet every 20 ms.

use std::collections::VecDeque;
use std::time::Duration;

use offhook_audio::G711;
use offhook_rtp_proto::{
    Digit, DigitSender, DigitSenderConfig, NextEvent, PayloadType, RtpHeader, RtpTimestamp, SequenceNumber,
    Ssrc, StreamSender,
};

/// How long a key is held.
const KEY: Duration = Duration::from_millis(100);

/// Samples of a packet.
pub(crate) const PACKET: usize = 160;

/// How long a packet lasts.
pub(crate) const BEAT: Duration = Duration::from_millis(20);

/// One stream of a caller.
#[derive(Debug)]
pub(crate) struct Mouth {
    sender: StreamSender,
    digits: DigitSender,
    law: G711,
    events: Option<PayloadType>,
    samples: VecDeque<i16>,
    keys: VecDeque<Digit>,
}

impl Mouth {
    /// A stream that begins with these numbers. Keys are sent as payload type `events`.
    pub fn new(law: G711, events: Option<u8>, ssrc: u32, sequence: u16, timestamp: u32) -> Mouth {
        let sender = StreamSender::starting_at(Ssrc(ssrc), SequenceNumber(sequence), RtpTimestamp(timestamp));
        let events = events.and_then(|number| PayloadType::new(number).ok());
        let digits = DigitSender::new(DigitSenderConfig::default());
        Mouth { sender, digits, law, events, samples: VecDeque::new(), keys: VecDeque::new() }
    }

    /// A stream that goes on after a packet of `samples`.
    pub fn after(law: G711, events: Option<u8>, last: &RtpHeader, samples: u32) -> Mouth {
        let next = last.sequence.0.wrapping_add(1);
        Mouth::new(law, events, last.ssrc.0, next, last.timestamp.0.wrapping_add(samples))
    }

    /// Says this after what is being said.
    pub fn say(&mut self, samples: &[i16]) {
        self.samples.extend(samples);
    }

    /// Presses these keys.
    pub fn press(&mut self, keys: &str) {
        self.keys.extend(keys.chars().filter_map(Digit::from_char));
    }

    /// Nothing is being said or pressed.
    pub fn is_idle(&self) -> bool {
        self.samples.is_empty() && self.keys.is_empty() && self.digits.is_idle()
    }

    /// The packet of the next 20 ms.
    pub fn packet(&mut self) -> Vec<u8> {
        if self.digits.is_idle()
            && let Some(digit) = self.keys.pop_front()
        {
            // There is room: none waits.
            let _ = self.digits.press(digit, KEY);
        }
        let mut buffer = [0; 12 + PACKET];
        let samples = PACKET as u32;
        let written = match (self.digits.next(self.sender.timestamp(), samples), self.events) {
            (NextEvent::Packet(event), Some(events)) => {
                self.sender.write_event(events, &event, samples, &mut buffer)
            }
            (NextEvent::Packet(_) | NextEvent::Idle | NextEvent::Pause, _) => {
                let mut pcm = [0; PACKET];
                pcm.iter_mut()
                    .zip(self.samples.drain(..self.samples.len().min(PACKET)))
                    .for_each(|(place, sample)| *place = sample);
                let mut payload = [0; PACKET];
                self.law.encode(&pcm, &mut payload);
                PayloadType::new(payload_type(self.law))
                    .and_then(|kind| self.sender.write_audio(kind, &payload, samples, &mut buffer))
            }
        };
        written.map(|length| buffer[..length].to_vec()).unwrap_or_default()
    }
}

/// The static payload type of a law (RFC 3551 §6).
pub(crate) const fn payload_type(law: G711) -> u8 {
    match law {
        G711::MuLaw => 0,
        G711::ALaw => 8,
    }
}
