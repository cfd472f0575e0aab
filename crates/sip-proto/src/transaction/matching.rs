//! Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3).

use std::sync::Arc;

use crate::message::{BadValue, Headers, Method, Request, Via};

/// Finds the server transaction of a request. An ACK looks for its INVITE.
///
/// One text: the parts of §17.2.3 joined by line ends, which no header value has. Two requests of the same transaction
/// have equal keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerKey(Arc<str>);

impl ServerKey {
    /// The key of `request` as it came off the wire, before its Via is stamped.
    ///
    /// # Errors
    /// [`BadValue`] for a header that a parsed message always has.
    pub fn of(request: &Request) -> Result<Self, BadValue> {
        let is_ack = request.method == Method::Ack;
        Self::with_method(request, if is_ack { &Method::Invite } else { &request.method })
    }

    /// The key of the INVITE that `cancel` wants to end (RFC 3261 §9.2).
    ///
    /// # Errors
    /// [`BadValue`] for a header that a parsed message always has.
    pub fn of_cancelled(cancel: &Request) -> Result<Self, BadValue> {
        Self::with_method(cancel, &Method::Invite)
    }

    fn with_method(request: &Request, method: &Method) -> Result<Self, BadValue> {
        let via = request.headers.top_via()?;
        let key = match via.unique_branch() {
            Some(branch) => {
                let host = via.host.to_string().to_ascii_lowercase();
                format!("{branch}\n{host}\n{}\n{method}", via.sent_by_port())
            }
            None => rfc_2543_key(request, &via, method)?,
        };
        Ok(ServerKey(key.into()))
    }
}

/// The To tag does not take part: an ACK carries the one of our response, which its INVITE did not have, and a CSeq
/// number is used once in a dialog.
fn rfc_2543_key(request: &Request, via: &Via, method: &Method) -> Result<String, BadValue> {
    let headers = &request.headers;
    let (call_id, cseq, from_tag) = (headers.call_id()?, headers.cseq()?.number, from_tag(headers)?);
    Ok(format!("\n{}\n{from_tag}\n{call_id}\n{cseq}\n{via}\n{method}", request.uri))
}

/// Finds the client transaction of a response: the branch is ours, and CANCEL shares that of its INVITE.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientKey {
    /// The branch of our Via.
    pub branch: String,
    /// The method in CSeq.
    pub method: Method,
}

/// Tells a request that reached us twice along different paths (RFC 3261 §8.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MergeKey(Arc<str>);

impl MergeKey {
    /// The key of `request`; `None` inside a dialog, where nothing is merged, and for peers of RFC 2543.
    ///
    /// # Errors
    /// [`BadValue`] for a header that a parsed message always has.
    pub fn of(request: &Request) -> Result<Option<Self>, BadValue> {
        let from_tag = from_tag(&request.headers)?;
        if from_tag.is_empty() || request.headers.to()?.tag().is_some() {
            return Ok(None);
        }
        let (call_id, cseq) = (request.headers.call_id()?, request.headers.cseq()?);
        Ok(Some(MergeKey(format!("{call_id}\n{from_tag}\n{cseq}").into())))
    }
}

fn from_tag(headers: &Headers) -> Result<String, BadValue> {
    Ok(headers.from()?.tag().unwrap_or_default().to_owned())
}
