//! What the valid torture messages mean, not only that they are accepted (RFC 4475 §3.1.1, RFC 5118 §4).

#![allow(clippy::unwrap_used, reason = "helpers of a test fail like the test")]

mod message_support;

use message_support::{fixture_folder, parse};
use offhook_sip_proto::message::{FieldValue, Message, Method, Request, Uri, header};
use offhook_sip_proto::policy::body_part;

fn message(path: &str) -> Message {
    parse(&std::fs::read(fixture_folder().join(path)).unwrap()).unwrap()
}

fn request(path: &str) -> Request {
    match message(path) {
        Message::Request(request) => request,
        Message::Response(_) => panic!("{path} is a response"),
    }
}

fn contacts(request: &Request) -> Vec<Uri> {
    request.headers.contacts().unwrap().addresses().iter().map(|contact| contact.uri.clone()).collect()
}

#[test]
fn white_space_folds_and_short_names_are_seen_through() {
    let invite = request("rfc4475/wsinv.dat");

    assert_eq!(invite.headers.to().unwrap().tag(), Some("1918181833n"));
    assert_eq!(&*invite.headers.from().unwrap().display_name(), br#"J Rosenberg \""#);
    assert_eq!(invite.headers.max_forwards().unwrap().unwrap().0, 68);
    assert_eq!(invite.headers.cseq().unwrap().number, 9);
    assert_eq!(
        invite.headers.get_str("NewFangledHeader"),
        Some("newfangled value continued newfangled value")
    );
    assert_eq!(invite.headers.get_str("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    let vias: Vec<_> =
        invite.headers.all("Via").iter().map(|via| String::from_utf8_lossy(via).into_owned()).collect();
    assert_eq!(vias.len(), 3);
    assert_eq!(invite.headers.top_via().unwrap().to_string(), "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw");
    let contact = invite.headers.contact().unwrap().unwrap();
    assert_eq!((contact.params.get("q"), contact.params.get("newparam")), (Some("0.33"), Some("newvalue")));
    assert!(invite.headers.routes().unwrap()[0].uri.is_loose_router());
    assert_eq!(invite.body.len(), 150);
}

#[test]
fn odd_methods_names_and_parameters_are_kept_as_they_are() {
    let odd = request("rfc4475/intmeth.dat");

    assert_eq!(odd.method, Method::Other("!interesting-Method0123456789_*+`.%indeed'~".to_owned()));
    assert_eq!(&*odd.headers.to().unwrap().display_name(), b"BEL:\x07 NUL:\0 DEL:\x7f");
    let from = odd.headers.from().unwrap();
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(from.params.get("fromParam''~+*_!.-%"), Some("работающий"));
    assert_eq!(odd.headers.call_id().unwrap().as_str(), r#"intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{"#);
}

#[test]
fn escapes_are_undone_once_and_only_where_they_mean_something() {
    let invite = request("rfc4475/esc01.dat");
    let not_register = request("rfc4475/esc02.dat");
    let zero = request("rfc4475/escnull.dat");

    assert_eq!(invite.uri.user().as_deref(), Some("sips:user@example.com"));
    assert_eq!(invite.headers.from().unwrap().uri.user().as_deref(), Some("I have spaces"));
    let contact = &contacts(&invite)[0];
    assert!(contact.equivalent(&"sip:caller@host5.example.net;lr;name=value%2541".parse().unwrap()));
    assert!(!contact.equivalent(&"sip:caller@host5.example.net;lr;name=valueA".parse().unwrap()));

    assert_eq!(not_register.method, Method::Other("RE%47IST%45R".to_owned()));
    assert_eq!(contacts(&not_register).len(), 2);
    assert_eq!(&*not_register.headers.to().unwrap().display_name(), b"%Z%45");

    let [one, two] = &contacts(&zero)[..] else { panic!("not two contacts") };
    assert!(!one.equivalent(two));
    assert_eq!((one.user().as_deref(), two.user().as_deref()), (Some("\0"), Some("\0\0")));
}

#[test]
fn the_user_part_may_hold_a_semicolon() {
    assert_eq!(request("rfc4475/semiuri.dat").uri.user().as_deref(), Some("user;par=u@example.net"));
}

#[test]
fn octets_after_the_message_are_no_second_message() {
    let register = request("rfc4475/dblreq.dat");

    assert_eq!((register.method, register.body.len()), (Method::Register, 0));
}

#[test]
fn a_multipart_body_keeps_its_binary_part() {
    let mpart = request("rfc4475/mpart01.dat");

    assert_eq!(mpart.body.len(), 553);
    assert_eq!(body_part(&mpart.headers, &mpart.body, "text/plain"), Some(&b"Hello"[..]));
    let binary = body_part(&mpart.headers, &mpart.body, "application/octet-stream").unwrap();
    assert_eq!(
        (binary.len(), &binary[..4]),
        (mpart_binary_length(&mpart.body), &[0x30, 0x82, 0x01, 0x52][..])
    );
}

/// Counted from the ends of the message: between its last empty line and the closing delimiter.
fn mpart_binary_length(body: &[u8]) -> usize {
    let start = body.windows(6).position(|w| w == b"\r\n\r\n\x30\x82").unwrap() + 4;
    let end = body.windows(20).rposition(|w| w == b"\r\n--7a9cbec02ceef655").unwrap();
    end - start
}

#[test]
fn all_34_vias_and_long_values_are_there() {
    let long = request("rfc4475/longreq.dat");

    assert_eq!(long.headers.all("Via").len(), 34);
    assert!(long.headers.from().unwrap().params.iter().count() == 3);
}

#[test]
fn reasons_may_be_empty_or_in_any_language() {
    let Message::Response(empty) = message("rfc4475/noreason.dat") else { panic!() };
    let Message::Response(russian) = message("rfc4475/unreason.dat") else { panic!() };

    assert_eq!((empty.status.code(), empty.reason.len()), (100, 0));
    assert_eq!(String::from_utf8(russian.reason).unwrap(), "= 2**3 * 5**2 но сто девяносто девять - простое");
}

#[test]
fn escaped_headers_of_a_contact_stay_data() {
    let register = request("rfc4475/regescrt.dat");

    let Uri::Sip(contact) = contacts(&register).remove(0) else { panic!() };
    assert_eq!(contact.unescaped_headers(), [("Route".to_owned(), b"<sip:sip.example.com>".to_vec())]);
    assert!(register.headers.get(header::ROUTE).is_none());
}

#[test]
fn ports_and_addresses_of_ipv6_are_told_apart() {
    let ambiguous = request("rfc5118/port-ambiguous.sip");
    let unambiguous = request("rfc5118/port-unambiguous.sip");
    let bug = request("rfc5118/ipv6-bug-abnf-3-colons.sip");
    let correct = request("rfc5118/ipv6-correct-abnf-2-colons.sip");

    assert_eq!(ambiguous.uri.port(), None);
    assert_eq!(ambiguous.uri.host().unwrap().to_string(), "[2001:db8::10:5070]");
    assert_eq!(unambiguous.uri.port(), Some(5070));
    assert!(bug.uri.equivalent(&correct.uri));
}

#[test]
fn what_is_received_is_read_with_and_without_brackets() {
    for path in ["rfc5118/via-received-param-with-delim.sip", "rfc5118/via-received-param-no-delim.sip"] {
        let via = request(path).headers.top_via().unwrap();

        assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()), "{path}");
        assert_eq!(via.to_value(), request(path).headers.get("Via").unwrap(), "{path}");
    }
}
