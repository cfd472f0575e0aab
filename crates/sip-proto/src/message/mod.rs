//! SIP messages: lossless parsing, typed headers, byte-exact writing.
//!
//! Start with [`Message::parse`]. A parsed message has one each of From, To, Call-ID and CSeq and at least one Via,
//! all of them readable; what else is in it is judged by [`policy`](crate::policy). Values stay raw bytes until
//! somebody asks for a type ([`Headers::first`], [`Headers::list`]).

mod escape;
mod events;
mod fields;
mod head;
mod headers;
mod host;
mod lex;
mod limits;
mod malformed;
mod method;
mod name;
mod name_addr;
mod params;
mod refer;
mod session;
mod status;
mod uri;
mod value;
mod via;

pub use events::{Event, Reason, SubscriptionState};
pub use fields::{CSeq, CallId, ContentType, MaxForwards};
pub(crate) use head::{Head, head_end, skip_line_ends};
pub use headers::Headers;
pub use host::Host;
pub use limits::Limits;
pub use malformed::{Fault, Malformed, Salvage};
pub use method::Method;
pub use name::header;
pub use name_addr::{Contacts, NameAddr};
pub use params::Params;
pub use refer::{ReferTo, Replaces};
pub use session::{MinSe, RAck, RSeq, Refresher, SessionExpires};
pub use status::StatusCode;
pub use uri::{OtherUri, SipUri, TelUri, Uri};
pub use value::{BadValue, FieldValue};
pub use via::{BRANCH_COOKIE, Via};

use serde::{Deserialize, Serialize};

/// A request or a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The Request-URI.
    pub uri: Uri,
    /// All headers but Content-Length, which is read into the body and written from it.
    pub headers: Headers,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// The reason phrase; UTF-8 by the grammar, kept as it came.
    pub reason: Vec<u8>,
    /// All headers but Content-Length, which is read into the body and written from it.
    pub headers: Headers,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl Message {
    /// Reads one datagram. Without Content-Length the body goes to the end; octets after it are ignored
    /// (RFC 3261 §18.3).
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong, where, and how to answer it.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, Malformed> {
        let bytes = skip_line_ends(bytes);
        let end = head_end(bytes, 0).filter(|end| *end <= limits.header_bytes);
        let head = Head::parse(&bytes[..end.unwrap_or(bytes.len().min(limits.header_bytes))], limits);
        let Some(end) = end else { return Err(head.without_end(bytes.len(), limits)) };
        let rest = &bytes[end..];
        let body = match head.body_length() {
            Ok(Some(length)) if length > limits.body_bytes => {
                return Err(head.broken(Fault::TooLarge("the body"), end));
            }
            Ok(Some(length)) => match rest.get(..length) {
                Some(body) => body,
                None => return Err(head.broken(Fault::BodyCutShort, bytes.len())),
            },
            Ok(None) if rest.len() > limits.body_bytes => {
                return Err(head.broken(Fault::TooLarge("the body"), end));
            }
            Ok(None) => rest,
            Err(fault) => return Err(head.broken(fault, end)),
        };
        head.into_message(body.to_vec())
    }

    /// The message as it goes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    /// The headers, to change them.
    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Message::Request(request) => &mut request.headers,
            Message::Response(response) => &mut response.headers,
        }
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        match self {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        }
    }
}

impl Request {
    /// A request without headers.
    pub const fn new(method: Method, uri: Uri) -> Self {
        Request { method, uri, headers: Headers::new(), body: Vec::new() }
    }

    /// A response to this request (RFC 3261 §8.2.6.2): Via, From, To, Call-ID and CSeq are copied byte for byte.
    /// `to_tag` is added to a To that has none; a 100 has none of ours. Record-Route, which only a response that makes
    /// a dialog carries (§12.1.1), is the caller's to copy.
    pub fn response(&self, status: StatusCode, to_tag: Option<&str>) -> Response {
        let mut response = Response::new(status);
        for name in [header::VIA, header::FROM, header::TO, header::CALL_ID, header::CSEQ] {
            for line in self.headers.lines(name) {
                response.headers.push(name, line);
            }
        }
        // §8.2.6.1: only a 100 carries the Timestamp back.
        if let (StatusCode::TRYING, Some(timestamp)) = (status, self.headers.get(header::TIMESTAMP)) {
            response.headers.push(header::TIMESTAMP, timestamp);
        }
        if let (Some(tag), Ok(mut to)) = (to_tag, self.headers.to())
            && to.tag().is_none()
        {
            to.set_tag(tag);
            response.headers.set_value(header::TO, &to);
        }
        response
    }

    /// Sets the body and its type.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Vec<u8>>) {
        self.headers.set(header::CONTENT_TYPE, content_type);
        self.body = body.into();
    }

    /// The request as it goes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.len());
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        self.uri.write(&mut out);
        out.extend_from_slice(b" SIP/2.0\r\n");
        write_rest(&mut out, &self.headers, &self.body);
        out
    }
}

impl Response {
    /// A response without headers, with the phrase that goes with its status.
    pub fn new(status: StatusCode) -> Self {
        Response { status, reason: status.reason().into_bytes(), headers: Headers::new(), body: Vec::new() }
    }

    /// Sets the body and its type.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Vec<u8>>) {
        self.headers.set(header::CONTENT_TYPE, content_type);
        self.body = body.into();
    }

    /// The response as it goes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.len());
        out.extend_from_slice(format!("SIP/2.0 {} ", self.status).as_bytes());
        let line_end = |b: &u8| matches!(b, b'\r' | b'\n');
        out.extend(self.reason.iter().copied().filter(|b| !line_end(b)));
        out.extend_from_slice(b"\r\n");
        write_rest(&mut out, &self.headers, &self.body);
        out
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Message::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Message::Response(response)
    }
}

fn write_rest(out: &mut Vec<u8>, headers: &Headers, body: &[u8]) {
    for (name, value) in headers.iter().filter(|(name, _)| *name != header::CONTENT_LENGTH) {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("{}: {}\r\n\r\n", header::CONTENT_LENGTH, body.len()).as_bytes());
    out.extend_from_slice(body);
}
