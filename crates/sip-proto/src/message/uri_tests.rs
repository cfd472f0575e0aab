use super::*;

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn what_is_read_is_written_back() {
    for text in [
        "sip:alice@example.com",
        "sips:alice:secret@example.com:5061;transport=tcp;lr?Subject=hi&Priority=urgent",
        "sip:[2001:db8::10]:5070",
        "sip:user;par=u%40example.net@example.com",
        "sip:%00%00@host5.example.com",
        "tel:+1-201-555-0123;phone-context=example.com",
        "nobodyKnowsThisScheme:totallyopaquecontent",
        "soap.beep://192.0.2.103:3002",
    ] {
        assert_eq!(uri(text).to_string(), text);
    }
}

#[test]
fn the_user_part_may_hold_every_odd_character_of_the_grammar() {
    let odd = "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com";

    let Uri::Sip(parsed) = uri(odd) else { panic!("not a sip URI") };

    assert_eq!(parsed.user.as_deref(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(parsed.password.as_deref(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    assert_eq!(parsed.to_string(), odd);
}

#[test]
fn the_user_is_unescaped_once_and_zero_bytes_do_not_cut_it() {
    assert_eq!(
        uri("sip:sips%3Auser%40example.com@example.net").user().as_deref(),
        Some("sips:user@example.com")
    );
    assert_eq!(uri("sip:null-%00-null@example.com").user().as_deref(), Some("null-\0-null"));
    assert_eq!(uri("tel:+49-(30).123").user().as_deref(), Some("+4930123"));
}

#[test]
fn what_is_no_uri_is_refused() {
    for text in [
        "",
        "alice@example.com",
        "<sip:a@b>",
        "sip:",
        "sip:@example.com",
        "sip:a@b c",
        "sip:2001:db8::10",
        "sip:[2001:db8::zz]",
        "sip:a@b:99999",
        "sip:a@b:",
        "sip:a@b:+5060",
        "tel:",
        "tel:alice",
        "1x:y",
    ] {
        assert!(text.parse::<Uri>().is_err(), "{text}");
    }
}

#[test]
fn equivalence_follows_the_examples_of_rfc_3261() {
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
    ] {
        assert!(uri(a).equivalent(&uri(b)), "{a} = {b}");
        assert!(uri(b).equivalent(&uri(a)), "{b} = {a}");
    }
}

#[test]
fn what_differs_by_rfc_3261_is_not_equivalent() {
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a%3bb@c", "sip:a;b@c"),
    ] {
        assert!(!uri(a).equivalent(&uri(b)), "{a} = {b}");
    }
}

#[test]
fn bare_bytes_beyond_ascii_become_escapes() {
    assert_eq!(uri("sip:münchen@example.com").to_string(), "sip:m%C3%BCnchen@example.com");
}

#[test]
fn a_builder_escapes_what_must_not_stand_bare() {
    let built = Uri::sip(
        Some("a b@c"),
        Host::parse("::1").unwrap_or(Host::V6(std::net::Ipv6Addr::LOCALHOST)),
        Some(5060),
    );

    assert_eq!(built.to_string(), "sip:a%20b%40c@[::1]:5060");
}
