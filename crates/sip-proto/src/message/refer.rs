//! Refer-To (RFC 3515) and Replaces (RFC 3891): transfers.

use serde::{Deserialize, Serialize};

use super::lex;
use super::method::Method;
use super::name::header;
use super::name_addr::NameAddr;
use super::params::Params;
use super::value::{BadValue, FieldValue, text_by_field_value};

/// Refer-To: where the receiver of a REFER is asked to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferTo(pub NameAddr);

impl ReferTo {
    /// The method the URI asks for; INVITE where it names none.
    ///
    /// # Errors
    /// [`BadValue`] when it is no token.
    pub fn method(&self) -> Result<Method, BadValue> {
        self.0.uri.param("method").map_or(Ok(Method::Invite), |method| Method::parse(method.as_bytes()))
    }

    /// The Replaces header that the URI carries (an attended transfer).
    ///
    /// # Errors
    /// [`BadValue`] when it does not keep its grammar.
    pub fn replaces(&self) -> Result<Option<Replaces>, BadValue> {
        let Some(uri) = self.0.uri.as_sip() else { return Ok(None) };
        let headers = uri.unescaped_headers();
        let replaces = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(header::REPLACES));
        replaces.map(|(_, value)| Replaces::parse(value)).transpose()
    }

    /// The same, asking the receiver to replace a dialog.
    pub fn with_replaces(mut self, replaces: &Replaces) -> Self {
        if let Some(uri) = self.0.uri.as_sip_mut() {
            uri.add_header(header::REPLACES, &replaces.to_string());
        }
        self
    }
}

impl FieldValue for ReferTo {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        NameAddr::parse(value).map(ReferTo)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

/// Replaces: the dialog that the new one takes the place of. Tags are as the receiver sees them:
/// `to_tag` is its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaces {
    /// Call-ID of the dialog.
    pub call_id: String,
    /// The receiver's tag; `0` also means none (RFC 3891 §3).
    pub to_tag: String,
    /// The other side's tag.
    pub from_tag: String,
    /// Only an early dialog may be replaced.
    pub early_only: bool,
}

impl FieldValue for Replaces {
    fn parse(value: &[u8]) -> Result<Self, BadValue> {
        let bad = |why| BadValue::new("Replaces", why);
        let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
        let call_id = std::str::from_utf8(lex::trim(&value[..end])).map_err(|_| bad("not text"))?;
        if call_id.is_empty() || call_id.bytes().any(lex::is_lws) {
            return Err(bad("no Call-ID"));
        }
        let params = Params::parse_header(&value[end..], "Replaces")?;
        let tag = |name, why| params.get(name).map(str::to_owned).ok_or(bad(why));
        Ok(Replaces {
            call_id: call_id.to_owned(),
            to_tag: tag("to-tag", "no to-tag")?,
            from_tag: tag("from-tag", "no from-tag")?,
            early_only: params.has("early-only"),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let text = format!("{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag);
        out.extend_from_slice(text.as_bytes());
        if self.early_only {
            out.extend_from_slice(b";early-only");
        }
    }
}

text_by_field_value!(ReferTo, Replaces);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attended_transfer_carries_its_dialog_escaped_in_the_uri() {
        let replaces: Replaces = "abc@host;to-tag=1;from-tag=2;early-only".parse().unwrap();
        let target: ReferTo = "<sip:bob@example.com>".parse().unwrap();

        let refer_to = target.with_replaces(&replaces);

        assert_eq!(
            refer_to.to_string(),
            "<sip:bob@example.com?Replaces=abc%40host%3Bto-tag%3D1%3Bfrom-tag%3D2%3Bearly-only>"
        );
        assert_eq!(refer_to.to_string().parse::<ReferTo>().unwrap().replaces(), Ok(Some(replaces)));
    }

    #[test]
    fn a_replaces_that_a_device_did_not_escape_is_still_read() {
        let refer_to: ReferTo =
            "<sip:bob@example.com?Replaces=abc@host;to-tag=1;from-tag=2>".parse().unwrap();

        assert_eq!(refer_to.replaces().unwrap().unwrap().call_id, "abc@host");
    }

    #[test]
    fn the_method_of_a_refer_is_invite_unless_it_says_otherwise() {
        assert_eq!("sip:a@b".parse::<ReferTo>().unwrap().method(), Ok(Method::Invite));
        assert_eq!("<sip:a@b;method=BYE>".parse::<ReferTo>().unwrap().method(), Ok(Method::Bye));
    }

    #[test]
    fn a_replaces_without_both_tags_is_refused() {
        assert!("abc@host;to-tag=1".parse::<Replaces>().is_err());
    }
}
