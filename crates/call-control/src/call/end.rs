//! From the last word to nothing.

use std::time::Duration;

use offhook_call_media::MediaCommand;
#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use offhook_sip_proto::dialog::Phase as DialogPhase;
use offhook_sip_proto::endpoint::SipAction;
use offhook_sip_proto::message::{Method, Reason, StatusCode, header};
use offhook_time::Time;

use super::{CallControl, Phase};
use crate::fact::CallEvent;
use crate::{EndCause, Output};

/// How long the media half may take for its report: its worker answers within a tick unless it is gone.
const REPORT_WITHIN: Duration = Duration::from_secs(1);

impl CallControl {
    /// Ends the call. The first cause stands. `status` rejects an unanswered call with another code than the cause's.
    pub(super) fn end(&mut self, cause: EndCause, status: Option<u16>, now: Time) {
        if matches!(self.phase, Phase::Ending | Phase::Ended) {
            return;
        }
        let cause = *self.cause.get_or_insert(cause);
        match self.phase {
            Phase::New | Phase::Ended | Phase::Ending => {}
            Phase::Ringing => {
                let status = StatusCode::new(status.unwrap_or(cause.row().status));
                self.respond_to_invite(status.unwrap_or(StatusCode::TEMPORARILY_UNAVAILABLE), None, now);
            }
            Phase::Dialing => {
                if let Some(client) = &mut self.leg.client {
                    client.cancel(&mut self.ids);
                }
            }
            Phase::Answered | Phase::Up => self.hang_up(cause),
        }
        self.phase = Phase::Ending;
        self.deadlines = super::Deadlines::default();
        self.speech.synthesizer_deadline = None;
        self.listening = crate::speech::Listening::default();
        self.fail_open_transfer(now);
        self.run_commands_before_ack(now);
        if self.conversation.is_some() {
            self.tell_conversation(offhook_conversation::Input::CallerHungUp, now);
        }
        self.close_bridge(cause);
        if self.media_open {
            self.outputs.push_back(Output::Media(MediaCommand::Close));
            self.deadlines.media_report = Some(now + REPORT_WITHIN);
        }
    }

    fn hang_up(&mut self, cause: EndCause) {
        // A peer that has hung up, maybe before its ACK, is owed no BYE.
        if self.leg.dialog.as_ref().is_none_or(|dialog| dialog.phase() == DialogPhase::Terminated) {
            return;
        }
        let reason = self.reason(cause);
        // RFC 3261 §15: the callee does not send a BYE before the ACK came or will not come any more.
        let awaits_ack = self.leg.server.as_ref().is_some_and(|server| server.awaits_ack());
        #[cfg(feature = "planted-faults")]
        let awaits_ack = awaits_ack && !is_planted(Fault::ByeBeforeAck);
        if awaits_ack && self.phase == Phase::Answered {
            self.leg.bye_after_ack = Some(reason);
        } else {
            self.send_bye(&reason);
        }
    }

    /// The Reason of the BYE or the refusal (RFC 3326).
    pub(super) fn reason(&self, cause: EndCause) -> String {
        let row = cause.row();
        Reason::q850(u16::from(row.q850), self.reason_text.as_deref().unwrap_or(row.text)).to_string()
    }

    pub(super) fn send_deferred_bye(&mut self) {
        if let Some(reason) = self.leg.bye_after_ack.take() {
            self.send_bye(&reason);
        }
    }

    fn send_bye(&mut self, reason: &str) {
        let (Some(dialog), Some(peer)) = (&mut self.leg.dialog, self.leg.peer) else { return };
        if dialog.phase() == DialogPhase::Terminated {
            return;
        }
        let mut request = dialog.request(Method::Bye);
        request.headers.push(header::REASON, reason);
        request.headers.push(header::USER_AGENT, self.settings.user_agent.as_str());
        let destination = dialog.destination(&peer);
        let transaction = self.ids.take();
        self.leg.bye = Some(transaction);
        self.send(SipAction::Request { transaction, request, destination });
    }

    /// The end of the end: the fact once media has reported, `Ended` once nothing is awaited any more.
    pub(super) fn settle(&mut self, now: Time) {
        if self.phase != Phase::Ending {
            return;
        }
        if !self.media_open
            && let Some(cause) = self.cause.filter(|_| !self.end_is_told)
        {
            self.deadlines.media_report = None;
            self.fail_open_speech(now);
            let media = self.report.take();
            self.fact(CallEvent::CallEnded { cause, media }, now);
            self.end_is_told = true;
        }
        let signalling_open = self.leg.bye.is_some() || self.leg.bye_after_ack.is_some();
        if self.end_is_told && !signalling_open {
            self.phase = Phase::Ended;
            self.outputs.push_back(Output::Ended);
        }
    }
}
