//! A step in front of and behind the bytes that need not be stored twice.

use std::net::SocketAddr;

use offhook_engine_api::UtteranceId;
use offhook_time::Time;
use serde::Serialize;

use crate::{LegId, StepError};

/// The payload of a step ([`RecordedInput`](crate::RecordedInput)), cut without copying: `before`, then `shared`, then
/// `after` are the payload. A recorder keeps the shared bytes as a packet or as a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepParts<'a> {
    /// In front.
    pub before: &'a [u8],
    /// The datagram, or the samples as little-endian octets.
    pub shared: &'a [u8],
    /// Behind.
    pub after: &'a [u8],
    /// What the shared bytes are.
    pub kind: SharedBytes,
}

/// What the shared bytes of a step are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedBytes {
    /// The datagram of [`Input::Rtp`](crate::Input::Rtp).
    Rtp(Arrival),
    /// The datagram of [`Input::Rtcp`](crate::Input::Rtcp).
    Rtcp(Arrival),
    /// The samples of [`Input::Speech`](crate::Input::Speech): the same words are often the same bytes.
    Speech {
        /// What they belong to.
        utterance: UtteranceId,
        /// Samples per second.
        sample_rate: u32,
    },
}

/// How a datagram came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Whose socket.
    pub leg: LegId,
    /// Who sent it.
    pub source: SocketAddr,
    /// When it reached the host.
    pub arrived_at: Time,
}

impl<'a> StepParts<'a> {
    /// Cuts the payload of a media step. `None` where it shares nothing (a deadline, a command, a frame of the
    /// application) or is no step of this version.
    pub fn split(payload: &'a [u8]) -> Option<StepParts<'a>> {
        let (variant, rest) = postcard::take_from_bytes::<u32>(payload).ok()?;
        match variant {
            // The order of `RecordedInput`'s variants, which a test holds.
            0 | 1 => {
                let (leg, rest) = postcard::take_from_bytes::<LegId>(rest).ok()?;
                let (before, shared, after) = around(payload, rest)?;
                let (source, rest) = postcard::take_from_bytes::<SocketAddr>(after).ok()?;
                let (arrived_at, rest) = postcard::take_from_bytes::<Time>(rest).ok()?;
                let arrival = Arrival { leg, source, arrived_at };
                let kind = if variant == 0 { SharedBytes::Rtp(arrival) } else { SharedBytes::Rtcp(arrival) };
                rest.is_empty().then_some(StepParts { before, shared, after, kind })
            }
            4 => {
                let (utterance, rest) = postcard::take_from_bytes::<UtteranceId>(rest).ok()?;
                let (sample_rate, rest) = postcard::take_from_bytes::<u32>(rest).ok()?;
                let (before, shared, after) = around(payload, rest)?;
                let kind = SharedBytes::Speech { utterance, sample_rate };
                after.is_empty().then_some(StepParts { before, shared, after, kind })
            }
            _ => None,
        }
    }
}

/// What stands in front of and behind a datagram of `length` octets in its step: the recorder of a live call is given
/// the datagram alone and makes the step later, off the audio path. Appended to `before` and `after`.
pub fn datagram_edges(
    arrival: &Arrival,
    rtcp: bool,
    length: usize,
    before: &mut Vec<u8>,
    after: &mut Vec<u8>,
) -> Result<(), StepError> {
    let Arrival { leg, source, arrived_at } = arrival;
    // A run of octets is its length, then the octets.
    append(before, &(u32::from(rtcp), leg, length))?;
    append(after, &(source, arrived_at))
}

fn append(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), StepError> {
    *out = postcard::to_extend(value, std::mem::take(out)).map_err(|_| StepError)?;
    Ok(())
}

/// `payload` around the run of octets that `rest`, its end, begins with.
fn around<'a>(payload: &'a [u8], rest: &'a [u8]) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
    let (shared, after) = postcard::take_from_bytes::<&[u8]>(rest).ok()?;
    let before = payload.len().checked_sub(shared.len() + after.len())?;
    Some((payload.get(..before)?, shared, after))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use offhook_audio::{AudioChunk, Frame};
    use proptest::prelude::*;

    use super::*;
    use crate::steps::StepEncoder;
    use crate::{Input, MediaCommand};

    fn whole(parts: &StepParts<'_>) -> Vec<u8> {
        [parts.before, parts.shared, parts.after].concat()
    }

    fn address() -> impl Strategy<Value = SocketAddr> {
        prop_oneof![
            any::<([u8; 4], u16)>().prop_map(SocketAddr::from),
            any::<([u8; 16], u16)>().prop_map(SocketAddr::from)
        ]
    }

    proptest! {
        #[test]
        fn a_datagram_is_found_in_its_step_and_all_parts_are_the_step(
            datagram in prop::collection::vec(any::<u8>(), 0..1600),
            source in address(),
            at in any::<u64>(),
            leg in any::<u8>(),
            rtcp in any::<bool>(),
        ) {
            let (leg, arrived_at) = (LegId(leg), Time::from_nanos(at));
            let input = if rtcp {
                Input::Rtcp { leg, datagram: &datagram, source, arrived_at }
            } else {
                Input::Rtp { leg, datagram: &datagram, source, arrived_at }
            };
            let mut encoder = StepEncoder::new();
            let payload = encoder.encode(&input, false);

            let parts = StepParts::split(payload).unwrap();

            let arrival = Arrival { leg, source, arrived_at };
            let kind = if rtcp { SharedBytes::Rtcp(arrival) } else { SharedBytes::Rtp(arrival) };
            prop_assert_eq!(parts.shared, &datagram[..]);
            prop_assert_eq!(parts.kind, kind);
            prop_assert_eq!(whole(&parts), payload);
            let (mut before, mut after) = (Vec::new(), Vec::new());
            datagram_edges(&arrival, rtcp, datagram.len(), &mut before, &mut after).unwrap();
            prop_assert_eq!((&before[..], &after[..]), (parts.before, parts.after));
        }

        #[test]
        fn speech_is_found_in_its_step_and_all_parts_are_the_step(
            samples in prop::collection::vec(any::<i16>(), 0..2000),
            utterance in any::<u32>(),
            sample_rate in any::<u32>(),
        ) {
            let samples: Arc<[i16]> = samples.into();
            let octets: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let utterance = UtteranceId(utterance);
            let mut encoder = StepEncoder::new();
            let payload = encoder.encode(&Input::Speech { utterance, chunk: AudioChunk { sample_rate, samples } }, false);

            let parts = StepParts::split(payload).unwrap();

            prop_assert_eq!(parts.shared, &octets[..]);
            prop_assert_eq!(parts.kind, SharedBytes::Speech { utterance, sample_rate });
            prop_assert_eq!(whole(&parts), payload);
        }

        #[test]
        fn any_octets_are_cut_or_not_but_never_lost(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(parts) = StepParts::split(&payload) {
                prop_assert_eq!(whole(&parts), payload);
            }
        }
    }

    #[test]
    fn what_shares_nothing_is_not_cut() {
        let frame = Frame::from_samples(&[1; 160]);
        for input in [Input::Deadline, Input::Command(MediaCommand::Close), Input::Application(&frame)] {
            assert_eq!(StepParts::split(StepEncoder::new().encode(&input, false)), None, "{input:?}");
        }
        assert_eq!(StepParts::split(&[]), None);
    }
}
