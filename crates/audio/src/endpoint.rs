//! Where an utterance begins, whether it is one, and where it ends.
//!
//! Barge-in stands on this: the bot pauses at [`EndpointEvent::SpeechStarted`], stops at
//! [`EndpointEvent::SpeechConfirmed`] and goes on at [`EndpointEvent::SpeechRejected`]. Time is counted in frames, so
//! the events of a recording are the same however fast it is fed.

use std::time::Duration;

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use offhook_time::Time;
use serde::{Deserialize, Serialize};

use crate::{FRAME_DURATION, Frame, Voicing, level};

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
    /// Vocal sound ([`Voicing::vocal`]) that speech has at least: more than the voiced end of a cough.
    pub confirm_vocal: Duration,
    /// An undecided sound that is not vocal for so long is rejected at once, so that the bot's pause stays short.
    pub reject_toneless_after: Duration,
    /// An undecided sound that stops for so long is over, unless there was a voice in it.
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
    /// Level of the loudest recent frame in dBFS; it falls by [`PEAK_FALL`] per frame.
    peak: f32,
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
    /// The same, but a vocal frame on its own does not end it: noise has one by chance, a voice several close together.
    voiceless_run: u32,
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

/// A voice so many dB below the loudest recent sound is the end of a cough, not speech: speech stays near its peak.
const BELOW_PEAK: f32 = 12.0;
/// 25 dB per second: what was loud is forgotten within half a second.
const PEAK_FALL: f32 = 0.5;
/// Unvoiced frames that end what was too short to mention.
const STIR_GAP: u32 = 2;
/// Vocal frames that make a voice: worth waiting for, and worth a new pause within a rejected sound.
const VOICE_WITHIN: u32 = 3;
/// A voice within a noise: so many frames without it and it was none.
const VOICE_GAP: u32 = 2;
/// A vocal frame with no other in so many frames before it stands alone.
const ALONE_FROM: u32 = 3;
/// How much longer a sound with such frames is believed in: the bot's pause stays below 200 ms.
const ALONE_PATIENCE: Duration = Duration::from_millis(40);
/// Speech is over, too, when only noise was left for so much longer than `end_after`: the noise began with it.
const NOISE_AFTER_SPEECH: Duration = Duration::from_millis(200);

impl Endpointer {
    /// Starts in silence.
    pub const fn new(config: EndpointConfig) -> Self {
        Endpointer { config, state: State::Silent, peak: level::SILENCE_DBFS }
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
        self.peak = voicing.energy_dbfs.max(self.peak - PEAK_FALL);
        let voicing =
            &Voicing { vocal: voicing.vocal && voicing.energy_dbfs > self.peak - BELOW_PEAK, ..*voicing };
        let (state, event) = match self.state {
            State::Silent if voicing.voiced => (State::Stirring(Sound::begin(frame, voicing)), None),
            State::Silent => (State::Silent, None),
            State::Stirring(sound) => self.stir(sound.extend(frame, voicing)),
            State::Undecided(sound) => self.decide(sound.extend(frame, voicing)),
            State::Speaking(sound) => self.speak(sound.extend(frame, voicing)),
            State::Ignoring { rejected, voice } => {
                let voice = match voice {
                    Some(voice) => Some(voice.extend(frame, voicing)),
                    None => voicing.vocal.then(|| Sound::begin(frame, voicing)),
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
        let stopped = sound.unvoiced_run >= frames(config.abandon_after);
        // In noise only the loud parts of syllables are heard: a sound with a voice in it is given time for the next.
        let voiceless = stopped && sound.vocal < VOICE_WITHIN;
        let toneless = sound.toneless_run >= frames(config.reject_toneless_after)
            || sound.voiceless_run >= frames(config.reject_toneless_after + ALONE_PATIENCE);
        let late = sound.frames >= frames(config.decide_after);
        if sound.voiced >= frames(config.confirm_voiced) && sound.vocal >= frames(config.confirm_vocal) {
            (State::Speaking(sound), Some(EndpointEvent::SpeechConfirmed { first_voiced }))
        } else if !voiceless && !toneless && !late {
            (State::Undecided(sound), None)
        } else if stopped {
            let reason = RejectReason::TooShort;
            (State::Silent, Some(EndpointEvent::SpeechRejected { first_voiced, reason }))
        } else {
            let reason = RejectReason::NoVoice;
            let state = State::Ignoring { rejected: sound, voice: None };
            (state, Some(EndpointEvent::SpeechRejected { first_voiced, reason }))
        }
    }

    fn speak(&self, sound: Sound) -> (State, Option<EndpointEvent>) {
        let silent = sound.unvoiced_run >= frames(self.config.end_after);
        #[cfg(feature = "planted-faults")]
        let silent = if is_planted(Fault::EndOfSpeechOneFrameLate) {
            sound.unvoiced_run > frames(self.config.end_after)
        } else {
            silent
        };
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
            voiceless_run: 0,
        };
        nothing.extend(frame, voicing)
    }

    fn extend(mut self, frame: &Frame, voicing: &Voicing) -> Self {
        self.frames += 1;
        self.unvoiced_run += 1;
        self.toneless_run += 1;
        self.voiceless_run += 1;
        if voicing.voiced {
            self.voiced += 1;
            self.unvoiced_run = 0;
            self.last_voiced = Moment::of(frame);
        }
        if voicing.vocal {
            self.vocal += 1;
            if self.toneless_run <= ALONE_FROM {
                self.voiceless_run = 0;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_is_started_after_60_ms_confirmed_after_160_and_ended_after_the_silence() {
        let events = play(&[("silence", 10), ("voice", 40), ("silence", 30)]);

        assert_eq!(
            names(&events),
            [(12, "started"), (17, "confirmed"), (74, "ended")],
            "frames of 20 ms, counted from zero"
        );
        let EndpointEvent::SpeechEnded { first_voiced, last_voiced } = events[2].1 else {
            panic!("{events:?}")
        };
        assert_eq!((first_voiced.rtp_timestamp, last_voiced.rtp_timestamp), (10 * 160, 49 * 160));
        assert_eq!(last_voiced.arrived_at, Time::from_millis(50 * 20));
    }

    #[test]
    fn a_click_is_not_even_mentioned() {
        assert_eq!(names(&play(&[("silence", 5), ("noise", 2), ("silence", 30)])), []);
    }

    #[test]
    fn a_noise_without_a_voice_is_rejected_after_200_ms_and_then_ignored() {
        let events = play(&[("silence", 5), ("noise", 100), ("silence", 30)]);

        assert_eq!(names(&events), [(7, "started"), (14, "rejected")]);
        assert!(matches!(events[1].1, EndpointEvent::SpeechRejected { reason: RejectReason::NoVoice, .. }));
    }

    #[test]
    fn vocal_frames_that_stand_alone_delay_the_rejection_of_a_noise_by_40_ms_at_most() {
        let chance = ("voice", 1);
        let events = play(&[("silence", 5), ("noise", 4), chance, ("noise", 4), chance, ("noise", 30)]);

        assert_eq!(names(&events), [(7, "started"), (16, "rejected")]);
    }

    #[test]
    fn a_voice_within_a_rejected_noise_is_still_found() {
        let events = play(&[("noise", 30), ("voice", 30), ("noise", 60)]);

        assert_eq!(
            names(&events),
            [(2, "started"), (9, "rejected"), (32, "started"), (37, "confirmed"), (94, "ended")]
        );
        let EndpointEvent::SpeechEnded { first_voiced, last_voiced } = events[4].1 else {
            panic!("{events:?}")
        };
        assert_eq!((first_voiced.rtp_timestamp, last_voiced.rtp_timestamp), (30 * 160, 59 * 160));
    }

    #[test]
    fn a_short_voiced_sound_is_rejected_when_it_stops() {
        let events = play(&[("voice", 5), ("silence", 20)]);

        assert_eq!(names(&events), [(2, "started"), (14, "rejected")]);
        assert!(matches!(events[1].1, EndpointEvent::SpeechRejected { reason: RejectReason::TooShort, .. }));
    }

    #[test]
    fn a_decision_never_comes_later_than_configured() {
        let events =
            play(&[("voice", 2), ("noise", 3), ("voice", 2), ("noise", 5), ("voice", 2), ("noise", 20)]);

        assert_eq!(names(&events), [(2, "started"), (21, "rejected")]);
    }

    #[test]
    fn the_weak_voiced_end_of_a_loud_sound_is_no_voice() {
        let events = play(&[("loud noise", 4), ("voice", 10), ("silence", 20)]);

        assert_eq!(names(&events), [(2, "started"), (9, "rejected")]);
    }

    #[test]
    fn a_reset_forgets_the_sound_without_an_event() {
        let mut endpointer = Endpointer::new(EndpointConfig::default());
        let confirmed = (0..20).filter_map(|n| endpointer.push(&frame(n), &judged("voice"))).count();
        assert_eq!(confirmed, 2, "started and confirmed");
        assert!(endpointer.is_speaking());

        endpointer.reset();

        assert!(!endpointer.is_speaking() && !endpointer.is_undecided());
        assert!((20..80).all(|n| endpointer.push(&frame(n), &judged("silence")).is_none()));
    }

    fn play(parts: &[(&str, usize)]) -> Vec<(u32, EndpointEvent)> {
        let mut endpointer = Endpointer::new(EndpointConfig::default());
        let sounds = parts.iter().flat_map(|(sound, count)| std::iter::repeat_n(*sound, *count));
        let events = sounds.zip(0..).map(|(sound, n)| (n, endpointer.push(&frame(n), &judged(sound))));
        events.filter_map(|(n, event)| Some((n, event?))).collect()
    }

    fn frame(n: u32) -> Frame {
        let mut frame = Frame::silence(16_000);
        frame.rtp_timestamp = n * 160;
        frame.arrived_at = Time::from_millis(u64::from(n + 1) * 20);
        frame
    }

    fn judged(sound: &str) -> Voicing {
        let (voiced, vocal, energy_dbfs) = match sound {
            "voice" => (true, true, -25.0),
            "noise" => (true, false, -25.0),
            "loud noise" => (true, false, -5.0),
            _ => (false, false, -80.0),
        };
        Voicing { score: 0.0, voiced, vocal, energy_dbfs, periodicity: 0.0 }
    }

    fn names(events: &[(u32, EndpointEvent)]) -> Vec<(u32, &'static str)> {
        let name = |event: &EndpointEvent| match event {
            EndpointEvent::SpeechStarted { .. } => "started",
            EndpointEvent::SpeechConfirmed { .. } => "confirmed",
            EndpointEvent::SpeechRejected { .. } => "rejected",
            EndpointEvent::SpeechEnded { .. } => "ended",
        };
        events.iter().map(|(n, event)| (*n, name(event))).collect()
    }
}
