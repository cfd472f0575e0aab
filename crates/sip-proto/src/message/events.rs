//! Event and Subscription-State (RFC 6665), and Reason (RFC 3326).

use serde::{Deserialize, Serialize};

use super::lex;
use super::params::Params;
use super::value::{BadValue, FieldValue, text_by_field_value};

/// Event: the package, such as `refer`, and which subscription is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The package as it was written; packages are case-sensitive.
    pub package: String,
    /// `id` and others.
    pub params: Params,
}

impl Event {
    /// A package without parameters.
    pub fn new(package: &str) -> Self {
        Event { package: package.to_owned(), params: Params::new() }
    }

    /// The subscription, where the subscriber named one; for `refer` the CSeq number of the REFER.
    pub fn id(&self) -> Option<&str> {
        self.params.get("id")
    }
}

impl FieldValue for Event {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        token_and_params(value, "Event").map(|(package, params)| Event { package, params })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.package.as_bytes());
        self.params.write(out);
    }
}

/// Subscription-State.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionState {
    /// `active`, `pending`, `terminated`, or another word, in lower case.
    pub state: String,
    /// `reason`, `expires`, `retry-after`.
    pub params: Params,
}

impl SubscriptionState {
    /// Whether no further NOTIFY will come.
    pub fn is_terminated(&self) -> bool {
        self.state == "terminated"
    }

    /// Why it ended.
    pub fn reason(&self) -> Option<&str> {
        self.params.get("reason")
    }

    /// Seconds it still lasts.
    pub fn expires(&self) -> Option<u32> {
        self.params.get("expires").and_then(|seconds| seconds.parse().ok())
    }
}

impl FieldValue for SubscriptionState {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        let (state, params) = token_and_params(value, "Subscription-State")?;
        Ok(SubscriptionState { state: state.to_ascii_lowercase(), params })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.state.as_bytes());
        self.params.write(out);
    }
}

/// One Reason: why a request was sent or a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// `SIP`, `Q.850`, or another protocol.
    pub protocol: String,
    /// The cause in that protocol.
    pub cause: Option<u16>,
    /// Words for people.
    pub text: Option<String>,
}

impl Reason {
    /// A Q.850 cause, which gateways pass on to the telephone network.
    pub fn q850(cause: u16, text: &str) -> Self {
        Reason { protocol: "Q.850".to_owned(), cause: Some(cause), text: Some(text.to_owned()) }
    }

    /// A SIP status as a cause, as in the CANCEL of a fork that lost (`200`).
    pub fn sip(status: u16, text: &str) -> Self {
        Reason { protocol: "SIP".to_owned(), cause: Some(status), text: Some(text.to_owned()) }
    }

    /// The cause, where it is one of Q.850.
    pub fn q850_cause(&self) -> Option<u16> {
        self.cause.filter(|_| self.protocol.eq_ignore_ascii_case("Q.850"))
    }
}

impl FieldValue for Reason {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        let (protocol, params) = token_and_params(value, "Reason")?;
        let cause = params.get("cause").and_then(|cause| cause.parse().ok());
        let text =
            params.get_raw("text").map(|text| String::from_utf8_lossy(&lex::unquote(text)).into_owned());
        Ok(Reason { protocol, cause, text })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.protocol.as_bytes());
        if let Some(cause) = self.cause {
            out.extend_from_slice(format!(";cause={cause}").as_bytes());
        }
        if let Some(text) = &self.text {
            out.extend_from_slice(b";text=");
            out.extend_from_slice(&lex::quote(text.as_bytes()));
        }
    }
}

text_by_field_value!(Event, SubscriptionState, Reason);

fn token_and_params(value: &[u8], field: &'static str) -> Result<(String, Params), BadValue> {
    let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
    let token = lex::token(lex::trim(&value[..end])).ok_or(BadValue::new(field, "not a token"))?;
    Ok((token.to_owned(), Params::parse_header(&value[end..], field)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refer_subscription_ends_with_its_reason() {
        let state: SubscriptionState = "Terminated;reason=noresource".parse().unwrap();
        let event: Event = "refer;id=93809824".parse().unwrap();

        assert!(state.is_terminated());
        assert_eq!(state.reason(), Some("noresource"));
        assert_eq!((event.package.as_str(), event.id()), ("refer", Some("93809824")));
    }

    #[test]
    fn reasons_of_several_protocols_stand_in_one_header() {
        let mut headers = crate::message::Headers::new();
        headers.push(
            "Reason",
            r#"SIP;cause=200;text="Call, completed elsewhere", Q.850 ;cause=16 ;text="Terminated""#,
        );

        let reasons: Vec<Reason> = headers.list("Reason").unwrap();

        assert_eq!(reasons[0].text.as_deref(), Some("Call, completed elsewhere"));
        assert_eq!(reasons[1].q850_cause(), Some(16));
        assert_eq!(Reason::q850(17, "User busy").to_string(), r#"Q.850;cause=17;text="User busy""#);
    }
}
