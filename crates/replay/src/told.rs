//! What the halves told each other in a recording, and what one of them made of sound that nobody may hear again.

use std::iter::Peekable;

use offhook_call_control::{Input, decode_step};
use offhook_call_media::{CallMedia, MediaCommand, MediaEvent, RecordedInput};
use offhook_conversation::MASKED_KEY;
use offhook_journal::bundle::{Bundle, OutputBody, RecordedOutput, RecordedStep};
use offhook_time::{Half, Step, Time};

/// Whether an event only says what engines were given. The control half makes nothing of it.
pub(crate) fn is_digest(event: &MediaEvent) -> bool {
    matches!(event, MediaEvent::Digest { .. })
}

/// What each half was told: messages of the other half, and that a deadline had come.
#[derive(Default)]
pub(crate) struct Told {
    /// Recorded inputs of the media half that came from control. The end of an utterance comes from the synthesizer.
    pub commands: Vec<MediaCommand>,
    /// Recorded inputs of the control half that came from media. Memory on its way back is none.
    pub events: Vec<MediaEvent>,
    /// Among them, and apart: what engines were given. Recordings of older builds have none.
    pub digests: Vec<MediaEvent>,
    pub media_deadlines: Vec<Time>,
    pub control_deadlines: Vec<Time>,
}

impl Told {
    pub fn of(bundle: &Bundle) -> Told {
        let mut told = Told::default();
        for step in bundle.steps(Half::Media) {
            match RecordedInput::decode(&step.body.payload()) {
                Ok(RecordedInput::Command(MediaCommand::EndOfUtterance { .. })) => {}
                Ok(RecordedInput::Command(command)) => told.commands.push(command),
                Ok(RecordedInput::Deadline) => told.media_deadlines.push(step.head.now),
                Ok(
                    RecordedInput::Rtp { .. }
                    | RecordedInput::Rtcp { .. }
                    | RecordedInput::Speech { .. }
                    | RecordedInput::Application { .. },
                )
                | Err(_) => {}
            }
        }
        for step in bundle.steps(Half::Control) {
            let input = decode(step);
            if let Some(Input::Deadline) = input {
                told.control_deadlines.push(step.head.now);
            }
            if let Some(Input::Media(event)) = input
                && !matches!(event, MediaEvent::Discard(_))
            {
                let kind = if is_digest(&event) { &mut told.digests } else { &mut told.events };
                kind.push(event);
            }
        }
        told
    }
}

/// What the media half made of masked sound, in the order of its steps.
pub(crate) struct Judgements<'a>(Peekable<Box<dyn Iterator<Item = &'a RecordedOutput> + 'a>>);

impl<'a> Judgements<'a> {
    pub fn of(bundle: &'a Bundle) -> Self {
        let outputs: Box<dyn Iterator<Item = &RecordedOutput>> = Box::new(bundle.outputs(Half::Media));
        Judgements(outputs.peekable())
    }

    /// Those of one step.
    pub fn take(&mut self, sequence: u64) -> Vec<Vec<u8>> {
        let mut taken = Vec::new();
        while let Some(output) = self.0.next_if(|output| output.head.sequence <= sequence) {
            if let (true, OutputBody::Whole(bytes)) = (output.head.sequence == sequence, &output.body) {
                taken.push(bytes.clone());
            }
        }
        taken
    }

    /// Tells the half what it made then of what it cannot hear now.
    pub fn foretell(&mut self, media: &mut CallMedia, sequence: u64) {
        self.take(sequence).iter().for_each(|judgement| media.foretell(judgement));
    }
}

/// Whether the half tells what it told. A masked key is any digit.
pub(crate) fn is_same_event(recorded: &MediaEvent, told: &MediaEvent) -> bool {
    let MediaEvent::Digit { digit: recorded_key, masked: recorded_masked, .. } = recorded else {
        return recorded == told;
    };
    let hides = *recorded_masked || *recorded_key == MASKED_KEY;
    let MediaEvent::Digit { leg, digit, duration, stopped, times, masked } = told else { return false };
    let is_hidden = |key: char| key.is_ascii_digit() || key == MASKED_KEY;
    let digit = if hides && is_hidden(*digit) && is_hidden(*recorded_key) { recorded_key } else { digit };
    let told = MediaEvent::Digit {
        leg: *leg,
        digit: *digit,
        duration: *duration,
        stopped: *stopped,
        times: *times,
        masked: *masked,
    };
    *recorded == told
}

/// The input of a step of the control half; `None` where this build cannot read it.
pub(crate) fn decode(step: &RecordedStep) -> Option<Input> {
    let payload = step.body.payload();
    let head = step.head;
    let step = Step { sequence: head.sequence, half: head.half, now: head.now, payload: &payload };
    decode_step(&step).map(|recorded| recorded.input)
}
