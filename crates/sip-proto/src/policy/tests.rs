use super::*;
use crate::message::Limits;

fn request(method: &str, uri: &str, extra: &str, body: &str) -> Request {
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP a.example.com;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 {method}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    match Message::parse(text.as_bytes(), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn refused(method: &str, uri: &str, extra: &str, body: &str) -> Rejection {
    admit(&request(method, uri, extra, body), &Acceptance::default()).unwrap_err()
}

#[test]
fn ordinary_requests_are_admitted() {
    let sdp = "Content-Type: application/sdp\r\nAccept: application/sdp, */*;q=0.1\r\n";
    for (method, uri, extra, body) in [
        ("INVITE", "sip:echo@127.0.0.1", sdp, "v=0\r\n"),
        ("INVITE", "tel:+4930123", "", ""),
        ("OPTIONS", "sip:127.0.0.1", "Max-Forwards: 0\r\n", ""),
        ("BYE", "sip:a@b", "Content-Type: odd/body\r\n", "why I hang up"),
        ("INVITE", "sip:a@b", "Content-Type: x/y\r\nContent-Disposition: icon;handling=optional\r\n", "z"),
        ("CANCEL", "sip:a@b", "Require: whatever\r\n", ""),
    ] {
        let judged = admit(&request(method, uri, extra, body), &Acceptance::default());

        assert_eq!(judged, Ok(()), "{method} {uri}");
    }
}

#[test]
fn each_refusal_says_what_would_have_been_taken() {
    let register = refused("REGISTER", "sip:a", "", "");
    let extension = refused("INVITE", "sip:a@b", "Require: foo, bar\r\n", "");
    let body = refused("INVITE", "sip:a@b", "Content-Type: text/html\r\n", "<p>");
    let encoding =
        refused("INVITE", "sip:a@b", "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", "x");

    assert_eq!(register.status, 405);
    assert!(register.headers.get_str("Allow").unwrap().starts_with("INVITE, ACK"));
    assert_eq!((extension.status.code(), extension.headers.get_str("Unsupported")), (420, Some("foo, bar")));
    assert_eq!(body.status, 415);
    assert!(body.headers.get_str("Accept").unwrap().contains("application/sdp"));
    assert_eq!(
        (encoding.status.code(), encoding.headers.get_str("Accept-Encoding")),
        (415, Some("identity"))
    );
}

#[test]
fn refusals_come_in_the_order_of_rfc_3261() {
    // Method before scheme, scheme before Require, Require before body.
    assert_eq!(refused("FOO", "isbn:1", "Require: x\r\n", "").status, 501);
    assert_eq!(refused("OPTIONS", "isbn:1", "Require: x\r\n", "").status, 416);
    assert_eq!(refused("INVITE", "sip:a@b", "Require: x\r\nContent-Type: a/b\r\n", "z").status, 420);
    assert_eq!(refused("INVITE", "sip:a@b", "Accept: text/plain\r\nContent-Type: a/b\r\n", "z").status, 415);
    assert_eq!(refused("INVITE", "sip:a@b", "Accept: text/plain\r\n", "").status, 406);
}

#[test]
fn headers_that_cannot_be_read_or_must_stand_once_are_bad_requests() {
    for extra in [
        "Max-Forwards: 256\r\n",
        "Max-Forwards: 70\r\nMax-Forwards: 5\r\n",
        "Contact: \"Joe\" <sip:joe@example.org>;;;;\r\n",
        "Contact: *\r\n",
        "Contact: <sip:a@b>, <sip:c@d>\r\n",
        "Record-Route: <sip:a@b\r\n",
    ] {
        assert_eq!(refused("INVITE", "sip:a@b", extra, "").status, 400, "{extra}");
    }
    assert_eq!(refused("INVITE", "sip:a@b", "", "a body without a type").status, 400);
    assert_eq!(refused("INVITE", "sip:a@b?Route=%3Csip:x%3E", "", "").status, 400);
}

#[test]
fn a_refusal_becomes_a_response_that_copies_the_request() {
    let request = request("REGISTER", "sip:a", "", "");

    let response = admit(&request, &Acceptance::default()).unwrap_err().response(&request, "ours");

    assert_eq!(response.status, 405);
    assert_eq!(response.headers.to().unwrap().tag(), Some("ours"));
    assert_eq!(response.headers.get("Via"), request.headers.get("Via"));
    assert!(response.headers.has("Allow"));
}

#[test]
fn a_sips_uri_is_not_answered_as_if_it_came_by_tls() {
    assert_eq!(refused("INVITE", "sips:echo@127.0.0.1", "", "").status, 416);
    assert_eq!(refused("OPTIONS", "SIPS:127.0.0.1", "", "").status, 416);
}

#[test]
fn what_no_call_can_do_is_neither_admitted_nor_named_in_allow() {
    for method in ["INFO", "UPDATE", "PRACK"] {
        let refusal = refused(method, "sip:a@b", "", "");

        assert_eq!(refusal.status, 405, "{method}");
        assert_eq!(refusal.headers.get_str("Allow"), Some("INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY"));
    }
    for extension in ["100rel", "timer", "replaces"] {
        let refusal = refused("INVITE", "sip:a@b", &format!("Require: {extension}\r\n"), "");

        assert_eq!(refusal.status, 420, "{extension}");
        assert_eq!(refusal.headers.get_str("Unsupported"), Some(extension));
    }
}
