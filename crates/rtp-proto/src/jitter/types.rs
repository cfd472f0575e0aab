//! What goes into the jitter buffer and what comes out.

use std::time::Duration;

use offhook_time::Time;
use serde::{Deserialize, Serialize};

use super::lateness::Prefer;
use crate::{PayloadType, RtpTimestamp, SequenceNumber};

/// How the buffer knows the media time of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sizing {
    /// One octet per timestamp unit: G.711, and G.722 with its clock of 8000 Hz (RFC 3551 §4.5.2).
    #[default]
    OctetPerUnit,
    /// From the timestamps of packets in sequence.
    Learned,
}

/// What the buffer is told at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitterConfig {
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// Duration of a packet until the first one tells it.
    pub ptime: Duration,
    /// How the duration of a packet is known.
    pub sizing: Sizing,
    /// Payload type of telephone events: they take sequence numbers but are not played.
    pub telephone_event: Option<PayloadType>,
    /// Payload type of comfort noise: after it, nothing is missing until audio returns.
    pub comfort_noise: Option<PayloadType>,
    /// The longest a frame is made to wait.
    pub max_target: Duration,
    /// What matters more.
    pub prefer: Prefer,
}

impl Default for JitterConfig {
    fn default() -> Self {
        JitterConfig {
            clock_rate: 8000,
            ptime: Duration::from_millis(20),
            sizing: Sizing::OctetPerUnit,
            telephone_event: None,
            comfort_noise: Some(PayloadType::COMFORT_NOISE),
            max_target: Duration::from_millis(120),
            prefer: Prefer::Delay,
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits for its turn.
    Accepted,
    /// It began the stream, or began it anew: sender restarted, source changed, timestamps leapt.
    Restarted,
    /// A telephone event of this stream: for the [`DigitReceiver`](crate::DigitReceiver), which copes with
    /// events that are late or doubled on its own.
    Event,
    /// Its place in the timeline has passed.
    Late,
    /// Seen before.
    Duplicate,
    /// Not of this stream, as far as is known: count it nowhere else.
    Stray,
}

/// The next piece of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released<'a> {
    /// A packet to decode.
    Packet(Playable<'a>),
    /// The packet of these samples is missing: to be concealed.
    Lost {
        /// Of the first sample.
        timestamp: RtpTimestamp,
        /// Timestamp units.
        samples: u32,
    },
    /// The sender pauses (comfort noise, digits, hold): nothing is missing.
    Silence {
        /// Of the first sample.
        timestamp: RtpTimestamp,
        /// Timestamp units.
        samples: u32,
    },
}

/// A packet whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playable<'a> {
    /// What the payload is.
    pub payload_type: PayloadType,
    /// To decode; stays in the buffer until the next push.
    pub payload: &'a [u8],
    /// Its number.
    pub sequence: SequenceNumber,
    /// Of the first sample.
    pub timestamp: RtpTimestamp,
    /// Timestamp units.
    pub samples: u32,
    /// When it reached the host.
    pub arrived_at: Time,
    /// The sender marked it (beginning of a talk spurt).
    pub marker: bool,
    /// The timestamps do not continue those before.
    pub discontinuity: bool,
}

/// What the buffer has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JitterStatistics {
    /// Packets of the stream, events included, duplicates and strays not.
    pub received: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets seen before.
    pub duplicates: u64,
    /// Packets of no stream.
    pub strays: u64,
    /// Frames released as lost.
    pub concealed: u64,
    /// Times that the timeline began anew.
    pub restarts: u64,
    /// Packets dropped because the buffer was full or the timeline began anew: oldest first.
    pub overflowed: u64,
    /// How long frames wait at present.
    pub target: Duration,
    /// From the best to the worst transit that counts at present.
    pub jitter: Duration,
}
