//! What the recorder sees: one step per input, deadlines included.

use serde::{Deserialize, Serialize};

use crate::Time;

/// Which half of a call took the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Half {
    /// The half that runs every frame.
    Media,
    /// The half that decides.
    Control,
}

/// One input as it entered a half of a call. The payload is encoded by the half that owns the input type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step<'a> {
    /// Counts the inputs of this half, from zero.
    pub sequence: u64,
    /// The half that handled it.
    pub half: Half,
    /// The moment it was handled at: for a deadline its own nominal time.
    pub now: Time,
    /// The encoded input.
    #[serde(borrow)]
    pub payload: &'a [u8],
}

/// Takes the steps of one call, in the order of handling. The recorder sits here and nowhere else.
pub trait StepSink {
    /// Takes one step. Must not block and, on the media half, must not allocate.
    fn record(&mut self, step: Step<'_>);

    /// Whether anybody listens: a half does not encode its input where nobody does.
    fn is_recording(&self) -> bool {
        true
    }
}

/// Records nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSteps;

impl StepSink for NoSteps {
    fn record(&mut self, _step: Step<'_>) {}

    fn is_recording(&self) -> bool {
        false
    }
}
