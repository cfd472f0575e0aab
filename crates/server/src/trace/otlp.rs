//! Spans as the body of an OTLP request (`ExportTraceServiceRequest`, opentelemetry-proto 1.x), and what the collector
//! answers. The numbers are those of the public `.proto` files, which promise not to change them.

use super::protobuf::{Field, Message, fields};
use super::span::{Attributes, Span, SpanEvent, Value};

/// `SpanFlags`: whether the parent is in another process is known, and that it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// The W3C flag of a trace that is recorded.
const SAMPLED: u32 = 1;

/// `STATUS_CODE_ERROR`.
const ERROR: u64 = 2;

/// The version of the semantic conventions that our attributes follow.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// Who sends the spans.
#[derive(Clone, Debug)]
pub(super) struct Resource(pub Attributes);

/// A request with `spans`; with none it asks whether the collector takes any.
pub(super) fn request(resource: &Resource, spans: &[Span]) -> Vec<u8> {
    let mut scope = Message::default();
    scope.bytes(1, b"offhook");
    scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
    let mut scope_spans = Message::default();
    scope_spans.message(1, scope);
    for span in spans {
        scope_spans.message(2, encode(span));
    }
    let mut about = Message::default();
    put_attributes(&mut about, 1, &resource.0);
    let mut resource_spans = Message::default();
    resource_spans.message(1, about);
    resource_spans.message(2, scope_spans);
    resource_spans.bytes(3, SCHEMA.as_bytes());
    let mut request = Message::default();
    if !spans.is_empty() {
        request.message(1, resource_spans);
    }
    request.into_bytes()
}

/// How many spans a collector that took the request did not take, and what it said (`ExportTraceServiceResponse`).
pub(super) fn rejected(response: &[u8]) -> Option<(u64, String)> {
    let partial = fields(response).find_map(|field| match field {
        (1, Field::Bytes(partial)) => Some(partial),
        (_, Field::Bytes(_) | Field::Number(_)) => None,
    })?;
    let (mut count, mut said) = (0, String::new());
    for field in fields(partial) {
        match field {
            (1, Field::Number(number)) => count = number,
            (2, Field::Bytes(text)) => said = String::from_utf8_lossy(text).into_owned(),
            (_, Field::Number(_) | Field::Bytes(_)) => {}
        }
    }
    (count > 0).then_some((count, said))
}

fn encode(span: &Span) -> Message {
    let mut message = Message::default();
    message.bytes(1, &span.trace_id);
    message.bytes(2, &span.span_id);
    if let Some(parent) = &span.parent {
        message.bytes(4, parent);
    }
    message.bytes(5, span.name.as_bytes());
    message.varint(6, span.kind as u64);
    message.fixed64(7, span.start);
    message.fixed64(8, span.end);
    put_attributes(&mut message, 9, &span.attributes);
    for event in &span.events {
        message.message(11, encode_event(event));
    }
    message.varint(12, u64::from(span.dropped_events));
    if let Some(failure) = &span.failure {
        let mut status = Message::default();
        status.bytes(2, failure.as_bytes());
        status.varint(3, ERROR);
        message.message(15, status);
    }
    message.fixed32(16, SAMPLED | HAS_IS_REMOTE | if span.parent_is_remote { IS_REMOTE } else { 0 });
    message
}

fn encode_event(event: &SpanEvent) -> Message {
    let mut message = Message::default();
    message.fixed64(1, event.at);
    message.bytes(2, event.name.as_bytes());
    put_attributes(&mut message, 3, &event.attributes);
    message
}

fn put_attributes(message: &mut Message, field: u64, attributes: &Attributes) {
    for (key, value) in attributes {
        let mut any = Message::default();
        match value {
            Value::Text(text) => any.present_bytes(1, text.as_bytes()),
            Value::Number(number) => any.present_varint(3, number.cast_unsigned()),
            Value::Fraction(number) => any.fixed64(4, number.to_bits()),
        }
        let mut pair = Message::default();
        pair.bytes(1, key.as_bytes());
        pair.message(2, any);
        message.message(field, pair);
    }
}

#[cfg(test)]
mod tests {
    use super::super::span::SpanKind;
    use super::*;

    #[test]
    fn a_span_has_the_bytes_of_the_public_definition() {
        let span = Span {
            trace_id: [0xAA; 16],
            span_id: [0xBB; 8],
            parent: Some([0xCC; 8]),
            parent_is_remote: true,
            name: "n".into(),
            kind: SpanKind::Client,
            start: 1,
            end: 2,
            attributes: vec![("k", Value::Number(-1))],
            events: vec![SpanEvent { at: 3, name: "e", attributes: Vec::new() }],
            dropped_events: 4,
            failure: Some("f".into()),
        };

        let bytes = encode(&span).into_bytes();

        let mut expected = vec![0x0A, 16];
        expected.extend([0xAA; 16]);
        expected.extend([0x12, 8]);
        expected.extend([0xBB; 8]);
        expected.extend([0x22, 8]);
        expected.extend([0xCC; 8]);
        expected.extend(b"\x2A\x01n\x30\x03");
        expected.extend(b"\x39\x01\0\0\0\0\0\0\0\x41\x02\0\0\0\0\0\0\0");
        expected.extend(b"\x4A\x10\x0A\x01k\x12\x0B\x18\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01");
        expected.extend(b"\x5A\x0C\x09\x03\0\0\0\0\0\0\0\x12\x01e");
        expected.extend(b"\x60\x04\x7A\x05\x12\x01f\x18\x02");
        expected.extend(b"\x85\x01\x01\x03\0\0");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn an_empty_request_asks_whether_anybody_is_there() {
        assert!(request(&Resource(Vec::new()), &[]).is_empty());
    }

    #[test]
    fn spans_that_were_not_taken_are_counted() {
        assert_eq!(rejected(b"\x0A\x07\x08\x05\x12\x03old"), Some((5, "old".to_owned())));
        assert_eq!(rejected(b"\x0A\x05\x12\x03fyi"), None, "a warning, all were taken");
        assert_eq!(rejected(b""), None);
        assert_eq!(rejected(b"<html>"), None);
    }
}
