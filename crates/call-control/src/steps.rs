//! The control half's inputs as bytes.

use offhook_time::{Half, Step, StepSink, Time};

use crate::Input;

/// An input as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedInput {
    /// When it was handled.
    pub now: Time,
    /// What it was.
    pub input: Input,
}

/// Records `input` as step number `sequence`, where anybody listens.
pub(crate) fn record(sink: &mut dyn StepSink, sequence: u64, input: &Input, now: Time) {
    if !sink.is_recording() {
        return;
    }
    // An input is plain data: encoding it into a growing buffer cannot fail.
    let payload = postcard::to_allocvec(input).unwrap_or_default();
    sink.record(Step { sequence, half: Half::Control, now, payload: &payload });
}

/// Reads a step of the control half back; `None` where it is none or cannot be read.
pub fn decode_step(step: &Step<'_>) -> Option<RecordedInput> {
    match step.half {
        Half::Control => {
            let input = postcard::from_bytes(step.payload).ok()?;
            Some(RecordedInput { now: step.now, input })
        }
        Half::Media => None,
    }
}
