//! What media tells control.

use std::net::SocketAddr;
use std::time::Duration;

use offhook_audio::AudioChunk;
use offhook_engine_api::UtteranceId;
use offhook_time::Time;
use serde::{Deserialize, Serialize};

use crate::{LegId, Port};

/// The media half's share of the turn ledger: where the caller's last word went. What is speech on the wire stands at
/// [`offhook_audio::SpeechEdges`]. The turn of a key begins with its first packet and ends with the first that says
/// that the key was released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnTimes {
    /// Arrival (kernel stamp) of the first packet of the caller's speech.
    pub onset: Time,
    /// Arrival (kernel stamp) of the last packet of the caller's speech.
    pub last_voiced_arrived_at: Time,
    /// When the jitter buffer released it.
    pub last_voiced_released_at: Time,
    /// When the silence after it was long enough to end the turn.
    pub detected_at: Time,
    /// Where the turn silenced the bot: when the last packet left in which it could be heard.
    pub bot_quiet_at: Option<Time>,
}

/// An event for `call-control`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MediaEvent {
    /// The caller sounds voiced for `pause_after`: maybe speech.
    SpeechStarted {
        /// Arrival of the first voiced packet.
        onset: Time,
        /// What the bot paused, where something played that speech may interrupt.
        paused: Option<UtteranceId>,
    },
    /// It is speech. What it stops is stopped now and its id stands here; what it only pauses waits for control.
    SpeechConfirmed {
        /// What was stopped and how much of it the caller heard.
        stopped: Option<(UtteranceId, Duration)>,
    },
    /// It was a cough, a click, a door. What was paused plays on.
    SpeechRejected {
        /// What plays on.
        resumed: Option<UtteranceId>,
    },
    /// The caller's turn is over.
    SpeechEnded {
        /// The ledger's first segments.
        times: TurnTimes,
    },
    /// A digit was pressed (RFC 4733): once per press.
    Digit {
        /// Whose far end pressed it.
        leg: LegId,
        /// 0-9, A-D, * or #.
        digit: char,
        /// How long it was held.
        duration: Duration,
        /// What it stopped and how much of that the caller heard.
        stopped: Option<(UtteranceId, Duration)>,
        /// The ledger's first segments.
        times: TurnTimes,
        /// It was pressed while nothing may be recorded.
        masked: bool,
    },
    /// The first packet with audio of the utterance was handed to the socket.
    /// [`PlaybackHeard`](MediaEvent::PlaybackHeard) follows where any of it is audible.
    PlaybackStarted {
        /// Which utterance.
        utterance: UtteranceId,
        /// When its first audio reached this half.
        audio_at: Time,
    },
    /// The caller hears the utterance: three of five packets above -45 dBFS left, or the audible ones of a shorter one.
    /// Told up to four packets after it happened, once for an utterance, never for a silent one.
    PlaybackHeard {
        /// Which utterance.
        utterance: UtteranceId,
        /// When its first audio reached this half.
        audio_at: Time,
        /// When its first packet left: silence, or a consonant too soft to hear.
        first_packet_at: Time,
        /// When the first audible one of those packets left.
        heard_at: Time,
    },
    /// The last packet of the utterance was handed to the socket, or it was cancelled.
    PlaybackFinished {
        /// Which utterance.
        utterance: UtteranceId,
        /// How much of it the caller heard.
        played: Duration,
        /// Whether it was played to its end.
        completed: bool,
    },
    /// No RTP for the policy's time-out.
    RtpTimeout {
        /// From whom.
        leg: LegId,
    },
    /// RTP is back after a time-out.
    RtpResumed {
        /// From whom.
        leg: LegId,
    },
    /// A chunk could not be taken: the queue is full, or its rate cannot be resampled. A
    /// [`Discard`](MediaEvent::Discard) gives it back. Told once per utterance; the rest of its audio is counted.
    SpeechRefused {
        /// What it belonged to.
        utterance: UtteranceId,
        /// Why.
        cause: RefusalCause,
    },
    /// A route between these ports does not exist in a call (nobody can be heard by the bot, for one).
    RouteRefused {
        /// Who should have been heard.
        from: Port,
        /// Who should have heard.
        to: Port,
    },
    /// The far end sends from another address than it named; what we send goes there now.
    RemoteLearned {
        /// Whose far end.
        leg: LegId,
        /// Where its RTP comes from.
        remote_rtp: SocketAddr,
    },
    /// What the application sent before the mark was heard, or thrown away.
    MarkReached {
        /// The application's number of it.
        mark: u32,
        /// Whether it was heard; otherwise it was cleared or dropped.
        played: bool,
    },
    /// Digits could not be sent: no telephone events were negotiated, a key that does not exist, or too many.
    DigitsRefused {
        /// To whom.
        leg: LegId,
    },
    /// Played audio that nobody needs here: control drops it, so that the worker never frees memory.
    Discard(AudioChunk),
    /// The half has ended.
    Closed(CloseReport),
    /// For the recording only: what engines were given and what voice activity decided since the last one. Comes every
    /// five seconds of the caller's sound and before [`Closed`](MediaEvent::Closed).
    Digest {
        /// Frames of the caller.
        frames: u32,
        /// All frames that the recognizer and the application were given, with their timestamps and flags, folded.
        given: u64,
        /// All that voice activity decided, folded.
        judged: u64,
    },
}

/// Why speech was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalCause {
    /// Too many chunks, or utterances, wait.
    QueueFull,
    /// No resampler for this rate, or too many different rates in one call.
    SampleRate,
}

/// What one stream did during the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamReport {
    /// RTP packets taken in.
    pub received: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Frames made up.
    pub concealed: u64,
    /// Packets dropped: not parsable, from a source nobody named, wrong payload type.
    pub dropped: u64,
    /// RTP packets sent.
    pub sent: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1) in microseconds at the end.
    pub jitter_us: u32,
    /// Round-trip time from RTCP in microseconds; 0 where unknown.
    pub round_trip_us: u32,
}

/// What a media half leaves behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseReport {
    /// The caller's stream.
    pub caller: StreamReport,
    /// Frames the bot had nothing ready for in the middle of an utterance.
    pub underruns: u64,
    /// Audio dropped because a queue was full, in frames.
    pub overflow_frames: u64,
}
