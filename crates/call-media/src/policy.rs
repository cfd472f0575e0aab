//! What media decides itself within a frame, set by control beforehand.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What may interrupt an utterance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BargeIn {
    /// What the caller's speech does to it.
    pub speech: OnSpeech,
    /// A digit stops it at once.
    pub digits: bool,
}

impl BargeIn {
    /// Anything stops it.
    pub const ANY: BargeIn = BargeIn { speech: OnSpeech::Stop, digits: true };
}

/// What the caller's speech does to an utterance. Noise that turns out to be no speech resumes what it paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnSpeech {
    /// It is said to its end.
    #[default]
    Ignore,
    /// Pauses it at once. Control knows what the speech meant, and stops it or lets it
    /// [resume](crate::MediaCommand::Resume).
    Pause,
    /// Pauses it at once and stops it as soon as it is confirmed to be speech.
    Stop,
}

/// How turns are taken. Plain memory; a new one replaces the old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnPolicy {
    /// How long the caller must sound voiced before the bot pauses; whether it stops is decided later.
    pub pause_after: Duration,
    /// At the latest this long after the onset the speech is confirmed or rejected.
    pub decide_within: Duration,
    /// Silence that ends the caller's turn.
    pub end_of_speech: Duration,
    /// After this much uninterrupted speech the turn is ended for the recognizer anyway.
    pub longest_speech: Duration,
    /// How long the fade takes when the bot pauses, stops or resumes.
    pub fade: Duration,
    /// Without any RTP for this long an event is raised (never while the direction does not receive).
    pub rtp_timeout: Duration,
}

impl Default for TurnPolicy {
    fn default() -> Self {
        TurnPolicy {
            // Shorter pauses on clicks; longer misses the 150 ms that feel immediate.
            pause_after: Duration::from_millis(60),
            decide_within: Duration::from_millis(500),
            // The usual pause between digit groups of a spoken number is 300-400 ms.
            end_of_speech: Duration::from_millis(600),
            longest_speech: Duration::from_secs(30),
            fade: Duration::from_millis(10),
            rtp_timeout: Duration::from_secs(5),
        }
    }
}
