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
    /// It went on without a voice in it: a noise, a fit of coughing.
    NoVoice,
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
    /// Vocal sound ([`Voicing::is_vocal`]) that speech has at least: more than the voiced end of a cough.
    pub confirm_vocal: Duration,
    /// A sound that was not vocal at all for so long is rejected at once, so that the bot's pause stays short.
    pub reject_toneless_after: Duration,
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
            confirm_vocal: Duration::from_millis(140),
            reject_toneless_after: Duration::from_millis(200),
            abandon_after: Duration::from_millis(160),
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
    last_vocal: Moment,
    frames: u32,
    voiced: u32,
    vocal: u32,
    unvoiced_run: u32,
    toneless_run: u32,
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
    /// Rejected, but it goes on. A voice within it begins a new sound.
    Ignoring { rejected: Sound, voice: Option<Sound> },
}

/// Unvoiced frames that end what was too short to mention.
const STIR_GAP: u32 = 2;
/// Vocal frames that are found within a rejected sound.
const VOICE_WITHIN: u32 = 3;
/// A voice within a noise: so many frames without it and it was none.
const VOICE_GAP: u32 = 2;
/// Speech is over, too, when only noise was left for so much longer than `end_after`: the noise began with it.
const NOISE_AFTER_SPEECH: Duration = Duration::from_millis(200);

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
            State::Ignoring { rejected, voice } => {
                let voice = match voice {
                    Some(voice) => Some(voice.extend(frame, voicing)),
                    None => voicing.is_vocal().then(|| Sound::begin(frame, voicing)),
                };
                self.ignore(rejected.extend(frame, voicing), voice)
            }
        };
        self.state = state;
        event
    }

    fn stir(&self, sound: Sound) -> (State, Option<EndpointEvent>) {
        if sound.voiced >= frames(self.config.start_after) {
            (State::Undecided(sound), Some(EndpointEvent::SpeechStarted { first_voiced: sound.first_voiced }))
        } else if sound.unvoiced_run >= STIR_GAP {
            (State::Silent, None)
        } else {
            (State::Stirring(sound), None)
        }
    }

    fn decide(&self, sound: Sound) -> (State, Option<EndpointEvent>) {
        let Sound { first_voiced, .. } = sound;
        let config = &self.config;
        let toneless = sound.vocal == 0 && sound.frames >= frames(config.reject_toneless_after);
        if sound.voiced >= frames(config.confirm_voiced) && sound.vocal >= frames(config.confirm_vocal) {
            (State::Speaking(sound), Some(EndpointEvent::SpeechConfirmed { first_voiced }))
        } else if sound.unvoiced_run >= frames(config.abandon_after) {
            let reason = RejectReason::TooShort;
            (State::Silent, Some(EndpointEvent::SpeechRejected { first_voiced, reason }))
        } else if toneless || sound.frames >= frames(config.decide_after) {
            let reason = RejectReason::NoVoice;
            let state = State::Ignoring { rejected: sound, voice: None };
            (state, Some(EndpointEvent::SpeechRejected { first_voiced, reason }))
        } else {
            (State::Undecided(sound), None)
        }
    }

    fn speak(&self, sound: Sound) -> (State, Option<EndpointEvent>) {
        let silent = sound.unvoiced_run >= frames(self.config.end_after);
        let only_noise = sound.toneless_run >= frames(self.config.end_after + NOISE_AFTER_SPEECH);
        if !silent && !only_noise {
            return (State::Speaking(sound), None);
        }
        let Sound { first_voiced, last_voiced, last_vocal, .. } = sound;
        if silent {
            (State::Silent, Some(EndpointEvent::SpeechEnded { first_voiced, last_voiced }))
        } else {
            let state = State::Ignoring { rejected: sound, voice: None };
            (state, Some(EndpointEvent::SpeechEnded { first_voiced, last_voiced: last_vocal }))
        }
    }

    fn ignore(&self, rejected: Sound, voice: Option<Sound>) -> (State, Option<EndpointEvent>) {
        let voice = voice.filter(|voice| voice.toneless_run < VOICE_GAP);
        match voice {
            Some(voice) if voice.vocal >= VOICE_WITHIN => (
                State::Undecided(voice),
                Some(EndpointEvent::SpeechStarted { first_voiced: voice.first_voiced }),
            ),
            _ if rejected.unvoiced_run >= frames(self.config.abandon_after) => (State::Silent, None),
            Some(_) | None => (State::Ignoring { rejected, voice }, None),
        }
    }
}

impl Sound {
    fn begin(frame: &Frame, voicing: &Voicing) -> Self {
        let first = Moment::of(frame);
        let nothing = Sound {
            first_voiced: first,
            last_voiced: first,
            last_vocal: first,
            frames: 0,
            voiced: 0,
            vocal: 0,
            unvoiced_run: 0,
            toneless_run: 0,
        };
        nothing.extend(frame, voicing)
    }

    fn extend(mut self, frame: &Frame, voicing: &Voicing) -> Self {
        self.frames += 1;
        self.unvoiced_run += 1;
        self.toneless_run += 1;
        if voicing.voiced {
            self.voiced += 1;
            self.unvoiced_run = 0;
            self.last_voiced = Moment::of(frame);
        }
        if voicing.is_vocal() {
            self.vocal += 1;
            self.toneless_run = 0;
            self.last_vocal = Moment::of(frame);
        }
        self
    }
}

/// Whole frames that cover `duration`.
fn frames(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos().div_ceil(FRAME_DURATION.as_nanos())).unwrap_or(u32::MAX)
}
