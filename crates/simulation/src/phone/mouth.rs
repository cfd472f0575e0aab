//! What the telephone sends as RTP.

use std::time::Duration;

use offhook_audio::G711;
use offhook_rtp_proto::{
    Digit, DigitSender, DigitSenderConfig, NextEvent, PayloadType, SequenceNumber, StreamSender,
};
use offhook_sip_proto::sdp::NegotiatedStream;
use offhook_time::{Randomness, Time};

/// How long a key is held.
const KEY: Duration = Duration::from_millis(100);

/// So many packets before the wrap that a call is up and heard by then, and that even a short one gets there.
const BEFORE_THE_WRAP: SequenceNumber = SequenceNumber(u16::MAX - 50);

#[derive(Debug)]
pub(super) struct Mouth {
    sender: StreamSender,
    digits: DigitSender,
    /// What is being said and how far.
    clip: &'static [i16],
    position: usize,
    /// When the next packet leaves.
    pub next: Option<Time>,
    pub silent: bool,
}

impl Mouth {
    pub fn new(wraps: bool, randomness: &mut Randomness) -> Self {
        let mut sender = StreamSender::new(randomness);
        if wraps {
            sender = StreamSender::starting_at(sender.ssrc(), BEFORE_THE_WRAP, sender.timestamp());
        }
        Mouth {
            sender,
            digits: DigitSender::new(DigitSenderConfig::default()),
            clip: &[],
            position: 0,
            next: None,
            silent: false,
        }
    }

    pub fn say(&mut self, clip: &'static [i16]) {
        self.clip = clip;
        self.position = 0;
    }

    pub fn press(&mut self, key: char) {
        if let Some(digit) = Digit::from_char(key) {
            // A full queue loses the key, as an impatient finger does.
            let _ = self.digits.press(digit, KEY);
        }
    }

    pub fn is_idle(&self) -> bool {
        self.position >= self.clip.len() && self.digits.is_idle()
    }

    /// The next packet, or nothing while the direction forbids it.
    pub fn packet(&mut self, stream: &NegotiatedStream) -> Option<Vec<u8>> {
        let samples = usize::from(stream.ptime_ms) * 8;
        let mut pcm = [0; 480];
        let pcm = &mut pcm[..samples];
        let rest = self.clip.get(self.position..).unwrap_or_default();
        let length = rest.len().min(samples);
        pcm[..length].copy_from_slice(&rest[..length]);
        self.position += samples;
        if self.silent || stream.rtp_target().is_none() {
            self.sender.skip(samples as u32);
            return None;
        }
        let mut buffer = [0; 600];
        let events = stream.telephone_event.and_then(|number| PayloadType::new(number).ok());
        let written = match (self.digits.next(self.sender.timestamp(), samples as u32), events) {
            (NextEvent::Packet(event), Some(events)) => {
                self.sender.write_event(events, &event, samples as u32, &mut buffer)
            }
            (NextEvent::Packet(_) | NextEvent::Idle | NextEvent::Pause, _) => {
                let law = if stream.payload_type == 8 { G711::ALaw } else { G711::MuLaw };
                let mut payload = [0; 480];
                law.encode(pcm, &mut payload[..samples]);
                let number = PayloadType::new(stream.payload_type).ok()?;
                self.sender.write_audio(number, &payload[..samples], samples as u32, &mut buffer)
            }
        };
        written.ok().map(|length| buffer[..length].to_vec())
    }
}
