//! The half itself.

use offhook_time::{Half, Step, StepSink, Time};

use crate::steps::StepEncoder;
use crate::{Input, MediaSettings, Outputs};

/// The media half of one call.
#[derive(Debug)]
pub struct CallMedia {
    steps: StepEncoder,
}

impl CallMedia {
    /// Takes all memory the call will need.
    pub fn new(settings: MediaSettings, now: Time) -> CallMedia {
        let _ = (settings, now);
        CallMedia { steps: StepEncoder::new() }
    }

    /// Handles one input; what leaves goes to `outputs` at once.
    ///
    /// Inputs are handled in the order the driver reads them. A deadline's `now` is its nominal time and may lie
    /// before the `now` of a packet that was read first.
    pub fn handle(&mut self, input: Input<'_>, outputs: &mut impl Outputs, now: Time) {
        let _ = (input, outputs, now);
    }

    /// [`handle`](Self::handle), with the input recorded before it is handled.
    pub fn handle_recorded(
        &mut self,
        input: Input<'_>,
        outputs: &mut impl Outputs,
        sink: &mut impl StepSink,
        now: Time,
    ) {
        let sequence = self.steps.next_sequence();
        if sink.is_recording() {
            let payload = self.steps.encode(&input);
            sink.record(Step { sequence, half: Half::Media, now, payload });
        }
        self.handle(input, outputs, now);
    }

    /// When [`Input::Deadline`] is due; `None` after the half was closed.
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }
}
