//! What is known of a call before it begins: all of it input.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use offhook_call_media::{LineCodec, TurnPolicy};
use offhook_conversation::Bot;
use offhook_time::{Seed, WallClock};
use serde::{Deserialize, Serialize};

use crate::OutboundPolicy;

/// Who takes the call.
#[derive(Clone, Debug)]
pub enum Role {
    /// Sends back what it hears, through the whole media path.
    Echo,
    /// Hands the audio to an application and plays what it returns.
    Bridge(BridgeSettings),
    /// A bot file.
    Bot(Arc<Bot>),
}

/// How a `bridge` call talks to its application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeSettings {
    /// 8000 or 16000 Hz.
    pub sample_rate: u32,
    /// PCM16 without a header per frame.
    pub raw: bool,
}

/// When an inbound call is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswerPolicy {
    /// At once.
    #[default]
    Immediately,
    /// It rings (180) until the API answers.
    WaitForApi,
}

/// How a call came to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartedBy {
    /// Somebody called us.
    Invite,
    /// The API placed it.
    Api {
        /// The SIP URI to call.
        target: String,
        /// Who is said to call: user part of From.
        caller: String,
    },
}

/// How long things may take. Each has its own cause in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest call from the answer on.
    pub call_time: Duration,
    /// Longest ringing.
    pub ring_time: Duration,
    /// No RTP for this long ends the call; the event comes earlier ([`TurnPolicy::rtp_timeout`]).
    pub rtp_timeout: Duration,
    /// No speech and no digit for this long ends the call; never for `echo` and `bridge`.
    pub silence: Duration,
    /// How long a recognizer may take for its final result.
    pub recognizer: Duration,
    /// How long a synthesizer may take for its first audio.
    pub synthesizer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            call_time: Duration::from_secs(2 * 3600),
            ring_time: Duration::from_secs(60),
            rtp_timeout: Duration::from_secs(30),
            silence: Duration::from_secs(120),
            recognizer: Duration::from_secs(3),
            synthesizer: Duration::from_secs(3),
        }
    }
}

/// Everything a call is told at its start.
#[derive(Clone, Debug)]
pub struct CallSettings {
    /// Its id (uuid v7 in live runs).
    pub call_id: String,
    /// Decides tags, branches and the conversation's choices.
    pub seed: Seed,
    /// The wall clock.
    pub wall: WallClock,
    /// Who takes it.
    pub role: Role,
    /// Name of the bot that the route gave.
    pub bot_name: String,
    /// How it came to be.
    pub started_by: StartedBy,
    /// When it is answered.
    pub answer: AnswerPolicy,
    /// The address and port of our RTP socket as the peer shall see it.
    pub local_rtp: SocketAddr,
    /// The SIP address for our Contact, as the peer shall see it.
    pub local_contact: SocketAddr,
    /// Codecs in order of preference.
    pub codecs: Vec<LineCodec>,
    /// Milliseconds of audio per packet where the peer does not ask otherwise.
    pub ptime_ms: u8,
    /// How turns are taken.
    pub turn_policy: TurnPolicy,
    /// How long things may take.
    pub limits: Limits,
    /// Where REFER, INVITE and the requests of its dialogs may go.
    pub outbound: Arc<OutboundPolicy>,
    /// The trunk it came or goes by.
    pub trunk: Option<String>,
    /// Named transfer targets of the configuration.
    pub transfer_targets: BTreeMap<String, String>,
    /// Values for `config.…` in bot files.
    pub bot_config: BTreeMap<String, String>,
    /// Whether a recognizer is there at all.
    pub has_recognizer: bool,
    /// What we call ourselves (User-Agent, Server).
    pub user_agent: String,
}
