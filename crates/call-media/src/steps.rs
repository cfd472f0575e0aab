//! Inputs as the recorder keeps them.

use std::net::SocketAddr;
use std::sync::Arc;

use offhook_audio::{AudioChunk, Frame, FrameFlags};
use offhook_engine_api::UtteranceId;
use offhook_time::Time;
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Input, LegId, MediaCommand};

/// Room for any input but a long chunk of speech; the buffer grows to the longest of those once.
const USUAL_BYTES: usize = 2048;

/// An input as it stands in a step log ([`Step::payload`](offhook_time::Step)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RecordedInput {
    /// [`Input::Rtp`].
    Rtp {
        /// Whose socket.
        leg: LegId,
        /// The datagram.
        #[serde(with = "octets")]
        datagram: Vec<u8>,
        /// Who sent it.
        source: SocketAddr,
        /// When it reached the host.
        arrived_at: Time,
    },
    /// [`Input::Rtcp`].
    Rtcp {
        /// Whose socket.
        leg: LegId,
        /// The datagram.
        #[serde(with = "octets")]
        datagram: Vec<u8>,
        /// Who sent it.
        source: SocketAddr,
        /// When it reached the host.
        arrived_at: Time,
    },
    /// [`Input::Deadline`].
    Deadline,
    /// [`Input::Command`].
    Command(MediaCommand),
    /// [`Input::Speech`].
    Speech {
        /// What it belongs to.
        utterance: UtteranceId,
        /// Samples per second.
        sample_rate: u32,
        /// The samples.
        #[serde(with = "pcm")]
        samples: Vec<i16>,
    },
    /// [`Input::Application`].
    Application {
        /// 160 or 320 samples.
        #[serde(with = "pcm")]
        samples: Vec<i16>,
        /// [`Frame::rtp_timestamp`].
        rtp_timestamp: u32,
        /// [`Frame::arrived_at`].
        arrived_at: Time,
        /// [`Frame::flags`].
        flags: FrameFlags,
    },
}

impl RecordedInput {
    /// Reads the payload of a step.
    pub fn decode(payload: &[u8]) -> Result<RecordedInput, StepError> {
        postcard::from_bytes(payload).map_err(|_| StepError)
    }

    /// Lends it to `use_input` as the input that it was.
    pub fn with_input<R>(self, use_input: impl FnOnce(Input<'_>) -> R) -> R {
        match self {
            RecordedInput::Rtp { leg, datagram, source, arrived_at } => {
                use_input(Input::Rtp { leg, datagram: &datagram, source, arrived_at })
            }
            RecordedInput::Rtcp { leg, datagram, source, arrived_at } => {
                use_input(Input::Rtcp { leg, datagram: &datagram, source, arrived_at })
            }
            RecordedInput::Deadline => use_input(Input::Deadline),
            RecordedInput::Command(command) => use_input(Input::Command(command)),
            RecordedInput::Speech { utterance, sample_rate, samples } => use_input(Input::Speech {
                utterance,
                chunk: AudioChunk { sample_rate, samples: Arc::from(samples) },
            }),
            RecordedInput::Application { samples, rtp_timestamp, arrived_at, flags } => {
                let mut frame = Frame::from_samples(&samples);
                frame.rtp_timestamp = rtp_timestamp;
                frame.arrived_at = arrived_at;
                frame.flags = flags;
                use_input(Input::Application(&frame))
            }
        }
    }
}

/// The payload of a step is not an input of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an input of the media half")]
pub struct StepError;

/// Encodes inputs into a buffer that is used again for each.
#[derive(Debug)]
pub(crate) struct StepEncoder {
    buffer: Vec<u8>,
    sequence: u64,
}

impl StepEncoder {
    pub(crate) fn new() -> Self {
        StepEncoder { buffer: Vec::with_capacity(USUAL_BYTES), sequence: 0 }
    }

    /// Counts the input; steps of one half are numbered whether or not somebody listens.
    pub(crate) fn next_sequence(&mut self) -> u64 {
        let sequence = self.sequence;
        self.sequence += 1;
        sequence
    }

    /// The encoded input, until the next one; `is_silent`: synthesized audio with nothing to be heard.
    pub(crate) fn encode(&mut self, input: &Input<'_>, is_silent: bool) -> &[u8] {
        self.buffer.clear();
        let buffer = std::mem::take(&mut self.buffer);
        self.buffer = postcard::to_extend(&Borrowed(input, is_silent), buffer).unwrap_or_default();
        &self.buffer
    }
}

/// An input that encodes as [`RecordedInput`] without being copied into one. The order of variants and fields is
/// theirs; a test holds the two together.
struct Borrowed<'a>(&'a Input<'a>, bool);

impl Serialize for Borrowed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStructVariant;
        const NAME: &str = "RecordedInput";
        match self.0 {
            Input::Rtp { leg, datagram, source, arrived_at } => {
                let mut fields = serializer.serialize_struct_variant(NAME, 0, "Rtp", 4)?;
                fields.serialize_field("leg", leg)?;
                fields.serialize_field("datagram", &Octets(datagram))?;
                fields.serialize_field("source", source)?;
                fields.serialize_field("arrived_at", arrived_at)?;
                fields.end()
            }
            Input::Rtcp { leg, datagram, source, arrived_at } => {
                let mut fields = serializer.serialize_struct_variant(NAME, 1, "Rtcp", 4)?;
                fields.serialize_field("leg", leg)?;
                fields.serialize_field("datagram", &Octets(datagram))?;
                fields.serialize_field("source", source)?;
                fields.serialize_field("arrived_at", arrived_at)?;
                fields.end()
            }
            Input::Deadline => serializer.serialize_unit_variant(NAME, 2, "Deadline"),
            Input::Command(command) => serializer.serialize_newtype_variant(NAME, 3, "Command", command),
            Input::Speech { utterance, chunk } => {
                let mut fields = serializer.serialize_struct_variant(NAME, 4, "Speech", 3)?;
                fields.serialize_field("utterance", utterance)?;
                fields.serialize_field("sample_rate", &chunk.sample_rate)?;
                fields.serialize_field("samples", &Pcm(&chunk.samples, self.1))?;
                fields.end()
            }
            Input::Application(frame) => {
                let mut fields = serializer.serialize_struct_variant(NAME, 5, "Application", 4)?;
                fields.serialize_field("samples", &Pcm(frame.samples(), false))?;
                fields.serialize_field("rtp_timestamp", &frame.rtp_timestamp)?;
                fields.serialize_field("arrived_at", &frame.arrived_at)?;
                fields.serialize_field("flags", &frame.flags)?;
                fields.end()
            }
        }
    }
}

/// Octets as one run.
struct Octets<'a>(&'a [u8]);

impl Serialize for Octets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Samples as little-endian octets: two each, where the default would take up to three. Silent ones are all zero.
struct Pcm<'a>(&'a [i16], bool);

impl Serialize for Pcm<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut octets = serializer.serialize_seq(Some(self.0.len() * 2))?;
        for octet in self.0.iter().flat_map(|sample| sample.to_le_bytes()) {
            octets.serialize_element(if self.1 { &0 } else { &octet })?;
        }
        octets.end()
    }
}

mod octets {
    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        Octets(bytes).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_bytes(OctetsVisitor)
    }

    struct OctetsVisitor;

    impl<'de> Visitor<'de> for OctetsVisitor {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("octets")
        }

        fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = seq.next_element()? {
                bytes.push(byte);
            }
            Ok(bytes)
        }
    }
}

mod pcm {
    use super::*;

    pub(super) fn serialize<S: Serializer>(samples: &[i16], serializer: S) -> Result<S::Ok, S::Error> {
        Pcm(samples, false).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i16>, D::Error> {
        let bytes = super::octets::deserialize(deserializer)?;
        Ok(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
    }
}
