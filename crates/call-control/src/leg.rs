//! The SIP side of one leg.

use offhook_sip_proto::dialog::Dialog;
use offhook_sip_proto::endpoint::{Peer, SipAction, TransactionId};
use offhook_sip_proto::user_agent::{InviteClient, InviteServer};
use offhook_time::Time;

/// One SIP leg: its dialog and the INVITEs that are open on it.
#[derive(Debug, Default)]
pub(crate) struct Leg {
    /// Where its messages come from; the socket or connection to answer on.
    pub peer: Option<Peer>,
    /// The dialog; early until the 2xx.
    pub dialog: Option<Dialog>,
    /// The INVITE that we answer, the first one or a re-INVITE.
    pub server: Option<InviteServer>,
    /// The INVITE of an outgoing call.
    pub client: Option<InviteClient>,
    /// Our BYE, until it is answered.
    pub bye: Option<TransactionId>,
    /// A BYE that waits for the ACK of our 2xx (RFC 3261 §15): its Reason.
    pub bye_after_ack: Option<String>,
}

impl Leg {
    /// When one of its machines wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.server.as_ref().and_then(InviteServer::poll_timeout)
    }

    /// What its machines want sent.
    pub fn poll_action(&mut self) -> Option<SipAction> {
        let server = self.server.as_mut().and_then(InviteServer::poll_action);
        server.or_else(|| self.client.as_mut().and_then(InviteClient::poll_action))
    }
}
