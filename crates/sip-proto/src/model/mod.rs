//! Where `rsip` stands: the registry of what SIP defines, as types, behind this one file.
//!
//! It gives two things: which methods and status codes exist, and their names (reason phrases are derived from
//! `rsip::StatusCode`, so they are not listed a second time here). Its parser and its serializer never see the wire: of the
//! torture messages it refuses most valid ones, and it cannot write an IPv6 URI or a binary body.
//! To leave `rsip`, replace the bodies of the functions below.

use crate::message::{Method, StatusCode};

/// The method as `rsip` knows it; `None` where the standard track has no such method.
pub fn to_rsip(method: &Method) -> Option<rsip::Method> {
    let found = rsip::Method::all().into_iter().find(|known| wire_name(*known) == method.as_str());
    found.filter(|_| !matches!(method, Method::Other(_)))
}

/// Our method for one of `rsip`.
pub fn from_rsip(method: rsip::Method) -> Method {
    let name = wire_name(method);
    let known = Method::known().iter().find(|known| known.as_str() == name);
    known.cloned().unwrap_or(Method::Other(name))
}

/// Whether a registered SIP method has this name. Unknown ones are answered 501, known but unused ones 405
/// (RFC 3261 §21.4.6, §21.5.2).
pub fn is_registered(method: &Method) -> bool {
    to_rsip(method).is_some()
}

/// The reason phrase of a status code. An unknown code is treated as the x00 of its class (RFC 3261 §8.1.3.2).
pub fn reason_phrase(status: StatusCode) -> String {
    let mut known = rsip::StatusCode::from(status.code());
    if matches!(known, rsip::StatusCode::Other(..)) {
        known = rsip::StatusCode::from(status.code() / 100 * 100);
    }
    let text = known.to_string();
    let name = text.split_once(' ').map_or("", |(_, name)| name);
    match name {
        // `rsip` has no slash in a Rust name, and no 200 class name but its own.
        "CallTransactionDoesNotExist" => "Call/Transaction Does Not Exist".to_owned(),
        "SessionIntervalTooSmall" => "Session Interval Too Small".to_owned(),
        "RequestUriTooLong" => "Request-URI Too Long".to_owned(),
        "UnsupportedUriScheme" => "Unsupported URI Scheme".to_owned(),
        "ServerTimeOut" => "Server Time-out".to_owned(),
        "NotAcceptableGlobal" => "Not Acceptable".to_owned(),
        name => words(name),
    }
}

fn wire_name(method: rsip::Method) -> String {
    method.to_string().to_ascii_uppercase()
}

/// `BusyHere` as `Busy Here`; an abbreviation such as `OK` stays whole.
fn words(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut previous_lower = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && previous_lower {
            out.push(' ');
        }
        previous_lower = letter.is_ascii_lowercase();
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_ours_is_one_of_rsip_and_comes_back() {
        for method in Method::known() {
            let theirs = to_rsip(method).unwrap_or_else(|| panic!("{method}"));

            assert_eq!(from_rsip(theirs), *method);
        }
        assert_eq!(to_rsip(&Method::Other("RE%47IST%45R".to_owned())), None);
    }

    #[test]
    fn reason_phrases_are_those_of_the_rfcs() {
        let phrase = |code| StatusCode::new(code).unwrap().reason();

        assert_eq!(phrase(100), "Trying");
        assert_eq!(phrase(200), "OK");
        assert_eq!(phrase(481), "Call/Transaction Does Not Exist");
        assert_eq!(phrase(486), "Busy Here");
        assert_eq!(phrase(488), "Not Acceptable Here");
        assert_eq!(phrase(503), "Service Unavailable");
        assert_eq!(phrase(505), "Version Not Supported");
    }

    #[test]
    fn an_unknown_code_has_the_phrase_of_its_class() {
        assert_eq!(StatusCode::new(499).unwrap().reason(), "Bad Request");
        assert_eq!(StatusCode::new(599).unwrap().reason(), "Server Internal Error");
    }
}
