//! The lexical ground rules of RFC 3261 §25 that every header shares: tokens, quoted strings, lists.
//!
//! All of it works on bytes: a quoted display name need not be UTF-8. Every function is one pass over its input.

use std::borrow::Cow;

/// White space inside a value; folding has been undone before.
pub(crate) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without leading and trailing white space.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| !is_lws(*b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !is_lws(*b)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// Without trailing white space.
pub(crate) fn trim_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| !is_lws(*b)).map_or(0, |last| last + 1);
    &bytes[..end]
}

/// The index of the first byte at or after `at` that is not white space.
pub(crate) fn skip_lws(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|b| !is_lws(*b)).map_or(bytes.len(), |skipped| at + skipped)
}

/// A character of `token` (RFC 3261 §25.1).
pub(crate) const fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// A non-empty `token`, as text.
pub(crate) fn token(bytes: &[u8]) -> Option<&str> {
    if bytes.is_empty() || !bytes.iter().all(|b| is_token_char(*b)) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// Decimal digits only. Saturates, so that a number of any length can be compared with a limit.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(bytes.iter().fold(0u64, |n, d| n.saturating_mul(10).saturating_add(u64::from(d - b'0'))))
}

/// Where the quoted string that opens at `start` ends (the index after its closing quote).
///
/// In GBK the second byte of a character may be a backslash, which is no escape there. So when the plain reading
/// finds no closing quote in a value that is not UTF-8, pairs are read as double-byte characters.
pub(crate) fn quoted_end(bytes: &[u8], start: usize) -> Option<usize> {
    let inside = bytes.get(start + 1..)?;
    let end = closing_quote(inside, false).or_else(|| {
        let double_byte = std::str::from_utf8(inside).is_err();
        double_byte.then(|| closing_quote(inside, true)).flatten()
    })?;
    Some(start + 1 + end + 1)
}

fn closing_quote(inside: &[u8], double_byte: bool) -> Option<usize> {
    let mut at = 0;
    while let Some(byte) = inside.get(at) {
        match byte {
            b'"' => return Some(at),
            b'\\' => at += 2,
            lead if double_byte && *lead >= 0x81 => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// The content of a quoted string, escapes undone; anything else as it is.
pub(crate) fn unquote(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.len() < 2 || bytes[0] != b'"' || bytes[bytes.len() - 1] != b'"' {
        return Cow::Borrowed(bytes);
    }
    let inside = &bytes[1..bytes.len() - 1];
    if !inside.contains(&b'\\') {
        return Cow::Borrowed(inside);
    }
    // Read with the same eyes as `quoted_end`.
    let double_byte = std::str::from_utf8(inside).is_err() && closing_quote(&bytes[1..], false).is_none();
    let mut out = Vec::with_capacity(inside.len());
    let mut at = 0;
    while at < inside.len() {
        if inside[at] == b'\\' && at + 1 < inside.len() {
            at += 1;
        } else if double_byte && inside[at] >= 0x81 && at + 1 < inside.len() {
            out.push(inside[at]);
            at += 1;
        }
        out.push(inside[at]);
        at += 1;
    }
    Cow::Owned(out)
}

/// `text` as a quoted string.
pub(crate) fn quote(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}

/// Splits at `separator` outside quoted strings and angle brackets; the parts are trimmed.
/// A quote or bracket that never closes takes the rest as one part, which its parser then refuses.
pub(crate) fn split_outside(bytes: &[u8], separator: u8) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => match quoted_end(bytes, at) {
                Some(end) => at = end,
                None => break,
            },
            b'<' => match bytes[at..].iter().position(|b| *b == b'>') {
                Some(length) => at += length + 1,
                None => break,
            },
            byte if byte == separator => {
                parts.push(trim(&bytes[start..at]));
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    parts.push(trim(&bytes[start..]));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_split_a_list() {
        let parts = split_outside(br#""A, B" <sip:a,b@c> , <sip:d>"#, b',');

        assert_eq!(parts, [&br#""A, B" <sip:a,b@c>"#[..], b"<sip:d>"]);
    }

    #[test]
    fn a_gbk_character_that_ends_in_a_backslash_does_not_swallow_the_quote() {
        let value = b"\"\xd5\x5c\" <sip:a@b>";

        assert_eq!(quoted_end(value, 0), Some(4));
        assert_eq!(&*unquote(&value[..4]), b"\xd5\x5c");
    }

    #[test]
    fn an_escaped_quote_after_an_utf8_letter_stays_escaped() {
        let value = "\"é\\\"\"".as_bytes();

        assert_eq!(quoted_end(value, 0), Some(value.len()));
        assert_eq!(&*unquote(value), "é\"".as_bytes());
    }

    #[test]
    fn numbers_of_any_length_saturate() {
        assert_eq!(number(b"36893488147419103232"), Some(u64::MAX));
        assert_eq!(number(b"-1"), None);
    }
}
