//! Where an utterance begins, whether it is one, and where it ends.
//!
//! Barge-in stands on this: the bot pauses at [`EndpointEvent::SpeechStarted`], stops at
//! [`EndpointEvent::SpeechConfirmed`] and goes on at [`EndpointEvent::SpeechRejected`]. Time is counted in frames, so
//! the events of a recording are the same however fast it is fed.

use std::time::Duration;

use offhook_time::Time;
use serde::{Deserialize, Serialize};

use crate::{FRAME_DURATION, Frame, Voicing};

/// When one frame was heard: the packet that carried it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When the packet reached the host.
    pub arrived_at: Time,
    /// RTP timestamp of the frame's first sample.
    pub rtp_timestamp: u32,
}

impl Moment {
    fn of(frame: &Frame) -> Self {
        Moment { arrived_at: frame.arrived_at, rtp_timestamp: frame.rtp_timestamp }
    }
}

/// Why a sound was no speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RejectReason {
    /// It was over too soon: a click, a single cough.
    TooShort,
    /// It went on without the periodicity of a voice: a noise, a fit of coughing.
    NotPeriodic,
}

/// What the endpointer noticed. At most one per frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointEvent {
    /// Something sounds voiced: pause the bot. A confirmation or a rejection follows within `decide_after`.
    SpeechStarted {
        /// The first voiced frame of it.
        first_voiced: Moment,
    },
    /// It is speech: stop the bot.
    SpeechConfirmed {
        /// The first voiced frame of it.
        first_voiced: Moment,
    },
    /// It was none: let the bot go on.
    SpeechRejected {
        /// The first voiced frame of it.
        first_voiced: Moment,
        /// Why.
        reason: RejectReason,
    },
    /// Speech is over. Follows a confirmation only.
    SpeechEnded {
        /// The first voiced frame of the utterance.
        first_voiced: Moment,
        /// The last voiced frame of the utterance.
        last_voiced: Moment,
    },
}

/// How patient the [`Endpointer`] is. Durations are rounded up to whole frames of 20 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointConfig {
    /// How long the caller must sound voiced before the bot pauses.
    pub start_after: Duration,
    /// At the latest so long after the first voiced frame it is decided whether it is speech.
    pub decide_after: Duration,
    /// Voiced sound that speech has at least.
    pub confirm_voiced: Duration,
    /// Periodic sound that speech has at least: more than the voiced end of a cough.
    pub confirm_periodic: Duration,
    /// An undecided sound that pauses so long is over.
    pub abandon_after: Duration,
    /// Silence after which speech is over.
    pub end_after: Duration,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        EndpointConfig {
            start_after: Duration::from_millis(60),
            decide_after: Duration::from_millis(440),
            confirm_voiced: Duration::from_millis(160),
            confirm_periodic: Duration::from_millis(120),
            abandon_after: Duration::from_millis(120),
            end_after: Duration::from_millis(500),
        }
    }
}

/// Finds utterances in a stream of judged frames.
#[derive(Clone, Debug)]
pub struct Endpointer {
    config: EndpointConfig,
    state: State,
}

/// Frames of one sound, counted from its first voiced one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sound {
    first_voiced: Moment,
    last_voiced: Moment,
    frames: u32,
    voiced: u32,
    periodic: u32,
    unvoiced_run: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody speaks.
    Silent,
    /// Voiced, but not long enough to mention.
    Stirring(Sound),
    /// Mentioned; speech or not is open.
    Undecided(Sound),
    /// Speech.
    Speaking(Sound),
    /// Rejected, and it has not stopped. A voice in it is still found.
    Ignoring(Sound),
}

/// Periodicity from which a frame is counted as voice.
const PERIODIC: f32 = 0.7;

impl Endpointer {
    /// Starts in silence.
    pub const fn new(config: EndpointConfig) -> Self {
        Endpointer { config, state: State::Silent }
    }

    /// Changes the patience; an utterance that has begun goes on under the new one.
    pub fn set_config(&mut self, config: EndpointConfig) {
        self.config = config;
    }

    /// The patience in force.
    pub const fn config(&self) -> &EndpointConfig {
        &self.config
    }

    /// Whether an utterance is confirmed and has not ended.
    pub const fn is_speaking(&self) -> bool {
        matches!(self.state, State::Speaking(_))
    }

    /// Whether a sound is being judged: started, neither confirmed nor rejected.
    pub const fn is_undecided(&self) -> bool {
        matches!(self.state, State::Undecided(_))
    }

    /// Forgets the sound that goes on. No event follows for it.
    pub fn reset(&mut self) {
        self.state = State::Silent;
    }

    /// Takes the next frame of the stream and what [`VoiceActivity`](crate::VoiceActivity) thinks of it.
    pub fn push(&mut self, frame: &Frame, voicing: &Voicing) -> Option<EndpointEvent> {
        let (state, event) = match self.state {
            State::Silent if voicing.voiced => (State::Stirring(Sound::begin(frame, voicing)), None),
            State::Silent => (State::Silent, None),
            State::Stirring(sound) => self.stir(sound.extend(frame, voicing)),
            State::Undecided(sound) => self.decide(sound.extend(frame, voicing)),
            State::Speaking(sound) => self.speak(sound.extend(frame, voicing)),
            State::Ignoring(sound) => self.ignore(sound, frame, voicing),
        };
        self.state = state;
        event
    }

    fn stir(&self, sound: Sound) -> (State, Option<EndpointEvent>) {
        if sound.voiced >= frames(self.config.start_after) {
            (State::Undecided(sound), Some(EndpointEvent::SpeechStarted { first_voiced: sound.first_voiced }))
        } else if sound.unvoiced_run >= 2 {
            (State::Silent, None)
        } else {
            (State::Stirring(sound), None)
        }
    }

    fn decide(&self, sound: Sound) -> (State, Option<EndpointEvent>) {
        let first_voiced = sound.first_voiced;
        let config = &self.config;
        if sound.voiced >= frames(config.confirm_voiced) && sound.periodic >= frames(config.confirm_periodic)
        {
            (State::Speaking(sound), Some(EndpointEvent::SpeechConfirmed { first_voiced }))
        } else if sound.unvoiced_run >= frames(config.abandon_after) {
            let reason = RejectReason::TooShort;
            (State::Silent, Some(EndpointEvent::SpeechRejected { first_voiced, reason }))
        } else if sound.frames >= frames(config.decide_after) {
            let reason = RejectReason::NotPeriodic;
            (State::Ignoring(sound), Some(EndpointEvent::SpeechRejected { first_voiced, reason }))
        } else {
            (State::Undecided(sound), None)
        }
    }

    fn speak(&self, sound: Sound) -> (State, Option<EndpointEvent>) {
        if sound.unvoiced_run < frames(self.config.end_after) {
            return (State::Speaking(sound), None);
        }
        let Sound { first_voiced, last_voiced, .. } = sound;
        (State::Silent, Some(EndpointEvent::SpeechEnded { first_voiced, last_voiced }))
    }

    fn ignore(&self, sound: Sound, frame: &Frame, voicing: &Voicing) -> (State, Option<EndpointEvent>) {
        let sound = sound.extend(frame, voicing);
        if sound.unvoiced_run >= frames(self.config.abandon_after) {
            (State::Silent, None)
        } else {
            (State::Ignoring(sound), None)
        }
    }
}

impl Sound {
    fn begin(frame: &Frame, voicing: &Voicing) -> Self {
        let first_voiced = Moment::of(frame);
        let silent = Sound {
            first_voiced,
            last_voiced: first_voiced,
            frames: 0,
            voiced: 0,
            periodic: 0,
            unvoiced_run: 0,
        };
        silent.extend(frame, voicing)
    }

    fn extend(mut self, frame: &Frame, voicing: &Voicing) -> Self {
        self.frames += 1;
        if voicing.voiced {
            self.voiced += 1;
            self.unvoiced_run = 0;
            self.last_voiced = Moment::of(frame);
            self.periodic += u32::from(voicing.periodicity >= PERIODIC);
        } else {
            self.unvoiced_run += 1;
        }
        self
    }
}

/// Whole frames that cover `duration`.
fn frames(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos().div_ceil(FRAME_DURATION.as_nanos())).unwrap_or(u32::MAX)
}
