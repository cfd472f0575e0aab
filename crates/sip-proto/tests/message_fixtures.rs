//! Our own raw messages: the folder is the expectation, the file name says what is odd. Dropping a file in is all.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail like the test")]

mod message_support;

use std::path::PathBuf;

use message_support::{fixture_folder, parse};
use offhook_sip_proto::message::{Message, header};
use offhook_sip_proto::policy::{Acceptance, admit};

#[test]
fn every_valid_message_is_accepted_admitted_and_survives_writing() {
    let files = files("valid");

    for path in &files {
        let message = parse(&std::fs::read(path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));

        if let Message::Request(request) = &message {
            assert_eq!(admit(request, &Acceptance::default()), Ok(()), "{}", path.display());
        }
        assert_eq!(parse(&message.to_bytes()), Ok(message), "{}", path.display());
    }
    assert!(files.len() >= 10, "only {} files", files.len());
}

#[test]
fn every_invalid_message_is_refused_by_the_parser_or_the_policy() {
    let files = files("invalid");

    for path in &files {
        match parse(&std::fs::read(path).unwrap()) {
            Err(_) => {}
            Ok(Message::Request(request)) => {
                assert!(admit(&request, &Acceptance::default()).is_err(), "{} is accepted", path.display());
            }
            Ok(Message::Response(_)) => panic!("{} is accepted", path.display()),
        }
    }
    assert!(files.len() >= 10, "only {} files", files.len());
}

#[test]
fn a_gbk_display_name_comes_back_byte_for_byte() {
    let bytes = std::fs::read(fixture_folder().join("valid/display-name-in-gbk.sip")).unwrap();

    let message = parse(&bytes).unwrap();

    let name = message.headers().from().unwrap().display_name().into_owned();
    // 张诚 is D5 C5 B3 CF; the traditional 誠 that follows ends in a backslash.
    assert_eq!(name, b"\xd5\xc5\xb3\xcf\xd5\x5c");
    let line = message.headers().get(header::FROM).unwrap().to_vec();
    assert!(message.to_bytes().windows(line.len()).any(|window| window == line));
}

#[test]
fn a_binary_body_is_written_byte_for_byte() {
    let bytes = std::fs::read(fixture_folder().join("valid/body-with-binary-octets.sip")).unwrap();

    let message = parse(&bytes).unwrap();

    assert_eq!(message.body(), [0x00, 0xff, 0x0d, 0x0a, 0x0d, 0x0a, 0x80, 0x00]);
    assert!(message.to_bytes().ends_with(message.body()));
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(fixture_folder().join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sip"));
    files.sort();
    files
}
