//! Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3).

use crate::message::{BadValue, FieldValue, Headers, Method, Request, Via};

/// Finds the server transaction of a request. An ACK looks for its INVITE.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerKey {
    /// By a branch with the cookie of RFC 3261.
    Branch {
        /// The branch.
        branch: String,
        /// The host and port of the top Via, in lower case.
        sent_by: String,
        /// INVITE for an ACK.
        method: Method,
    },
    /// As RFC 2543 did it. The To tag does not take part: an ACK carries the one of our response, which its INVITE
    /// did not have, and a CSeq number is used once in a dialog.
    Rfc2543 {
        /// The Request-URI.
        uri: String,
        /// The caller's tag, or nothing.
        from_tag: String,
        /// The Call-ID.
        call_id: String,
        /// The number in CSeq.
        cseq: u32,
        /// The top Via as it came.
        via: String,
        /// INVITE for an ACK.
        method: Method,
    },
}

impl ServerKey {
    /// The key of `request` as it came off the wire, before its Via is stamped.
    ///
    /// # Errors
    /// [`BadValue`] for a header that a parsed message always has.
    pub fn of(request: &Request) -> Result<Self, BadValue> {
        let is_ack = request.method == Method::Ack;
        let method = if is_ack { Method::Invite } else { request.method.clone() };
        Self::with_method(request, method)
    }

    /// The key of the INVITE that `cancel` wants to end (RFC 3261 §9.2).
    ///
    /// # Errors
    /// [`BadValue`] for a header that a parsed message always has.
    pub fn of_cancelled(cancel: &Request) -> Result<Self, BadValue> {
        Self::with_method(cancel, Method::Invite)
    }

    fn with_method(request: &Request, method: Method) -> Result<Self, BadValue> {
        let via = request.headers.top_via()?;
        if let Some(branch) = via.unique_branch() {
            let branch = branch.to_owned();
            return Ok(ServerKey::Branch { branch, sent_by: sent_by(&via), method });
        }
        Ok(ServerKey::Rfc2543 {
            uri: request.uri.to_string(),
            from_tag: from_tag(&request.headers)?,
            call_id: request.headers.call_id()?.0,
            cseq: request.headers.cseq()?.number,
            via: String::from_utf8_lossy(&via.to_value()).into_owned(),
            method,
        })
    }
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
pub struct MergeKey {
    call_id: String,
    from_tag: String,
    cseq: u32,
    method: Method,
}

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
        let call_id = request.headers.call_id()?.0;
        let cseq = request.headers.cseq()?;
        Ok(Some(MergeKey { call_id, from_tag, cseq: cseq.number, method: cseq.method }))
    }
}

fn sent_by(via: &Via) -> String {
    format!("{}:{}", via.host.to_string().to_ascii_lowercase(), via.sent_by_port())
}

fn from_tag(headers: &Headers) -> Result<String, BadValue> {
    Ok(headers.from()?.tag().unwrap_or_default().to_owned())
}
