//! The jitter buffer: puts packets in order and lets each wait just as long as the line is unsteady.
//!
//! The timeline is the sender's: from the first packet on, one frame after the other leaves by RTP timestamp, each
//! as a packet, as lost or as silence, so what comes out is gap-free and as long as the call. Frame n is due at
//! `best transit + timestamp + target`, or when it arrives if that is later; a missing one is given up then (a little
//! later where the target is zero). On a clean line the target is zero and a packet leaves when it arrives.
//!
//! When the target grows, frames pause once for the difference; when it shrinks, they come that much sooner. What
//! plays them must bridge the one and skip the other; what listens to them needs neither.

mod lateness;
mod ring;
mod timeline;
mod types;

pub use lateness::Prefer;
pub use types::{JitterConfig, JitterStatistics, Playable, Pushed, Released, Sizing};

use std::time::Duration;

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use offhook_time::Time;

use crate::source::{Source, Verdict};
use crate::{PayloadType, RtpPacket, Ssrc};
use lateness::Lateness;
use ring::{Arrival, PLACES, Ring, Spent, Waiting};
use timeline::{Last, Timeline};

/// Frames that are called lost when nothing comes at all; from then on it is a pause of the sender. By then
/// concealment has faded out.
const LOST_BEFORE_SILENCE: u32 = 3;

/// Puts the packets of one stream in order and in time. Fixed memory of about 14 KiB.
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    source: Source,
    ring: Ring,
    lateness: Lateness,
    timeline: Option<Timeline>,
    /// Timestamp units of a packet.
    packet_samples: u32,
    silent: bool,
    clock: Time,
    statistics: JitterStatistics,
}

impl JitterBuffer {
    /// An empty buffer.
    pub fn new(config: JitterConfig) -> Self {
        JitterBuffer {
            config,
            source: Source::new(),
            ring: Ring::new(),
            lateness: Lateness::new(config.prefer, config.max_target),
            timeline: None,
            packet_samples: units(config.ptime, config.clock_rate).max(1),
            silent: false,
            clock: Time::ZERO,
            statistics: JitterStatistics::default(),
        }
    }

    /// Takes a packet that reached the host at `arrived_at`. Then ask [`pop`](Self::pop).
    pub fn push(&mut self, packet: &RtpPacket<'_>, arrived_at: Time, now: Time) -> Pushed {
        self.clock = self.clock.max(now);
        let pushed = match self.source.judge(&packet.header, arrived_at) {
            Verdict::Duplicate => {
                self.statistics.duplicates += 1;
                return if self.is_event(packet) { Pushed::Event } else { Pushed::Duplicate };
            }
            Verdict::Stray => {
                self.statistics.strays += 1;
                return Pushed::Stray;
            }
            Verdict::Restart { extended } => {
                self.stop();
                self.place(packet, extended, arrived_at)
            }
            Verdict::Ahead { extended } | Verdict::Behind { extended } => {
                self.place(packet, extended, arrived_at)
            }
        };
        self.statistics.received += 1;
        pushed
    }

    /// The moment at which [`pop`](Self::pop) has something: the turn of the next frame, or the moment at which a
    /// missing one is given up. `None` before the first packet. From then on there is always a next frame.
    pub fn poll_timeout(&self) -> Option<Time> {
        let timeline = self.timeline.as_ref()?;
        let due = match self.next_playable(timeline) {
            Some(waiting) => self.moment(timeline, waiting.timestamp, self.lateness.offset()),
            None => self.moment(timeline, timeline.next_timestamp, self.lateness.give_up()),
        };
        Some(due.max(self.clock))
    }

    /// The next piece of the timeline, if its turn has come. Ask until there is none.
    pub fn pop(&mut self, now: Time) -> Option<Released<'_>> {
        self.clock = self.clock.max(now);
        let timeline = self.timeline.as_ref()?;
        let Some(waiting) = self.next_playable(timeline).copied() else {
            let given_up = self.moment(timeline, timeline.next_timestamp, self.lateness.give_up());
            return (given_up <= now).then(|| self.release_gap()).flatten();
        };
        if self.moment(timeline, waiting.timestamp, self.lateness.offset()) > now {
            return None;
        }
        self.release_packet(waiting)
    }

    /// Whether what was released lately is silence: the buffer prefers to get shorter then.
    pub fn note_silence(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// By how much sooner frames come, because the wait became shorter since this was asked last.
    pub fn take_sooner(&mut self) -> Duration {
        self.lateness.take_sooner()
    }

    /// The source that is being played.
    pub fn ssrc(&self) -> Option<Ssrc> {
        self.source.ssrc()
    }

    /// What happened so far.
    pub fn statistics(&self) -> JitterStatistics {
        let (target, jitter) = (self.lateness.target(), self.lateness.spread());
        JitterStatistics { target, jitter, ..self.statistics }
    }

    fn is_event(&self, packet: &RtpPacket<'_>) -> bool {
        self.config.telephone_event == Some(packet.header.payload_type)
    }

    fn is_comfort_noise(&self, payload_type: PayloadType) -> bool {
        self.config.comfort_noise == Some(payload_type)
    }

    fn place(&mut self, packet: &RtpPacket<'_>, sequence: u64, arrived_at: Time) -> Pushed {
        let is_event = self.is_event(packet);
        let Some(timeline) = &self.timeline else {
            return if is_event { Pushed::Event } else { self.begin(packet, sequence, arrived_at) };
        };
        if is_event {
            self.spend(sequence, Spent::Event);
            return Pushed::Event;
        }
        let timestamp = timeline.unfold(packet.header.timestamp);
        let transit = arrived_at.signed_since(self.moment(timeline, timestamp, 0));
        let advance = timeline.advance(sequence, timestamp);
        let early = self.lateness.best() - transit > 2 * self.nanos(self.packet_samples);
        if advance.is_some_and(|advance| advance.leaps(self.packet_samples, early)) {
            self.stop();
            return self.begin(packet, sequence, arrived_at);
        }
        if advance.is_none() && timestamp > timeline.highest_timestamp {
            // Sent earlier, stamped later: its timestamp says nothing of the line.
            self.statistics.late += 1;
            self.spend(sequence, Spent::Late);
            return Pushed::Late;
        }
        let samples = self.measure(packet, advance.and_then(|advance| advance.of_one_packet()));
        self.lateness.note(transit, self.nanos(samples), self.silent, arrived_at);
        let arrival = Arrival::new(&packet.header, sequence, timestamp, samples, arrived_at);
        self.accept(packet, arrival, advance.is_some())
    }

    fn accept(&mut self, packet: &RtpPacket<'_>, arrival: Arrival, ahead: bool) -> Pushed {
        let Some(timeline) = &mut self.timeline else { return Pushed::Stray };
        if ahead {
            timeline.highest_sequence = arrival.sequence;
            timeline.highest_timestamp = arrival.timestamp;
        }
        let is_late = timeline.has_passed(&arrival);
        if ahead && timeline.is_proven_wrong_by(&arrival, self.config.clock_rate) {
            self.stop();
            return self.begin(packet, arrival.sequence, arrival.arrived_at);
        }
        if is_late {
            self.statistics.late += 1;
            self.spend(arrival.sequence, Spent::Late);
            return Pushed::Late;
        }
        self.make_room(arrival.sequence);
        self.ring.put(arrival, packet.payload);
        self.settle();
        Pushed::Accepted
    }

    /// Begins a timeline with `packet`, which leaves at once: the line shows soon enough how long to wait.
    fn begin(&mut self, packet: &RtpPacket<'_>, sequence: u64, arrived_at: Time) -> Pushed {
        let samples = self.measure(packet, None);
        let timeline = Timeline::new(sequence, packet.header.timestamp, arrived_at);
        self.lateness.reset();
        self.lateness.note(0, self.nanos(samples), self.silent, arrived_at);
        let arrival = Arrival::new(&packet.header, sequence, timeline.next_timestamp, samples, arrived_at);
        self.timeline = Some(timeline);
        self.ring.put(arrival, packet.payload);
        Pushed::Restarted
    }

    /// Ends the timeline; what still waits of it is dropped.
    fn stop(&mut self) {
        if self.timeline.take().is_some() {
            self.statistics.restarts += 1;
        }
        self.statistics.overflowed += u64::from(self.ring.waiting());
        self.ring.clear();
    }

    /// Timestamp units of a packet. `advance` is the distance to the packet just before it.
    fn measure(&mut self, packet: &RtpPacket<'_>, advance: Option<i64>) -> u32 {
        let plausible = 5..=200;
        let samples = match self.config.sizing {
            _ if self.is_comfort_noise(packet.header.payload_type) => return self.packet_samples,
            Sizing::OctetPerUnit => packet.payload.len() as u32,
            Sizing::Learned => advance.unwrap_or(0).clamp(0, 1 << 20) as u32,
        };
        if plausible.contains(&(u64::from(samples) * 1000 / u64::from(self.config.clock_rate.max(1)))) {
            self.packet_samples = samples;
        }
        self.packet_samples
    }

    /// Notes that `sequence` came and is not to be played.
    fn spend(&mut self, sequence: u64, why: Spent) {
        let Some(timeline) = &self.timeline else { return };
        if sequence < timeline.next_sequence {
            // It had been counted as lost when it was passed over.
            self.statistics.lost = self.statistics.lost.saturating_sub(1);
            return;
        }
        self.make_room(sequence);
        self.ring.spend(sequence, why);
        self.settle();
    }

    /// Drops the oldest packets until there is a place for `sequence`.
    fn make_room(&mut self, sequence: u64) {
        let Some(timeline) = &mut self.timeline else { return };
        if sequence < timeline.next_sequence + PLACES {
            return;
        }
        while sequence >= timeline.next_sequence + PLACES {
            match self.ring.free(timeline.next_sequence) {
                Some(true) => self.statistics.overflowed += 1,
                Some(false) => {}
                None => self.statistics.lost += 1,
            }
            timeline.next_sequence += 1;
        }
        if let Some(first) = self.ring.first_from(timeline.next_sequence) {
            timeline.next_timestamp = timeline.next_timestamp.max(first.timestamp);
            timeline.begins = true;
        }
    }

    /// Passes over sequence numbers that nothing is to be played for: events, packets that came late, and lost ones
    /// whose time has been filled already.
    fn settle(&mut self) {
        let Some(timeline) = &mut self.timeline else { return };
        loop {
            match self.ring.take_spent(timeline.next_sequence) {
                Some(Spent::Event) => timeline.last = Last::Pause,
                Some(Spent::Late) => {}
                None => match self.ring.first_from(timeline.next_sequence) {
                    Some(first)
                        if first.sequence > timeline.next_sequence
                            && timeline.continues_with(first, self.packet_samples) =>
                    {
                        self.statistics.lost += 1;
                    }
                    Some(_) | None => return,
                },
            }
            timeline.next_sequence += 1;
        }
    }

    /// The packet whose turn is next, unless a gap is before it.
    fn next_playable(&self, timeline: &Timeline) -> Option<&Waiting> {
        let first = self.ring.first_from(timeline.next_sequence)?;
        timeline.continues_with(first, self.packet_samples).then_some(first)
    }

    fn release_packet(&mut self, waiting: Waiting) -> Option<Released<'_>> {
        let timeline = self.timeline.as_mut()?;
        let discontinuity = std::mem::take(&mut timeline.begins);
        let pauses = self.config.comfort_noise == Some(waiting.payload_type);
        timeline.last = if pauses { Last::Pause } else { Last::Audio };
        timeline.next_timestamp = waiting.timestamp + i64::from(waiting.samples);
        timeline.next_sequence = waiting.sequence + 1;
        self.ring.free(waiting.sequence);
        self.settle();

        let (timestamp, samples) = (waiting.wire_timestamp(), waiting.samples);
        let Some(payload) = self.ring.payload(&waiting) else {
            self.statistics.overflowed += 1;
            self.statistics.concealed += 1;
            return Some(Released::Lost { timestamp, samples });
        };
        Some(Released::Packet(Playable {
            payload_type: waiting.payload_type,
            payload,
            sequence: waiting.wire_sequence(),
            timestamp,
            samples,
            arrived_at: waiting.arrived_at,
            marker: waiting.marker,
            discontinuity,
        }))
    }

    fn release_gap(&mut self) -> Option<Released<'static>> {
        let timeline = self.timeline.as_mut()?;
        let (timestamp, samples) = (timeline.wire_timestamp(), self.packet_samples);
        timeline.next_timestamp += i64::from(samples);
        let first = self.ring.first_from(timeline.next_sequence).map(|first| first.sequence);
        let is_lost = match (timeline.last, first) {
            (Last::Pause, _) => false,
            (Last::Audio | Last::Missing(_), Some(first)) if first > timeline.next_sequence => {
                timeline.next_sequence += 1;
                self.statistics.lost += 1;
                true
            }
            (Last::Audio | Last::Missing(_), Some(_)) => {
                timeline.last = Last::Pause;
                false
            }
            (Last::Audio, None) => {
                timeline.last = Last::Missing(1);
                true
            }
            (Last::Missing(frames), None) => {
                timeline.last = Last::Missing(frames.saturating_add(1));
                #[cfg(feature = "planted-faults")]
                let frames = frames.saturating_add(u32::from(is_planted(Fault::ConcealedOneFrameLess)));
                frames < LOST_BEFORE_SILENCE
            }
        };
        self.statistics.concealed += u64::from(is_lost);
        self.settle();
        Some(if is_lost {
            Released::Lost { timestamp, samples }
        } else {
            Released::Silence { timestamp, samples }
        })
    }

    fn moment(&self, timeline: &Timeline, timestamp: i64, offset: i64) -> Time {
        timeline.moment(timestamp, offset, self.config.clock_rate)
    }

    fn nanos(&self, samples: u32) -> i64 {
        i64::from(samples) * 1_000_000_000 / i64::from(self.config.clock_rate.max(1))
    }
}

fn units(duration: Duration, clock_rate: u32) -> u32 {
    (duration.as_nanos() * u128::from(clock_rate) / 1_000_000_000).min(1 << 20) as u32
}
