//! The torture messages of RFC 4475 and RFC 5118 give what `sip-fixtures/EXPECTED.tsv` says, as far as the bytes
//! alone decide it. The running server answers the rest of the table elsewhere.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail like the test")]

mod message_support;

use std::collections::BTreeMap;
use std::path::Path;

use message_support::{fixture_folder, parse};
use offhook_sip_proto::framing::{Framed, StreamFramer};
use offhook_sip_proto::message::{Limits, Message};
use offhook_sip_proto::policy::{Acceptance, verdict};

struct Expected {
    path: String,
    parse: String,
    answers: Vec<String>,
    bytes: Vec<u8>,
}

#[test]
fn all_61_messages_are_accepted_or_refused_as_the_table_says() {
    let table = table();
    let mut wrong = BTreeMap::new();

    for expected in &table {
        let parsed = parse(&expected.bytes);
        let right = match expected.parse.as_str() {
            "ok" => parsed.is_ok(),
            "err" => parsed.is_err(),
            "either" => true,
            other => panic!("{}: unknown expectation {other}", expected.path),
        };
        if !right {
            wrong.insert(&expected.path, format!("{}, got {:?}", expected.parse, parsed.err()));
        }
    }

    assert_eq!(wrong, BTreeMap::new());
    assert_eq!(table.len(), 61);
}

#[test]
fn what_the_bytes_alone_decide_is_answered_as_the_table_says() {
    let mut wrong = BTreeMap::new();

    for expected in table() {
        let parsed = parse(&expected.bytes);
        let answer = match verdict(&parsed, &Acceptance::default()) {
            Err(Some(status)) => status.to_string(),
            Err(None) => "drop".to_owned(),
            // A response nobody waits for is dropped by the transaction layer.
            Ok(()) if matches!(parsed, Ok(Message::Response(_))) => "drop".to_owned(),
            // An admitted request is decided by whether its user or dialog exists.
            Ok(()) if expected.answers.iter().any(|a| decided_above(a)) => continue,
            Ok(()) => "admitted".to_owned(),
        };
        if !expected.answers.iter().any(|pattern| matches(pattern, &answer)) {
            wrong.insert(expected.path, format!("{answer}, wanted {:?}", expected.answers));
        }
    }

    assert_eq!(wrong, BTreeMap::new());
}

#[test]
fn refusals_that_have_one_right_code_get_it() {
    for (path, code) in [
        ("rfc4475/badvers.dat", 505),
        ("rfc4475/bext01.dat", 420),
        ("rfc4475/intmeth.dat", 501),
        ("rfc4475/esc02.dat", 501),
        ("rfc4475/invut.dat", 415),
        ("rfc4475/novelsc.dat", 416),
        ("rfc4475/unkscm.dat", 416),
        ("rfc4475/sdp01.dat", 406),
        ("rfc4475/multi01.dat", 400),
        ("rfc4475/quotbal.dat", 400),
        ("rfc5118/ipv6-bad.sip", 400),
        ("rfc5118/ipv6-good.sip", 405),
    ] {
        let parsed = parse(&read(path));

        let status = verdict(&parsed, &Acceptance::default()).unwrap_err().map(|status| status.code());

        assert_eq!(status, Some(code), "{path}");
    }
}

#[test]
fn every_refused_request_can_be_answered_to_its_source() {
    let source = "127.9.9.9:40000".parse().unwrap();

    for expected in table().iter().filter(|e| e.parse == "err" && e.answers != ["drop"]) {
        let malformed = parse(&expected.bytes).unwrap_err();

        let answer = malformed.answer(source).unwrap_or_else(|| panic!("{}: {malformed}", expected.path));

        let via = answer.headers.top_via().unwrap();
        assert_eq!(via.response_address().unwrap().ip().to_string(), "127.9.9.9", "{}", expected.path);
        assert_eq!(answer.status, 400, "{}", expected.path);
        assert_eq!(malformed.answer(source), Some(answer), "a retransmission gets the same answer");
    }
}

#[test]
fn what_was_accepted_is_written_and_read_back_unchanged() {
    for expected in table() {
        let Ok(message) = parse(&expected.bytes) else { continue };

        assert_eq!(parse(&message.to_bytes()), Ok(message), "{}", expected.path);
    }
}

#[test]
fn over_a_stream_every_split_point_gives_the_same() {
    for expected in table() {
        let whole = frames(&[&expected.bytes]);

        for at in 0..=expected.bytes.len() {
            let (first, second) = expected.bytes.split_at(at);
            assert_eq!(frames(&[first, second]), whole, "{} split at {at}", expected.path);
        }
        let single: Vec<_> = expected.bytes.chunks(1).collect();
        assert_eq!(frames(&single), whole, "{} byte by byte", expected.path);
    }
}

#[test]
fn over_a_stream_a_message_gives_the_same_as_over_udp_unless_its_length_is_the_matter() {
    // What only a stream refuses: no Content-Length. What it awaits: the rest of a body, an end of the headers.
    let only_udp = ["rfc4475/inv2543.dat", "rfc4475/clerr.dat", "rfc4475/baddn.dat"];

    for expected in table().iter().filter(|e| !only_udp.contains(&e.path.as_str())) {
        let first = frames(&[&expected.bytes]).into_iter().find(|frame| *frame != Ok(Framed::Ping));
        let first = first.unwrap_or_else(|| panic!("{}: nothing came", expected.path));

        match (first, parse(&expected.bytes)) {
            (Ok(Framed::Message(framed)), Ok(datagram)) => assert_eq!(*framed, datagram, "{}", expected.path),
            (Err(framed), Err(datagram)) => assert_eq!(framed.fault, datagram.fault, "{}", expected.path),
            (framed, datagram) => panic!("{}: {framed:?} and {datagram:?}", expected.path),
        }
    }
}

fn frames(chunks: &[&[u8]]) -> Vec<Result<Framed, offhook_sip_proto::message::Malformed>> {
    let mut framer = StreamFramer::new(Limits::default());
    let mut out = Vec::new();
    for chunk in chunks {
        framer.push(chunk);
        while let Some(frame) = framer.next() {
            out.push(frame);
        }
    }
    out
}

/// Answers that depend on users and dialogs, not on the message.
fn decided_above(pattern: &str) -> bool {
    ["200", "404", "480", "481", "486", "488", "603", r"1\d\d", r"2\d\d"].contains(&pattern)
}

/// One alternative of the table: digits, and `\d` for any.
fn matches(pattern: &str, answer: &str) -> bool {
    let pattern = pattern.replace(r"\d", "?");
    pattern.len() == answer.len() && pattern.chars().zip(answer.chars()).all(|(p, a)| p == '?' || p == a)
}

fn table() -> Vec<Expected> {
    let table = String::from_utf8(read("EXPECTED.tsv")).unwrap();
    let rows = table.lines().skip(1).map(|row| row.split('\t').collect::<Vec<_>>());
    rows.map(|row| Expected {
        path: row[0].to_owned(),
        parse: row[3].to_owned(),
        answers: row[4].split('|').map(str::to_owned).collect(),
        bytes: read(row[0]),
    })
    .collect()
}

fn read(path: &str) -> Vec<u8> {
    let path = Path::new(&fixture_folder()).join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
