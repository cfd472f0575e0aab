//! Where the requests of a dialog really go: the peer's Contact and Record-Route are followed as far as the policy allows.

use offhook_sip_proto::endpoint::{Destination, SipAction};
use offhook_time::Time;

use super::CallControl;
use crate::Output;
use crate::fact::CallEvent;

impl CallControl {
    /// The one way out for SIP: every destination is judged, each time.
    pub(super) fn send(&mut self, action: SipAction) {
        let action = match action {
            SipAction::Request { transaction, request, destination } => {
                SipAction::Request { transaction, request, destination: self.judged(destination) }
            }
            SipAction::AckFor2xx { invite, request, destination } => {
                SipAction::AckFor2xx { invite, request, destination: self.judged(destination) }
            }
            // Responses and CANCEL go the way of the request that they belong to.
            action @ (SipAction::Respond { .. }
            | SipAction::Retransmit2xx { .. }
            | SipAction::Cancel { .. }) => action,
        };
        self.outputs.push_back(Output::Sip(action));
    }

    /// The destination, or the way back to the peer where the policy does not allow it.
    pub(super) fn judged(&self, destination: Destination) -> Destination {
        // Without a peer it is the first INVITE of ours, whose target was judged before it was made.
        let Some(peer) = self.leg.peer else { return destination };
        self.settings.outbound.judge_next_hop(destination, &peer).unwrap_or(Destination::Peer(peer))
    }

    /// Tells once where the peer would have sent us.
    pub(super) fn tell_detour(&mut self, now: Time) {
        if self.detour_is_told {
            return;
        }
        let (Some(dialog), Some(peer)) = (&self.leg.dialog, self.leg.peer) else { return };
        let judged = self.settings.outbound.judge_next_hop(dialog.destination(&peer), &peer);
        if let Err(address) = judged {
            self.detour_is_told = true;
            self.fact(CallEvent::NextHopRefused { address }, now);
        }
    }
}
