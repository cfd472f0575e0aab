//! URIs: `sip:`, `sips:`, `tel:`, and any other scheme as opaque text.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::escape;
use super::host::{Host, host_port};
use super::params::Params;
use super::value::{BadValue, FieldValue, text_by_field_value};

/// A URI as it was written: escapes are kept and undone on demand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Uri {
    /// `sip:` or `sips:` (RFC 3261 §19.1).
    Sip(SipUri),
    /// `tel:` (RFC 3966).
    Tel(TelUri),
    /// Any other scheme.
    Other(OtherUri),
}

/// A `sip:` or `sips:` URI. Texts keep their escapes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipUri {
    /// `sips:`.
    pub secure: bool,
    /// The user part, escaped.
    pub user: Option<String>,
    /// The password, escaped. Deprecated; kept so that the URI stays what it was.
    pub password: Option<String>,
    /// The host.
    pub host: Host,
    /// The port, where one was written.
    pub port: Option<u16>,
    /// URI parameters.
    pub params: Params,
    /// Headers after the question mark, escaped.
    pub headers: Vec<(String, String)>,
}

/// A `tel:` URI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TelUri {
    /// The number, visual separators included.
    pub number: String,
    /// Parameters, `phone-context` among them.
    pub params: Params,
}

/// A URI of a scheme we do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherUri {
    /// The scheme.
    pub scheme: String,
    /// All after the colon.
    pub rest: String,
}

impl Uri {
    /// A `sip:` URI without parameters. `user` is plain text and is escaped here.
    pub fn sip(user: Option<&str>, host: Host, port: Option<u16>) -> Self {
        let user = user.map(|user| escape::escape(user.as_bytes(), escape::is_user_char));
        let params = Params::new();
        Uri::Sip(SipUri { secure: false, user, password: None, host, port, params, headers: Vec::new() })
    }

    /// The scheme in lower case.
    pub fn scheme(&self) -> String {
        match self {
            Uri::Sip(uri) if uri.secure => "sips".to_owned(),
            Uri::Sip(_) => "sip".to_owned(),
            Uri::Tel(_) => "tel".to_owned(),
            Uri::Other(uri) => uri.scheme.to_ascii_lowercase(),
        }
    }

    /// The `sip:` or `sips:` URI this is.
    pub fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Uri::Sip(uri) => Some(uri),
            Uri::Tel(_) | Uri::Other(_) => None,
        }
    }

    /// The `sip:` or `sips:` URI this is, to change it.
    pub fn as_sip_mut(&mut self) -> Option<&mut SipUri> {
        match self {
            Uri::Sip(uri) => Some(uri),
            Uri::Tel(_) | Uri::Other(_) => None,
        }
    }

    /// Who is meant, escapes undone: the user part of a `sip:` URI, the number of a `tel:` URI without visual
    /// separators. Lossy where the bytes are not UTF-8; a route is never matched by such a name.
    pub fn user(&self) -> Option<String> {
        match self {
            Uri::Sip(uri) => {
                let user = escape::unescape(uri.user.as_ref()?.as_bytes());
                Some(String::from_utf8_lossy(&user).into_owned())
            }
            Uri::Tel(uri) => Some(uri.digits()),
            Uri::Other(_) => None,
        }
    }

    /// The host of a `sip:` URI.
    pub fn host(&self) -> Option<&Host> {
        self.as_sip().map(|uri| &uri.host)
    }

    /// The port of a `sip:` URI, where one was written.
    pub fn port(&self) -> Option<u16> {
        self.as_sip().and_then(|uri| uri.port)
    }

    /// A URI parameter as text.
    pub fn param(&self, name: &str) -> Option<&str> {
        match self {
            Uri::Sip(uri) => uri.params.get(name),
            Uri::Tel(uri) => uri.params.get(name),
            Uri::Other(_) => None,
        }
    }

    /// Whether this route is a loose router (`lr`, RFC 3261 §16.12).
    pub fn is_loose_router(&self) -> bool {
        self.as_sip().is_some_and(|uri| uri.params.has("lr"))
    }

    /// Whether both mean the same resource (RFC 3261 §19.1.4, RFC 3966 §4). Unlike `==` it ignores spelling.
    pub fn equivalent(&self, other: &Uri) -> bool {
        match (self, other) {
            (Uri::Sip(a), Uri::Sip(b)) => a.equivalent(b),
            (Uri::Tel(a), Uri::Tel(b)) => {
                a.digits().eq_ignore_ascii_case(&b.digits())
                    && same_set(&normal_params(&a.params), &normal_params(&b.params))
            }
            (Uri::Other(a), Uri::Other(b)) => a.scheme.eq_ignore_ascii_case(&b.scheme) && a.rest == b.rest,
            (Uri::Sip(_), Uri::Tel(_) | Uri::Other(_))
            | (Uri::Tel(_), Uri::Sip(_) | Uri::Other(_))
            | (Uri::Other(_), Uri::Sip(_) | Uri::Tel(_)) => false,
        }
    }
}

impl SipUri {
    /// The headers after the question mark, escapes undone.
    pub fn unescaped_headers(&self) -> Vec<(String, Vec<u8>)> {
        let decode = |text: &str| escape::unescape(text.as_bytes());
        self.headers
            .iter()
            .map(|(name, value)| (String::from_utf8_lossy(&decode(name)).into_owned(), decode(value)))
            .collect()
    }

    /// Adds a header after the question mark; `value` is plain text and is escaped here.
    pub fn add_header(&mut self, name: &str, value: &str) {
        let legal = |b| matches!(b, b'[' | b']' | b'/' | b'?' | b':' | b'+' | b'$');
        self.headers.push((name.to_owned(), escape::escape(value.as_bytes(), legal)));
    }

    fn equivalent(&self, other: &SipUri) -> bool {
        let same_text = |a: &Option<String>, b: &Option<String>| {
            a.as_deref().map(escape::normalise) == b.as_deref().map(escape::normalise)
        };
        self.secure == other.secure
            && same_text(&self.user, &other.user)
            && same_text(&self.password, &other.password)
            && self.host == other.host
            && self.port == other.port
            && self.params_match(other)
            && same_set(&self.normal_headers(), &other.normal_headers())
    }

    // §19.1.4: a parameter in both must match; user, ttl, method, maddr (and transport) never match by absence.
    fn params_match(&self, other: &SipUri) -> bool {
        const NEVER_IGNORED: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
        let (ours, theirs) = (normal_params(&self.params), normal_params(&other.params));
        let agrees = |a: &[(String, String)], b: &[(String, String)]| {
            a.iter().all(|(name, value)| match b.binary_search_by(|(n, _)| n.as_str().cmp(name)) {
                Ok(at) => b[at].1 == *value,
                Err(_) => !NEVER_IGNORED.contains(&name.as_str()),
            })
        };
        agrees(&ours, &theirs) && agrees(&theirs, &ours)
    }

    fn normal_headers(&self) -> Vec<(String, String)> {
        let normal = |text: &str| escape::normalise(text);
        let mut headers: Vec<_> =
            self.headers.iter().map(|(n, v)| (normal(n).to_ascii_lowercase(), normal(v))).collect();
        headers.sort();
        headers
    }
}

impl TelUri {
    /// The number without visual separators.
    pub fn digits(&self) -> String {
        self.number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect()
    }
}

fn same_set(ours: &[(String, String)], theirs: &[(String, String)]) -> bool {
    ours == theirs
}

/// Sorted, one spelling, case folded, the first of a name only.
fn normal_params(params: &Params) -> Vec<(String, String)> {
    let fold = |text: &str| escape::normalise(text).to_ascii_lowercase();
    let mut all: Vec<_> = params
        .iter()
        .map(|(name, value)| (fold(name), fold(&String::from_utf8_lossy(value.unwrap_or_default()))))
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.dedup_by(|later, first| later.0 == first.0);
    all
}

impl FieldValue for Uri {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        let illegal = |b: &u8| b.is_ascii_control() || matches!(b, b' ' | b'<' | b'>' | b'"');
        if value.iter().any(illegal) {
            return Err(BadValue::new("URI", "white space, a bracket, a quote or a control character"));
        }
        let text = ascii(value);
        let (scheme, rest) = text.split_once(':').ok_or(BadValue::new("URI", "no scheme"))?;
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(legal) {
            return Err(BadValue::new("URI", "no scheme"));
        }
        match scheme.to_ascii_lowercase().as_str() {
            "sip" => sip(rest, false).map(Uri::Sip),
            "sips" => sip(rest, true).map(Uri::Sip),
            "tel" => tel(rest).map(Uri::Tel),
            _ => Ok(Uri::Other(OtherUri { scheme: scheme.to_owned(), rest: rest.to_owned() })),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Uri::Sip(uri) => uri.write(out),
            Uri::Tel(uri) => {
                out.extend_from_slice(b"tel:");
                out.extend_from_slice(uri.number.as_bytes());
                uri.params.write(out);
            }
            Uri::Other(uri) => {
                out.extend_from_slice(uri.scheme.as_bytes());
                out.push(b':');
                out.extend_from_slice(uri.rest.as_bytes());
            }
        }
    }
}

impl SipUri {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.secure { b"sips:" } else { b"sip:" });
        if let Some(user) = &self.user {
            out.extend_from_slice(user.as_bytes());
            if let Some(password) = &self.password {
                out.push(b':');
                out.extend_from_slice(password.as_bytes());
            }
            out.push(b'@');
        }
        out.extend_from_slice(self.host.to_string().as_bytes());
        if let Some(port) = self.port {
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        self.params.write(out);
        for (index, (name, value)) in self.headers.iter().enumerate() {
            out.push(if index == 0 { b'?' } else { b'&' });
            out.extend_from_slice(format!("{name}={value}").as_bytes());
        }
    }
}

text_by_field_value!(Uri);

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// Bytes beyond ASCII, which some devices send bare, in the escaped form that means the same.
fn ascii(value: &[u8]) -> String {
    if value.is_ascii() {
        return String::from_utf8_lossy(value).into_owned();
    }
    escape::escape(value, |byte| byte.is_ascii())
}

fn sip(rest: &str, secure: bool) -> Result<SipUri, BadValue> {
    // The user part may hold `;`, `?` and `/`; an `@` that is not escaped ends it (the first one: devices write
    // Replaces headers of a Refer-To without escaping theirs).
    let (userinfo, rest) = match rest.split_once('@') {
        Some((userinfo, rest)) => (Some(userinfo), rest),
        None => (None, rest),
    };
    let (rest, headers) = match rest.split_once('?') {
        Some((rest, headers)) => (rest, parse_headers(headers)),
        None => (rest, Vec::new()),
    };
    let (address, params) = match rest.split_once(';') {
        Some((address, params)) => (address, Params::parse_uri(params)),
        None => (rest, Params::new()),
    };
    let (host, port) = host_port(address)?;
    let (user, password) = match userinfo.map(|u| u.split_once(':').map_or((u, None), |(u, p)| (u, Some(p))))
    {
        Some(("", _)) => return Err(BadValue::new("URI", "an empty user part")),
        Some((user, password)) => (Some(user.to_owned()), password.map(str::to_owned)),
        None => (None, None),
    };
    Ok(SipUri { secure, user, password, host, port, params, headers })
}

fn parse_headers(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect()
}

fn tel(rest: &str) -> Result<TelUri, BadValue> {
    let (number, params) = match rest.split_once(';') {
        Some((number, params)) => (number, Params::parse_uri(params)),
        None => (rest, Params::new()),
    };
    let digits = number.strip_prefix('+').unwrap_or(number);
    let legal = |c: char| c.is_ascii_hexdigit() || matches!(c, '*' | '#' | '-' | '.' | '(' | ')');
    if digits.is_empty() || !digits.chars().all(legal) {
        return Err(BadValue::new("tel URI", "not a telephone number"));
    }
    Ok(TelUri { number: number.to_owned(), params })
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
