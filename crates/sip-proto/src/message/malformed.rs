//! What is wrong with bytes that are no message, and what can still be answered.

use std::net::SocketAddr;

use thiserror::Error;

use super::headers::Headers;
use super::method::Method;
use super::name::header;
use super::status::StatusCode;
use super::value::BadValue;
use super::{Response, Via};

/// Their bytes: not a SIP message, or not one we can use. Count it, answer it where [`Malformed::answer`] can, go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{fault} (byte {at})")]
pub struct Malformed {
    /// What is wrong.
    pub fault: Fault,
    /// Where: the offset of the offending line, or of the end where something is missing.
    pub at: usize,
    /// Whether a stream can no longer tell where the next message starts and must be closed after the answer.
    pub must_close: bool,
    /// What can still be read.
    pub salvage: Box<Salvage>,
}

/// The kinds of damage.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Nothing but line ends: a keep-alive, not an error of anybody.
    #[error("no message, only line ends")]
    Empty,
    /// Not SIP at all.
    #[error("not SIP")]
    NotSip,
    /// A request of another SIP version.
    #[error("another SIP version")]
    Version,
    /// The request or status line.
    #[error("bad start line: {0}")]
    StartLine(&'static str),
    /// A header line that is none.
    #[error("bad header line: {0}")]
    HeaderLine(&'static str),
    /// The headers never end.
    #[error("no empty line after the headers")]
    NoEnd,
    /// A limit is exceeded.
    #[error("too large: {0}")]
    TooLarge(&'static str),
    /// Content-Length is missing on a stream, repeated, or no number.
    #[error("bad Content-Length: {0}")]
    ContentLength(&'static str),
    /// The datagram ends before its body does.
    #[error("the body is shorter than its Content-Length")]
    BodyCutShort,
    /// A header that every message needs.
    #[error("no {0}")]
    Missing(&'static str),
    /// A header that may stand there once only.
    #[error("more than one {0}")]
    Repeated(&'static str),
    /// A header that every message needs does not keep its grammar.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// CSeq names another method than the request line.
    #[error("CSeq names another method than the request line")]
    MethodMismatch,
}

/// What could still be read of a broken message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvage {
    /// The method, where the first line looks like that of a request.
    pub method: Option<Method>,
    /// The header lines that could be read, raw.
    pub headers: Headers,
}

impl Malformed {
    /// The status that says what is wrong.
    pub fn status(&self) -> StatusCode {
        match &self.fault {
            Fault::Version => StatusCode::VERSION_NOT_SUPPORTED,
            Fault::TooLarge(_) => StatusCode::MESSAGE_TOO_LARGE,
            Fault::MethodMismatch
            | Fault::Empty
            | Fault::NotSip
            | Fault::StartLine(_)
            | Fault::HeaderLine(_)
            | Fault::NoEnd
            | Fault::ContentLength(_)
            | Fault::BodyCutShort
            | Fault::Missing(_)
            | Fault::Repeated(_)
            | Fault::Value(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// The stateless answer (RFC 3261 §8.2.7): the same for the same bytes. `None` for what is dropped: responses,
    /// ACKs, and requests that do not say where they came from. `source` is noted in the Via, see [`Via::stamp`].
    pub fn answer(&self, source: SocketAddr) -> Option<Response> {
        let method = self.salvage.method.as_ref()?;
        if *method == Method::Ack {
            return None;
        }
        let mut via = self.salvage.top_via()?;
        via.stamp(source);
        let mut response = Response::new(self.status());
        response.reason = format!("{} ({})", response.status.reason(), self.fault).into_bytes();
        let received = &self.salvage.headers;
        let mut vias = received.all(header::VIA).into_iter();
        vias.next();
        response.headers.push_value(header::VIA, &via);
        for further in vias.filter(|element| !element.is_empty()) {
            response.headers.push(header::VIA, further);
        }
        for name in [header::FROM, header::TO, header::CALL_ID, header::CSEQ] {
            if let Some(value) = received.get(name) {
                response.headers.push(name, value);
            }
        }
        self.salvage.add_to_tag(&mut response);
        Some(response)
    }

    /// Whether the fault can be told to whoever sent it.
    pub fn is_answerable(&self) -> bool {
        self.salvage.method.as_ref().is_some_and(|m| *m != Method::Ack) && self.salvage.top_via().is_some()
    }
}

impl Salvage {
    /// The topmost Via, read leniently.
    pub fn top_via(&self) -> Option<Via> {
        self.headers.top_via().ok().or_else(|| Via::salvage(self.headers.get(header::VIA)?))
    }

    /// A tag that is a function of the request, so that a retransmission gets the same one.
    fn add_to_tag(&self, response: &mut Response) {
        let Ok(mut to) = self.headers.to() else { return };
        if to.tag().is_none() {
            let parts = [header::VIA, header::CALL_ID, header::CSEQ, header::FROM];
            let bytes = parts.iter().filter_map(|name| self.headers.get(name)).flatten();
            // FNV-1a: equal for equal bytes on every machine; a stateless tag needs to be no secret.
            let hash = bytes
                .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
            to.set_tag(&format!("{hash:016x}"));
            response.headers.set_value(header::TO, &to);
        }
    }
}
