//! A playback on its way out: what the media thread sends instead of speech of its own.

use std::sync::Arc;

use offhook_time::Time;

use crate::call::media::{MediaEvent, PACKET_TIME, Talker};
use crate::call::playback::{Carries, Playback, lasts};
use crate::call::record::FarTrack;
use crate::clock;
use crate::g711::Law;
use crate::line::pace::Pace;
use crate::rtp::{Packet, key_of};
use crate::wav::RATE;

/// Where a playback stands.
pub(super) struct Playing {
    playback: Arc<Playback>,
    next: usize,
    /// Number of its first packet in the log.
    logged_from: usize,
    /// Added to the captured numbers.
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    /// Timestamps of keys that were sent.
    keys: Vec<u32>,
    track: FarTrack,
}

impl Playing {
    /// When the next packet leaves.
    pub fn due(&self, started: Time) -> Time {
        self.playback.packets().get(self.next).map_or(started, |packet| started + packet.offset)
    }

    /// What was said, as audio.
    pub fn into_track(self) -> Vec<i16> {
        self.track.into_samples()
    }
}

impl Talker {
    /// From now on the packets of `playback` leave, each at its time.
    pub(super) fn play(&mut self, playback: &Arc<Playback>) {
        let logged_from = self.log.next();
        let mut samples = Vec::new();
        for packet in playback.packets() {
            match packet.carries {
                Carries::Audio(law) => {
                    samples.clear();
                    law.decode_into(&packet.payload, &mut samples);
                    self.log.audio(&samples);
                }
                Carries::Key => {
                    let is_end = packet.payload.get(1).is_some_and(|flags| flags & 0x80 != 0);
                    self.log.key(is_end, packet.timestamp);
                }
            }
        }
        for said in playback.said() {
            let packets = said.packets.start + logged_from..said.packets.end + logged_from;
            self.log.said_by(said.name.clone(), packets, said.is_keys);
        }
        self.playing = Some(Playing {
            playback: Arc::clone(playback),
            next: 0,
            logged_from,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            keys: Vec::new(),
            track: FarTrack::new(self.started),
        });
    }

    /// The next packet of the playback leaves. Answers what is due then; after the last one that is silence, every
    /// 20 ms, on the same clocks.
    pub(super) fn play_next(&mut self, mut playing: Playing, due: Time, pace: &mut Pace) -> Time {
        let now = clock::now();
        let playback = Arc::clone(&playing.playback);
        if let Some(packet) = playback.packets().get(playing.next) {
            self.lateness_ms.push(now.since(due).as_secs_f64() * 1000.0);
            self.ssrc = playing.ssrc.wrapping_add(u32::from(packet.source));
            self.sequence = playing.sequence.wrapping_add(packet.sequence);
            let timestamp = playing.timestamp.wrapping_add(packet.timestamp);
            let law = self.remote.law;
            let (payload_type, payload) = match packet.carries {
                Carries::Audio(own) => {
                    let payload = if own == law {
                        packet.payload.clone()
                    } else {
                        transcode(&packet.payload, own, law)
                    };
                    self.timestamp = timestamp;
                    (Some(law.payload_type()), payload)
                }
                Carries::Key => (self.remote.telephone_event, packet.payload.clone()),
            };
            if let Some(payload_type) = payload_type.filter(|_| self.remote.receives) {
                let mut bytes = std::mem::take(&mut self.packet);
                let (sequence, ssrc, marker) = (self.sequence, self.ssrc, packet.marker);
                Packet { payload_type, marker, sequence, timestamp, ssrc, payload: &payload }
                    .write(&mut bytes);
                let sent = self.transmit_played(&bytes);
                self.packet = bytes;
                let left = clock::now();
                if sent {
                    self.log.number_reached_the_wire(playing.logged_from + playing.next, left);
                }
                match packet.carries {
                    Carries::Audio(_) => {
                        let mut samples = Vec::new();
                        law.decode_into(&payload, &mut samples);
                        playing.track.push(&samples, self.ssrc, timestamp, left);
                    }
                    Carries::Key if !playing.keys.contains(&timestamp) => {
                        playing.keys.push(timestamp);
                        self.digits.extend(key_of(&payload));
                    }
                    Carries::Key => {}
                }
            }
            playing.next += 1;
        }
        self.notice_far(now);
        if playing.next < playback.packets().len() {
            let due = playing.due(self.started);
            self.playing = Some(playing);
            return due;
        }
        // Silence goes on behind the last packet.
        let last = playback.packets().iter().rev().find(|packet| matches!(packet.carries, Carries::Audio(_)));
        let length = last.map_or(PACKET_TIME, |packet| lasts(packet.payload.len()));
        self.sequence = playback
            .packets()
            .iter()
            .rev()
            .take(64)
            .map(|packet| playing.sequence.wrapping_add(packet.sequence))
            .fold(
                self.sequence,
                |highest, other| {
                    if (other.wrapping_sub(highest) as i16) > 0 { other } else { highest }
                },
            )
            .wrapping_add(1);
        self.timestamp =
            self.timestamp.wrapping_add((length.as_nanos() * u128::from(RATE) / 1_000_000_000) as u32);
        let until_now = (now.since(self.started).as_nanos() * u128::from(RATE) / 1_000_000_000) as usize;
        self.said = playing.into_track();
        self.said.resize(until_now.max(self.said.len()), 0);
        // Whoever started us is gone only when the call is: nobody waits for this then.
        let _ = self.events.send(MediaEvent::Done("the recording".to_owned()));
        *pace = Pace::start(now, PACKET_TIME);
        pace.next()
    }
}

fn transcode(payload: &[u8], from: Law, to: Law) -> Vec<u8> {
    payload.iter().map(|octet| to.encode(from.decode(*octet))).collect()
}
