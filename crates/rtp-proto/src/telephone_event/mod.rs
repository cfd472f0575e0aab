//! Keys pressed on a telephone, as named events in the RTP stream (RFC 4733).

mod receiver;
mod sender;

pub use receiver::{DigitEvent, DigitReceiver};
pub use sender::{DigitSender, DigitSenderConfig, EventPacket, NextEvent, QueueFull};

use serde::{Deserialize, Serialize};

use crate::Malformed;

/// One of the sixteen keys: `0`-`9`, `*`, `#`, `A`-`D` (RFC 4733 §3.2, events 0-15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "char", into = "char")]
pub struct Digit(u8);

const KEYS: [u8; 16] = *b"0123456789*#ABCD";

impl Digit {
    /// The digit that a key is labelled with; letters in either case.
    pub fn from_char(label: char) -> Option<Self> {
        let label = label.to_ascii_uppercase();
        KEYS.iter().position(|key| char::from(*key) == label).map(|event| Digit(event as u8))
    }

    /// The digit of an event code; `None` for tones and other events above 15.
    pub fn from_event(event: u8) -> Option<Self> {
        (event < 16).then_some(Digit(event))
    }

    /// The event code.
    pub fn event(self) -> u8 {
        self.0
    }

    /// The label on the key.
    pub fn as_char(self) -> char {
        char::from(KEYS[usize::from(self.0 & 15)])
    }
}

impl TryFrom<char> for Digit {
    type Error = &'static str;

    fn try_from(label: char) -> Result<Self, Self::Error> {
        Digit::from_char(label).ok_or("not a key of a telephone")
    }
}

impl From<Digit> for char {
    fn from(digit: Digit) -> char {
        digit.as_char()
    }
}

/// The payload of one event packet (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Event code; 0-15 are digits.
    pub event: u8,
    /// This packet ends the event.
    pub end: bool,
    /// Power of the tone in −dBm0 (0..=63): 0 is loudest.
    pub volume: u8,
    /// Timestamp units since the event began.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Octets of the payload.
    pub const LEN: usize = 4;

    /// Reads a payload.
    ///
    /// # Errors
    /// [`Malformed::Event`] unless it has at least four octets; further events in one packet
    /// (RFC 4733 §2.5.1.5) are older ones and are skipped.
    pub fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        let octets = payload.first_chunk::<4>().ok_or(Malformed::Event)?;
        Ok(TelephoneEvent {
            event: octets[0],
            end: octets[1] & 0x80 != 0,
            volume: octets[1] & 0x3f,
            duration: u16::from_be_bytes([octets[2], octets[3]]),
        })
    }

    /// The payload as it goes onto the wire.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | self.volume & 0x3f, high, low]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_event_code() {
        let labels: String = (0..16).filter_map(Digit::from_event).map(Digit::as_char).collect();

        assert_eq!(labels, "0123456789*#ABCD");
        assert!(labels.chars().all(|label| Digit::from_char(label).map(Digit::as_char) == Some(label)));
        assert_eq!(Digit::from_char('d').map(Digit::event), Some(15));
        assert_eq!(Digit::from_char('x'), None);
        assert_eq!(Digit::from_event(16), None);
    }

    #[test]
    fn a_payload_is_read_back_as_it_was_written() {
        let event = TelephoneEvent { event: 11, end: true, volume: 10, duration: 800 };

        assert_eq!(event.to_bytes(), [11, 0x8a, 3, 32]);
        assert_eq!(TelephoneEvent::parse(&event.to_bytes()), Ok(event));
        assert_eq!(TelephoneEvent::parse(&[11, 0x8a, 3]), Err(Malformed::Event));
    }
}
