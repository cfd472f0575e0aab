//! What left, packet by packet: the caller's side of the turn ledger.

use std::ops::Range;

use offhook_time::Time;

use crate::listen::{self, Loudness, Spoken};

/// Packets of silence after what we say that still count as its surroundings: a background is told from speech by
/// what follows.
const SURROUNDINGS: usize = 25;

/// All packets of a leg.
#[derive(Debug, Default)]
pub(crate) struct SentLog {
    packets: Vec<Sent>,
    said: Vec<Said>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    kind: Kind,
    /// When it reached the wire; `None` until then, and for ever where the line lost it.
    on_the_wire: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Audio { dbfs: f64 },
    Key { is_end: bool, timestamp: u32 },
}

/// Something that was said or keyed, and the packets that carried it.
#[derive(Debug)]
struct Said {
    name: String,
    packets: Range<usize>,
    is_keys: bool,
}

impl SentLog {
    /// Nothing left yet.
    pub fn new() -> Self {
        SentLog::default()
    }

    /// The number of the next packet.
    pub fn next(&self) -> usize {
        self.packets.len()
    }

    /// A packet of audio, as the far end decodes it.
    pub fn audio(&mut self, samples: &[i16]) {
        let kind = Kind::Audio { dbfs: Loudness::of(samples, true).dbfs };
        self.packets.push(Sent { kind, on_the_wire: None });
    }

    /// A packet of a key; `is_end` where it says that the key was released.
    pub fn key(&mut self, is_end: bool, timestamp: u32) {
        self.packets.push(Sent { kind: Kind::Key { is_end, timestamp }, on_the_wire: None });
    }

    /// The packet `back` before the next one reached the wire, perhaps for the second time.
    pub fn reached_the_wire(&mut self, back: usize, now: Time) {
        let at = self.packets.len().checked_sub(back);
        if let Some(packet) = at.and_then(|at| self.packets.get_mut(at)) {
            packet.on_the_wire.get_or_insert(now);
        }
    }

    /// Packet number `at` reached the wire.
    pub fn number_reached_the_wire(&mut self, at: usize, now: Time) {
        if let Some(packet) = self.packets.get_mut(at) {
            packet.on_the_wire.get_or_insert(now);
        }
    }

    /// These packets say or key this.
    pub fn said_by(&mut self, name: String, packets: Range<usize>, is_keys: bool) {
        self.said.push(Said { name, packets, is_keys });
    }

    /// The packets from number `from` up to the last one said or keyed this.
    pub fn said(&mut self, name: String, from: usize, is_keys: bool) {
        self.said.push(Said { name, packets: from..self.packets.len(), is_keys });
    }

    /// When each thing was said, by its packets. What never reached the wire was never said.
    pub fn spoken(&self) -> Vec<Spoken> {
        let found = self.said.iter().enumerate().filter_map(|(index, said)| {
            let (onset, end) = if said.is_keys { self.keyed(said) } else { self.voiced(index, said) }?;
            Some(Spoken { name: said.name.clone(), is_keys: said.is_keys, onset, end })
        });
        found.collect()
    }

    fn voiced(&self, index: usize, said: &Said) -> Option<(Time, Time)> {
        let before = index.checked_sub(1).and_then(|before| self.said.get(before));
        let first = said.packets.start.saturating_sub(SURROUNDINGS);
        let first = before.map_or(first, |before| first.max(before.packets.end));
        let after = self.said.get(index + 1).map_or(self.packets.len(), |next| next.packets.start);
        let last = (said.packets.end + SURROUNDINGS).min(after);
        let packets = self.packets.get(first..last)?;
        let loudness: Vec<Loudness> = packets
            .iter()
            .map(|packet| match packet.kind {
                Kind::Audio { dbfs } => Loudness { dbfs, arrived: packet.on_the_wire.is_some() },
                Kind::Key { .. } => Loudness { dbfs: f64::NEG_INFINITY, arrived: false },
            })
            .collect();
        let (onset, end) = listen::speech(&loudness)?;
        Some((packets.get(onset)?.on_the_wire?, packets.get(end)?.on_the_wire?))
    }

    /// From the first packet of the first key to the first one that says that the last key was released.
    fn keyed(&self, said: &Said) -> Option<(Time, Time)> {
        let packets = self.packets.get(said.packets.clone())?;
        let keys = packets.iter().filter_map(|packet| match packet.kind {
            Kind::Audio { .. } => None,
            Kind::Key { is_end, timestamp } => Some((is_end, timestamp, packet.on_the_wire?)),
        });
        let onset = keys.clone().map(|(_, _, at)| at).min()?;
        let (_, last, _) = keys.clone().next_back()?;
        let end =
            keys.filter(|(is_end, timestamp, _)| *is_end && *timestamp == last).map(|(_, _, at)| at).min();
        Some((onset, end?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD: [i16; 160] = [3000; 160];
    const SOFT: [i16; 160] = [20; 160];

    #[test]
    fn what_was_said_begins_and_ends_when_its_loud_packets_reached_the_wire() {
        let mut log = SentLog::new();
        let from = log.next();
        for (n, samples) in [SOFT, SOFT, LOUD, LOUD, LOUD, SOFT].iter().enumerate() {
            log.audio(samples);
            log.reached_the_wire(1, at(n as u64 * 20 + 7));
        }
        log.said("word".into(), from, false);

        assert_eq!(
            log.spoken(),
            [Spoken { name: "word".into(), is_keys: false, onset: at(47), end: at(87) }]
        );
    }

    #[test]
    fn a_packet_that_the_line_held_back_counts_from_when_it_came_and_a_lost_one_not_at_all() {
        let mut log = SentLog::new();
        for _ in 0..5 {
            log.audio(&LOUD);
        }
        log.said("word".into(), 0, false);
        // The last one is lost, the first two swap places, the fourth comes twice.
        [(4, 30), (5, 45), (3, 60), (2, 81), (2, 99)]
            .iter()
            .for_each(|(back, ms)| log.reached_the_wire(*back, at(*ms)));

        assert_eq!(
            log.spoken(),
            [Spoken { name: "word".into(), is_keys: false, onset: at(45), end: at(81) }]
        );
    }

    #[test]
    fn keys_last_from_their_first_packet_to_the_first_end_of_the_last_key() {
        let mut log = SentLog::new();
        let packets = [(false, 0), (true, 0), (true, 0), (false, 800), (true, 800), (true, 800)];
        for (n, (is_end, timestamp)) in packets.into_iter().enumerate() {
            log.key(is_end, timestamp);
            log.reached_the_wire(1, at(n as u64 * 20));
        }
        log.said("12".into(), 0, true);

        assert_eq!(log.spoken(), [Spoken { name: "12".into(), is_keys: true, onset: at(0), end: at(80) }]);
    }

    #[test]
    fn what_never_reached_the_wire_was_never_said() {
        let mut log = SentLog::new();
        log.audio(&LOUD);
        log.said("word".into(), 0, false);

        assert_eq!(log.spoken(), []);
    }

    fn at(ms: u64) -> Time {
        Time::from_millis(1000 + ms)
    }
}
