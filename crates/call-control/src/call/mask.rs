//! What the recorder gets in place of an input that holds what a masked state heard. What the machine makes of the
//! input is the same as what it makes of this.

use offhook_call_media::MediaEvent;
use offhook_conversation::{Conversation, MASKED_KEY};
use offhook_engine_api::RecognizerEvent;
use offhook_sip_proto::endpoint::SipEvent;
use offhook_sip_proto::message::Method;

use super::CallControl;
use crate::Input;

/// A result that nobody waits for any more, heard behind the mask.
const UNHEARD: &str = "masked: too late";

impl CallControl {
    /// `None` where the input may be recorded as it is.
    pub(super) fn masked(&self, input: &Input) -> Option<Input> {
        match input {
            Input::Media(event) => self.masked_digit(event).map(Input::Media),
            Input::Recognizer(event) => self.masked_result(event).map(Input::Recognizer),
            Input::Tool { tool, outcome } => {
                let scrubbed = self.conversation.as_ref()?.scrubbed(outcome.clone());
                (scrubbed != *outcome).then_some(Input::Tool { tool: *tool, outcome: scrubbed })
            }
            Input::Sip(event) => masked_info(event).map(Input::Sip),
            Input::Dial
            | Input::Synthesizer(_)
            | Input::BridgeConnected
            | Input::BridgeMark { .. }
            | Input::BridgeClear
            | Input::BridgeHangUp { .. }
            | Input::BridgeTransfer { .. }
            | Input::BridgeDtmf { .. }
            | Input::BridgeClosed { .. }
            | Input::Command { .. }
            | Input::End { .. }
            | Input::Deadline => None,
        }
    }

    /// Whether what the bot's state hears now must be recorded nowhere.
    pub(super) fn is_masked(&self) -> bool {
        self.conversation.as_ref().is_some_and(Conversation::is_masked)
    }

    fn masked_digit(&self, event: &MediaEvent) -> Option<MediaEvent> {
        let MediaEvent::Digit { leg, digit, duration, stopped, times, masked } = event else { return None };
        let conversation = self.conversation.as_ref()?;
        let shown = if self.is_masked() {
            conversation.masked_key(*digit)
        } else if *masked && digit.is_ascii_digit() {
            MASKED_KEY
        } else {
            *digit
        };
        (shown != *digit).then_some(MediaEvent::Digit {
            leg: *leg,
            digit: shown,
            duration: *duration,
            stopped: *stopped,
            times: *times,
            masked: *masked,
        })
    }

    fn masked_result(&self, event: &RecognizerEvent) -> Option<RecognizerEvent> {
        let conversation = self.conversation.as_ref()?;
        let began_masked = self.listening.owed.front().map_or(self.listening.masked, |owed| owed.masked);
        if !self.is_masked() && !began_masked {
            return None;
        }
        let shown = |text: &str| {
            if self.is_masked() { conversation.masked_text(text) } else { UNHEARD.to_owned() }
        };
        match event {
            RecognizerEvent::Final { text, confidence } => {
                Some(RecognizerEvent::Final { text: shown(text), confidence: *confidence })
            }
            RecognizerEvent::Partial { text } => Some(RecognizerEvent::Partial { text: shown(text) }),
            RecognizerEvent::NoMatch
            | RecognizerEvent::Failed(_)
            | RecognizerEvent::AudioDropped { .. }
            | RecognizerEvent::Ready
            | RecognizerEvent::StartOfInput => None,
        }
    }
}

/// Keys may come in the body of an INFO. Nobody here reads it, so nobody needs it.
fn masked_info(event: &SipEvent) -> Option<SipEvent> {
    let SipEvent::Request { transaction, request, peer } = event else { return None };
    if request.method != Method::Info || request.body.is_empty() {
        return None;
    }
    let mut request = request.clone();
    request.body.fill(b'X');
    Some(SipEvent::Request { transaction: *transaction, request, peer: *peer })
}
