//! `;name=value` parameters, of headers and of URIs, kept as written.

use serde::{Deserialize, Serialize};

use super::lex;
use super::value::BadValue;

/// Parameters in the order they were written. Names compare case-insensitively; values keep their raw bytes,
/// quotes included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params(Vec<(String, Option<Vec<u8>>)>);

impl Params {
    /// No parameters.
    pub const fn new() -> Self {
        Params(Vec::new())
    }

    /// The value as text, where it is UTF-8; quotes are undone. `None` also for a parameter without a value.
    pub fn get(&self, name: &str) -> Option<&str> {
        let raw = self.get_raw(name)?;
        let text = std::str::from_utf8(raw).ok()?;
        match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
            Some(inside) if !inside.contains('\\') => Some(inside),
            Some(_) | None => Some(text),
        }
    }

    /// The value's bytes as written. `None` also for a parameter without a value.
    pub fn get_raw(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).and_then(|(_, v)| v.as_deref())
    }

    /// Whether the parameter stands there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// Sets or replaces a parameter; `None` writes it without a value.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(|v| v.as_bytes().to_vec());
        match self.0.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// The same parameters and one more.
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.set(name, value);
        self
    }

    /// Removes every parameter of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// Names and raw values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_deref()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads `;a=b;c` as a header carries it: white space around `;` and `=`, quoted values, one stray `;` at the end.
    pub(crate) fn parse_header(bytes: &[u8], field: &'static str) -> Result<Self, BadValue> {
        let mut params = Vec::new();
        let mut at = lex::skip_lws(bytes, 0);
        while at < bytes.len() {
            if bytes[at] != b';' {
                return Err(BadValue::new(field, "something other than a parameter follows"));
            }
            at = lex::skip_lws(bytes, at + 1);
            // Deployed devices end a value with a semicolon.
            if at == bytes.len() && !params.is_empty() {
                break;
            }
            let (param, next) = header_param(bytes, at, field)?;
            params.push(param);
            at = lex::skip_lws(bytes, next);
        }
        Ok(Params(params))
    }

    /// Reads `a=b;c` as a URI carries it (the part after the first `;`). Bytes beyond ASCII are escaped.
    pub(crate) fn parse_uri(text: &str) -> Self {
        let params = text.split(';').filter(|part| !part.is_empty()).map(|part| match part.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.as_bytes().to_vec())),
            None => (part.to_owned(), None),
        });
        Params(params.collect())
    }

    /// Appends `;a=b;c`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            out.push(b';');
            out.extend_from_slice(name.as_bytes());
            if let Some(value) = value {
                out.push(b'=');
                out.extend_from_slice(value);
            }
        }
    }
}

type Param = (String, Option<Vec<u8>>);

fn header_param(bytes: &[u8], start: usize, field: &'static str) -> Result<(Param, usize), BadValue> {
    let name_end = end_of_run(bytes, start, |b| b == b';' || b == b'=' || lex::is_lws(b));
    let name = std::str::from_utf8(&bytes[start..name_end]).ok().filter(|n| !n.is_empty());
    let name = name.ok_or(BadValue::new(field, "a parameter without a name"))?;
    if name.bytes().any(|b| b.is_ascii_control() || matches!(b, b'"' | b'<' | b'>' | b',')) {
        return Err(BadValue::new(field, "a parameter name with an illegal character"));
    }
    let at = lex::skip_lws(bytes, name_end);
    if bytes.get(at) != Some(&b'=') {
        return Ok(((name.to_owned(), None), at));
    }
    let value_start = lex::skip_lws(bytes, at + 1);
    let value_end = if bytes.get(value_start) == Some(&b'"') {
        lex::quoted_end(bytes, value_start).ok_or(BadValue::new(field, "a quote that does not close"))?
    } else {
        end_of_run(bytes, value_start, |b| b == b';' || b == b'"' || lex::is_lws(b))
    };
    let value = bytes[value_start..value_end].to_vec();
    Ok(((name.to_owned(), Some(value)), value_end))
}

fn end_of_run(bytes: &[u8], start: usize, stops: impl Fn(u8) -> bool) -> usize {
    bytes[start..].iter().position(|b| stops(*b)).map_or(bytes.len(), |length| start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_and_quotes_around_parameters_are_understood() {
        let params = Params::parse_header(b" ;  tag  =  98 ;x=\"a;b\"; lr", "To").unwrap();

        assert_eq!(params.get("TAG"), Some("98"));
        assert_eq!(params.get("x"), Some("a;b"));
        assert!(params.has("lr"));
    }

    #[test]
    fn an_empty_parameter_is_refused_but_a_trailing_semicolon_is_not() {
        assert!(Params::parse_header(b";;", "Via").is_err());
        assert!(Params::parse_header(b";a=b;;c", "Via").is_err());
        assert!(Params::parse_header(b";a=b;", "Via").is_ok());
    }
}
