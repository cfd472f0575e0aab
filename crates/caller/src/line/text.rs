//! Just enough of SIP to set up thousands of calls a second: a message is scanned, not modelled.

/// A message as it came, split but not interpreted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    /// The first line.
    pub start: &'a str,
    head: &'a str,
    /// What follows the empty line.
    pub body: &'a str,
}

impl<'a> Text<'a> {
    /// Splits a datagram; `None` where it is no text or has no head.
    pub fn parse(bytes: &'a [u8]) -> Option<Text<'a>> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let (start, head) = head.split_once("\r\n")?;
        Some(Text { start, head, body })
    }

    /// The status code of a response.
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&'a str> {
        if self.start.starts_with("SIP/2.0 ") { None } else { self.start.split(' ').next() }
    }

    /// The lines of a header by its long and its compact name (RFC 3261 §7.3.3), in order.
    pub fn lines(
        &self,
        name: &'static str,
        compact: &'static str,
    ) -> impl Iterator<Item = &'a str> + use<'a> {
        self.head.split("\r\n").filter_map(move |line| {
            let (field, value) = line.split_once(':')?;
            let field = field.trim_end();
            let named = field.eq_ignore_ascii_case(name)
                || (!compact.is_empty() && field.eq_ignore_ascii_case(compact));
            named.then(|| value.trim())
        })
    }

    /// The first line of a header.
    pub fn header(&self, name: &'static str, compact: &'static str) -> Option<&'a str> {
        self.lines(name, compact).next()
    }

    /// The URI of the first Contact.
    pub fn contact(&self) -> Option<&'a str> {
        let value = self.header("Contact", "m")?;
        match value.split_once('<') {
            Some((_, rest)) => rest.split_once('>').map(|(uri, _)| uri),
            None => value.split(';').next().map(str::trim),
        }
    }

    /// A response to this request: what RFC 3261 §8.2.6.2 wants copied, `tag` on a To that has none, then `rest`
    /// (further header lines, each with its line end) and the body.
    pub fn respond(&self, status: &str, tag: &str, rest: &str, body: &str) -> String {
        let mut out = format!("SIP/2.0 {status}\r\n");
        for via in self.lines("Via", "v") {
            out.push_str(&format!("Via: {via}\r\n"));
        }
        let copied = [("From", "f"), ("To", "t"), ("Call-ID", "i"), ("CSeq", "")];
        for (name, compact) in copied {
            let value = self.header(name, compact).unwrap_or_default();
            let tag =
                if name == "To" && !value.contains(";tag=") { format!(";tag={tag}") } else { String::new() };
            out.push_str(&format!("{name}: {value}{tag}\r\n"));
        }
        for route in self.lines("Record-Route", "") {
            out.push_str(&format!("Record-Route: {route}\r\n"));
        }
        out.push_str(&format!("{rest}Content-Length: {}\r\n\r\n{body}", body.len()));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP a\r\nVia: SIP/2.0/UDP b\r\nf: <sip:a@b>;tag=1\r\n\
                          To : <sip:c@d>;tag=2\r\ni: x-3-4\r\nCSeq: 1 INVITE\r\nm: \"C\" <sip:c@d:5>;expires=3\r\n\r\nbody";

    #[test]
    fn headers_are_found_by_either_name() {
        let text = Text::parse(ANSWER.as_bytes()).unwrap();

        assert_eq!((text.status(), text.method(), text.body), (Some(200), None, "body"));
        assert_eq!(text.lines("Via", "v").collect::<Vec<_>>(), ["SIP/2.0/UDP a", "SIP/2.0/UDP b"]);
        assert_eq!(text.header("To", "t"), Some("<sip:c@d>;tag=2"));
        assert_eq!(text.contact(), Some("sip:c@d:5"));
    }

    #[test]
    fn a_response_repeats_what_it_must() {
        let request = "BYE sip:a@b SIP/2.0\r\nVia: V1\r\nVia: V2\r\nFrom: F\r\nTo: T\r\nCall-ID: I\r\nCSeq: 2 BYE\r\n\r\n";

        let response = Text::parse(request.as_bytes()).unwrap().respond("200 OK", "9", "", "");

        assert_eq!(
            response,
            "SIP/2.0 200 OK\r\nVia: V1\r\nVia: V2\r\nFrom: F\r\nTo: T;tag=9\r\nCall-ID: I\r\nCSeq: 2 BYE\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn rubbish_is_no_message() {
        assert!(Text::parse(b"\xff\xfe").is_none());
        assert!(Text::parse(b"hello").is_none());
    }
}
