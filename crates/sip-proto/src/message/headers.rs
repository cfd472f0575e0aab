//! The headers of a message, in order, with raw values.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::lex;
use super::name::{self, header};
use super::value::{BadValue, FieldValue};
use super::{CSeq, CallId, Contacts, ContentType, MaxForwards, NameAddr, Via};

/// Headers in the order they came. Names compare case-insensitively and compact forms count as their long names;
/// values are the bytes that were received, unfolded and trimmed, whatever their character set.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers(Vec<Field>);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Field {
    name: Cow<'static, str>,
    value: Vec<u8>,
}

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Headers(Vec::new())
    }

    /// The first value of that name, whole even where it is a list.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.lines(name).next()
    }

    /// The first value of that name as text; `None` also where it is not UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Whether a header of that name is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Every header line of that name, unsplit.
    pub fn lines<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let name = name::expand(name);
        self.0
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.as_slice())
    }

    /// Every element of that name: lines in order, list headers split at their commas. Empty elements of a list
    /// are kept, except that an empty line is no element.
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        let name = name::expand(name);
        if !name::is_list(name) {
            return self.lines(name).collect();
        }
        self.lines(name)
            .filter(|line| !line.is_empty())
            .flat_map(|line| lex::split_outside(line, b','))
            .collect()
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|field| (field.name.as_ref(), field.value.as_slice()))
    }

    /// How many header lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a header at the end.
    pub fn push(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push(Field::new(name, value.into()));
    }

    /// Adds a header before the others of its name (a Via, a Record-Route), or at the top when it is the first.
    pub fn insert_first(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let at = self.position(name).unwrap_or(0);
        self.0.insert(at, Field::new(name, value.into()));
    }

    /// Replaces all headers of that name by one, at the place of the first.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        match self.position(name) {
            Some(at) => {
                self.0[at].value = single_line(value.into());
                let mut seen = 0;
                let name = name::expand(name);
                self.0.retain(|field| {
                    let same = field.name.eq_ignore_ascii_case(name);
                    seen += usize::from(same);
                    !same || seen == 1
                });
            }
            None => self.push(name, value),
        }
    }

    /// Removes all headers of that name.
    pub fn remove(&mut self, name: &str) {
        let name = name::expand(name);
        self.0.retain(|field| !field.name.eq_ignore_ascii_case(name));
    }

    /// Removes the first element of that name (of a list header's line only that element) and returns it.
    pub fn remove_first(&mut self, name: &str) -> Option<Vec<u8>> {
        let at = self.position(name)?;
        let field = &mut self.0[at];
        if name::is_list(&field.name) {
            let first = lex::split_outside(&field.value, b',').first()?.to_vec();
            if let Some(rest) = after_first_element(&field.value) {
                field.value = rest;
                return Some(first);
            }
        }
        Some(self.0.remove(at).value)
    }

    /// Replaces the first element of that name and leaves the others, on the same line or later ones, as they are.
    pub fn replace_first(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove_first(name);
        self.insert_first(name, value);
    }

    /// The first element of that name, typed.
    ///
    /// # Errors
    /// [`BadValue`] when it is there but its grammar is not kept.
    pub fn first<T: FieldValue>(&self, name: &str) -> Result<Option<T>, BadValue> {
        let Some(line) = self.get(name) else { return Ok(None) };
        let is_list = name::is_list(name::expand(name));
        let element = if is_list { lex::split_outside(line, b',')[0] } else { line };
        T::parse(element).map(Some)
    }

    /// All elements of that name, typed.
    ///
    /// # Errors
    /// [`BadValue`] when one of them does not keep its grammar.
    pub fn list<T: FieldValue>(&self, name: &str) -> Result<Vec<T>, BadValue> {
        self.all(name).into_iter().map(T::parse).collect()
    }

    /// Adds a typed header at the end.
    pub fn push_value(&mut self, name: &str, value: &impl FieldValue) {
        self.push(name, value.to_value());
    }

    /// Replaces all headers of that name by one typed value.
    pub fn set_value(&mut self, name: &str, value: &impl FieldValue) {
        self.set(name, value.to_value());
    }

    /// The elements of a token list (Supported, Require, Allow ...), as text, empty ones left out.
    pub fn tokens(&self, name: &str) -> Vec<&str> {
        let elements = self.all(name).into_iter().filter(|element| !element.is_empty());
        elements.filter_map(|element| std::str::from_utf8(element).ok()).collect()
    }

    /// The topmost Via.
    ///
    /// # Errors
    /// [`BadValue`] when it is missing or broken; never in a parsed message.
    pub fn top_via(&self) -> Result<Via, BadValue> {
        self.required(header::VIA)
    }

    /// Puts `via` in the place of the topmost one (where the transport adds `received` and `rport`).
    pub fn set_top_via(&mut self, via: &Via) {
        self.replace_first(header::VIA, via.to_value());
    }

    /// From.
    ///
    /// # Errors
    /// [`BadValue`] when it is missing or broken; never in a parsed message.
    pub fn from(&self) -> Result<NameAddr, BadValue> {
        self.required(header::FROM)
    }

    /// To.
    ///
    /// # Errors
    /// [`BadValue`] when it is missing or broken; never in a parsed message.
    pub fn to(&self) -> Result<NameAddr, BadValue> {
        self.required(header::TO)
    }

    /// Call-ID.
    ///
    /// # Errors
    /// [`BadValue`] when it is missing or broken; never in a parsed message.
    pub fn call_id(&self) -> Result<CallId, BadValue> {
        self.required(header::CALL_ID)
    }

    /// CSeq.
    ///
    /// # Errors
    /// [`BadValue`] when it is missing or broken; never in a parsed message.
    pub fn cseq(&self) -> Result<CSeq, BadValue> {
        self.required(header::CSEQ)
    }

    /// All contacts, or the star.
    ///
    /// # Errors
    /// [`BadValue`] when one of them is broken.
    pub fn contacts(&self) -> Result<Contacts, BadValue> {
        Contacts::from_elements(&self.all(header::CONTACT))
    }

    /// The first contact: the remote target of a dialog.
    ///
    /// # Errors
    /// [`BadValue`] when it is broken.
    pub fn contact(&self) -> Result<Option<NameAddr>, BadValue> {
        self.first(header::CONTACT)
    }

    /// The Route set, topmost first.
    ///
    /// # Errors
    /// [`BadValue`] when one of them is broken.
    pub fn routes(&self) -> Result<Vec<NameAddr>, BadValue> {
        self.list(header::ROUTE)
    }

    /// The recorded routes, topmost first.
    ///
    /// # Errors
    /// [`BadValue`] when one of them is broken.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, BadValue> {
        self.list(header::RECORD_ROUTE)
    }

    /// Max-Forwards.
    ///
    /// # Errors
    /// [`BadValue`] when it is no number from 0 to 255.
    pub fn max_forwards(&self) -> Result<Option<MaxForwards>, BadValue> {
        self.first(header::MAX_FORWARDS)
    }

    /// Content-Type.
    ///
    /// # Errors
    /// [`BadValue`] when it is no media type.
    pub fn content_type(&self) -> Result<Option<ContentType>, BadValue> {
        self.first(header::CONTENT_TYPE)
    }

    fn required<T: FieldValue>(&self, name: &'static str) -> Result<T, BadValue> {
        self.first(name)?.ok_or(BadValue::new(name, "missing"))
    }

    fn position(&self, name: &str) -> Option<usize> {
        let name = name::expand(name);
        self.0.iter().position(|field| field.name.eq_ignore_ascii_case(name))
    }
}

impl Field {
    fn new(name: &str, value: Vec<u8>) -> Self {
        Field { name: name::canonical(name), value: single_line(value) }
    }
}

/// Readable where the values are.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, value)| format!("{name}: {}", value.escape_ascii())))
            .finish()
    }
}

/// A line break in a value would let whoever wrote it add headers of his own.
fn single_line(mut value: Vec<u8>) -> Vec<u8> {
    for byte in &mut value {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    match lex::trim(&value) {
        trimmed if trimmed.len() == value.len() => value,
        trimmed => trimmed.to_vec(),
    }
}

fn after_first_element(line: &[u8]) -> Option<Vec<u8>> {
    let parts = lex::split_outside(line, b',');
    let second = parts.get(1)?;
    // The parts are slices of the line, so the rest is what stands from the second one on.
    let start = second.as_ptr() as usize - line.as_ptr() as usize;
    Some(lex::trim(&line[start..]).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_and_long_names_are_one_header() {
        let mut headers = Headers::new();
        headers.push("v", "SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2");
        headers.push("VIA", "SIP/2.0/UDP c;branch=3");

        assert_eq!(headers.all("Via").len(), 3);
        assert_eq!(headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["Via", "Via"]);
    }

    #[test]
    fn removing_the_first_via_of_a_line_leaves_the_rest_of_the_line() {
        let mut headers = Headers::new();
        headers.push("Via", "SIP/2.0/UDP a, SIP/2.0/UDP b ,SIP/2.0/UDP c");

        assert_eq!(headers.remove_first("Via").unwrap(), b"SIP/2.0/UDP a");
        assert_eq!(headers.get("Via").unwrap(), b"SIP/2.0/UDP b ,SIP/2.0/UDP c");
    }

    #[test]
    fn a_line_break_in_a_value_adds_no_header() {
        let mut headers = Headers::new();
        headers.push("Subject", "hello\r\nRoute: <sip:evil>");

        assert_eq!(headers.get_str("Subject"), Some("hello  Route: <sip:evil>"));
    }

    #[test]
    fn a_comma_in_a_date_or_a_challenge_does_not_split_it() {
        let mut headers = Headers::new();
        headers.push("Date", "Sat, 15 Oct 2005 04:44:56 GMT");

        assert_eq!(headers.all("Date").len(), 1);
    }

    #[test]
    fn setting_replaces_all_of_that_name_in_place() {
        let mut headers = Headers::new();
        headers.push("To", "<sip:a>");
        headers.push("Subject", "one");
        headers.push("t", "<sip:b>");

        headers.set("To", "<sip:c>");

        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all, [("To", &b"<sip:c>"[..]), ("Subject", b"one")]);
    }
}
