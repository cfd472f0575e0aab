//! The parts of a scenario: what the telephone, the engines, the business system and the application shall do.

use std::time::Duration;

use offhook_sip_proto::sdp::{Codec, Direction};

/// One thing that the caller does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Waits until the bot was heard and then quiet for so long.
    AwaitPause { quiet: Duration, longest: Duration },
    /// Waits until the bot was heard without a pause for so long.
    AwaitVoice { heard: Duration, longest: Duration },
    /// Waits.
    Wait(Duration),
    /// Plays an utterance; a recognizer will take it for `text`.
    Say { clip: usize, text: String },
    /// Plays a cough; a recognizer will make nothing of it.
    Cough { clip: usize },
    /// Presses keys, one after the other.
    Press(String),
    /// A re-INVITE with another direction, from the caller's view.
    Redirect(Direction),
    /// A re-INVITE with other codecs.
    Recode(Vec<Codec>),
    /// A re-INVITE without an offer.
    ReinviteWithoutOffer,
    /// OPTIONS inside the dialog.
    Ping,
    /// Sends no RTP any more, as a telephone does whose network died.
    FallSilent,
}

/// What the telephone's INVITE carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfferKind {
    Usual,
    Absent,
    /// Only a codec that we do not speak.
    Foreign,
    /// No SDP at all, under SDP's name.
    Garbage,
}

/// What the telephone makes of a REFER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReferPlan {
    /// Refuses it.
    Refuse(u16),
    /// Takes it and reports this outcome after a ring.
    Report(u16),
    /// Takes it and hangs up.
    Leave,
    /// Takes it, reports ringing, and nothing more.
    Silent,
    /// Takes it and ends the subscription without an outcome.
    EndWithoutOutcome,
}

/// How a telephone that we call behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CalleePlan {
    pub rings_after: Duration,
    /// After so long it answers 200, or with this refusal; never where there is none.
    pub answers: Option<(Duration, u16)>,
}

/// What the telephone shall do.
#[derive(Clone, Debug)]
pub(crate) struct PhonePlan {
    pub offer: OfferKind,
    pub codecs: Vec<Codec>,
    pub ptime_ms: u16,
    /// RTP comes from another port than the SDP says.
    pub behind_nat: bool,
    /// Its RTP sequence numbers begin shortly before they wrap.
    pub wraps: bool,
    pub acts: Vec<Act>,
    /// CANCEL before the answer, BYE after it.
    pub hangs_up_at: Option<Duration>,
    /// One for each REFER; the last one stays.
    pub refers: Vec<ReferPlan>,
    pub callee: Option<CalleePlan>,
    /// How long it waits after its last act before it hangs up.
    pub patience: Duration,
}

/// What a recognizer shall do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecognizerPlan {
    pub present: bool,
    pub fastest: Duration,
    pub slowest: Duration,
    /// Share of utterances that end in a failure.
    pub fails: f64,
    /// Share of utterances that get no result.
    pub silent: f64,
}

/// What a synthesizer shall do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SynthesizerPlan {
    pub rate: u32,
    pub first_audio: Duration,
    /// Milliseconds per letter.
    pub letter_ms: u64,
    /// Share of utterances that fail at once.
    pub fails: f64,
    /// Share that fails in the middle.
    pub breaks: f64,
    /// Share that gives nothing at all.
    pub silent: f64,
}

/// What the business system shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToolPlan {
    Answer(u16),
    Unreachable,
    TimesOut,
}

/// What the application behind the bridge shall do.
#[derive(Clone, Debug, Default)]
pub(crate) struct ApplicationPlan {
    pub connects_after: Duration,
    pub refuses: bool,
    /// How long it takes to return a frame.
    pub echo_after: Duration,
    /// Once, so many frames at once.
    pub burst: usize,
    /// What it says when, counted from its connection.
    pub says: Vec<(Duration, ApplicationAct)>,
}

/// One thing that an application does.
#[derive(Clone, Debug)]
pub(crate) enum ApplicationAct {
    Mark,
    Clear,
    Dtmf(&'static str),
    HangUp,
    Transfer,
    Vanish,
}
