//! What of a SIP message nobody but its two ends shall read.
//!
//! A copy for Homer leaves the machine in the clear and before the call has handled the message, so it cannot be known
//! whether the bot is in a state that masks what is keyed. Therefore digits in the body of an INFO are always blanked, and
//! so are media keys and the answers to a digest challenge. The length stays: Content-Length and offsets are right.

use std::borrow::Cow;
use std::ops::Range;

/// What stands where something was.
const BLANK: u8 = b'x';

/// Headers whose value proves who somebody is.
const CREDENTIALS: [&[u8]; 2] = [b"Authorization", b"Proxy-Authorization"];

/// The message without its secrets.
pub(super) fn concealed(message: &[u8]) -> Cow<'_, [u8]> {
    let (head, body) = split(message);
    let mut blanks: Vec<Range<usize>> = Vec::new();
    for line in lines(message, head.clone()) {
        if header(&message[line.clone()]).is_some_and(|(name, _)| is_one_of(name, &CREDENTIALS)) {
            blanks.push(quoted(message, line, b"response"));
        }
    }
    let is_info = message.starts_with(b"INFO ");
    let keeps_digits = lines(message, head).any(|line| {
        header(&message[line]).is_some_and(|(name, value)| {
            is_one_of(name, &[b"Content-Type", b"c"])
                && value.to_ascii_lowercase().starts_with(b"application/dtmf")
        })
    });
    for line in lines(message, body) {
        let text = &message[line.clone()];
        if is_info && keeps_digits {
            // `Signal=5` of application/dtmf-relay; a bare `5` of application/dtmf. `Duration=160` may stay.
            match text.iter().position(|byte| *byte == b'=') {
                Some(equals) if text[..equals].trim_ascii().eq_ignore_ascii_case(b"Signal") => {
                    blanks.push(line.start + equals + 1..line.end);
                }
                Some(_) => {}
                None => blanks.push(line),
            }
        } else if text.starts_with(b"a=crypto:") {
            // RFC 4568 §9.1: the key follows `inline:`.
            let inline = text.windows(7).position(|window| window == b"inline:");
            blanks.extend(inline.map(|at| line.start + at + 7..line.end));
        }
    }
    if blanks.is_empty() {
        return Cow::Borrowed(message);
    }
    let mut copy = message.to_vec();
    for range in blanks {
        copy[range].iter_mut().filter(|byte| !byte.is_ascii_whitespace()).for_each(|byte| *byte = BLANK);
    }
    Cow::Owned(copy)
}

/// The value of the first header of these names, long or compact.
pub(super) fn value<'a>(message: &'a [u8], names: &[&[u8]]) -> Option<&'a [u8]> {
    let (head, _) = split(message);
    lines(message, head).find_map(|line| {
        let (name, value) = header(&message[line])?;
        is_one_of(name, names).then_some(value)
    })
}

/// Where head and body are; a message without an empty line is all head.
fn split(message: &[u8]) -> (Range<usize>, Range<usize>) {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n");
    let head = end.unwrap_or(message.len());
    (0..head, (head + 4).min(message.len())..message.len())
}

/// The lines of a part, without their ends.
fn lines(message: &[u8], part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut begin = part.start;
    message[part.clone()].split(|byte| *byte == b'\n').map(move |line| {
        let start = begin;
        begin += line.len() + 1;
        start..start + line.strip_suffix(b"\r").unwrap_or(line).len()
    })
}

fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
}

fn is_one_of(name: &[u8], names: &[&[u8]]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Where the value of `name="…"` stands in a line; nowhere where it is not there.
fn quoted(message: &[u8], line: Range<usize>, name: &[u8]) -> Range<usize> {
    let text = &message[line.clone()];
    let lead: Vec<u8> = [name, b"=\""].concat();
    let found = text.windows(lead.len()).enumerate().find(|(at, window)| {
        let begins_word = *at > 0 && !text[at - 1].is_ascii_alphanumeric();
        window.eq_ignore_ascii_case(&lead) && begins_word
    });
    let Some((at, _)) = found else { return line.start..line.start };
    let start = at + lead.len();
    let length = text[start..].iter().position(|byte| *byte == b'"').unwrap_or(text.len() - start);
    line.start + start..line.start + start + length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concealed_text(text: &str) -> String {
        let copy = concealed(text.as_bytes());
        assert_eq!(copy.len(), text.len(), "the length stays");
        String::from_utf8(copy.into_owned()).unwrap()
    }

    #[test]
    fn keys_in_an_info_are_blanked_and_the_rest_stays() {
        let relay = "INFO sip:a@b SIP/2.0\r\nc: application/dtmf-relay\r\nCall-ID: 5\r\n\r\nSignal= 5\r\nDuration=160\r\n";
        let plain = "INFO sip:a@b SIP/2.0\r\nContent-Type: Application/DTMF\r\n\r\n12";

        assert!(concealed_text(relay).ends_with("Call-ID: 5\r\n\r\nSignal= x\r\nDuration=160\r\n"));
        assert!(concealed_text(plain).ends_with("\r\n\r\nxx"));
    }

    #[test]
    fn media_keys_and_digest_answers_are_blanked() {
        let offer = "INVITE sip:a@b SIP/2.0\r\nAuthorization: Digest username=\"u\", cresponse=\"c\", response=\"0a1b\", \
                     uri=\"sip:b\"\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^31\r\na=ptime:20\r\n";

        let shown = concealed_text(offer);

        assert!(shown.contains("cresponse=\"c\", response=\"xxxx\", uri=\"sip:b\""), "{shown}");
        assert!(shown.contains("inline:xxxxxxxxxxxxx\r\na=ptime:20\r\n"), "{shown}");
    }

    #[test]
    fn a_message_without_secrets_is_not_copied() {
        for text in [
            "",
            "\r\n\r\n",
            "BYE sip:a SIP/2.0\r\n\r\n",
            "INFO sip:a SIP/2.0\r\nc: text/plain\r\n\r\nSignal=5",
        ] {
            assert!(matches!(concealed(text.as_bytes()), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn a_header_is_found_by_each_of_its_names_and_not_in_the_body() {
        let names: [&[u8]; 2] = [b"Call-ID", b"i"];

        assert_eq!(value(b"BYE a SIP/2.0\r\ni : q\r\n\r\n", &names), Some(&b"q"[..]));
        assert_eq!(value(b"BYE a SIP/2.0\r\nVia: z\r\n\r\nCall-ID: q\r\n", &names), None);
    }
}
