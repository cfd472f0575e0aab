//! The start line and the headers: everything before the body, read once, with what went wrong kept beside it.

use super::lex;
use super::{
    BadValue, CSeq, CallId, Fault, FieldValue, Headers, Limits, Malformed, Message, Method, NameAddr,
    Request, Response, Salvage, StatusCode, Uri, Via, header,
};

/// A start line and headers. Faults do not stop the reading: a broken request must still be answered.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    start: StartLine,
    headers: Headers,
    /// The first header line that is none.
    broken_line: Option<(Fault, usize)>,
    length: usize,
}

#[derive(Debug, Clone)]
enum StartLine {
    Request {
        method: Method,
        uri: Uri,
    },
    Response {
        status: StatusCode,
        reason: Vec<u8>,
    },
    /// The method, where the line is that of a request.
    Broken {
        fault: Fault,
        method: Option<Method>,
    },
}

/// `bytes` without leading line ends, which are to be ignored (RFC 3261 §7.5).
pub(crate) fn skip_line_ends(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(bytes.len());
    &bytes[start..]
}

/// Where the headers end: after the first empty line. The search begins at the line that holds `from`.
/// A lone LF ends a line too, as in much deployed software.
pub(crate) fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(length) = bytes[at..].iter().position(|b| *b == b'\n') {
        let line_end = at + length;
        let after = &bytes[line_end + 1..];
        if after.starts_with(b"\r\n") {
            return Some(line_end + 3);
        }
        if after.starts_with(b"\n") {
            return Some(line_end + 2);
        }
        at = line_end + 1;
    }
    None
}

impl Head {
    /// Reads `bytes`, which end with the empty line.
    pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Self {
        let mut lines = Lines { bytes, at: 0 };
        let start = match lines.next() {
            Some((line, _)) => StartLine::parse(line),
            None => StartLine::Broken { fault: Fault::Empty, method: None },
        };
        let mut head = Head { start, headers: Headers::new(), broken_line: None, length: bytes.len() };
        head.read_headers(lines, limits);
        head
    }

    /// The length of the body by Content-Length.
    pub(crate) fn body_length(&self) -> Result<Option<usize>, Fault> {
        let mut lines = self.headers.lines(header::CONTENT_LENGTH);
        let Some(value) = lines.next() else { return Ok(None) };
        if lines.next().is_some() {
            return Err(Fault::ContentLength("more than one"));
        }
        let length = lex::number(value).ok_or(Fault::ContentLength("not a number"))?;
        Ok(Some(usize::try_from(length).unwrap_or(usize::MAX)))
    }

    /// Whether the first line is SIP of any kind, so that the rest may be trusted to frame a stream.
    pub(crate) fn is_sip(&self) -> bool {
        !matches!(self.start, StartLine::Broken { fault: Fault::NotSip | Fault::Empty, .. })
    }

    /// The message, or the first thing that is wrong with it.
    pub(crate) fn into_message(self, body: Vec<u8>) -> Result<Message, Malformed> {
        if let Some((fault, at)) = self.first_fault() {
            return Err(self.broken(fault, at));
        }
        let mut headers = self.headers;
        headers.remove(header::CONTENT_LENGTH);
        match self.start {
            StartLine::Request { method, uri } => Ok(Request { method, uri, headers, body }.into()),
            StartLine::Response { status, reason } => Ok(Response { status, reason, headers, body }.into()),
            // The first fault was that one.
            StartLine::Broken { fault, method } => {
                let salvage = Box::new(Salvage { method, headers });
                Err(Malformed { fault, at: 0, must_close: false, salvage })
            }
        }
    }

    /// The error for a head that is cut off, by its sender or by the limit.
    pub(crate) fn without_end(self, received: usize, limits: &Limits) -> Malformed {
        let fault = match &self.start {
            StartLine::Broken { fault: fault @ (Fault::Empty | Fault::NotSip), .. } => fault.clone(),
            StartLine::Broken { .. } | StartLine::Request { .. } | StartLine::Response { .. } => {
                if received > limits.header_bytes { Fault::TooLarge("the headers") } else { Fault::NoEnd }
            }
        };
        self.broken(fault, received.min(limits.header_bytes))
    }

    /// The error with what can still be read. A wrong version is named before anything else: the rest may follow
    /// rules we do not know.
    pub(crate) fn broken(self, fault: Fault, at: usize) -> Malformed {
        let (fault, method) = match self.start {
            StartLine::Request { method, .. } => (fault, Some(method)),
            StartLine::Response { .. } => (fault, None),
            StartLine::Broken { fault: Fault::Version, method } => (Fault::Version, method),
            StartLine::Broken { method, .. } => (fault, method),
        };
        let salvage = Box::new(Salvage { method, headers: self.headers });
        Malformed { fault, at, must_close: false, salvage }
    }

    fn read_headers(&mut self, lines: Lines<'_>, limits: &Limits) {
        for (line, at) in lines {
            if line.is_empty() {
                break;
            }
            let fault = if self.headers.len() == limits.header_lines {
                Some(Fault::TooLarge("the number of headers"))
            } else {
                self.read_header(&line).err()
            };
            if let (Some(fault), None) = (fault, &self.broken_line) {
                self.broken_line = Some((fault, at));
            }
        }
    }

    fn read_header(&mut self, line: &[u8]) -> Result<(), Fault> {
        // Whoever takes it for a line end reads other headers than we do.
        if line.contains(&b'\r') {
            return Err(Fault::HeaderLine("a lone carriage return"));
        }
        let colon = line.iter().position(|b| *b == b':').ok_or(Fault::HeaderLine("no colon"))?;
        let name =
            lex::token(lex::trim(&line[..colon])).ok_or(Fault::HeaderLine("the name is not a token"))?;
        self.headers.push(name, lex::trim(&line[colon + 1..]));
        Ok(())
    }

    fn first_fault(&self) -> Option<(Fault, usize)> {
        if let StartLine::Broken { fault, .. } = &self.start {
            return Some((fault.clone(), 0));
        }
        if let Some(broken) = &self.broken_line {
            return Some(broken.clone());
        }
        self.essentials().err().map(|fault| (fault, self.length))
    }

    /// The headers without which no message can be matched to anything.
    fn essentials(&self) -> Result<(), Fault> {
        self.exactly_one(header::FROM, NameAddr::parse)?;
        self.exactly_one(header::TO, NameAddr::parse)?;
        self.exactly_one(header::CALL_ID, CallId::parse)?;
        let cseq = self.exactly_one(header::CSEQ, CSeq::parse)?;
        let vias: Vec<Via> = self.headers.list(header::VIA)?;
        if vias.is_empty() {
            return Err(Fault::Missing(header::VIA));
        }
        match &self.start {
            StartLine::Request { method, .. } if *method != cseq.method => Err(Fault::MethodMismatch),
            StartLine::Request { .. } | StartLine::Response { .. } | StartLine::Broken { .. } => Ok(()),
        }
    }

    fn exactly_one<T>(
        &self,
        name: &'static str,
        parse: fn(&[u8]) -> Result<T, BadValue>,
    ) -> Result<T, Fault> {
        let mut lines = self.headers.lines(name);
        let value = lines.next().ok_or(Fault::Missing(name))?;
        if lines.next().is_some() {
            return Err(Fault::Repeated(name));
        }
        // The grammar's own words name a part ("host"); the header says where to look.
        parse(value).map_err(|bad| Fault::Value(BadValue::new(name, bad.why)))
    }
}

impl StartLine {
    fn parse(line: Vec<u8>) -> Self {
        let line = lex::trim(&line);
        let broken = |fault, method| StartLine::Broken { fault, method };
        if line.contains(&b'\r') {
            return broken(Fault::StartLine("a lone carriage return"), None);
        }
        let is_response = line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"));
        if is_response {
            return Self::response(line).unwrap_or_else(|fault| StartLine::Broken { fault, method: None });
        }
        let (Some(first), Some(last)) =
            (line.iter().position(|b| lex::is_lws(*b)), line.iter().rposition(|b| lex::is_lws(*b)))
        else {
            return broken(Fault::NotSip, None);
        };
        let version = &line[last + 1..];
        if !version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
            return broken(Fault::NotSip, None);
        }
        let Ok(method) = Method::parse(&line[..first]) else {
            return broken(Fault::StartLine("the method is not a token"), None);
        };
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            return broken(Fault::Version, Some(method));
        }
        match Uri::parse(lex::trim(&line[first..last])) {
            Ok(uri) => StartLine::Request { method, uri },
            Err(bad) => broken(Fault::StartLine(bad.why), Some(method)),
        }
    }

    fn response(line: &[u8]) -> Result<Self, Fault> {
        let mut parts = line.splitn(3, |b| lex::is_lws(*b));
        let version = parts.next().unwrap_or_default();
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            return Err(Fault::Version);
        }
        let code = parts.next().unwrap_or_default();
        let status = lex::number(code).filter(|_| code.len() == 3).and_then(|n| StatusCode::new(n as u16));
        let status = status.ok_or(Fault::StartLine("no status code from 100 to 699"))?;
        Ok(StartLine::Response { status, reason: parts.next().unwrap_or_default().to_vec() })
    }
}

/// Logical lines (continuations unfolded) and where they begin.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Lines<'_> {
    fn physical(&mut self) -> &[u8] {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |end| end + 1);
        self.at += length;
        let line = &rest[..length];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}

impl Iterator for Lines<'_> {
    type Item = (Vec<u8>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let start = self.at;
        let mut line = self.physical().to_vec();
        // RFC 3261 §7.3.1: a line that starts with white space continues the one before; the fold is one space.
        while !line.is_empty() && self.bytes.get(self.at).is_some_and(|b| lex::is_lws(*b)) {
            let continuation = lex::trim(self.physical()).to_vec();
            line.truncate(lex::trim_end(&line).len());
            line.push(b' ');
            line.extend_from_slice(&continuation);
        }
        Some((line, start))
    }
}
