//! Whatever bytes come: no panic, no loss, and the same result however a stream is cut.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail like the test")]

mod message_support;

use message_support::{fixture_folder, parse};
use offhook_sip_proto::framing::{Framed, StreamFramer};
use offhook_sip_proto::message::{Fault, FieldValue, Limits, Malformed, Message, NameAddr, Uri, Via};
use offhook_sip_proto::policy::{Acceptance, verdict};
use offhook_sip_proto::sdp::{LocalCapabilities, SessionDescription, answer, apply_answer, offer, reoffer};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_parsed_judged_and_answered_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        check(&bytes)?;
    }

    #[test]
    fn damaged_torture_messages_survive_too(
        which in 0_usize..200,
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0_u8..3), 1..8),
    ) {
        let corpus = corpus();
        let mut bytes = corpus[which % corpus.len()].clone();
        for (at, byte, kind) in damage {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => { bytes.remove(at); }
                _ => bytes.insert(at, byte),
            }
        }
        check(&bytes)?;
    }

    #[test]
    fn header_soup_survives_too(
        pieces in proptest::collection::vec(prop_oneof![
            Just("INVITE sip:a@b SIP/2.0\r\n"), Just("SIP/2.0 200 OK\r\n"), Just("\r\n"), Just("\n "), Just("\""), Just("<"),
            Just(">"), Just(","), Just(";"), Just("\\"), Just("Via: SIP/2.0/UDP a;branch=z9hG4bKx\r\n"), Just("Via: "),
            Just("From: <sip:a@b>;tag=1\r\n"), Just("To: sip:a@b\r\n"), Just("Call-ID: x\r\n"), Just("CSeq: 1 INVITE\r\n"),
            Just("Contact: "), Just("l: 3\r\n"), Just("abc"), Just("%"), Just("["), Just(":"), Just("\u{e9}"),
        ], 0..40),
    ) {
        check(pieces.concat().as_bytes())?;
    }

    #[test]
    fn typed_values_are_written_as_they_are_read(text in "[ -~]{0,60}") {
        if let Ok(uri) = text.parse::<Uri>() {
            prop_assert_eq!(uri.to_string().parse(), Ok(uri.clone()));
            prop_assert!(uri.equivalent(&uri));
        }
        if let Ok(address) = NameAddr::parse(text.as_bytes()) {
            prop_assert_eq!(NameAddr::parse(&address.to_value()), Ok(address));
        }
        if let Ok(via) = text.parse::<Via>() {
            prop_assert_eq!(via.to_string().parse(), Ok(via));
        }
    }

    #[test]
    fn any_session_description_is_written_as_it_is_read(
        lines in proptest::collection::vec("(v=0|s=x|t=0 0|[a-z]=[ -~]{0,20}|m=audio 4000 RTP/AVP 0 8 101|c=IN IP4 192.0.2.1|a=(sendonly|rtcp-mux|rtcp:1|ptime:9|rtpmap:101 telephone-event/8000)|m=audio [0-9]{1,5} RTP/AVP [0-9]{1,3}|c=IN IP[46] [0-9.:]{1,12}|a=rtpmap:[0-9]{1,3} [A-Z]{1,4}/8000)", 0..20),
    ) {
        let text = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n{}\r\n", lines.join("\r\n"));
        if let Ok(description) = SessionDescription::parse(text.as_bytes()) {
            // Lines that stood out of order are put into order once.
            let written = description.to_bytes();
            let again = SessionDescription::parse(&written).unwrap();
            prop_assert_eq!(again.to_bytes(), written);

            let local = LocalCapabilities::g711("192.0.2.100:20000".parse().unwrap(), 7);
            if let Ok((answered, stream)) = answer(&description, &local) {
                prop_assert_eq!(answered.media.len(), description.media.len());
                prop_assert_eq!(SessionDescription::parse(&answered.to_bytes()), Ok(answered.clone()));
                prop_assert!(answered.media[stream.media_index].payload_types().any(|pt| pt == stream.payload_type));
            }
            let _ = apply_answer(&offer(&local), &description, &local);
            let _ = reoffer(&description, &local);
        }
    }
}

/// Linear parsers take milliseconds for these; quadratic ones would not come back.
#[test]
fn a_megabyte_of_nasty_bytes_takes_no_more_than_linear_time() {
    let limits = Limits { header_bytes: 4 << 20, header_lines: 1 << 20, body_bytes: 4 << 20 };
    let start = "INVITE sip:a@b SIP/2.0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n";

    for nasty in [
        "\"", "\\", "<", ",", ";", ";a", "\r\n ", "\n\t", "%", "a:", "\u{e9}\"", "[", " ", "x: y\r\n", "<>",
        "\"\",",
    ] {
        for header in ["Via: SIP/2.0/UDP a", "Contact: ", "Via: SIP/2.0/UDP a;x=\"", "X: "] {
            let soup = nasty.repeat((1 << 20) / nasty.len());
            let bytes = format!("{start}Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\n{header}{soup}\r\n\r\n");
            let parsed = Message::parse(bytes.as_bytes(), &limits);
            let _ = verdict(&parsed, &Acceptance::default());
            let _ = parsed.map_err(|malformed| malformed.answer("192.0.2.1:5060".parse().unwrap()));
        }
        let _ = SessionDescription::parse(nasty.repeat((1 << 20) / nasty.len()).as_bytes());
    }
}

fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let parsed = parse(bytes);
    let _ = verdict(&parsed, &Acceptance::default());
    match &parsed {
        Ok(message) => {
            let written = message.to_bytes();
            let again = parse(&written);
            prop_assert_eq!(again.as_ref(), Ok(message));
        }
        Err(malformed) => {
            if let Some(answer) = malformed.answer("192.0.2.1:5060".parse().unwrap()) {
                let written = answer.to_bytes();
                let read = parse(&written);
                // An answer to a request that lacks From or To lacks them too.
                let known = matches!(
                    &read,
                    Ok(_) | Err(Malformed { fault: Fault::Missing(_) | Fault::Value(_), .. })
                );
                prop_assert!(known, "{:?}", read);
            }
        }
    }
    let whole = frames(bytes, bytes.len().max(1));
    prop_assert_eq!(&frames(bytes, 1), &whole);
    prop_assert_eq!(&frames(bytes, 7), &whole);
    let _ = SessionDescription::parse(bytes);
    Ok(())
}

fn frames(bytes: &[u8], chunk: usize) -> Vec<Result<Framed, Malformed>> {
    let limits = Limits { header_bytes: 512, ..Limits::default() };
    let mut framer = StreamFramer::new(limits);
    let mut out = Vec::new();
    for chunk in bytes.chunks(chunk) {
        framer.push(chunk);
        while let Some(frame) = framer.next() {
            out.push(frame);
        }
    }
    out
}

fn corpus() -> Vec<Vec<u8>> {
    let folders = ["rfc4475", "rfc5118", "valid", "invalid"].map(|folder| fixture_folder().join(folder));
    let mut paths: Vec<_> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}
