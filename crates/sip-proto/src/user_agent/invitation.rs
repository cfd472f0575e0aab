//! The first INVITE of a call of ours.

use crate::message::{CSeq, MaxForwards, Method, NameAddr, Request, Uri, header};

use super::Body;

/// Who calls whom. [`Self::request`] makes an INVITE of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The request line.
    pub target: Uri,
    /// Us, with a tag that nobody can guess.
    pub from: NameAddr,
    /// Them, without a tag.
    pub to: NameAddr,
    /// Where we want the requests of the dialog.
    pub contact: NameAddr,
    /// A Call-ID that nobody can guess.
    pub call_id: String,
    /// Loose routes to go along, nearest first.
    pub route: Vec<NameAddr>,
    /// The offer; none asks the other side for one.
    pub offer: Option<Body>,
}

impl Invitation {
    /// The INVITE, CSeq 1. The endpoint adds the Via; more headers can be pushed.
    pub fn request(&self) -> Request {
        let mut request = Request::new(Method::Invite, self.target.clone());
        for route in &self.route {
            request.headers.push_value(header::ROUTE, route);
        }
        request.headers.push_value(header::MAX_FORWARDS, &MaxForwards(70));
        request.headers.push_value(header::FROM, &self.from);
        request.headers.push_value(header::TO, &self.to);
        request.headers.push(header::CALL_ID, self.call_id.as_bytes());
        request.headers.push_value(header::CSEQ, &CSeq { number: 1, method: Method::Invite });
        request.headers.push_value(header::CONTACT, &self.contact);
        if let Some(offer) = &self.offer {
            request.set_body(&offer.content_type, offer.bytes.clone());
        }
        request
    }
}
