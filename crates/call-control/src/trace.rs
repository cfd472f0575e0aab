//! Which trace a call belongs to, in the terms of W3C Trace Context.

use offhook_sip_proto::message::Request;

/// The header that names a trace: of HTTP requests, and of the INVITE of a CTI that traces its calls.
pub const TRACEPARENT: &str = "traceparent";

/// The trace of a call. Always there, whether anybody collects it or not: a pure function of the call's id and of what
/// its INVITE says, so that whoever knows the one finds the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace: the digits of the call's id (a UUID), or what the INVITE names.
    pub trace_id: [u8; 16],
    /// Whose trace it is, where it is not the call's own.
    pub parent: Option<TraceParent>,
}

/// The span of somebody else that the call happens in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// Its id.
    pub span_id: [u8; 8],
    /// The trace flags as they came; bit 0 says that its trace is recorded.
    pub flags: u8,
}

impl TraceContext {
    /// The call's own trace.
    pub fn of_call(call_id: &str) -> Self {
        let digits: Vec<u8> = call_id.bytes().filter(|byte| *byte != b'-').collect();
        TraceContext { trace_id: octets(&digits).unwrap_or_else(|| hashed(call_id)), parent: None }
    }

    /// The trace that the INVITE of the call names, or else its own. Two headers of that name, or one that is not as it
    /// should be, are none: W3C Trace Context §4.3.
    pub fn of_invite(invite: &Request, call_id: &str) -> Self {
        let mut values = invite.headers.lines(TRACEPARENT);
        let named = match (values.next(), values.next()) {
            (Some(value), None) => std::str::from_utf8(value).ok().and_then(Self::parse),
            (None | Some(_), _) => None,
        };
        named.unwrap_or_else(|| Self::of_call(call_id))
    }

    /// Reads a `traceparent`: version, trace, span and flags (W3C Trace Context §3.2). A later version may have more to
    /// say behind a dash, which is left alone.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut fields = traceparent.trim().as_bytes().split(|byte| *byte == b'-');
        let [version] = octets::<1>(fields.next()?)?;
        let trace_id = octets(fields.next()?)?;
        let span_id = octets(fields.next()?)?;
        let [flags] = octets::<1>(fields.next()?)?;
        let is_known = version != 0xFF && (version != 0 || fields.next().is_none());
        let is_named = trace_id != [0; 16] && span_id != [0; 8];
        (is_known && is_named)
            .then_some(TraceContext { trace_id, parent: Some(TraceParent { span_id, flags }) })
    }

    /// The trace id as 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        hexadecimal(&self.trace_id)
    }

    /// The `traceparent` with which a span of ours asks somebody else to go on.
    pub fn traceparent(&self, span_id: [u8; 8], is_recorded: bool) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id(), hexadecimal(&span_id), u8::from(is_recorded))
    }

    /// The `traceparent` that came, for who asks in its name; `None` where none came.
    pub fn forwarded(&self) -> Option<String> {
        let parent = self.parent?;
        Some(format!("00-{}-{}-{:02x}", self.trace_id(), hexadecimal(&parent.span_id), parent.flags))
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}

/// Exactly so many octets, in lower-case digits as the standard wants them.
fn octets<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != N * 2 {
        return None;
    }
    let mut octets = [0; N];
    for (octet, pair) in octets.iter_mut().zip(digits.chunks(2)) {
        for digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *octet = *octet << 4 | value;
        }
    }
    Some(octets)
}

/// FNV-1a of 128 bits, for ids that are no UUID: those of simulations.
fn hashed(text: &str) -> [u8; 16] {
    const BASIS: u128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013B;
    text.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAME: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn the_trace_of_a_call_is_its_id_without_the_dashes() {
        let trace = TraceContext::of_call("01a1fdea-2d9f-7532-9b1c-3446137ea67e");

        assert_eq!(trace.trace_id(), "01a1fdea2d9f75329b1c3446137ea67e");
        assert_eq!(trace.forwarded(), None);
        assert_eq!(
            trace.traceparent([1, 2, 3, 4, 5, 6, 7, 8], true),
            "00-01a1fdea2d9f75329b1c3446137ea67e-0102030405060708-01"
        );
        assert_ne!(TraceContext::of_call("call-1").trace_id, TraceContext::of_call("call-2").trace_id);
    }

    #[test]
    fn a_trace_that_somebody_else_began_goes_on() {
        let trace = TraceContext::parse(CAME).unwrap();

        assert_eq!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(trace.parent.map(|parent| parent.flags), Some(1));
        assert_eq!(trace.forwarded().as_deref(), Some(CAME));
        let later = TraceContext::parse(&format!("cc{}-what-comes-later", &CAME[2..]));
        assert_eq!(later, Some(trace), "a version that is not known yet");
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        let table = [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
            "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        ];

        for text in table {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }
}
