//! The recording in the order in which it was lived: decoded steps with the outputs that they caused.

use offhook_call_control::{Input, Output, decode_step};
use offhook_call_media::{MediaCommand, MediaEvent, RecordedInput};
use offhook_journal::bundle::{Bundle, OutputBody, RecordedOutput};
use offhook_time::{Half, Step, Time};

use crate::decode_output;
use crate::verify::Judgements;
use crate::verify::is_digest;

/// One recorded step.
#[derive(Debug)]
pub(super) struct Scripted {
    pub sequence: u64,
    /// The moment it was handled at.
    pub now: Time,
    /// When that was really: a deadline that was late keeps its own moment.
    pub lived_at: Time,
    pub input: Told,
    /// What the control half did then, as far as it was kept.
    pub outputs: Vec<RecordedOutput>,
    /// What the media half made of masked sound then.
    pub judged: Vec<Vec<u8>>,
}

/// An input of either half.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Control(Box<Input>),
    Media(Box<RecordedInput>),
}

impl Told {
    pub fn half(&self) -> Half {
        match self {
            Told::Control(_) => Half::Control,
            Told::Media(_) => Half::Media,
        }
    }

    pub fn is_deadline(&self) -> bool {
        match self {
            Told::Control(input) => matches!(**input, Input::Deadline),
            Told::Media(input) => matches!(**input, RecordedInput::Deadline),
        }
    }

    pub fn as_event(&self) -> Option<&MediaEvent> {
        let Told::Control(input) = self else { return None };
        let Input::Media(event) = &**input else { return None };
        (!matches!(event, MediaEvent::Discard(_))).then_some(event)
    }

    pub fn as_command(&self) -> Option<&MediaCommand> {
        let Told::Media(input) = self else { return None };
        let RecordedInput::Command(command) = &**input else { return None };
        (!matches!(command, MediaCommand::EndOfUtterance { .. })).then_some(command)
    }
}

impl Scripted {
    /// The outputs that were kept whole.
    pub fn known_outputs(&self) -> impl Iterator<Item = Output> {
        self.outputs.iter().filter_map(|output| match &output.body {
            OutputBody::Whole(bytes) => decode_output(bytes),
            OutputBody::Hash { .. } => None,
        })
    }
}

/// All steps in the order in which they were lived; `Err` with the number of a step that this build cannot read.
pub(super) fn script(bundle: &Bundle) -> Result<Vec<Scripted>, u64> {
    let mut steps = Vec::new();
    let mut outputs = bundle.outputs(Half::Control).cloned().peekable();
    let mut judgements = Judgements::of(bundle);
    for half in [Half::Control, Half::Media] {
        let mut lived_at = Time::ZERO;
        for step in bundle.steps(half) {
            let (sequence, now) = (step.head.sequence, step.head.now);
            lived_at = lived_at.max(now);
            let payload = step.body.payload();
            let input = match half {
                Half::Control => {
                    let step = Step { sequence, half, now, payload: &payload };
                    decode_step(&step).map(|recorded| Told::Control(Box::new(recorded.input)))
                }
                Half::Media => RecordedInput::decode(&payload).ok().map(|input| Told::Media(Box::new(input))),
            };
            let mut of_step = Vec::new();
            if half == Half::Control {
                while let Some(output) = outputs.next_if(|output| output.head.sequence <= sequence) {
                    of_step.push(output);
                }
            }
            let input = input.ok_or(sequence)?;
            // Nothing follows from it, and a change may well give engines something else.
            if input.as_event().is_some_and(is_digest) {
                continue;
            }
            let judged = if half == Half::Media { judgements.take(sequence) } else { Vec::new() };
            steps.push(Scripted { sequence, now, lived_at, input, outputs: of_step, judged });
        }
    }
    // What one half says at a moment the other hears at that moment or later: whoever speaks first goes first. A stable
    // sort by time keeps the order within each half; of two halves at one moment the one that was told less goes first.
    let order = bundle.items.iter().filter_map(|item| item.as_step());
    let place: std::collections::BTreeMap<(Half, u64), usize> =
        order.enumerate().map(|(at, step)| ((step.head.half, step.head.sequence), at)).collect();
    steps.sort_by_key(|step| {
        let at = place.get(&(step.input.half(), step.sequence)).copied().unwrap_or(usize::MAX);
        (step.lived_at, at)
    });
    Ok(steps)
}
