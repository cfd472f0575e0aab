//! Streams: several messages, keep-alives, and what loses the frame.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail like the test")]

use offhook_sip_proto::framing::{Framed, StreamFramer};
use offhook_sip_proto::message::{Fault, Limits, Malformed, Message};

const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
                       To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

fn read(bytes: &str, chunk: usize) -> (Vec<Result<Framed, Malformed>>, StreamFramer) {
    let limits = Limits { header_bytes: 1000, header_lines: 20, body_bytes: 100 };
    let mut framer = StreamFramer::new(limits);
    let mut out = Vec::new();
    for chunk in bytes.as_bytes().chunks(chunk) {
        framer.push(chunk);
        while let Some(frame) = framer.next() {
            out.push(frame);
        }
    }
    (out, framer)
}

fn messages(frames: &[Result<Framed, Malformed>]) -> usize {
    frames.iter().filter(|frame| matches!(frame, Ok(Framed::Message(_)))).count()
}

#[test]
fn messages_in_a_row_come_out_one_by_one_however_they_are_cut() {
    let two = OPTIONS.replace("Content-Length: 0\r\n\r\n", "Content-Length: 5\r\n\r\nhello") + OPTIONS;

    for chunk in 1..two.len() {
        let (frames, framer) = read(&two, chunk);

        assert_eq!((frames.len(), messages(&frames)), (2, 2), "chunks of {chunk}");
        assert!(!framer.is_mid_message());
    }
}

#[test]
fn two_line_ends_are_a_ping_and_one_is_nothing() {
    let bytes = format!("\r\n\r\n{OPTIONS}\r\n{OPTIONS}\r\n\r\n");

    for chunk in [1, 2, 3, 1000] {
        let (frames, _) = read(&bytes, chunk);

        let pings: Vec<_> = frames.iter().map(|frame| *frame == Ok(Framed::Ping)).collect();
        assert_eq!(pings, [true, false, false, true], "chunks of {chunk}");
    }
}

#[test]
fn a_fault_that_leaves_the_length_known_costs_one_message_only() {
    let bytes = OPTIONS.replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE") + OPTIONS;

    let (frames, framer) = read(&bytes, 10);

    let error = frames[0].as_ref().unwrap_err();
    assert_eq!((&error.fault, error.must_close), (&Fault::MethodMismatch, false));
    assert_eq!(messages(&frames[1..]), 1);
    assert!(!framer.must_close());
}

#[test]
fn a_lost_frame_ends_the_stream_with_an_answer_where_one_is_possible() {
    let length = "Content-Length: 0";
    for (bytes, fault) in [
        (OPTIONS.replace("Content-Length: 0\r\n", ""), Fault::ContentLength("missing on a stream")),
        (OPTIONS.replace(length, "Content-Length: -1"), Fault::ContentLength("not a number")),
        (OPTIONS.replace(length, "Content-Length: 0\r\nl: 0"), Fault::ContentLength("more than one")),
        (OPTIONS.replace(length, "Content-Length: 101"), Fault::TooLarge("the body")),
        (OPTIONS.replace(length, "Content-Length: 99999999999999999999999"), Fault::TooLarge("the body")),
        (OPTIONS.replace(length, &format!("X: {}", "x".repeat(1000))), Fault::TooLarge("the headers")),
    ] {
        for chunk in [1, 7, 10_000] {
            let (frames, mut framer) = read(&(bytes.clone() + OPTIONS), chunk);

            assert_eq!(frames.len(), 1, "{fault}");
            let error = frames[0].as_ref().unwrap_err();
            assert_eq!((&error.fault, error.must_close), (&fault, true));
            assert!(error.answer("127.0.0.1:5060".parse().unwrap()).is_some(), "{fault}");
            assert!(framer.must_close() && framer.next().is_none());
        }
    }
}

#[test]
fn what_is_not_sip_is_cut_off_at_its_first_line() {
    for bytes in ["GET / HTTP/1.1\r\nHost: x\r\n", "\u{16}\u{3}\u{1} hello\n", "hello\r\n"] {
        for chunk in [1, 1000] {
            let (frames, framer) = read(bytes, chunk);

            let error = frames[0].as_ref().unwrap_err();
            assert_eq!(error.fault, Fault::NotSip, "{bytes}");
            assert!(error.answer("127.0.0.1:5060".parse().unwrap()).is_none());
            assert!(framer.must_close());
        }
    }
}

#[test]
fn an_unfinished_message_is_waited_for_and_can_be_seen() {
    let (frames, framer) = read(&OPTIONS.replace("Content-Length: 0", "Content-Length: 5"), 1000);

    assert!(frames.is_empty());
    assert!(framer.is_mid_message());
}

#[test]
fn limits_hold_for_datagrams_too() {
    let limits = Limits { header_bytes: 1000, header_lines: 8, body_bytes: 4 };
    let with = |from: &str, to: &str| Message::parse(OPTIONS.replace(from, to).as_bytes(), &limits);

    assert!(with("", "").is_ok());
    let many = with("Call-ID", &("X: 1\r\n".repeat(9) + "Call-ID")).unwrap_err();
    let long = with("Call-ID", &format!("X: {}\r\nCall-ID", "x".repeat(1000))).unwrap_err();
    let body = with("Content-Length: 0\r\n\r\n", "Content-Length: 5\r\n\r\nhello").unwrap_err();
    let unmeasured = with("Content-Length: 0\r\n\r\n", "\r\nhello").unwrap_err();
    for error in [many, long, body, unmeasured] {
        assert!(matches!(error.fault, Fault::TooLarge(_)), "{error}");
        assert_eq!(error.status(), 513);
    }
}
