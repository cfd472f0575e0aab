//! The small headers that every request carries: CSeq, Call-ID, Max-Forwards, Content-Type.

use serde::{Deserialize, Serialize};

use super::lex;
use super::method::Method;
use super::params::Params;
use super::value::{BadValue, FieldValue, text_by_field_value};

/// CSeq. The number is below 2^31 (RFC 3261 §8.1.1.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CSeq {
    /// The sequence number.
    pub number: u32,
    /// The method, which equals that of the request.
    pub method: Method,
}

impl FieldValue for CSeq {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        let bad = |why| BadValue::new("CSeq", why);
        let end = value.iter().position(|b| lex::is_lws(*b)).ok_or(bad("no method"))?;
        let number = lex::number(&value[..end]).ok_or(bad("not a number"))?;
        let number = u32::try_from(number).ok().filter(|n| *n < 1 << 31).ok_or(bad("2^31 or more"))?;
        Ok(CSeq { number, method: Method::parse(lex::trim(&value[end..]))? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{} {}", self.number, self.method).as_bytes());
    }
}

/// Call-ID: one word, compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(pub String);

impl CallId {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FieldValue for CallId {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        let text = std::str::from_utf8(value).map_err(|_| BadValue::new("Call-ID", "not text"))?;
        if text.is_empty() || text.bytes().any(|b| b.is_ascii_control() || lex::is_lws(b)) {
            return Err(BadValue::new("Call-ID", "not one word"));
        }
        Ok(CallId(text.to_owned()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

/// Max-Forwards, 0 to 255 (RFC 3261 §20.22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxForwards(pub u8);

impl FieldValue for MaxForwards {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        let number = lex::number(value).and_then(|n| u8::try_from(n).ok());
        number.map(MaxForwards).ok_or(BadValue::new("Max-Forwards", "no number from 0 to 255"))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.to_string().as_bytes());
    }
}

/// Content-Type, and an element of Accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentType {
    /// `type/subtype` in lower case.
    pub media_type: String,
    /// `boundary`, `charset`, `q` and others.
    pub params: Params,
}

impl ContentType {
    /// A media type without parameters.
    pub fn new(media_type: &str) -> Self {
        ContentType { media_type: media_type.to_ascii_lowercase(), params: Params::new() }
    }

    /// Whether this, read as a range of an Accept header, takes `media_type`.
    pub fn accepts(&self, media_type: &str) -> bool {
        let refused = self.params.get("q").is_some_and(|q| q.bytes().all(|b| matches!(b, b'0' | b'.')));
        let group = |text: &str| text.split_once('/').map(|(group, _)| group.to_ascii_lowercase());
        let matches = match self.media_type.as_str() {
            "*/*" => true,
            range => match range.strip_suffix("/*") {
                Some(wanted) => group(media_type).is_some_and(|g| g == wanted),
                None => range.eq_ignore_ascii_case(media_type),
            },
        };
        matches && !refused
    }
}

impl FieldValue for ContentType {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        let bad = BadValue::new("Content-Type", "not type/subtype");
        let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
        let media_type = std::str::from_utf8(&value[..end]).map_err(|_| bad.clone())?;
        let (group, subtype) = media_type.split_once('/').ok_or(bad.clone())?;
        let group = lex::token(lex::trim(group.as_bytes())).ok_or(bad.clone())?;
        let subtype = lex::token(lex::trim(subtype.as_bytes())).ok_or(bad)?;
        let media_type = format!("{group}/{subtype}").to_ascii_lowercase();
        Ok(ContentType { media_type, params: Params::parse_header(&value[end..], "Content-Type")? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.media_type.as_bytes());
        self.params.write(out);
    }
}

text_by_field_value!(CSeq, CallId, MaxForwards, ContentType);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cseq_of_two_to_the_31_is_refused_and_one_less_is_not() {
        assert!("2147483648 INVITE".parse::<CSeq>().is_err());
        assert!("36893488147419103232 REGISTER".parse::<CSeq>().is_err());
        assert_eq!("2147483647  INVITE".parse::<CSeq>().unwrap().number, 2_147_483_647);
    }

    #[test]
    fn max_forwards_is_a_byte_with_any_leading_zeros() {
        assert_eq!("0068".parse(), Ok(MaxForwards(68)));
        assert!("256".parse::<MaxForwards>().is_err());
        assert!("-1".parse::<MaxForwards>().is_err());
    }

    #[test]
    fn accept_ranges_and_zero_quality_are_understood() {
        let accepts = |range: &str| range.parse::<ContentType>().unwrap().accepts("application/sdp");

        assert!(accepts("*/*"));
        assert!(accepts("application/*;q=0.5"));
        assert!(accepts("Application/SDP"));
        assert!(!accepts("application/sdp;q=0.0"));
        assert!(!accepts("text/nobodyKnowsThis"));
    }
}
