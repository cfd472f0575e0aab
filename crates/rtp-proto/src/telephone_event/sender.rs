//! Digits out: the packets of each press, one per packet interval.

use std::time::Duration;

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};

use super::{Digit, TelephoneEvent};
use crate::RtpTimestamp;

/// RFC 4733 §2.5.1.4: the end is sent three times, because it is the packet that must not be lost.
const END_PACKETS: u8 = 3;

/// Digits that may wait. A telephone number with country code and extension has about 20.
const QUEUE: usize = 32;

/// How presses are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigitSenderConfig {
    /// RTP clock of the stream in Hz.
    pub clock_rate: u32,
    /// Power of the tone in −dBm0 (0..=63).
    pub volume: u8,
    /// Silence between two presses; detectors need at least 40 ms (ITU-T Q.24).
    pub pause: Duration,
}

impl Default for DigitSenderConfig {
    fn default() -> Self {
        DigitSenderConfig { clock_rate: 8000, volume: 10, pause: Duration::from_millis(60) }
    }
}

/// More digits than the queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many digits wait to be sent")]
pub struct QueueFull;

/// One event packet, to be numbered and sent by [`StreamSender::write_event`](crate::StreamSender::write_event).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The four octets of RFC 4733 §2.3.
    pub payload: [u8; TelephoneEvent::LEN],
    /// The moment the key went down: the same in all packets of a press.
    pub timestamp: RtpTimestamp,
    /// Set in the first packet of a press.
    pub marker: bool,
}

/// What goes out in one packet interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextEvent {
    /// Nothing is being dialled: audio.
    Idle,
    /// Between two presses: silence, or audio.
    Pause,
    /// This packet, in place of audio.
    Packet(EventPacket),
}

/// Sends digits one after the other.
#[derive(Clone, Debug)]
pub struct DigitSender {
    config: DigitSenderConfig,
    queue: [Option<(Digit, u16)>; QUEUE],
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Down { digit: Digit, hold: u16, since: RtpTimestamp },
    Ending { digit: Digit, duration: u16, since: RtpTimestamp, left: u8 },
    Pausing { left: u32 },
}

impl DigitSender {
    /// Nothing to send.
    pub fn new(config: DigitSenderConfig) -> Self {
        DigitSender { config, queue: [None; QUEUE], state: State::Idle }
    }

    /// Presses `digit` for `hold` (at least one packet interval, at most what 16 bits hold: 8 s at 8000 Hz)
    /// after those that wait.
    ///
    /// # Errors
    /// [`QueueFull`] with 32 digits waiting.
    pub fn press(&mut self, digit: Digit, hold: Duration) -> Result<(), QueueFull> {
        let units = units(hold, self.config.clock_rate).min(u32::from(u16::MAX)) as u16;
        let free = self.queue.iter_mut().find(|place| place.is_none()).ok_or(QueueFull)?;
        *free = Some((digit, units.max(1)));
        Ok(())
    }

    /// Forgets the digits that wait; a press that has begun is brought to its end.
    pub fn clear(&mut self) {
        self.queue = [None; QUEUE];
    }

    /// Whether nothing is being sent and nothing waits.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle) && self.queue[0].is_none()
    }

    /// What goes out in the packet interval of `samples` units that begins at `timestamp`. Call it once for each.
    pub fn next(&mut self, timestamp: RtpTimestamp, samples: u32) -> NextEvent {
        match self.state {
            State::Idle => self.begin(timestamp, samples),
            State::Pausing { left } if left > samples => {
                self.state = State::Pausing { left: left - samples };
                NextEvent::Pause
            }
            State::Pausing { .. } => {
                self.state = State::Idle;
                NextEvent::Pause
            }
            State::Down { digit, hold, since } => self.down(digit, hold, since, timestamp, samples),
            State::Ending { digit, duration, since, left } => self.end(digit, duration, since, left),
        }
    }

    fn begin(&mut self, timestamp: RtpTimestamp, samples: u32) -> NextEvent {
        let Some((digit, hold)) = self.queue[0].take() else { return NextEvent::Idle };
        self.queue.rotate_left(1);
        self.down(digit, hold, timestamp, timestamp, samples)
    }

    /// The duration counts from the beginning of the event to the end of this packet's interval.
    fn down(
        &mut self,
        digit: Digit,
        hold: u16,
        since: RtpTimestamp,
        timestamp: RtpTimestamp,
        samples: u32,
    ) -> NextEvent {
        let elapsed = timestamp.since(since).max(0) as u32 + samples;
        let duration = elapsed.min(u32::from(u16::MAX)) as u16;
        if duration >= hold && timestamp != since {
            #[cfg(feature = "planted-faults")]
            if is_planted(Fault::EndPacketsTwo) {
                return self.end(digit, duration, since, END_PACKETS - 1);
            }
            return self.end(digit, duration, since, END_PACKETS);
        }
        // Even the shortest press has a packet that begins it besides those that end it.
        self.state = State::Down { digit, hold, since };
        self.packet(digit, false, duration, since, timestamp == since)
    }

    fn end(&mut self, digit: Digit, duration: u16, since: RtpTimestamp, left: u8) -> NextEvent {
        self.state = if left > 1 {
            State::Ending { digit, duration, since, left: left - 1 }
        } else {
            State::Pausing { left: units(self.config.pause, self.config.clock_rate) }
        };
        self.packet(digit, true, duration, since, false)
    }

    fn packet(
        &self,
        digit: Digit,
        end: bool,
        duration: u16,
        timestamp: RtpTimestamp,
        marker: bool,
    ) -> NextEvent {
        let event = TelephoneEvent { event: digit.event(), end, volume: self.config.volume, duration };
        NextEvent::Packet(EventPacket { payload: event.to_bytes(), timestamp, marker })
    }
}

fn units(duration: Duration, clock_rate: u32) -> u32 {
    (duration.as_millis() * u128::from(clock_rate) / 1000).min(u128::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_keeps_its_timestamp_grows_and_ends_three_times() {
        let mut sender = DigitSender::new(DigitSenderConfig::default());
        sender.press(Digit::from_char('5').unwrap(), Duration::from_millis(100)).unwrap();

        let packets = dial(&mut sender);

        let events: Vec<_> =
            packets.iter().map(|(_, packet)| TelephoneEvent::parse(&packet.payload).unwrap()).collect();
        let durations: Vec<_> = events.iter().map(|event| event.duration).collect();
        assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
        assert_eq!(
            events.iter().map(|e| e.end).collect::<Vec<_>>(),
            [[false; 4].as_slice(), &[true; 3]].concat()
        );
        assert!(events.iter().all(|event| event.event == 5 && event.volume == 10));
        assert!(packets.iter().all(|(_, packet)| packet.timestamp == RtpTimestamp(FIRST)));
        assert_eq!(
            packets.iter().map(|(_, p)| p.marker).collect::<Vec<_>>(),
            [[true].as_slice(), &[false; 6]].concat()
        );
    }

    #[test]
    fn two_presses_are_kept_apart_by_a_pause() {
        let mut sender = DigitSender::new(DigitSenderConfig::default());
        for label in ['1', '1'] {
            sender.press(Digit::from_char(label).unwrap(), Duration::from_millis(40)).unwrap();
        }

        let packets = dial(&mut sender);

        let starts: Vec<_> = packets.iter().filter(|(_, p)| p.marker).map(|(at, _)| *at).collect();
        let first_end = packets.iter().rposition(|(_, p)| p.timestamp == packets[0].1.timestamp).unwrap();
        assert_eq!(starts.len(), 2);
        assert!(starts[1] - packets[first_end].0 > 3, "60 ms of pause are three intervals");
        assert_ne!(packets[0].1.timestamp, packets[first_end + 1].1.timestamp);
    }

    #[test]
    fn a_press_shorter_than_a_packet_still_begins_and_ends() {
        let mut sender = DigitSender::new(DigitSenderConfig::default());
        sender.press(Digit::from_char('#').unwrap(), Duration::from_millis(1)).unwrap();

        let packets = dial(&mut sender);

        assert_eq!(packets.len(), 1 + 3);
        assert!(sender.is_idle());
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut sender = DigitSender::new(DigitSenderConfig::default());
        let digit = Digit::from_char('0').unwrap();

        let accepted = (0..40).filter(|_| sender.press(digit, Duration::from_millis(80)).is_ok()).count();

        assert_eq!(accepted, QUEUE);
        sender.clear();
        assert!(sender.is_idle());
    }

    const FIRST: u32 = u32::MAX - 100;

    fn dial(sender: &mut DigitSender) -> Vec<(u32, EventPacket)> {
        let mut packets = Vec::new();
        for interval in 0..200 {
            match sender.next(RtpTimestamp(FIRST).plus(interval * 160), 160) {
                NextEvent::Packet(packet) => packets.push((interval, packet)),
                NextEvent::Idle | NextEvent::Pause => {}
            }
        }
        packets
    }
}
