//! What a media half is opened with.

use std::net::IpAddr;

use offhook_time::{Seed, WallClock};
use serde::{Deserialize, Serialize};

use crate::{LegId, Route, StreamSettings, TurnPolicy};

/// Everything a media half needs before its first input. Recorded at the head of a call: with the inputs it decides
/// every output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaSettings {
    /// Decides SSRCs, first sequence numbers and timestamps (RFC 3550 §5.1).
    pub seed: Seed,
    /// How turns are taken.
    pub policy: TurnPolicy,
    /// The legs there is room for. Streams may be opened later by
    /// [`SetStream`](crate::MediaCommand::SetStream); legs cannot be added, because their memory is taken here.
    pub legs: Vec<LegSettings>,
    /// Who hears whom at the start.
    pub routes: Vec<Route>,
    /// Rate of the application's frames, both ways: 8000 (no resampling at all), 16000, or `None` without a bridge.
    pub application_rate: Option<u32>,
    /// Whether somebody listens to the caller: voice activity, reflexes and the recognizer's audio run at 16 kHz, and
    /// what one leg hears of another goes through that path. Without it none of this is computed.
    pub listen: bool,
    /// Rates of the synthesized or recorded audio to expect. Resamplers for them are built at once; a chunk of
    /// another rate builds one on first use while there is room, and allocates for that once.
    pub speech_rates: Vec<u32>,
    /// How many chunks of speech may wait. More are refused, see
    /// [`SpeechRefused`](crate::MediaEvent::SpeechRefused).
    pub speech_queue: u16,
    /// What the jitter buffer prefers where it cannot have both.
    pub jitter: JitterPreference,
    /// What the clock on the wall said at `Time::ZERO`, for sender reports (RFC 3550 §6.4.1).
    pub wall: WallClock,
}

impl Default for MediaSettings {
    fn default() -> Self {
        MediaSettings {
            seed: Seed::default(),
            policy: TurnPolicy::default(),
            legs: vec![LegSettings::default()],
            routes: Vec::new(),
            application_rate: None,
            listen: false,
            speech_rates: Vec::new(),
            // Ten seconds of speech in 40 ms chunks, the smallest that synthesizers stream.
            speech_queue: 256,
            jitter: JitterPreference::default(),
            wall: WallClock::default(),
        }
    }
}

/// One leg to make room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegSettings {
    /// Its name.
    pub leg: LegId,
    /// Its stream, where it is settled already.
    pub stream: Option<StreamSettings>,
    /// Whose packets are taken.
    pub source: MediaSource,
}

/// Whose packets are taken; all others are counted and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaSource {
    /// Only those from the negotiated address.
    #[default]
    Sdp,
    /// Also those of a far end behind an address translator: latches to this address (the source of its SIP messages)
    /// after five continuous packets of one SSRC, while the negotiated address is silent; latches anew only to
    /// the same SSRC with a continuous sequence after half a second of silence.
    Learn {
        /// Where its SIP messages come from.
        signalling: IpAddr,
    },
}

/// What the jitter buffer prefers where it cannot have both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum JitterPreference {
    /// Little delay, some frames made up.
    #[default]
    Delay,
    /// Few frames made up, more delay.
    Loss,
}
