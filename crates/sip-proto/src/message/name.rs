//! Header names: canonical spelling, compact forms, and which headers are lists.

use std::borrow::Cow;

macro_rules! header_names {
    ($($constant:ident = $name:literal),* $(,)?) => {
        /// Names of the headers that we use, spelled as in their RFCs.
        pub mod header {
            $(
                #[doc = concat!("`", $name, "`")]
                pub const $constant: &str = $name;
            )*
        }

        const KNOWN: &[&str] = &[$($name),*];
    };
}

header_names! {
    ACCEPT = "Accept", ACCEPT_ENCODING = "Accept-Encoding", ACCEPT_LANGUAGE = "Accept-Language", ALLOW = "Allow",
    ALLOW_EVENTS = "Allow-Events", AUTHENTICATION_INFO = "Authentication-Info", AUTHORIZATION = "Authorization",
    CALL_ID = "Call-ID", CALL_INFO = "Call-Info", CONTACT = "Contact", CONTENT_DISPOSITION = "Content-Disposition",
    CONTENT_ENCODING = "Content-Encoding", CONTENT_LANGUAGE = "Content-Language",
    CONTENT_LENGTH = "Content-Length", CONTENT_TYPE = "Content-Type", CSEQ = "CSeq", DATE = "Date",
    DIVERSION = "Diversion", EVENT = "Event", EXPIRES = "Expires", FROM = "From", HISTORY_INFO = "History-Info",
    IDENTITY = "Identity", IN_REPLY_TO = "In-Reply-To", MAX_FORWARDS = "Max-Forwards", MIN_EXPIRES = "Min-Expires",
    MIN_SE = "Min-SE", ORGANIZATION = "Organization", P_ASSERTED_IDENTITY = "P-Asserted-Identity",
    P_PREFERRED_IDENTITY = "P-Preferred-Identity", PATH = "Path", PRIORITY = "Priority", PRIVACY = "Privacy",
    PROXY_AUTHENTICATE = "Proxy-Authenticate", PROXY_AUTHORIZATION = "Proxy-Authorization",
    PROXY_REQUIRE = "Proxy-Require", RACK = "RAck", REASON = "Reason", RECORD_ROUTE = "Record-Route",
    REFER_SUB = "Refer-Sub", REFER_TO = "Refer-To", REFERRED_BY = "Referred-By", REPLACES = "Replaces",
    REQUEST_DISPOSITION = "Request-Disposition", REQUIRE = "Require", RETRY_AFTER = "Retry-After", ROUTE = "Route",
    RSEQ = "RSeq", SERVER = "Server", SERVICE_ROUTE = "Service-Route", SESSION_EXPIRES = "Session-Expires",
    SESSION_ID = "Session-ID", SUBJECT = "Subject", SUBSCRIPTION_STATE = "Subscription-State",
    SUPPORTED = "Supported", TIMESTAMP = "Timestamp", TO = "To", UNSUPPORTED = "Unsupported",
    USER_AGENT = "User-Agent", USER_TO_USER = "User-to-User", VIA = "Via", WARNING = "Warning",
    WWW_AUTHENTICATE = "WWW-Authenticate",
}

/// Compact forms (IANA SIP header registry).
const COMPACT: [(u8, &str); 18] = [
    (b'a', "Accept-Contact"),
    (b'b', header::REFERRED_BY),
    (b'c', header::CONTENT_TYPE),
    (b'd', header::REQUEST_DISPOSITION),
    (b'e', header::CONTENT_ENCODING),
    (b'f', header::FROM),
    (b'i', header::CALL_ID),
    (b'j', "Reject-Contact"),
    (b'k', header::SUPPORTED),
    (b'l', header::CONTENT_LENGTH),
    (b'm', header::CONTACT),
    (b'o', header::EVENT),
    (b'r', header::REFER_TO),
    (b's', header::SUBJECT),
    (b't', header::TO),
    (b'u', header::ALLOW_EVENTS),
    (b'v', header::VIA),
    (b'x', header::SESSION_EXPIRES),
];

/// Headers whose grammar is a comma-separated list. All others are taken whole: a comma in a Date or in a
/// challenge does not separate anything.
const LISTS: [&str; 28] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::ALLOW,
    header::ALLOW_EVENTS,
    header::CALL_INFO,
    header::CONTACT,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::DIVERSION,
    header::HISTORY_INFO,
    header::IN_REPLY_TO,
    header::P_ASSERTED_IDENTITY,
    header::P_PREFERRED_IDENTITY,
    header::PATH,
    header::PROXY_REQUIRE,
    header::REASON,
    header::RECORD_ROUTE,
    header::REQUEST_DISPOSITION,
    header::REQUIRE,
    header::ROUTE,
    header::SERVICE_ROUTE,
    header::SUPPORTED,
    header::UNSUPPORTED,
    header::USER_TO_USER,
    header::VIA,
    header::WARNING,
    "Accept-Contact",
];

/// The canonical spelling of a known name or compact form; any other name as it was written.
pub(crate) fn canonical(name: &str) -> Cow<'static, str> {
    match known(name) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(name.to_owned()),
    }
}

/// What to compare `name` with: compact forms are spelled out.
pub(crate) fn expand(name: &str) -> &str {
    match name.as_bytes() {
        [letter] => compact(*letter).unwrap_or(name),
        _ => name,
    }
}

/// Whether a comma separates elements of this header.
pub(crate) fn is_list(name: &str) -> bool {
    LISTS.iter().any(|list| list.eq_ignore_ascii_case(name))
}

fn known(name: &str) -> Option<&'static str> {
    if let [letter] = name.as_bytes() {
        return compact(*letter);
    }
    KNOWN.iter().copied().find(|known| known.eq_ignore_ascii_case(name))
}

fn compact(letter: u8) -> Option<&'static str> {
    let letter = letter.to_ascii_lowercase();
    COMPACT.iter().find(|(short, _)| *short == letter).map(|(_, name)| *name)
}
