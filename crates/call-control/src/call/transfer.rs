//! Handing the caller to somebody else by REFER (RFC 3515), and learning how that went.

use std::time::Duration;

use offhook_conversation::{Input as Heard, TransferCall, TransferOutcome};
use offhook_sip_proto::endpoint::SipEvent;
use offhook_sip_proto::message::{Method, NameAddr, Uri};
use offhook_sip_proto::user_agent::{ReferClient, ReferProgress};
use offhook_time::Time;

use super::CallControl;
use crate::cause::cause_of_status;
use crate::fact::CallEvent;
use crate::transfer::{Transfer, TransferredBy};
use crate::{CommandOutcome, EndCause, OutboundRefusal, Refusal};

/// How long a target may ring where nobody said otherwise.
const RING_TIME: Duration = Duration::from_secs(30);

/// What is added to the ring time for the messages themselves.
const GRACE: Duration = Duration::from_secs(5);

/// How a transfer ended.
enum Ended {
    Succeeded,
    Failed { cause: &'static str, status: Option<u16> },
}

impl CallControl {
    pub(super) fn transfer_for_conversation(&mut self, transfer: &TransferCall, now: Time) {
        let target = transfer.uri.clone().unwrap_or_else(|| transfer.target.clone());
        let asked_by = TransferredBy::Conversation(transfer.id);
        self.transfer_to(&target, None, Some(transfer.ring_time), asked_by, now);
    }

    /// Begins a transfer to a SIP URI or to a target that the configuration names, by a certain trunk where one is
    /// named.
    pub(super) fn transfer_to(
        &mut self,
        target: &str,
        by_trunk: Option<&str>,
        ring_time: Option<Duration>,
        asked_by: TransferredBy,
        now: Time,
    ) {
        let named = self.settings.transfer_targets.get(target);
        let address = named.cloned().unwrap_or_else(|| target.to_owned());
        let checked = self.check_target(&address, by_trunk);
        let trunk = checked.as_ref().ok().and_then(|(_, trunk)| trunk.clone());
        self.fact(CallEvent::TransferStarted { target: target.to_owned(), trunk }, now);
        let uri = match checked {
            Ok((uri, _)) => uri,
            Err(cause) => {
                let ended = Ended::Failed { cause, status: None };
                return self.transfer_ended(target.to_owned(), asked_by, &ended, now);
            }
        };
        let (Some(dialog), Some(peer)) = (&mut self.leg.dialog, self.leg.peer) else { return };
        let patience = ring_time.unwrap_or(RING_TIME) + GRACE;
        let referred_by = NameAddr::new(dialog.local().uri.clone());
        let refer =
            ReferClient::new(dialog, &NameAddr::new(uri), Some(&referred_by), patience, &peer, &mut self.ids);
        self.transfer = Some(Transfer { refer, target: target.to_owned(), asked_by, accepted: false });
    }

    /// The URI and the trunk that leads there.
    fn check_target(
        &self,
        address: &str,
        by_trunk: Option<&str>,
    ) -> Result<(Uri, Option<String>), &'static str> {
        if !self.is_up() {
            return Err("wrong_state");
        }
        if self.transfer.is_some() {
            return Err("transfer_in_progress");
        }
        let uri: Uri = address.parse().map_err(|_| "unknown_target")?;
        let checked = self.settings.outbound.check_uri(&uri, by_trunk).map_err(|refusal| match refusal {
            OutboundRefusal::NotSip(_) => "unknown_target",
            OutboundRefusal::NoSuchTrunk(_) => "unknown_trunk",
            OutboundRefusal::OtherTrunk { .. } => "other_trunk",
            OutboundRefusal::Address(_) | OutboundRefusal::Host(_) | OutboundRefusal::Detour(_) => {
                "not_allowed"
            }
        })?;
        let trunk = checked.map(|trunk| trunk.name.clone());
        Ok((uri, trunk))
    }

    /// Whether the event belonged to an open transfer.
    pub(super) fn offer_to_transfer(&mut self, event: &SipEvent, now: Time) -> bool {
        let Some(transfer) = &mut self.transfer else { return false };
        let Some(dialog) = &mut self.leg.dialog else { return false };
        if let SipEvent::Request { request, .. } = event
            // A BYE ends the dialog before it ends the transfer: otherwise it would be answered by one of ours.
            && matches!(request.method, Method::Notify | Method::Bye)
            && dialog.handle_request(request).is_err()
        {
            return false;
        }
        let taken = transfer.refer.handle(event, dialog, now);
        self.drain_transfer(now);
        taken
    }

    pub(super) fn drain_transfer(&mut self, now: Time) {
        self.flush_sip();
        while let Some(progress) = self.transfer.as_mut().and_then(|transfer| transfer.refer.poll_progress())
        {
            let ended = match progress {
                ReferProgress::Trying | ReferProgress::Ringing => {
                    if let Some(transfer) = &mut self.transfer {
                        transfer.accepted = true;
                    }
                    continue;
                }
                ReferProgress::Succeeded => Ended::Succeeded,
                // A peer that took the REFER and hangs up has the target on the line: some never tell. One that hangs
                // up before that has not even begun.
                ReferProgress::PeerLeft
                    if self.transfer.as_ref().is_some_and(|transfer| transfer.accepted) =>
                {
                    Ended::Succeeded
                }
                ReferProgress::PeerLeft => Ended::Failed { cause: "call_ended", status: None },
                ReferProgress::Failed(status) => {
                    Ended::Failed { cause: cause_of_status(status.code()), status: Some(status.code()) }
                }
                ReferProgress::Timeout => Ended::Failed { cause: "no_answer", status: None },
            };
            let Some(transfer) = self.transfer.take() else { return };
            self.transfer_ended(transfer.target, transfer.asked_by, &ended, now);
        }
    }

    /// A transfer that is open when the call ends is over too.
    pub(super) fn fail_open_transfer(&mut self, now: Time) {
        if let Some(transfer) = self.transfer.take() {
            let ended = Ended::Failed { cause: "call_ended", status: None };
            self.transfer_ended(transfer.target, transfer.asked_by, &ended, now);
        }
    }

    fn transfer_ended(&mut self, target: String, asked_by: TransferredBy, ended: &Ended, now: Time) {
        let (failure, status) = match ended {
            Ended::Succeeded => (None, Some(200)),
            Ended::Failed { cause, status } => (Some((*cause).to_owned()), *status),
        };
        self.fact(CallEvent::TransferFinished { target, failure: failure.clone(), status }, now);
        match asked_by {
            TransferredBy::Conversation(transfer) => {
                let outcome = match &failure {
                    None => TransferOutcome::Succeeded,
                    Some(cause) => TransferOutcome::Failed { cause: cause.clone(), status },
                };
                self.tell_conversation(Heard::TransferOutcome { transfer, outcome }, now);
            }
            TransferredBy::Api(id) => {
                let outcome = match &failure {
                    None => CommandOutcome::Succeeded,
                    Some(cause) => CommandOutcome::Failed(refusal(cause)),
                };
                self.finish_command(id, outcome, now);
            }
            TransferredBy::Application => {}
        }
        if matches!(ended, Ended::Succeeded) {
            self.end(EndCause::Transferred, None, now);
        }
    }
}

/// What the API is told about a transfer that failed. What the target's side said is the cause's own word.
fn refusal(cause: &str) -> Refusal {
    match cause {
        "not_allowed" => Refusal::not_allowed(
            "the target is outside loopback and every trunk's allow list: add it to a [[trunk]]'s allow or hosts",
        ),
        "unknown_trunk" => {
            Refusal::bad_argument("there is no such trunk: name one of the configuration's [[trunk]]s")
        }
        "other_trunk" => {
            Refusal::not_allowed("the trunk does not lead to the target: add it to its allow or hosts")
        }
        "unknown_target" => Refusal::bad_argument(
            "the target is neither a SIP URI nor a name of [bots.targets]: write sip:USER@HOST or such a name",
        ),
        "wrong_state" => Refusal::wrong_state("the call is not up"),
        "transfer_in_progress" => Refusal::wrong_state("a transfer is under way"),
        _ => Refusal::failed(cause),
    }
}
