//! What a caller must send to say it all again.

use std::collections::BTreeMap;
use std::time::Duration;

use offhook_audio::G711;
use offhook_rtp_proto::TelephoneEvent;

use super::call::{Call, Party};
use super::statistics::Place;
use super::stream::{Arrived, Stream};
use super::track::law_of;

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Audio.
    Audio(G711),
    /// A key (RFC 4733).
    TelephoneEvent,
}

/// A packet and when it is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// Since the answer; without SIP since the first packet of the call.
    pub offset: Duration,
    /// Counts the sources of the side: packets of one source share an SSRC.
    pub source: u16,
    /// What it carries.
    pub sound: Sound,
    /// The marker.
    pub marker: bool,
    /// The sequence number; a gap is a loss.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// The payload.
    pub payload: Vec<u8>,
}

/// One side of a call, to be sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// In the order of sending.
    pub packets: Vec<Timed>,
    /// Packets that cannot be sent again, by codec or reason.
    pub left_out: BTreeMap<String, u64>,
}

/// Arrival this far from where the timestamp puts a packet is no jitter (as in tracks).
const JUMP_NS: i64 = 1_000_000_000;

/// Repeated ends of a key are this far apart.
const END_APART_NS: i64 = 20_000_000;

/// Longer losses are not filled: the line was dead, or the sender silent.
const MOST_FILLED: u64 = 50;

/// A packet that can be sent again.
struct Kept<'a> {
    packet: &'a Arrived,
    sound: Sound,
    clock: u32,
    place: Place,
    /// The sequence number, as if what is left out had never been sent.
    sequence: u16,
}

impl Schedule {
    /// What `party` sent from the answer on: with the captured arrival times, losses, repetitions and disorder, or
    /// (`clean`) in order at the times of its timestamps, with short losses filled by silence.
    pub fn of(call: &Call, party: Party, clean: bool) -> Schedule {
        let mut schedule = Schedule::default();
        let Some(began) = call.began_unix_ns() else { return schedule };
        for (source, stream) in call.side(party).streams.iter().enumerate() {
            let kept = schedule.keep(stream, began);
            let source = source as u16;
            if clean {
                schedule.add_clean(&kept, source, began);
            } else {
                schedule.packets.extend(kept.into_iter().map(|kept| Timed {
                    offset: Duration::from_nanos(kept.packet.unix_ns.saturating_sub(began)),
                    ..kept.timed(source)
                }));
            }
        }
        schedule.packets.sort_by_key(|packet| packet.offset);
        schedule
    }

    /// From the answer to the last packet.
    pub fn length(&self) -> Duration {
        self.packets.last().map_or(Duration::ZERO, |packet| packet.offset)
    }

    fn keep<'a>(&mut self, stream: &'a Stream, began: u64) -> Vec<Kept<'a>> {
        let mut left_out: Vec<(u64, u64)> = Vec::new();
        let mut kept = Vec::new();
        let mut latest = (0, 0);
        for (packet, place) in stream.packets.iter().zip(&stream.places) {
            if let Place::New { stretch, extended } = place {
                latest = (*stretch, *extended);
            }
            if packet.unix_ns < began {
                continue;
            }
            let codec = stream.codec(packet.header.payload_type.number());
            let sound = match codec {
                _ if stream.is_encrypted => Err("SRTP".to_owned()),
                _ if !packet.is_whole => Err("cut by the snap length".to_owned()),
                Some(codec) if codec.is_telephone_event() => Ok(Sound::TelephoneEvent),
                Some(codec) => law_of(&codec.name).map(Sound::Audio).ok_or_else(|| codec.name.clone()),
                None => Err("unknown".to_owned()),
            };
            match sound {
                Ok(sound) => kept.push(Kept {
                    packet,
                    sound,
                    clock: codec.map_or(8000, |codec| codec.clock_rate),
                    place: *place,
                    sequence: packet.header.sequence.0,
                }),
                Err(why) => {
                    *self.left_out.entry(why).or_default() += 1;
                    if *place != Place::Duplicate {
                        left_out.push(latest);
                    }
                }
            }
        }
        // What is left out on purpose shall not look lost.
        left_out.sort_unstable();
        let mut stretch_of = 0;
        for kept in &mut kept {
            if let Place::New { stretch, extended } = kept.place {
                stretch_of = stretch;
                let before = left_out.partition_point(|at| *at < (stretch, extended))
                    - left_out.partition_point(|at| *at < (stretch, 0));
                kept.sequence = kept.sequence.wrapping_sub(before as u16);
            } else {
                let wrapped = kept.packet.header.sequence.0;
                let of_stretch = left_out.iter().filter(|(stretch, _)| *stretch == stretch_of);
                let before =
                    of_stretch.filter(|(_, extended)| (wrapped.wrapping_sub(*extended as u16) as i16) > 0);
                kept.sequence = wrapped.wrapping_sub(before.count() as u16);
            }
        }
        kept
    }

    fn add_clean(&mut self, kept: &[Kept<'_>], source: u16, began: u64) {
        let mut ordered: Vec<(u64, u64, &Kept<'_>)> = kept
            .iter()
            .filter_map(|kept| match kept.place {
                Place::New { stretch, extended } => Some((stretch, extended, kept)),
                Place::Duplicate => None,
            })
            .collect();
        ordered.sort_by_key(|(stretch, extended, _)| (*stretch, *extended));
        let mut packets: Vec<Timed> = Vec::new();
        let mut anchor: Option<(u32, i64)> = None;
        let mut before: Option<(u64, u64, u32, usize, Sound)> = None;
        let mut ends = 0;
        for (stretch, extended, kept) in ordered {
            let header = kept.packet.header;
            let nanos = |units: i64| units * 1_000_000_000 / i64::from(kept.clock.max(1));
            let by_arrival = kept.packet.unix_ns.saturating_sub(began) as i64;
            let by_timestamp = anchor
                .map(|(timestamp, offset)| {
                    offset + nanos(header.timestamp.since(offhook_rtp_proto::RtpTimestamp(timestamp)))
                })
                .filter(|offset| (offset - by_arrival).abs() <= JUMP_NS);
            let begins = by_timestamp.unwrap_or(by_arrival);
            anchor = Some((header.timestamp.0, begins));
            let mut offset = begins;
            ends = match (kept.sound, TelephoneEvent::parse(&kept.packet.payload)) {
                (Sound::TelephoneEvent, Ok(event)) => {
                    offset += nanos(i64::from(event.duration)) + ends * END_APART_NS;
                    if event.end { ends + 1 } else { 0 }
                }
                (Sound::TelephoneEvent | Sound::Audio(_), _) => 0,
            };
            if let (Some((was_stretch, was, timestamp, length, Sound::Audio(law))), Sound::Audio(_)) =
                (before, kept.sound)
                && stretch == was_stretch
                && (2..=MOST_FILLED).contains(&(extended - was))
                && u64::from(header.timestamp.0.wrapping_sub(timestamp)) == length as u64 * (extended - was)
            {
                for missing in 1..extended - was {
                    let back = nanos((extended - was - missing) as i64 * length as i64);
                    packets.push(Timed {
                        offset: duration(begins - back),
                        source,
                        sound: Sound::Audio(law),
                        marker: false,
                        sequence: 0,
                        timestamp: timestamp.wrapping_add((missing as usize * length) as u32),
                        payload: vec![law.silence(); length],
                    });
                }
            }
            before = Some((stretch, extended, header.timestamp.0, kept.packet.payload.len(), kept.sound));
            packets.push(Timed { offset: duration(offset), ..kept.timed(source) });
        }
        packets.sort_by_key(|packet| packet.offset);
        for (sequence, packet) in packets.iter_mut().enumerate() {
            packet.sequence = sequence as u16;
        }
        self.packets.extend(packets);
    }
}

impl Kept<'_> {
    fn timed(&self, source: u16) -> Timed {
        Timed {
            offset: Duration::ZERO,
            source,
            sound: self.sound,
            marker: self.packet.header.marker,
            sequence: self.sequence,
            timestamp: self.packet.header.timestamp.0,
            payload: self.packet.payload.clone(),
        }
    }
}

fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}
