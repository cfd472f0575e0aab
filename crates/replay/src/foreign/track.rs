//! The audio of a side, by its RTP timestamps.

use std::collections::BTreeMap;

use offhook_audio::G711;

use super::call::{Call, Party};
use super::statistics::Place;
use super::stream::Stream;

/// Samples per second of a track.
pub const RATE: u32 = 8000;

/// Further than this from where its timestamp puts it, a packet begins a new stretch: the sender's clock jumped, or
/// stood still in a pause.
const JUMP: i64 = RATE as i64;

/// No call lasts longer; a time stamp beyond is wrong.
const LONGEST: usize = RATE as usize * 3600 * 6;

/// What one side said. Time zero is the first packet of either side, so that both tracks of a call lie side by side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    /// 8 kHz, linear. What was lost is silent.
    pub samples: Vec<i16>,
    /// Packets of audio that cannot be decoded here, by codec.
    pub left_out: BTreeMap<String, u64>,
}

impl Track {
    /// Decodes G.711; jitter, disorder and repetition leave no trace.
    pub fn of(call: &Call, party: Party) -> Track {
        let mut track = Track::default();
        let Some((zero, _)) = call.media_span() else { return track };
        for stream in &call.side(party).streams {
            track.add(stream, zero);
        }
        track
    }

    fn add(&mut self, stream: &Stream, zero: u64) {
        // Where a timestamp lies in the track.
        let mut anchor = None;
        let mut decoded = Vec::new();
        for (packet, place) in stream.packets.iter().zip(&stream.places) {
            let Some(codec) = stream.codec(packet.header.payload_type.number()) else { continue };
            if *place == Place::Duplicate || !codec.is_audio() {
                continue;
            }
            let law = law_of(&codec.name).filter(|_| !stream.is_encrypted);
            let Some(law) = law else {
                let name = if stream.is_encrypted { "SRTP".to_owned() } else { codec.name.clone() };
                *self.left_out.entry(name).or_default() += 1;
                continue;
            };
            let since_zero = packet.unix_ns.saturating_sub(zero);
            let by_arrival = (u128::from(since_zero) * u128::from(RATE) / 1_000_000_000) as i64;
            let by_timestamp = anchor
                .map(|(timestamp, position)| position + packet.header.timestamp.since(timestamp))
                .filter(|position: &i64| (position - by_arrival).abs() <= JUMP);
            let position = by_timestamp.unwrap_or(by_arrival);
            // Moves along, so that the difference of timestamps never wraps.
            anchor = Some((packet.header.timestamp, position));
            decoded.clear();
            decoded.resize(packet.payload.len(), 0);
            law.decode(&packet.payload, &mut decoded);
            let begin = usize::try_from(position).unwrap_or(0);
            let end = begin + decoded.len();
            if end > LONGEST {
                *self.left_out.entry("beyond six hours".to_owned()).or_default() += 1;
                continue;
            }
            if self.samples.len() < end {
                self.samples.resize(end, 0);
            }
            self.samples[begin..end].copy_from_slice(&decoded);
        }
    }
}

pub(super) fn law_of(name: &str) -> Option<G711> {
    match name {
        "PCMU" => Some(G711::MuLaw),
        "PCMA" => Some(G711::ALaw),
        _ => None,
    }
}
