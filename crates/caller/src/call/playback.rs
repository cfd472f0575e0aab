//! Packets that somebody else sent once, to be sent again at their own times.

use std::ops::Range;
use std::time::Duration;

use offhook_time::Time;

use crate::g711::Law;
use crate::listen::FarSpeech;
use crate::rtp::key_of;
use crate::wav::{FRAME, RATE};

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Audio. Where the answer chooses the other law, it is transcoded.
    Audio(Law),
    /// A key (RFC 4733), sent with the payload type of the answer; left out where that has none.
    Key,
}

/// A packet and when it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaybackPacket {
    /// Since the answer.
    pub offset: Duration,
    /// Packets of one source share an SSRC.
    pub source: u16,
    /// What it carries.
    pub carries: Carries,
    /// The marker.
    pub marker: bool,
    /// The sequence number, up to a constant: a gap is a loss, the same number twice a repetition.
    pub sequence: u16,
    /// The timestamp, up to a constant.
    pub timestamp: u32,
    /// The payload.
    pub payload: Vec<u8>,
}

/// What a call sends instead of a script's speech. What happens to the packets on their way is in their times and
/// numbers, so [`CallOptions::impairment`](super::CallOptions::impairment) does not touch them.
#[derive(Clone, Debug, Default)]
pub struct Playback {
    packets: Vec<PlaybackPacket>,
    said: Vec<SaidThen>,
}

/// Something that was said or keyed, and the packets that carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SaidThen {
    pub name: String,
    pub packets: Range<usize>,
    pub is_keys: bool,
}

/// A shorter pause is one between two words or sentences, not between two turns.
const TURN_GAP: Duration = Duration::from_millis(800);

/// Keys with a longer pause between them are pressed for different reasons.
const KEYS_GAP: Duration = Duration::from_secs(3);

impl Playback {
    /// Packets in the order of their offsets.
    pub fn new(mut packets: Vec<PlaybackPacket>) -> Self {
        packets.sort_by_key(|packet| packet.offset);
        let mut said = utterances(&packets);
        said.extend(keys(&packets));
        said.sort_by_key(|said| said.packets.start);
        Playback { packets, said }
    }

    /// Samples at 8 kHz, as one packet each 20 ms.
    pub fn of_samples(samples: &[i16], law: Law) -> Self {
        let packets = samples.chunks(FRAME).enumerate().map(|(index, samples)| {
            let mut payload: Vec<u8> = samples.iter().map(|sample| law.encode(*sample)).collect();
            payload.resize(FRAME, law.silence());
            PlaybackPacket {
                offset: Duration::from_millis(20) * index as u32,
                source: 0,
                carries: Carries::Audio(law),
                marker: index == 0,
                sequence: index as u16,
                timestamp: (index * FRAME) as u32,
                payload,
            }
        });
        Playback::new(packets.collect())
    }

    /// The packets, in order.
    pub fn packets(&self) -> &[PlaybackPacket] {
        &self.packets
    }

    /// From the answer to the last packet.
    pub fn length(&self) -> Duration {
        self.packets.last().map_or(Duration::ZERO, |packet| packet.offset)
    }

    /// What is said in it, in order.
    pub(crate) fn said(&self) -> &[SaidThen] {
        &self.said
    }
}

/// Stretches of talking, pauses shorter than a turn's included.
fn utterances(packets: &[PlaybackPacket]) -> Vec<SaidThen> {
    // A moment after zero: a time of zero means "never" elsewhere.
    let at = |packet: &PlaybackPacket| Time::from_millis(1) + packet.offset;
    let mut speech = FarSpeech::new();
    let mut samples = Vec::with_capacity(2 * FRAME);
    for packet in packets {
        if let Carries::Audio(law) = packet.carries {
            samples.clear();
            law.decode_into(&packet.payload, &mut samples);
            speech.push(&samples, at(packet));
        }
    }
    let mut turns: Vec<(Time, Time)> = Vec::new();
    for segment in speech.segments() {
        match turns.last_mut() {
            Some((_, end)) if segment.start.since(*end) < TURN_GAP => *end = segment.end,
            Some(_) | None => turns.push((segment.start, segment.end)),
        }
    }
    let turns = turns.into_iter().enumerate().map(|(index, (start, end))| SaidThen {
        name: format!("#{}", index + 1),
        packets: packets.partition_point(|packet| at(packet) < start)
            ..packets.partition_point(|packet| at(packet) <= end),
        is_keys: false,
    });
    turns.collect()
}

/// Rows of keys.
fn keys(packets: &[PlaybackPacket]) -> Vec<SaidThen> {
    let mut rows: Vec<SaidThen> = Vec::new();
    let mut known: Vec<u32> = Vec::new();
    let mut last: Option<Duration> = None;
    for (at, packet) in packets.iter().enumerate().filter(|(_, packet)| packet.carries == Carries::Key) {
        let key = key_of(&packet.payload).filter(|_| !known.contains(&packet.timestamp));
        known.push(packet.timestamp);
        let goes_on = last.is_some_and(|last| packet.offset.saturating_sub(last) < KEYS_GAP);
        last = Some(packet.offset);
        match rows.last_mut().filter(|_| goes_on) {
            Some(row) => {
                row.name.extend(key);
                row.packets.end = at + 1;
            }
            None => {
                let name = key.map(String::from).unwrap_or_default();
                rows.push(SaidThen { name, packets: at..at + 1, is_keys: true });
            }
        }
    }
    rows
}

/// How long a payload of G.711 lasts.
pub(crate) fn lasts(octets: usize) -> Duration {
    Duration::from_nanos(octets as u64 * 1_000_000_000 / u64::from(RATE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(packets: usize) -> Vec<i16> {
        (0..packets * FRAME).map(|n| if n % 8 < 4 { 3000 } else { -3000 }).collect()
    }

    #[test]
    fn a_pause_between_words_is_no_turn_and_a_longer_one_is() {
        let mut samples = voice(30);
        samples.extend(vec![0; 25 * FRAME]);
        samples.extend(voice(30));
        samples.extend(vec![0; 60 * FRAME]);
        samples.extend(voice(10));

        let playback = Playback::of_samples(&samples, Law::Mu);

        let said: Vec<_> =
            playback.said().iter().map(|said| (said.name.as_str(), said.packets.clone())).collect();
        assert_eq!(said, [("#1", 0..85), ("#2", 145..155)]);
        assert_eq!(playback.length(), Duration::from_millis(20 * 154));
    }

    #[test]
    fn keys_in_a_row_are_said_together_whatever_is_repeated() {
        let key = |ms: u64, event: u8, timestamp: u32| PlaybackPacket {
            offset: Duration::from_millis(ms),
            source: 0,
            carries: Carries::Key,
            marker: false,
            sequence: 0,
            timestamp,
            payload: vec![event, 0x8a, 3, 32],
        };

        let playback =
            Playback::new(vec![key(0, 1, 0), key(20, 1, 0), key(300, 2, 2400), key(9000, 11, 72_000)]);

        let said: Vec<_> =
            playback.said().iter().map(|said| (said.name.as_str(), said.packets.clone())).collect();
        assert_eq!(said, [("12", 0..3), ("#", 3..4)]);
    }
}
