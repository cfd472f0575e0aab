//! Session timers (RFC 4028) and reliable provisional responses (RFC 3262).

use serde::{Deserialize, Serialize};

use super::lex;
use super::method::Method;
use super::params::Params;
use super::value::{BadValue, FieldValue, text_by_field_value};

/// Who refreshes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refresher {
    /// The user agent client of the request that negotiated it.
    Uac,
    /// Its user agent server.
    Uas,
}

/// Session-Expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionExpires {
    /// Seconds until the session counts as gone unless it is refreshed.
    pub seconds: u32,
    /// Who refreshes it, where that is said.
    pub refresher: Option<Refresher>,
}

impl FieldValue for SessionExpires {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        let (seconds, params) = delta_seconds(value, "Session-Expires")?;
        let refresher = match params.get("refresher").map(str::to_ascii_lowercase).as_deref() {
            Some("uac") => Some(Refresher::Uac),
            Some("uas") => Some(Refresher::Uas),
            Some(_) => return Err(BadValue::new("Session-Expires", "refresher is neither uac nor uas")),
            None => None,
        };
        Ok(SessionExpires { seconds, refresher })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.seconds.to_string().as_bytes());
        let refresher: &[u8] = match self.refresher {
            Some(Refresher::Uac) => b";refresher=uac",
            Some(Refresher::Uas) => b";refresher=uas",
            None => b"",
        };
        out.extend_from_slice(refresher);
    }
}

/// Min-SE: the smallest session interval in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinSe(pub u32);

impl FieldValue for MinSe {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        delta_seconds(value, "Min-SE").map(|(seconds, _)| MinSe(seconds))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.to_string().as_bytes());
    }
}

/// RSeq: the number of a reliable provisional response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RSeq(pub u32);

impl FieldValue for RSeq {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        response_number(value).map(RSeq)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.to_string().as_bytes());
    }
}

/// RAck: which provisional response a PRACK acknowledges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RAck {
    /// The RSeq of the response.
    pub rseq: u32,
    /// The CSeq number of the response.
    pub cseq: u32,
    /// The CSeq method of the response.
    pub method: Method,
}

impl FieldValue for RAck {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        let words: Vec<_> = value.split(|b| lex::is_lws(*b)).filter(|word| !word.is_empty()).collect();
        let [rseq, cseq, method] = words[..] else {
            return Err(BadValue::new("RAck", "not two numbers and a method"));
        };
        Ok(RAck {
            rseq: response_number(rseq)?,
            cseq: number32(cseq, "RAck")?,
            method: Method::parse(method)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{} {} {}", self.rseq, self.cseq, self.method).as_bytes());
    }
}

text_by_field_value!(SessionExpires, MinSe, RSeq, RAck);

fn response_number(value: &[u8]) -> Result<u32, BadValue> {
    number32(value, "RSeq").and_then(|n| if n == 0 { Err(BadValue::new("RSeq", "zero")) } else { Ok(n) })
}

fn number32(value: &[u8], field: &'static str) -> Result<u32, BadValue> {
    let number = lex::number(value).and_then(|n| u32::try_from(n).ok());
    number.ok_or(BadValue::new(field, "not a number below 2^32"))
}

/// Seconds and parameters. More than 2^32-1 counts as that (RFC 3261 §25.1 leaves the range open).
fn delta_seconds(value: &[u8], field: &'static str) -> Result<(u32, Params), BadValue> {
    let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
    let number =
        lex::number(lex::trim(&value[..end])).ok_or(BadValue::new(field, "not a number of seconds"))?;
    Ok((u32::try_from(number).unwrap_or(u32::MAX), Params::parse_header(&value[end..], field)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_timers_are_read_and_written() {
        let expires: SessionExpires = "1800 ; refresher=UAS".parse().unwrap();

        assert_eq!(expires, SessionExpires { seconds: 1800, refresher: Some(Refresher::Uas) });
        assert_eq!(expires.to_string(), "1800;refresher=uas");
        assert_eq!("90;lr".parse(), Ok(MinSe(90)));
        assert!("soon".parse::<SessionExpires>().is_err());
    }

    #[test]
    fn rack_names_the_response_it_acknowledges() {
        let rack: RAck = "776656 1 INVITE".parse().unwrap();

        assert_eq!(rack, RAck { rseq: 776_656, cseq: 1, method: Method::Invite });
        assert_eq!(rack.to_string(), "776656 1 INVITE");
        assert!("0".parse::<RSeq>().is_err());
        assert!("1 INVITE".parse::<RAck>().is_err());
    }
}
