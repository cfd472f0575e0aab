//! Which requests a user agent server refuses, and with what: the checks of RFC 3261 §8.2 in their order.
//!
//! Bytes that are no message never get here ([`Malformed`] answers those). [`admit`] judges a
//! request by itself; whether its user, dialog or transaction exists is decided by those who know.

use crate::message::{
    BadValue, Contacts, ContentType, FieldValue, Headers, Malformed, Message, Method, Request, Response,
    StatusCode, header,
};
use crate::model;
use crate::sdp;

mod body;

pub use body::{body_part, is_optional_body};

/// What this user agent server understands; by default exactly what our calls can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// Methods, in the order Allow names them.
    pub methods: Vec<Method>,
    /// Option tags that a Require may name.
    pub extensions: Vec<String>,
    /// Media types of bodies, in lower case.
    pub content_types: Vec<String>,
    /// URI schemes of the Request-URI, in lower case.
    pub schemes: Vec<String>,
}

impl Default for Acceptance {
    /// A call-taking user agent: no registrar, no subscriptions but those of a REFER, no extension that may be required.
    /// `sips` demands TLS (RFC 3261 §26.2.2), which we do not speak: a scheme that is not supported, 416 (§8.2.2.1).
    fn default() -> Self {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
        Acceptance {
            methods: vec![
                Method::Invite,
                Method::Ack,
                Method::Bye,
                Method::Cancel,
                Method::Options,
                Method::Notify,
            ],
            extensions: Vec::new(),
            content_types: texts(&[sdp::CONTENT_TYPE, "message/sipfrag", "multipart/mixed"]),
            schemes: texts(&["sip", "tel"]),
        }
    }
}

impl Acceptance {
    /// The value of an Allow header.
    pub fn allow(&self) -> String {
        self.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
    }

    /// The value of an Accept header.
    pub fn accept(&self) -> String {
        self.content_types.join(", ")
    }
}

/// A refusal: the status, the headers that must go with it, and what was wrong in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The status of the response.
    pub status: StatusCode,
    /// Allow, Accept, Accept-Encoding or Unsupported, where the status asks for one.
    pub headers: Headers,
    /// What was wrong, for the reason phrase and the log.
    pub why: String,
}

impl Rejection {
    fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Rejection { status, headers: Headers::new(), why: why.into() }
    }

    fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The response to `request`.
    pub fn response(&self, request: &Request, to_tag: &str) -> Response {
        let mut response = request.response(self.status, Some(to_tag));
        response.reason = format!("{} ({})", self.status.reason(), self.why).into_bytes();
        for (name, value) in self.headers.iter() {
            response.headers.push(name, value);
        }
        response
    }
}

impl From<BadValue> for Rejection {
    fn from(bad: BadValue) -> Self {
        Rejection::new(StatusCode::BAD_REQUEST, bad.to_string())
    }
}

/// Judges a request in the order of RFC 3261 §8.2. An ACK is never answered: drop one that is refused.
///
/// # Errors
/// The [`Rejection`] to answer with.
pub fn admit(request: &Request, accepts: &Acceptance) -> Result<(), Rejection> {
    well_formed(request)?;
    method(request, accepts)?;
    request_uri(request, accepts)?;
    required_extensions(request, accepts)?;
    content(request, accepts)?;
    acceptable_answer(request)
}

/// What becomes of received bytes as far as they alone decide it: what a user agent server that has no dialogs and
/// knows every user answers. `Ok` is a message to act on.
///
/// # Errors
/// The status to answer with, `None` for none.
pub fn verdict(parsed: &Result<Message, Malformed>, accepts: &Acceptance) -> Result<(), Option<StatusCode>> {
    match parsed {
        Ok(Message::Request(request)) => match admit(request, accepts) {
            Err(_) if request.method == Method::Ack => Err(None),
            other => other.map_err(|rejection| Some(rejection.status)),
        },
        Ok(Message::Response(_)) => Ok(()),
        Err(malformed) => Err(malformed.is_answerable().then(|| malformed.status())),
    }
}

/// Headers that parsing left raw but that must keep their grammar to be acted on.
fn well_formed(request: &Request) -> Result<(), Rejection> {
    let headers = &request.headers;
    for name in
        [header::MAX_FORWARDS, header::CONTENT_TYPE, header::EVENT, header::REFER_TO, header::REPLACES]
    {
        if headers.lines(name).count() > 1 {
            return Err(Rejection::new(StatusCode::BAD_REQUEST, format!("more than one {name}")));
        }
    }
    headers.max_forwards()?;
    headers.routes()?;
    headers.record_routes()?;
    match headers.contacts()? {
        Contacts::Star if request.method != Method::Register => {
            Err(Rejection::new(StatusCode::BAD_REQUEST, "only a REGISTER may have the Contact *"))
        }
        // §8.1.1.8: the remote target of the dialog is one URI.
        Contacts::List(contacts) if request.method == Method::Invite && contacts.len() > 1 => {
            Err(Rejection::new(StatusCode::BAD_REQUEST, "an INVITE with more than one Contact"))
        }
        Contacts::Star | Contacts::List(_) => Ok(()),
    }
}

/// §8.2.1, and §21.5.2 for a method nobody registered.
fn method(request: &Request, accepts: &Acceptance) -> Result<(), Rejection> {
    if accepts.methods.contains(&request.method) {
        return Ok(());
    }
    let known = model::is_registered(&request.method);
    let status = if known { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_IMPLEMENTED };
    Err(Rejection::new(status, format!("{} is not taken here", request.method))
        .with(header::ALLOW, accepts.allow()))
}

/// §8.2.2.1. A To of an unknown scheme is no reason to refuse.
fn request_uri(request: &Request, accepts: &Acceptance) -> Result<(), Rejection> {
    let scheme = request.uri.scheme();
    if !accepts.schemes.contains(&scheme) {
        return Err(Rejection::new(StatusCode::UNSUPPORTED_URI_SCHEME, format!("no {scheme} URIs")));
    }
    // §19.1.1: headers have no place in a Request-URI. RFC 4475 §3.1.2.11 lets us refuse or ignore them; nobody
    // who sends them can mean well.
    if request.uri.as_sip().is_some_and(|uri| !uri.headers.is_empty()) {
        return Err(Rejection::new(StatusCode::BAD_REQUEST, "headers in the Request-URI"));
    }
    Ok(())
}

/// §8.2.2.3: neither a CANCEL nor the ACK of a non-2xx can be refused for its Require.
fn required_extensions(request: &Request, accepts: &Acceptance) -> Result<(), Rejection> {
    if matches!(request.method, Method::Cancel | Method::Ack) {
        return Ok(());
    }
    let known = |tag: &&str| accepts.extensions.iter().any(|extension| extension.eq_ignore_ascii_case(tag));
    let required = request.headers.tokens(header::REQUIRE);
    let unknown: Vec<_> = required.into_iter().filter(|tag| !known(tag)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let unsupported = unknown.join(", ");
    let why = "a required extension is unknown";
    Err(Rejection::new(StatusCode::BAD_EXTENSION, why).with(header::UNSUPPORTED, unsupported))
}

/// §8.2.3. A body that may be ignored, and one of a request that ends something, is no reason to refuse.
fn content(request: &Request, accepts: &Acceptance) -> Result<(), Rejection> {
    let ends_something = matches!(request.method, Method::Bye | Method::Cancel | Method::Ack);
    if request.body.is_empty() || ends_something || is_optional_body(&request.headers) {
        return Ok(());
    }
    let encodings = request.headers.tokens(header::CONTENT_ENCODING);
    if encodings.iter().any(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let refusal = Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is encoded");
        return Err(refusal.with(header::ACCEPT_ENCODING, "identity"));
    }
    // §20.15: a body needs a type.
    let content_type = request.headers.content_type()?;
    let content_type =
        content_type.ok_or(BadValue { field: header::CONTENT_TYPE, why: "missing beside a body" })?;
    if accepts.content_types.contains(&content_type.media_type) {
        return Ok(());
    }
    let refusal =
        Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("no {}", content_type.media_type));
    Err(refusal.with(header::ACCEPT, accepts.accept()).with(header::ACCEPT_ENCODING, "identity"))
}

/// §21.4.7: an INVITE whose Accept leaves no room for a session description cannot be answered.
fn acceptable_answer(request: &Request) -> Result<(), Rejection> {
    if request.method != Method::Invite || !request.headers.has(header::ACCEPT) {
        return Ok(());
    }
    // §20.1: an empty Accept takes nothing.
    let ranges = request.headers.all(header::ACCEPT);
    let takes_sdp =
        |range: &[u8]| ContentType::parse(range).is_ok_and(|range| range.accepts(sdp::CONTENT_TYPE));
    if ranges.into_iter().any(takes_sdp) {
        return Ok(());
    }
    Err(Rejection::new(StatusCode::NOT_ACCEPTABLE, "Accept leaves out application/sdp"))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
