//! A call, as the capture shows it.

use std::net::SocketAddr;

use serde::Serialize;

use super::stream::Stream;

/// Who of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// Who sent the INVITE; without SIP, who sent the first RTP packet.
    Caller,
    /// The other one.
    Callee,
}

impl Party {
    /// The other one.
    pub const fn other(self) -> Party {
        match self {
            Party::Caller => Party::Callee,
            Party::Callee => Party::Caller,
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum End {
    /// The caller's BYE.
    CallerHungUp,
    /// The callee's BYE.
    CalleeHungUp,
    /// A final response other than 2xx.
    Refused {
        /// The status code.
        status: u16,
        /// The reason phrase.
        reason: String,
    },
    /// The caller gave up before the answer.
    Cancelled,
    /// No final response is in the capture.
    Unanswered,
    /// It was answered, and no BYE is in the capture.
    NotCaptured,
    /// There is no SIP.
    WithoutSip,
}

impl End {
    /// For people.
    pub fn text(&self) -> String {
        match self {
            End::CallerHungUp => "caller hung up".to_owned(),
            End::CalleeHungUp => "callee hung up".to_owned(),
            End::Refused { status, reason } => format!("refused: {status} {reason}").trim_end().to_owned(),
            End::Cancelled => "cancelled".to_owned(),
            End::Unanswered => "no final response".to_owned(),
            End::NotCaptured => "end not captured".to_owned(),
            End::WithoutSip => "no SIP".to_owned(),
        }
    }
}

/// What SIP says about a call. Times are nanoseconds of Unix time.
#[derive(Clone, Debug, Serialize)]
pub struct Signalling {
    /// Call-ID.
    pub call_id: String,
    /// Where the first INVITE came from and went to.
    pub hop: (SocketAddr, SocketAddr),
    /// The first INVITE.
    pub invited_unix_ns: u64,
    /// The first 180 to 189.
    pub ringing_unix_ns: Option<u64>,
    /// The first 2xx to the INVITE.
    pub answered_unix_ns: Option<u64>,
    /// The first ACK after it.
    pub acknowledged_unix_ns: Option<u64>,
    /// BYE, CANCEL taking effect, or refusal.
    pub ended_unix_ns: Option<u64>,
    /// Messages, repetitions included.
    pub messages: u64,
    /// Messages that came again, by the same way or over another hop.
    pub repetitions: u64,
    /// INVITEs within the dialog.
    pub reinvites: u64,
    /// The number of the call that is the same call on the hop before (a proxy in between).
    pub hop_of: Option<usize>,
    /// Keypad digits that the caller sent as INFO.
    pub digits_by_info: String,
}

/// One side: who it is, and what it sent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Side {
    /// The URI of From or To.
    pub uri: Option<String>,
    /// Its user part.
    pub user: Option<String>,
    /// Where its descriptions want RTP.
    pub described: Vec<SocketAddr>,
    /// What it sent, in the order of the first packets.
    pub streams: Vec<Stream>,
}

impl Side {
    /// Packets of audio and events, repetitions included.
    pub fn packets(&self) -> u64 {
        self.streams.iter().map(|stream| stream.statistics.packets).sum()
    }

    /// Packets that are missing.
    pub fn lost(&self) -> u64 {
        self.streams.iter().map(|stream| stream.statistics.lost).sum()
    }

    /// The worst interarrival jitter (RFC 3550 §6.4.1) that a report at any moment would have told, in milliseconds.
    pub fn worst_jitter_ms(&self) -> f64 {
        self.streams.iter().map(|stream| stream.statistics.worst_jitter_ms).fold(0.0, f64::max)
    }

    /// Keypad digits as telephone-events.
    pub fn digits(&self) -> String {
        self.streams.iter().map(|stream| stream.digits.as_str()).collect()
    }

    /// The codec of most of its audio.
    pub fn codec(&self) -> Option<&str> {
        let codecs = self.streams.iter().flat_map(|stream| &stream.codecs);
        codecs
            .filter(|codec| codec.is_audio())
            .max_by_key(|codec| codec.packets)
            .map(|codec| codec.name.as_str())
    }
}

/// A call.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// Counts the calls of a capture from 1.
    pub number: usize,
    /// `None` for RTP that no SIP announced.
    pub signalling: Option<Signalling>,
    /// Who called.
    pub caller: Side,
    /// Who was called.
    pub callee: Side,
    /// How it ended.
    pub end: End,
}

impl Call {
    /// One of the two.
    pub fn side(&self, party: Party) -> &Side {
        match party {
            Party::Caller => &self.caller,
            Party::Callee => &self.callee,
        }
    }

    /// The first and last RTP packet of either side, in nanoseconds of Unix time.
    pub fn media_span(&self) -> Option<(u64, u64)> {
        let streams = || self.caller.streams.iter().chain(&self.callee.streams);
        let first = streams().map(|stream| stream.statistics.first_unix_ns).min()?;
        Some((first, streams().map(|stream| stream.statistics.last_unix_ns).max()?))
    }

    /// When talking began: the answer, or without SIP the first packet. `None` where there was neither.
    pub fn began_unix_ns(&self) -> Option<u64> {
        match &self.signalling {
            Some(signalling) => signalling.answered_unix_ns,
            None => self.media_span().map(|(first, _)| first),
        }
    }

    /// From the answer to the end; where the capture lacks the end, to the last packet.
    pub fn talk_seconds(&self) -> Option<f64> {
        let began = self.began_unix_ns()?;
        let ended = self.signalling.as_ref().and_then(|signalling| signalling.ended_unix_ns);
        let ended = ended.or_else(|| self.media_span().map(|(_, last)| last))?;
        Some(ended.saturating_sub(began) as f64 / 1e9)
    }

    /// The codec of the caller's audio, else of the callee's.
    pub fn codec(&self) -> Option<&str> {
        self.caller.codec().or_else(|| self.callee.codec())
    }

    /// Keypad digits of the caller, however they were sent.
    pub fn digits(&self) -> String {
        let mut digits = self.caller.digits();
        if let Some(signalling) = &self.signalling {
            digits.push_str(&signalling.digits_by_info);
        }
        digits
    }
}
