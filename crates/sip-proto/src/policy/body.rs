//! Bodies in parts: what of a body is ours to read.

use crate::message::{ContentType, FieldValue, Headers, header};

/// More parts than this are no call.
const MAX_PARTS: usize = 16;

/// Whether the sender lets us ignore the body (`handling=optional`, RFC 3261 §20.11).
pub fn is_optional_body(headers: &Headers) -> bool {
    headers.get_str(header::CONTENT_DISPOSITION).is_some_and(|value| {
        let mut params = value.split(';').skip(1).filter_map(|param| param.split_once('='));
        params.any(|(name, value)| {
            name.trim().eq_ignore_ascii_case("handling") && value.trim().eq_ignore_ascii_case("optional")
        })
    })
}

/// The part of a body that has `media_type`: the whole body, or the first such part of a multipart one (RFC 5621).
/// Parts within parts are not opened.
pub fn body_part<'a>(headers: &Headers, body: &'a [u8], media_type: &str) -> Option<&'a [u8]> {
    let content_type = headers.content_type().ok()??;
    if content_type.media_type.eq_ignore_ascii_case(media_type) {
        return Some(body);
    }
    let boundary = content_type.params.get("boundary")?;
    if !content_type.media_type.starts_with("multipart/") || boundary.is_empty() || boundary.len() > 70 {
        return None;
    }
    parts(body, boundary).into_iter().find_map(|part| part_of_type(part, media_type))
}

fn part_of_type<'a>(part: &'a [u8], media_type: &str) -> Option<&'a [u8]> {
    let (head, content) = match find(part, b"\r\n\r\n") {
        Some(end) => (&part[..end], &part[end + 4..]),
        None => return None,
    };
    let mut lines = head.split(|b| *b == b'\n').filter_map(|line| {
        let colon = line.iter().position(|b| *b == b':')?;
        let (name, value) = line.split_at(colon);
        Some((name.trim_ascii(), value[1..].trim_ascii()))
    });
    let (_, value) = lines.find(|(name, _)| name.eq_ignore_ascii_case(b"Content-Type"))?;
    let found = ContentType::parse(value).ok()?;
    found.media_type.eq_ignore_ascii_case(media_type).then_some(content)
}

/// What stands between the delimiters (RFC 2046 §5.1.1). The line end before a delimiter belongs to it.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let delimiter = format!("--{boundary}");
    let delimiter = delimiter.as_bytes();
    let mut parts = Vec::new();
    let mut rest = body;
    let mut inside = false;
    while parts.len() < MAX_PARTS {
        let Some(at) = find(rest, delimiter) else { break };
        if inside {
            let part = &rest[..at];
            parts.push(part.strip_suffix(b"\r\n").unwrap_or(part));
        }
        rest = &rest[at + delimiter.len()..];
        if rest.starts_with(b"--") {
            break;
        }
        let line_end = find(rest, b"\n").map_or(rest.len(), |end| end + 1);
        rest = &rest[line_end..];
        inside = true;
    }
    parts
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_description_is_found_among_the_parts() {
        let mut headers = Headers::new();
        headers.push("Content-Type", "multipart/mixed;boundary=\"x y\"");
        let body = b"preamble\r\n--x y\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x y\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--x y--\r\n";

        assert_eq!(body_part(&headers, body, "application/sdp"), Some(&b"v=0\r\n"[..]));
        assert_eq!(body_part(&headers, body, "application/xml"), None);
    }

    #[test]
    fn a_body_of_one_part_is_the_body() {
        let mut headers = Headers::new();
        headers.push("c", "Application/SDP");

        assert_eq!(body_part(&headers, b"v=0", "application/sdp"), Some(&b"v=0"[..]));
    }

    #[test]
    fn a_body_may_be_marked_as_optional() {
        let mut headers = Headers::new();
        headers.push("Content-Disposition", "session ; handling=Optional");

        assert!(is_optional_body(&headers));
    }
}
