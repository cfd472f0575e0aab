//! The unit of audio inside a call: 20 ms of mono PCM.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use offhook_time::Time;
use serde::{Deserialize, Serialize};

/// How much time one [`Frame`] holds.
pub const FRAME_DURATION: Duration = Duration::from_millis(20);

/// Samples of the longest frame: 20 ms at 16 kHz.
pub const MAX_FRAME_SAMPLES: usize = 320;

/// What is known about a frame besides its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameFlags {
    /// The samples were made up because the packet was lost or late.
    pub concealed: bool,
    /// The peer sent comfort noise or nothing on purpose (DTX): silence, not loss.
    pub silence: bool,
    /// First frame of a talk spurt or of the stream: no continuity with the frame before.
    pub discontinuity: bool,
}

/// 20 ms of mono PCM at 8 or 16 kHz. Plain memory: copying it never allocates.
#[derive(Clone, Copy)]
pub struct Frame {
    samples: [i16; MAX_FRAME_SAMPLES],
    len: u16,
    /// RTP timestamp of the first sample, in units of the codec's RTP clock (RFC 3550 §5.1).
    pub rtp_timestamp: u32,
    /// When the packet that carried the samples reached the host (kernel stamp).
    pub arrived_at: Time,
    /// What is known besides the samples.
    pub flags: FrameFlags,
}

impl Frame {
    /// Silence at `sample_rate` (8000 or 16000 Hz).
    pub fn silence(sample_rate: u32) -> Self {
        Frame {
            samples: [0; MAX_FRAME_SAMPLES],
            len: ((sample_rate / 50) as usize).min(MAX_FRAME_SAMPLES) as u16,
            rtp_timestamp: 0,
            arrived_at: Time::ZERO,
            flags: FrameFlags::default(),
        }
    }

    /// A frame of `samples`; its length (160 or 320) decides the rate. Longer input is cut.
    pub fn from_samples(samples: &[i16]) -> Self {
        let len = samples.len().min(MAX_FRAME_SAMPLES);
        let mut frame = Frame::silence(16_000);
        frame.samples[..len].copy_from_slice(&samples[..len]);
        frame.len = len as u16;
        frame
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> &[i16] {
        &self.samples[..usize::from(self.len)]
    }

    /// The samples, to be changed in place.
    pub fn samples_mut(&mut self) -> &mut [i16] {
        &mut self.samples[..usize::from(self.len)]
    }

    /// Samples per second.
    pub fn sample_rate(&self) -> u32 {
        u32::from(self.len) * 50
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("samples", &self.len)
            .field("rtp_timestamp", &self.rtp_timestamp)
            .field("arrived_at", &self.arrived_at)
            .field("flags", &self.flags)
            .finish()
    }
}

/// A run of synthesized or recorded PCM, mono, any length and rate. Shared, so a cached prompt is stored once
/// for all calls that play it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioChunk {
    /// Samples per second.
    pub sample_rate: u32,
    /// The samples, oldest first.
    #[serde(with = "shared_samples")]
    pub samples: Arc<[i16]>,
}

impl AudioChunk {
    /// How long it plays.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.samples.len() as u64 * 1_000_000_000 / u64::from(self.sample_rate.max(1)))
    }
}

impl fmt::Debug for AudioChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AudioChunk({} samples at {} Hz)", self.samples.len(), self.sample_rate)
    }
}

mod shared_samples {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(samples: &Arc<[i16]>, serializer: S) -> Result<S::Ok, S::Error> {
        samples[..].serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[i16]>, D::Error> {
        Ok(Vec::<i16>::deserialize(deserializer)?.into())
    }
}
