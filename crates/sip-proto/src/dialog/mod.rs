//! Dialogs (RFC 3261 §12): who talks to whom, along which route, with which sequence numbers.
//!
//! A [`Dialog`] builds the requests and responses inside of it and judges those that come in. It sends nothing
//! and has no deadlines; [`Retransmit2xx`] has. Start with [`Dialog::uas`] and [`Dialog::uac`].

mod obituary;
mod retransmit;
mod routing;

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use serde::{Deserialize, Serialize};

use crate::message::{BadValue, Method, NameAddr, Request, Response, StatusCode, Uri, header};

pub use obituary::Obituary;
pub use retransmit::{Due, Retransmit2xx};

/// What tells one dialog from another (RFC 3261 §12). A peer of RFC 2543 has an empty tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DialogId {
    /// The Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag.
    pub remote_tag: String,
}

/// Who sent the request that made the dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// We did.
    Uac,
    /// The peer did.
    Uas,
}

/// How far the dialog is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// A provisional response made it.
    Early,
    /// A 2xx was sent or received.
    Confirmed,
    /// A BYE, or an answer that says the peer knows it no more, ended it.
    Terminated,
}

/// A request that the dialog does not take, and the status to answer it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfPlace {
    /// Its CSeq is below one that came before (RFC 3261 §12.2.2): 500.
    OldSequence,
    /// Its tags or its Call-ID are those of another dialog, or this one is over: 481.
    OtherDialog,
}

impl OutOfPlace {
    /// What to answer.
    pub fn status(self) -> StatusCode {
        match self {
            OutOfPlace::OldSequence => StatusCode::SERVER_INTERNAL_ERROR,
            OutOfPlace::OtherDialog => StatusCode::CALL_DOES_NOT_EXIST,
        }
    }
}

/// One dialog, as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    id: DialogId,
    role: Role,
    phase: Phase,
    /// Our From in requests, with our tag.
    local: NameAddr,
    /// The peer's identity, with its tag if it has one.
    remote: NameAddr,
    /// Our contact.
    contact: NameAddr,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    route_set: Vec<NameAddr>,
    remote_target: Uri,
}

impl Dialog {
    /// The dialog that our answer to `invite` makes (RFC 3261 §12.1.1), early until [`Self::confirm`].
    ///
    /// # Errors
    /// [`BadValue`] when a header that makes up the dialog cannot be read.
    pub fn uas(invite: &Request, local_tag: &str, contact: NameAddr) -> Result<Self, BadValue> {
        let remote = invite.headers.from()?;
        let mut local = invite.headers.to()?;
        local.set_tag(local_tag);
        // RFC 2543 did not demand a Contact; its requests were answered at the From URI.
        let remote_target = match invite.headers.contact()? {
            Some(contact) => contact.uri,
            None => remote.uri.clone(),
        };
        Ok(Dialog {
            id: DialogId {
                call_id: invite.headers.call_id()?.to_string(),
                local_tag: local_tag.to_owned(),
                remote_tag: remote.tag().unwrap_or_default().to_owned(),
            },
            role: Role::Uas,
            phase: Phase::Early,
            local,
            remote,
            contact,
            local_cseq: 0,
            remote_cseq: Some(invite.headers.cseq()?.number),
            route_set: invite.headers.record_routes()?,
            remote_target,
        })
    }

    /// The dialog that `response` to our `invite` makes (RFC 3261 §12.1.2): confirmed by a 2xx, else early.
    ///
    /// # Errors
    /// [`BadValue`] when a header that makes up the dialog cannot be read.
    pub fn uac(invite: &Request, response: &Response) -> Result<Self, BadValue> {
        let local = invite.headers.from()?;
        let remote = response.headers.to()?;
        let contact = invite.headers.contact()?.unwrap_or_else(|| NameAddr::new(local.uri.clone()));
        let mut dialog = Dialog {
            id: DialogId {
                call_id: invite.headers.call_id()?.to_string(),
                local_tag: local.tag().unwrap_or_default().to_owned(),
                remote_tag: remote.tag().unwrap_or_default().to_owned(),
            },
            role: Role::Uac,
            phase: Phase::Early,
            local,
            remote,
            contact,
            local_cseq: invite.headers.cseq()?.number,
            remote_cseq: None,
            route_set: Vec::new(),
            remote_target: invite.uri.clone(),
        };
        dialog.learn_route(response)?;
        Ok(dialog)
    }

    /// Its identifiers.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Who made it.
    pub fn role(&self) -> Role {
        self.role
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Us, with our tag.
    pub fn local(&self) -> &NameAddr {
        &self.local
    }

    /// The peer, with its tag.
    pub fn remote(&self) -> &NameAddr {
        &self.remote
    }

    /// Where the peer wants its requests.
    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    /// The proxies on the way, nearest first.
    pub fn route_set(&self) -> &[NameAddr] {
        &self.route_set
    }

    /// A 2xx was sent: the dialog of a called side is confirmed.
    pub fn confirm(&mut self) {
        if self.phase == Phase::Early {
            self.phase = Phase::Confirmed;
        }
    }

    /// It is over; requests inside of it get a 481.
    pub fn terminate(&mut self) {
        self.phase = Phase::Terminated;
    }

    /// A 2xx to our INVITE that made the dialog confirms it: the route set is computed anew and stands from then on
    /// (RFC 3261 §13.2.2.4).
    ///
    /// # Errors
    /// [`BadValue`] when the recorded route or the contact cannot be read.
    pub fn confirm_by(&mut self, response: &Response) -> Result<(), BadValue> {
        self.learn_route(response)
    }

    /// Judges a request of the peer. One that is taken moves the sequence number and, if it may, the remote target.
    ///
    /// # Errors
    /// [`OutOfPlace`] with the status to answer; the dialog stays as it was.
    pub fn handle_request(&mut self, request: &Request) -> Result<(), OutOfPlace> {
        // Two BYEs that cross each end the dialog; both deserve a 200.
        let is_over = self.phase == Phase::Terminated && request.method != Method::Bye;
        if is_over || !self.is_from_peer(request) {
            return Err(OutOfPlace::OtherDialog);
        }
        let Ok(cseq) = request.headers.cseq() else { return Err(OutOfPlace::OldSequence) };
        // RFC 3261 §12.2.2: ACK and CANCEL carry the number of their INVITE.
        if !matches!(request.method, Method::Ack | Method::Cancel) {
            if self.remote_cseq.is_some_and(|latest| cseq.number < latest) {
                return Err(OutOfPlace::OldSequence);
            }
            self.remote_cseq = Some(cseq.number);
        }
        if refreshes_target(&request.method) {
            self.refresh_target(request.headers.contact().ok().flatten());
        }
        if request.method == Method::Bye {
            self.phase = Phase::Terminated;
        }
        Ok(())
    }

    /// Takes a response to a request of ours inside the dialog. A 481 or 408 ends the dialog (RFC 3261 §12.2.1.2); a
    /// 2xx to a target refresh request moves the remote target. True while the dialog lives.
    pub fn handle_response(&mut self, response: &Response) -> bool {
        let method = response.headers.cseq().map(|cseq| cseq.method);
        if matches!(response.status, StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT) {
            self.phase = Phase::Terminated;
        }
        if response.status.is_success() && method.is_ok_and(|method| refreshes_target(&method)) {
            self.refresh_target(response.headers.contact().ok().flatten());
        }
        self.phase != Phase::Terminated
    }

    /// The next request of ours, without a body: BYE, re-INVITE, INFO, REFER, ... The endpoint adds the Via.
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq += 1;
        #[cfg(feature = "planted-faults")]
        if is_planted(Fault::CseqReused) && method == Method::Bye && self.local_cseq > 1 {
            self.local_cseq -= 1;
        }
        if method == Method::Bye {
            self.phase = Phase::Terminated;
        }
        self.build(method, self.local_cseq)
    }

    /// The ACK for a 2xx to `invite`, a request of ours that made the dialog or went along it (RFC 3261 §13.2.2.4):
    /// the INVITE's number and credentials, the dialog's route.
    pub fn ack(&self, invite: &Request) -> Request {
        let number = invite.headers.cseq().map_or(self.local_cseq, |cseq| cseq.number);
        let mut ack = self.build(Method::Ack, number);
        for name in [header::AUTHORIZATION, header::PROXY_AUTHORIZATION] {
            for credentials in invite.headers.lines(name) {
                ack.headers.push(name, credentials);
            }
        }
        ack
    }

    /// A response to a request of the peer: our tag, and where the RFC wants them our contact and the recorded route
    /// (§12.1.1).
    pub fn response(&self, request: &Request, status: StatusCode) -> Response {
        if status == StatusCode::TRYING {
            return request.response(status, None);
        }
        let mut response = request.response(status, Some(&self.id.local_tag));
        if request.method == Method::Invite && !status.is_failure() {
            for route in request.headers.lines(header::RECORD_ROUTE) {
                response.headers.push(header::RECORD_ROUTE, route);
            }
        }
        let makes_contact = request.method == Method::Invite || status.is_success();
        if !status.is_failure() && refreshes_target(&request.method) && makes_contact {
            response.headers.push_value(header::CONTACT, &self.contact);
        }
        response
    }

    /// What is needed to end this dialog when everything else about the call is lost.
    pub fn obituary(&self) -> Obituary {
        Obituary::new(self.clone())
    }

    fn is_from_peer(&self, request: &Request) -> bool {
        let tag_of =
            |side: Result<NameAddr, BadValue>| side.ok().and_then(|side| side.tag().map(str::to_owned));
        request.headers.call_id().is_ok_and(|call_id| call_id.to_string() == self.id.call_id)
            && tag_of(request.headers.from()).unwrap_or_default() == self.id.remote_tag
            && tag_of(request.headers.to()).unwrap_or_default() == self.id.local_tag
    }

    fn refresh_target(&mut self, contact: Option<NameAddr>) {
        if let Some(contact) = contact {
            self.remote_target = contact.uri;
        }
    }

    fn learn_route(&mut self, response: &Response) -> Result<(), BadValue> {
        let mut route_set = response.headers.record_routes()?;
        route_set.reverse();
        let contact = response.headers.contact()?;
        self.route_set = route_set;
        self.refresh_target(contact);
        if response.status.is_success() {
            self.confirm();
        }
        Ok(())
    }
}

/// Requests whose Contact is the new remote target (RFC 3261 §12.2, RFC 3311, RFC 3515, RFC 6665).
fn refreshes_target(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Refer | Method::Notify | Method::Subscribe)
}
