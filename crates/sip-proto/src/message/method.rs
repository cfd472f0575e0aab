//! Request methods.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::lex;
use super::value::BadValue;

/// A request method. Methods are case-sensitive: `invite` is an unknown method, not INVITE.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Method {
    /// RFC 3261.
    Invite,
    /// RFC 3261.
    Ack,
    /// RFC 3261.
    Bye,
    /// RFC 3261.
    Cancel,
    /// RFC 3261.
    Options,
    /// RFC 3261.
    Register,
    /// RFC 3515.
    Refer,
    /// RFC 6665.
    Notify,
    /// RFC 6086.
    Info,
    /// RFC 3311.
    Update,
    /// RFC 3262.
    Prack,
    /// RFC 6665.
    Subscribe,
    /// RFC 3428.
    Message,
    /// RFC 3903.
    Publish,
    /// A token that we know nothing about.
    Other(String),
}

/// All methods that have a name here.
const KNOWN: [Method; 14] = [
    Method::Invite,
    Method::Ack,
    Method::Bye,
    Method::Cancel,
    Method::Options,
    Method::Register,
    Method::Refer,
    Method::Notify,
    Method::Info,
    Method::Update,
    Method::Prack,
    Method::Subscribe,
    Method::Message,
    Method::Publish,
];

impl Method {
    /// Reads a method token.
    ///
    /// # Errors
    /// [`BadValue`] when it is not a token.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadValue> {
        let text = lex::token(bytes).ok_or(BadValue::new("method", "not a token"))?;
        let known = KNOWN.iter().find(|method| method.as_str() == text);
        Ok(known.cloned().unwrap_or_else(|| Method::Other(text.to_owned())))
    }

    /// The method as it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Options => "OPTIONS",
            Method::Register => "REGISTER",
            Method::Refer => "REFER",
            Method::Notify => "NOTIFY",
            Method::Info => "INFO",
            Method::Update => "UPDATE",
            Method::Prack => "PRACK",
            Method::Subscribe => "SUBSCRIBE",
            Method::Message => "MESSAGE",
            Method::Publish => "PUBLISH",
            Method::Other(name) => name,
        }
    }

    /// All methods that have a variant of their own.
    pub fn known() -> &'static [Method] {
        &KNOWN
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
