//! Whole exchanges of a user agent, made of SIP events and actions: answering an INVITE, sending one, changing a
//! session, transferring it.
//!
//! Each machine takes the [`SipEvent`](crate::endpoint::SipEvent)s of its call (`handle` says whether one was its
//! own), asks for [`SipAction`](crate::endpoint::SipAction)s and reports in words of its own. Start with
//! [`InviteServer`] and [`InviteClient`].

mod glare;
mod invitation;
mod invite_client;
mod invite_server;
mod refer;
mod reinvite;
mod sipfrag;

use serde::{Deserialize, Serialize};

use crate::endpoint::TransactionId;

pub use glare::glare_pause;
pub use invitation::Invitation;
pub use invite_client::{InviteClient, InviteClientEvent};
pub use invite_server::{InviteServer, InviteServerEvent};
pub use refer::{ReferClient, ReferProgress};
pub use reinvite::{Reinvite, ReinviteEvent};
pub use sipfrag::sipfrag_status;

/// Numbers the client transactions of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionIds(u64);

impl TransactionIds {
    /// Starts with the first.
    pub const fn new() -> Self {
        TransactionIds(0)
    }

    /// One that was not used before.
    pub fn take(&mut self) -> TransactionId {
        self.0 += 1;
        TransactionId::client(self.0)
    }
}

/// A message body and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The Content-Type, for example `application/sdp`.
    pub content_type: String,
    /// The body itself.
    pub bytes: Vec<u8>,
}

impl Body {
    /// A session description.
    pub fn sdp(bytes: impl Into<Vec<u8>>) -> Self {
        Body { content_type: "application/sdp".to_owned(), bytes: bytes.into() }
    }
}
