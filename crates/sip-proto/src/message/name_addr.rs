//! `name-addr` and `addr-spec` with header parameters: From, To, Contact, Route, Record-Route, Refer-To and others.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::lex;
use super::params::Params;
use super::uri::Uri;
use super::value::{BadValue, FieldValue, text_by_field_value};

/// A display name, a URI and header parameters. Written back with angle brackets always.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameAddr {
    /// The display name as it was written, quotes and character set included; empty where there is none.
    pub display_raw: Vec<u8>,
    /// The address.
    pub uri: Uri,
    /// Header parameters (`tag`, `expires`, `q` ...).
    pub params: Params,
}

impl NameAddr {
    /// An address without display name and parameters.
    pub const fn new(uri: Uri) -> Self {
        NameAddr { display_raw: Vec::new(), uri, params: Params::new() }
    }

    /// The same with a display name, which is quoted here.
    pub fn with_display(mut self, name: &str) -> Self {
        self.display_raw = if name.is_empty() { Vec::new() } else { lex::quote(name.as_bytes()) };
        self
    }

    /// The same with a tag.
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.set_tag(tag);
        self
    }

    /// The display name, quotes and escapes undone, in whatever character set it came.
    pub fn display_name(&self) -> Cow<'_, [u8]> {
        lex::unquote(&self.display_raw)
    }

    /// The tag of a From or To.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// Sets the tag of a From or To.
    pub fn set_tag(&mut self, tag: &str) {
        self.params.set("tag", Some(tag));
    }

    /// The `expires` parameter of a contact, in seconds; `None` where it is missing or no number.
    pub fn expires(&self) -> Option<u32> {
        lex::number(self.params.get_raw("expires")?).map(|n| u32::try_from(n).unwrap_or(u32::MAX))
    }
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        NameAddr::new(uri)
    }
}

impl FieldValue for NameAddr {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        let value = lex::trim(value);
        let (display, rest) = split_display(value)?;
        let Some(in_brackets) = rest.strip_prefix(b"<") else { return addr_spec(value) };
        let close = in_brackets.iter().position(|b| *b == b'>');
        let close = close.ok_or(BadValue::new("address", "a bracket that does not close"))?;
        // RFC 4475 §3.1.2.14 lets us overlook white space inside the brackets.
        let uri = Uri::parse(lex::trim(&in_brackets[..close]))?;
        let params = Params::parse_header(&in_brackets[close + 1..], "address")?;
        Ok(NameAddr { display_raw: display.to_vec(), uri, params })
    }

    fn write(&self, out: &mut Vec<u8>) {
        if !self.display_raw.is_empty() {
            out.extend_from_slice(&self.display_raw);
            out.push(b' ');
        }
        out.push(b'<');
        self.uri.write(out);
        out.push(b'>');
        self.params.write(out);
    }
}

text_by_field_value!(NameAddr);

/// The display name, and what follows it.
fn split_display(value: &[u8]) -> Result<(&[u8], &[u8]), BadValue> {
    if value.first() == Some(&b'"') {
        let end =
            lex::quoted_end(value, 0).ok_or(BadValue::new("display name", "a quote that does not close"))?;
        let rest = lex::trim(&value[end..]);
        if rest.first() != Some(&b'<') {
            return Err(BadValue::new("display name", "no address in brackets follows it"));
        }
        return Ok((&value[..end], rest));
    }
    let Some(bracket) = value.iter().position(|b| *b == b'<') else { return Ok((b"", value)) };
    // Unquoted names are tokens by the grammar; devices write dots, commas and bytes of any character set.
    let display = lex::trim(&value[..bracket]);
    if display.iter().any(|b| matches!(b, b'"' | b'>' | b';') || b.is_ascii_control() && *b != b'\t') {
        return Err(BadValue::new("display name", "an illegal character"));
    }
    Ok((display, &value[bracket..]))
}

/// Without brackets every parameter belongs to the header, and the URI may hold no `?` and no comma (RFC 3261 §20.10).
fn addr_spec(value: &[u8]) -> Result<NameAddr, BadValue> {
    let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
    let uri = lex::trim(&value[..end]);
    if uri.iter().any(|b| matches!(b, b'?' | b',')) {
        return Err(BadValue::new("address", "a URI with `?` or `,` stands without brackets"));
    }
    let params = Params::parse_header(&value[end..], "address")?;
    Ok(NameAddr { display_raw: Vec::new(), uri: Uri::parse(uri)?, params })
}

/// The Contact header: addresses, or the star that a REGISTER removes all bindings with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Contacts {
    /// `*`.
    Star,
    /// Addresses, possibly none.
    List(Vec<NameAddr>),
}

impl Contacts {
    pub(crate) fn from_elements(elements: &[&[u8]]) -> Result<Self, BadValue> {
        if elements == [b"*"] {
            return Ok(Contacts::Star);
        }
        elements.iter().map(|element| NameAddr::parse(element)).collect::<Result<_, _>>().map(Contacts::List)
    }

    /// The addresses; none for the star.
    pub fn addresses(&self) -> &[NameAddr] {
        match self {
            Contacts::Star => &[],
            Contacts::List(addresses) => addresses,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_addr(text: &str) -> NameAddr {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn parameters_without_brackets_belong_to_the_header() {
        let outside = name_addr("sip:+19725552222@gw1.example.net;unknownparam");
        let inside = name_addr("<sip:+19725552222@gw1.example.net;unknownparam>");

        assert!(outside.params.has("unknownparam"));
        assert!(outside.uri.as_sip().unwrap().params.is_empty());
        assert!(inside.params.is_empty());
        assert!(inside.uri.as_sip().unwrap().params.has("unknownparam"));
    }

    #[test]
    fn display_names_keep_their_bytes() {
        let gbk = b"\"\xd5\xc5\xc8\xfd\" <sip:zhang@example.com>;tag=1";

        let parsed = NameAddr::parse(gbk).unwrap();

        assert_eq!(&*parsed.display_name(), b"\xd5\xc5\xc8\xfd");
        assert_eq!(parsed.to_value(), gbk);
    }

    #[test]
    fn quotes_escapes_and_missing_white_space_are_understood() {
        assert_eq!(&*name_addr(r#""Quoted string \"\"" <sip:a@b>"#).display_name(), br#"Quoted string """#);
        assert_eq!(&*name_addr("caller<sip:caller@example.com>;tag=323").display_name(), b"caller");
        assert_eq!(
            name_addr("\"Watson\" < sip:t.watson@example.org >").uri.user().as_deref(),
            Some("t.watson")
        );
    }

    #[test]
    fn broken_addresses_are_refused() {
        for text in [
            "\"Mr. J. User <sip:j.user@example.com>",
            "<sip:a@b",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "\"Joe\" <sip:joe@example.org>;;;;",
            "<sip:a@b>, <sip:c@d>",
            "",
        ] {
            assert!(text.parse::<NameAddr>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_built_address_quotes_its_name() {
        let built = name_addr("sip:a@b").with_display("A \"B\"").with_tag("x");

        assert_eq!(built.to_string(), r#""A \"B\"" <sip:a@b>;tag=x"#);
        assert_eq!(&*built.display_name(), b"A \"B\"");
    }
}
