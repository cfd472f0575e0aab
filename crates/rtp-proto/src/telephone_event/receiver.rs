//! Digits in: exactly one per press, whatever the network does to its packets.

use std::time::Duration;

use offhook_time::Time;
use serde::{Deserialize, Serialize};

use super::{Digit, TelephoneEvent};
use crate::{Malformed, RtpPacket, RtpTimestamp, Ssrc};

/// A press without news for this long is over: three times the longest usual update interval of 50 ms
/// (RFC 4733 §2.5.2.2 has the receiver decide so when the end packets are lost).
const LOST_END: Duration = Duration::from_millis(150);

/// How many presses are remembered to recognize their late packets. At the fastest dialling (40 ms tone,
/// 40 ms pause) 32 presses are 2.5 s, far beyond any reordering.
const REMEMBERED: usize = 32;

/// A press as the conversation sees it: each press gives one `Started` and, later, one `Ended`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DigitEvent {
    /// The first packet of a press arrived. Stops the bot.
    Started {
        /// Which key.
        digit: Digit,
    },
    /// The key was released, or nothing more was heard of it. This is the digit that counts.
    Ended {
        /// Which key.
        digit: Digit,
        /// Timestamp units that it was held for, as far as was heard.
        duration: u32,
    },
}

/// Turns event packets into presses. The identity of a press is its source and RTP timestamp: all packets of one
/// share them, and the marker is too easily lost to serve.
#[derive(Clone, Debug, Default)]
pub struct DigitReceiver {
    held: Option<Press>,
    remembered: [Option<(Ssrc, RtpTimestamp)>; REMEMBERED],
    remember_at: usize,
    ready: Ready,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    ssrc: Ssrc,
    /// Of the current segment; a press above 0xffff units continues under a new timestamp (RFC 4733 §2.5.1.3).
    timestamp: RtpTimestamp,
    digit: Digit,
    earlier_segments: u32,
    duration: u16,
    lost_end: Time,
}

impl Press {
    fn total(&self) -> u32 {
        self.earlier_segments.saturating_add(u32::from(self.duration))
    }

    fn is_continued_by(&self, ssrc: Ssrc, timestamp: RtpTimestamp, digit: Digit) -> bool {
        self.duration == u16::MAX
            && (self.ssrc, self.digit) == (ssrc, digit)
            && timestamp == self.timestamp.plus(u32::from(u16::MAX))
    }
}

impl DigitReceiver {
    /// Nothing is pressed.
    pub fn new() -> Self {
        DigitReceiver::default()
    }

    /// Takes a packet of the telephone-event payload type. Events above 15 are not digits and say nothing.
    /// Fetch what it means with [`poll_event`](Self::poll_event).
    ///
    /// # Errors
    /// [`Malformed`]: count and drop.
    pub fn handle_packet(&mut self, packet: &RtpPacket<'_>, now: Time) -> Result<(), Malformed> {
        let event = TelephoneEvent::parse(packet.payload)?;
        let Some(digit) = Digit::from_event(event.event) else { return Ok(()) };
        let (ssrc, timestamp) = (packet.header.ssrc, packet.header.timestamp);

        match self.held {
            Some(press) if (press.ssrc, press.timestamp) == (ssrc, timestamp) => {
                let duration = press.duration.max(event.duration);
                self.held = Some(Press { duration, lost_end: now + LOST_END, ..press });
            }
            Some(press) if press.is_continued_by(ssrc, timestamp, digit) => {
                self.remember(ssrc, timestamp);
                self.held = Some(Press {
                    earlier_segments: press.total(),
                    timestamp,
                    duration: event.duration,
                    lost_end: now + LOST_END,
                    ..press
                });
            }
            Some(_) | None if self.is_remembered(ssrc, timestamp) => return Ok(()),
            Some(press) if press.ssrc == ssrc && timestamp.since(press.timestamp) < 0 => {
                // All of an older press was overtaken: it still counts, and the held one goes on.
                self.remember(ssrc, timestamp);
                self.ready.push(DigitEvent::Started { digit });
                self.ready.push(DigitEvent::Ended { digit, duration: u32::from(event.duration) });
                return Ok(());
            }
            Some(_) | None => self.begin(ssrc, timestamp, digit, event.duration, now),
        }
        if event.end {
            self.end_held();
        }
        Ok(())
    }

    /// The moment at which a held press counts as released although no end packet came.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.held.map(|press| press.lost_end)
    }

    /// Ends a press whose end packets were lost.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.held.is_some_and(|press| press.lost_end <= now) {
            self.end_held();
        }
    }

    /// The press that is held, if any, says nothing more.
    pub fn forget_held(&mut self) {
        self.held = None;
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<DigitEvent> {
        self.ready.pop()
    }

    fn begin(&mut self, ssrc: Ssrc, timestamp: RtpTimestamp, digit: Digit, duration: u16, now: Time) {
        self.end_held();
        self.remember(ssrc, timestamp);
        self.ready.push(DigitEvent::Started { digit });
        let lost_end = now + LOST_END;
        self.held = Some(Press { ssrc, timestamp, digit, earlier_segments: 0, duration, lost_end });
    }

    fn end_held(&mut self) {
        if let Some(press) = self.held.take() {
            self.ready.push(DigitEvent::Ended { digit: press.digit, duration: press.total() });
        }
    }

    fn remember(&mut self, ssrc: Ssrc, timestamp: RtpTimestamp) {
        self.remembered[self.remember_at] = Some((ssrc, timestamp));
        self.remember_at = (self.remember_at + 1) % REMEMBERED;
    }

    fn is_remembered(&self, ssrc: Ssrc, timestamp: RtpTimestamp) -> bool {
        self.remembered.contains(&Some((ssrc, timestamp)))
    }
}

/// Events that wait to be fetched. One packet makes at most three (an end, a start, an end); the owner fetches
/// after each packet, so eight never fill. When they do, the newest is dropped.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    events: [Option<DigitEvent>; 8],
    len: usize,
}

impl Ready {
    fn push(&mut self, event: DigitEvent) {
        if let Some(place) = self.events.get_mut(self.len) {
            *place = Some(event);
            self.len += 1;
        }
    }

    fn pop(&mut self) -> Option<DigitEvent> {
        let first = self.events[0].take()?;
        self.events.copy_within(1.., 0);
        self.events[7] = None;
        self.len -= 1;
        Some(first)
    }
}
