//! Messages out of a byte stream (RFC 3261 §18.3, keep-alives of RFC 5626).

use crate::message::{Fault, Head, Limits, Malformed, Message, head_end};

/// Cuts a TCP or TLS stream into messages. What comes out does not depend on how the bytes came in.
///
/// Memory is bounded by the limits plus what one [`StreamFramer::push`] brings, as long as
/// [`StreamFramer::next`] is called until it has nothing more to give.
#[derive(Debug)]
pub struct StreamFramer {
    limits: Limits,
    buffer: Vec<u8>,
    /// Octets of the buffer that are done with.
    consumed: usize,
    /// Where the search for the end of the headers goes on, so that a slow sender costs no second look.
    searched: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    BetweenMessages,
    InHeaders {
        /// The first line is there and is SIP.
        is_sip: bool,
    },
    InBody {
        head: Box<Head>,
        length: usize,
    },
    /// The stream lost its frame; nothing more can be read from it.
    Lost,
}

/// What a stream carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framed {
    /// A message.
    Message(Box<Message>),
    /// Two line ends between messages: the peer wants one back (RFC 5626 §4.4.1).
    Ping,
}

/// What to send back for a [`Framed::Ping`].
pub const PONG: &[u8] = b"\r\n";

impl StreamFramer {
    /// A framer at the start of a stream.
    pub const fn new(limits: Limits) -> Self {
        StreamFramer { limits, buffer: Vec::new(), consumed: 0, searched: 0, state: State::BetweenMessages }
    }

    /// Takes what the socket gave.
    pub fn push(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Lost) {
            return;
        }
        if self.consumed > 0 {
            self.buffer.drain(..self.consumed);
            self.searched -= self.consumed.min(self.searched);
            self.consumed = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, ping or error; `None` when more bytes are needed. After an error with `must_close` the
    /// stream has lost its frame: answer, close, nothing more will come. After any other error it goes on.
    #[expect(clippy::should_implement_trait, reason = "more may come after None")]
    pub fn next(&mut self) -> Option<Result<Framed, Malformed>> {
        loop {
            match &self.state {
                State::BetweenMessages => {
                    if let Some(ping) = self.skip_line_ends()? {
                        return Some(Ok(ping));
                    }
                    self.state = State::InHeaders { is_sip: false };
                    self.searched = self.consumed;
                }
                State::InHeaders { is_sip } => {
                    if !is_sip && let Some(error) = self.read_first_line() {
                        return Some(Err(error));
                    }
                    if let Err(error) = self.read_head()? {
                        return Some(Err(error));
                    }
                }
                State::InBody { .. } => return self.read_body(),
                State::Lost => return None,
            }
        }
    }

    /// Whether a message has begun and not ended. A stream that rests here too long is closed (RFC 4475 §3.1.2.2).
    pub fn is_mid_message(&self) -> bool {
        match self.state {
            State::InHeaders { .. } | State::InBody { .. } => true,
            State::BetweenMessages | State::Lost => false,
        }
    }

    /// Whether the frame is lost and the connection must be closed.
    pub fn must_close(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.consumed..]
    }

    /// `Some(None)` when a message begins; `None` when it cannot be told yet.
    fn skip_line_ends(&mut self) -> Option<Option<Framed>> {
        loop {
            let rest = self.rest();
            if rest.starts_with(b"\r\n\r\n") {
                self.consumed += 4;
                return Some(Some(Framed::Ping));
            }
            if b"\r\n\r\n".starts_with(rest) {
                return None;
            }
            match rest.first() {
                Some(b'\r' | b'\n') => self.consumed += 1,
                Some(_) | None => return Some(None),
            }
        }
    }

    /// `Some(Ok)` when the headers are complete, `None` when more is needed.
    fn read_head(&mut self) -> Option<Result<(), Malformed>> {
        let limit = self.limits.header_bytes;
        let found = head_end(&self.buffer, self.searched).map(|end| end - self.consumed);
        let Some(length) = found.filter(|length| *length <= limit) else {
            let received = self.rest().len();
            if found.is_some() || received > limit {
                let head = Head::parse(&self.rest()[..limit], &self.limits);
                return Some(Err(self.lose(head.without_end(received.max(limit + 1), &self.limits))));
            }
            // The last three octets may be the beginning of the empty line.
            self.searched = self.buffer.len().saturating_sub(3).max(self.consumed);
            return None;
        };
        let head = Head::parse(&self.rest()[..length], &self.limits);
        self.consumed += length;
        let body = match head.body_length() {
            Ok(Some(body)) if body > self.limits.body_bytes => Err(Fault::TooLarge("the body")),
            Ok(Some(body)) => Ok(body),
            Ok(None) => Err(Fault::ContentLength("missing on a stream")),
            Err(fault) => Err(fault),
        };
        match body {
            Ok(length) => self.state = State::InBody { head: Box::new(head), length },
            Err(fault) => return Some(Err(self.lose(head.broken(fault, length)))),
        }
        Some(Ok(()))
    }

    /// What is not SIP need not be awaited to its end: a browser or a TLS hello on the wrong port.
    fn read_first_line(&mut self) -> Option<Malformed> {
        let limit = self.buffer.len().min(self.consumed + self.limits.header_bytes);
        let new = self.buffer.get(self.searched..limit)?;
        let end = self.searched + new.iter().position(|b| *b == b'\n')? + 1;
        let head = Head::parse(&self.buffer[self.consumed..end], &self.limits);
        if !head.is_sip() {
            return Some(self.lose(head.broken(Fault::NotSip, 0)));
        }
        self.state = State::InHeaders { is_sip: true };
        None
    }

    fn read_body(&mut self) -> Option<Result<Framed, Malformed>> {
        let State::InBody { length, .. } = &self.state else { return None };
        let length = *length;
        let body = self.rest().get(..length)?.to_vec();
        self.consumed += length;
        let State::InBody { head, .. } = std::mem::replace(&mut self.state, State::BetweenMessages) else {
            return None;
        };
        Some(head.into_message(body).map(|message| Framed::Message(Box::new(message))))
    }

    fn lose(&mut self, mut error: Malformed) -> Malformed {
        self.state = State::Lost;
        self.buffer = Vec::new();
        self.consumed = 0;
        self.searched = 0;
        error.must_close = true;
        error
    }
}
