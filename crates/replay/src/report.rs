//! What a verification found, for people and programs.

use std::fmt;
use std::time::Duration;

use offhook_time::{Half, Time};
use serde::Serialize;

/// What [`verify`](crate::verify) found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The call.
    pub call_id: String,
    /// From its beginning to its last step, in virtual time.
    pub lasted: Duration,
    /// The half that decides.
    pub control: HalfReport,
    /// The half that runs every frame.
    pub media: HalfReport,
    /// What the recording does not hold, in words.
    pub notes: Vec<String>,
}

/// What one half did again.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HalfReport {
    /// Inputs it was fed.
    pub steps: u64,
    /// Outputs that were compared and equal: facts for the record and the API.
    pub facts: u64,
    /// Outputs that were compared and equal: SIP actions, requests to engines and business systems.
    pub requests: u64,
    /// Messages for the other half that were compared and equal.
    pub messages: u64,
    /// Packets that were compared and equal, byte for byte or by header and hash of the payload.
    pub packets: u64,
    /// Where it first did something else. Nothing after that was compared.
    pub departure: Option<Box<Departure>>,
    /// The recorder lost steps: nothing after that could be run.
    pub gap: Option<String>,
}

/// Where a half first did something else than in the recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Departure {
    /// Which half.
    #[serde(serialize_with = "half_word")]
    pub half: Half,
    /// The step at which it was noticed.
    pub step: u64,
    /// When, counted from the beginning of the call.
    pub at: Duration,
    /// Where in the conversation: turn, state, the words before.
    pub place: String,
    /// What differs.
    pub what: String,
    /// What the recording has.
    pub expected: String,
    /// What came instead.
    pub got: String,
}

impl Report {
    /// Whether the call did everything again, byte for byte.
    pub fn is_equal(&self) -> bool {
        self.control.is_equal() && self.media.is_equal()
    }

    /// Whether the event log came out equal: what can be asked for on a machine of another class.
    pub fn facts_are_equal(&self) -> bool {
        self.control.is_equal()
    }

    /// The first departure in time.
    pub fn first_departure(&self) -> Option<&Departure> {
        let both = [&self.media.departure, &self.control.departure];
        both.into_iter().flatten().map(AsRef::as_ref).min_by_key(|departure| departure.at)
    }
}

impl HalfReport {
    /// Neither departed nor stopped by a gap.
    pub(crate) fn is_open(&self) -> bool {
        self.is_equal()
    }

    fn is_equal(&self) -> bool {
        self.departure.is_none() && self.gap.is_none()
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Departure { half, step, at, place, what, expected, got } = self;
        let seconds = at.as_secs_f64();
        write!(f, "{seconds:.3} s, {place}: {what}\n  recorded: {expected}\n  now:      {got}\n")?;
        write!(f, "  (step {step} of the {} half)", word(*half))
    }
}

fn word(half: Half) -> &'static str {
    match half {
        Half::Media => "media",
        Half::Control => "control",
    }
}

fn half_word<S: serde::Serializer>(half: &Half, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(word(*half))
}

/// `at` counted from `from`.
pub(crate) fn since(at: Time, from: Time) -> Duration {
    at.since(from)
}
