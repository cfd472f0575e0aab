//! `%XX` escapes of URIs (RFC 3261 §19.1.2).

/// Undoes escapes exactly once: `%2541` becomes `%41`, not `A`. A percent sign without two hex digits stands for itself.
pub(crate) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match escaped(text, at) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

/// Escapes every byte that is neither unreserved nor accepted by `legal`.
pub(crate) fn escape(bytes: &[u8], legal: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if is_unreserved(*byte) || legal(*byte) {
            out.push(char::from(*byte));
        } else {
            push_escape(&mut out, *byte);
        }
    }
    out
}

/// One spelling for all equivalent ones: escapes of unreserved characters undone, the others in upper case.
/// An escaped reserved character stays different from the bare one (RFC 3261 §19.1.4).
pub(crate) fn normalise(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match escaped(bytes, at) {
            Some(decoded) if is_unreserved(decoded) => out.push(char::from(decoded)),
            Some(decoded) => push_escape(&mut out, decoded),
            None if byte.is_ascii() => out.push(char::from(*byte)),
            None => push_escape(&mut out, *byte),
        }
        at += if escaped(bytes, at).is_some() { 3 } else { 1 };
    }
    out
}

/// `unreserved` of RFC 3261 §25.1.
pub(crate) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

/// What may stand bare in the user part besides the unreserved characters.
pub(crate) const fn is_user_char(byte: u8) -> bool {
    matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/')
}

fn escaped(text: &[u8], at: usize) -> Option<u8> {
    if text.get(at) != Some(&b'%') {
        return None;
    }
    let high = char::from(*text.get(at + 1)?).to_digit(16)?;
    let low = char::from(*text.get(at + 2)?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

fn push_escape(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_exactly_once() {
        assert_eq!(unescape(b"v%61lue%25%34%31"), b"value%41");
        assert_eq!(unescape(b"null-%00-null"), b"null-\0-null");
        assert_eq!(unescape(b"100%"), b"100%");
    }

    #[test]
    fn an_escaped_reserved_character_differs_from_the_bare_one() {
        assert_eq!(normalise("%61"), normalise("a"));
        assert_ne!(normalise("%3b"), normalise(";"));
        assert_eq!(normalise("%3b"), normalise("%3B"));
    }
}
