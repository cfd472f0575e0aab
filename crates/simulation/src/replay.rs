//! A call out of its own step log: no network, no engines, no telephone.

use offhook_call_control::{CallControl, Output, decode_step};
use offhook_call_media::{CallMedia, RecordedInput};
use offhook_sip_proto::endpoint::Endpoint;
use offhook_time::{Half, Step, Time};

use crate::digest::Hashing;
use crate::host::{CALL, drain, endpoint, telephone};
use crate::media_driver::{FromMedia, Seen};
use crate::recording::{Signalling, SignallingInput};
use crate::{Digests, Recording};

/// Feeds each half its recorded inputs and nothing else, and the endpoint what reached it and what the control half
/// then asked of it. `None` where the log cannot be read.
///
/// A media event that the media half raises now is hashed and dropped: the control half gets the recorded one.
pub fn replay(recording: &Recording) -> Option<Digests> {
    let mut stage = Stage {
        endpoint: endpoint(recording.endpoint_seed),
        control: CallControl::new(recording.settings.clone()),
        media: recording.opened_at.map(|at| CallMedia::new(recording.media.clone(), at)),
        hashing: Hashing::default(),
        sent: Vec::new(),
    };
    let mut signalling = recording.signalling.iter().peekable();
    for (number, step) in recording.steps.log.iter().enumerate() {
        while let Some(input) = signalling.next_if(|input| input.after <= number as u64) {
            stage.signalling(input);
        }
        stage.step(&step)?;
    }
    signalling.for_each(|input| stage.signalling(input));
    Some(stage.hashing.finish())
}

struct Stage {
    endpoint: Endpoint,
    control: CallControl,
    media: Option<CallMedia>,
    hashing: Hashing,
    sent: Vec<Vec<u8>>,
}

impl Stage {
    fn step(&mut self, step: &Step<'_>) -> Option<()> {
        match step.half {
            Half::Control => {
                let recorded = decode_step(step)?;
                self.control.handle(recorded.input, recorded.now);
                while let Some(output) = self.control.poll_output() {
                    self.perform(output, recorded.now);
                }
            }
            Half::Media => {
                let recorded = RecordedInput::decode(step.payload).ok()?;
                let mut left = FromMedia::default();
                let mut outputs =
                    Seen { hashing: &mut self.hashing, watch: None, left: &mut left, now: step.now };
                let media = self.media.as_mut()?;
                recorded.with_input(|input| media.handle(input, &mut outputs, step.now));
            }
        }
        Some(())
    }

    fn perform(&mut self, output: Output, now: Time) {
        self.hashing.control.value(0, now, &output);
        match output {
            Output::Sip(action) => {
                self.endpoint.perform(CALL, action, now);
                self.drain(now);
            }
            Output::Fact(fact) => self.hashing.facts.value(0, now, &fact),
            Output::Media(_)
            | Output::OpenSpeech { .. }
            | Output::Recognizer(_)
            | Output::Speak(_)
            | Output::CancelSpeech(_)
            | Output::OpenBridge { .. }
            | Output::BridgeDtmf { .. }
            | Output::CloseBridge { .. }
            | Output::CallTool(_)
            | Output::CancelTool { .. }
            | Output::Ended => {}
        }
    }

    fn signalling(&mut self, input: &Signalling) {
        let now = input.now;
        match &input.what {
            SignallingInput::Datagram(bytes) => self.endpoint.handle_datagram(bytes, telephone(), now),
            SignallingInput::Deadline => self.endpoint.handle_timeout(now),
            SignallingInput::Accept(transaction) => {
                self.endpoint.accept(*transaction, CALL);
            }
            SignallingInput::Respond(transaction, response) => {
                self.endpoint.respond(*transaction, response.clone(), now);
            }
            SignallingInput::Forget => self.endpoint.forget(CALL, now),
        }
        // What it tells the call was recorded as the call's input.
        while self.endpoint.poll_event().is_some() {}
        self.drain(now);
    }

    fn drain(&mut self, now: Time) {
        drain(&mut self.endpoint, &mut self.hashing, &mut self.sent, now);
        self.sent.clear();
    }
}

#[cfg(test)]
mod tests {
    use offhook_time::Seed;

    use crate::{Kind, play};

    use super::*;

    #[test]
    fn another_seed_or_another_input_gives_other_hashes() {
        let (report, mut recording) = play(Kind::Keys, 3);
        assert_eq!(replay(&recording), Some(report.digests));

        let datagram = recording.signalling.iter_mut().find_map(|input| match &mut input.what {
            SignallingInput::Datagram(bytes) => Some(bytes),
            SignallingInput::Deadline
            | SignallingInput::Accept(_)
            | SignallingInput::Respond(..)
            | SignallingInput::Forget => None,
        });
        datagram.unwrap()[0] = b'X';
        let other = replay(&recording).unwrap();
        assert_ne!(other.sip, report.digests.sip);
        assert_eq!(other.rtp, report.digests.rtp);

        recording.media.seed = Seed::from_number(1);
        recording.settings.seed = Seed::from_number(1);
        let other = replay(&recording).unwrap();
        assert_ne!(other.rtp, report.digests.rtp);
        assert_ne!(other.control, report.digests.control);
    }
}
