//! The first line of a `message/sipfrag` body (RFC 3420).

use crate::message::StatusCode;

/// The status that a NOTIFY of a transfer reports. `None` where the body does not begin with a status line.
pub fn sipfrag_status(body: &[u8]) -> Option<StatusCode> {
    let text = body.trim_ascii_start();
    let line = text.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    if !words.next()?.eq_ignore_ascii_case(b"SIP/2.0") {
        return None;
    }
    let code = std::str::from_utf8(words.next()?).ok()?;
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    if is_code { code.parse().ok().and_then(StatusCode::new) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_line_counts_and_what_follows_does_not() {
        assert_eq!(sipfrag_status(b"SIP/2.0 180 Ringing\r\nTo: <sip:a@b>\r\n"), StatusCode::new(180));
        assert_eq!(sipfrag_status(b"\r\nSIP/2.0 603"), StatusCode::new(603));
    }

    #[test]
    fn anything_but_a_status_line_is_no_status() {
        for body in
            [&b""[..], b"INVITE sip:a SIP/2.0", b"SIP/2.0", b"SIP/2.0 2000 OK", b"SIP/2.0 099 x", b"200 OK"]
        {
            assert_eq!(sipfrag_status(body), None);
        }
    }
}
