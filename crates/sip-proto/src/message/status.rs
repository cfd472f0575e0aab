//! Status codes of responses.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model;

/// A status code, 100 to 699.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StatusCode(u16);

macro_rules! codes {
    ($($name:ident = $code:literal),* $(,)?) => {
        impl StatusCode {
            $(
                #[doc = concat!("Status code ", stringify!($code), ".")]
                pub const $name: StatusCode = StatusCode($code);
            )*
        }
    };
}

codes! {
    TRYING = 100, RINGING = 180, SESSION_PROGRESS = 183, OK = 200, ACCEPTED = 202, MULTIPLE_CHOICES = 300,
    MOVED_PERMANENTLY = 301, MOVED_TEMPORARILY = 302, BAD_REQUEST = 400, UNAUTHORIZED = 401, FORBIDDEN = 403,
    NOT_FOUND = 404, METHOD_NOT_ALLOWED = 405, NOT_ACCEPTABLE = 406, PROXY_AUTHENTICATION_REQUIRED = 407,
    REQUEST_TIMEOUT = 408, REQUEST_ENTITY_TOO_LARGE = 413, UNSUPPORTED_MEDIA_TYPE = 415,
    UNSUPPORTED_URI_SCHEME = 416, BAD_EXTENSION = 420, EXTENSION_REQUIRED = 421, SESSION_INTERVAL_TOO_SMALL = 422,
    INTERVAL_TOO_BRIEF = 423, TEMPORARILY_UNAVAILABLE = 480, CALL_DOES_NOT_EXIST = 481, LOOP_DETECTED = 482,
    TOO_MANY_HOPS = 483, BUSY_HERE = 486, REQUEST_TERMINATED = 487, NOT_ACCEPTABLE_HERE = 488, BAD_EVENT = 489,
    REQUEST_PENDING = 491, SERVER_INTERNAL_ERROR = 500, NOT_IMPLEMENTED = 501, SERVICE_UNAVAILABLE = 503,
    SERVER_TIMEOUT = 504, VERSION_NOT_SUPPORTED = 505, MESSAGE_TOO_LARGE = 513, BUSY_EVERYWHERE = 600,
    DECLINE = 603,
}

impl StatusCode {
    /// A code from 100 to 699; `None` for any other number.
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 699 { Some(StatusCode(code)) } else { None }
    }

    /// The number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// 1xx.
    pub const fn is_provisional(self) -> bool {
        self.0 < 200
    }

    /// 2xx to 6xx.
    pub const fn is_final(self) -> bool {
        self.0 >= 200
    }

    /// 2xx.
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }

    /// 3xx to 6xx.
    pub const fn is_failure(self) -> bool {
        self.0 >= 300
    }

    /// The reason phrase that goes with the code.
    pub fn reason(self) -> String {
        model::reason_phrase(self)
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusCode({})", self.0)
    }
}

impl PartialEq<u16> for StatusCode {
    fn eq(&self, other: &u16) -> bool {
        self.0 == *other
    }
}
