//! The twelve bytes before the audio (RFC 3550 §5.1), and keypad digits (RFC 4733).

/// A packet as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    /// Payload type.
    pub payload_type: u8,
    /// Marker.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// SSRC.
    pub ssrc: u32,
    /// What it carries, padding removed.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads RTP; `None` for anything else, RTCP on the same port included (RFC 5761 §4).
    pub fn parse(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let (&[flags, kind, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3], mut rest) =
            bytes.split_first_chunk::<12>()?;
        if flags >> 6 != 2 || (192..=223).contains(&kind) {
            return None;
        }
        rest = rest.get(4 * usize::from(flags & 0x0f)..)?;
        if flags & 0x10 != 0 {
            let words = u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]);
            rest = rest.get(4 + 4 * usize::from(words)..)?;
        }
        if flags & 0x20 != 0 {
            let padding = usize::from(*rest.last()?);
            rest = rest.get(..rest.len().checked_sub(padding)?)?;
        }
        Some(Packet {
            payload_type: kind & 0x7f,
            marker: kind & 0x80 != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([r0, r1, r2, r3]),
            payload: rest,
        })
    }

    /// Replaces `out` by the packet's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.push(0x80);
        out.push(self.payload_type | if self.marker { 0x80 } else { 0 });
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(self.payload);
    }
}

/// The keys in the order of their event codes (RFC 4733 §3.2).
const KEYS: &str = "0123456789*#ABCD";

/// How long a key is held: 100 ms, as in five packets.
const HELD_PACKETS: u16 = 5;
/// The end is sent three times, since it may be lost (RFC 4733 §2.5.1.4).
const END_PACKETS: u16 = 3;
/// Silence between two keys, 80 ms.
const PAUSE_PACKETS: u16 = 4;

/// Keys to press, one packet per 20 ms.
#[derive(Clone, Debug)]
pub(crate) struct KeySender {
    events: Vec<u8>,
    index: usize,
    packet: u16,
    began_at: u32,
}

/// What goes out in place of a packet of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyPacket {
    /// A telephone-event packet. All packets of one press share the timestamp; the first has the marker.
    Event {
        /// The payload.
        payload: [u8; 4],
        /// The timestamp.
        timestamp: u32,
        /// The marker.
        marker: bool,
    },
    /// The pause between two keys: audio.
    Pause,
}

impl KeySender {
    /// Presses `digits`, leaving out what is on no keypad.
    pub fn new(digits: &str) -> Self {
        let events =
            digits.chars().filter_map(|key| KEYS.find(key.to_ascii_uppercase())).map(|at| at as u8).collect();
        KeySender { events, index: 0, packet: 0, began_at: 0 }
    }

    /// What goes out at `timestamp`, the next 20 ms; `None` when all keys are pressed.
    pub fn next(&mut self, timestamp: u32) -> Option<KeyPacket> {
        let event = *self.events.get(self.index)?;
        let packet = self.packet;
        if packet == 0 {
            self.began_at = timestamp;
        }
        self.packet += 1;
        if self.packet == HELD_PACKETS + END_PACKETS + PAUSE_PACKETS {
            self.packet = 0;
            self.index += 1;
        }
        if packet >= HELD_PACKETS + END_PACKETS {
            return Some(KeyPacket::Pause);
        }
        let end = packet >= HELD_PACKETS;
        // The duration counts the packet itself; repeated ends carry the final one.
        let [high, low] = ((packet + 1).min(HELD_PACKETS + 1) * 160).to_be_bytes();
        let volume = 10;
        Some(KeyPacket::Event {
            payload: [event, volume | if end { 0x80 } else { 0 }, high, low],
            timestamp: self.began_at,
            marker: packet == 0,
        })
    }
}

/// The key that an event packet is about.
pub(crate) fn key_of(payload: &[u8]) -> Option<char> {
    KEYS.chars().nth(usize::from(*payload.first()?))
}

/// Collects the keys that they press: one per timestamp.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyReceiver {
    last: Option<u32>,
}

impl KeyReceiver {
    /// A telephone-event packet. Answers the key when this is its first packet.
    pub fn push(&mut self, packet: &Packet<'_>) -> Option<char> {
        let key = key_of(packet.payload);
        if packet.payload.is_empty() || self.last == Some(packet.timestamp) {
            return None;
        }
        self.last = Some(packet.timestamp);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_read_as_it_was_written() {
        let packet = Packet {
            payload_type: 101,
            marker: true,
            sequence: 65_535,
            timestamp: 0xdead_beef,
            ssrc: 7,
            payload: &[1, 2, 3],
        };
        let mut bytes = Vec::new();

        packet.write(&mut bytes);

        assert_eq!(Packet::parse(&bytes), Some(packet));
    }

    #[test]
    fn extension_csrc_and_padding_are_not_audio() {
        let mut bytes = vec![0x80 | 0x20 | 0x10 | 1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend([9, 9, 9, 9, 0xbe, 0xde, 0, 1, 8, 8, 8, 8, 42, 43, 0, 0, 3]);

        assert_eq!(Packet::parse(&bytes).unwrap().payload, [42, 43]);
    }

    #[test]
    fn rtcp_and_rubbish_are_no_rtp() {
        assert_eq!(Packet::parse(&[0x80, 200, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]), None);
        assert_eq!(Packet::parse(&[0x80, 0, 0]), None);
        assert_eq!(Packet::parse(&[0xa0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 200]), None);
    }

    #[test]
    fn a_key_is_five_packets_three_ends_and_a_pause_with_one_timestamp() {
        let mut keys = KeySender::new("5#");
        let sent: Vec<_> = (0..).map_while(|n| keys.next(1000 + 160 * n)).collect();

        let (events, pauses): (Vec<KeyPacket>, Vec<KeyPacket>) =
            sent.iter().partition(|packet| **packet != KeyPacket::Pause);
        assert_eq!((events.len(), pauses.len()), (16, 8));
        let first: Vec<_> = sent[..8]
            .iter()
            .map(|packet| match packet {
                KeyPacket::Event { payload, timestamp, marker } => (
                    payload[0],
                    payload[1] >> 7,
                    u16::from_be_bytes([payload[2], payload[3]]),
                    *timestamp,
                    *marker,
                ),
                KeyPacket::Pause => panic!("a pause within a key"),
            })
            .collect();
        assert_eq!(first[0], (5, 0, 160, 1000, true));
        assert_eq!(first[4], (5, 0, 800, 1000, false));
        assert!(first[5..].iter().all(|end| *end == (5, 1, 960, 1000, false)));
        assert!(matches!(sent[12], KeyPacket::Event { payload: [11, ..], timestamp: 2920, marker: true }));
    }

    #[test]
    fn a_received_key_counts_once() {
        let mut keys = KeyReceiver::default();
        let packet = |timestamp, event: &'static [u8]| Packet {
            payload_type: 101,
            marker: false,
            sequence: 0,
            timestamp,
            ssrc: 0,
            payload: event,
        };

        let heard: Vec<_> = [packet(1, &[5, 0, 0, 0]), packet(1, &[5, 128, 0, 0]), packet(2, &[10, 0, 0, 0])]
            .iter()
            .filter_map(|packet| keys.push(packet))
            .collect();

        assert_eq!(heard, ['5', '*']);
    }
}
