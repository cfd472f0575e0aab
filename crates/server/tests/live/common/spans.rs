//! OTLP as a collector reads it: protobuf taken apart by the numbers of the public definition.

use std::collections::BTreeMap;

/// A span that came.
#[derive(Clone, Debug, Default)]
pub struct SeenSpan {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub kind: u64,
    /// Unix nanoseconds.
    pub start: u64,
    pub end: u64,
    pub attributes: BTreeMap<String, String>,
    pub events: Vec<String>,
    /// `Status.code`; 2 is an error.
    pub status: u64,
}

/// The spans of a request, and its resource's attributes.
pub fn spans_of(body: &[u8]) -> (Vec<SeenSpan>, BTreeMap<String, String>) {
    let (mut spans, mut resource) = (Vec::new(), BTreeMap::new());
    for (_, resource_spans) in messages(body, 1) {
        for (_, about) in messages(resource_spans, 1) {
            resource.extend(messages(about, 1).into_iter().map(|(_, pair)| attribute(pair)));
        }
        for (_, scope_spans) in messages(resource_spans, 2) {
            spans.extend(messages(scope_spans, 2).into_iter().map(|(_, span)| read_span(span)));
        }
    }
    (spans, resource)
}

fn read_span(bytes: &[u8]) -> SeenSpan {
    let mut span = SeenSpan::default();
    for (number, field) in fields(bytes) {
        match (number, field) {
            (1, Field::Bytes(id)) => span.trace = hex(id),
            (2, Field::Bytes(id)) => span.id = hex(id),
            (4, Field::Bytes(id)) => span.parent = hex(id),
            (5, Field::Bytes(name)) => span.name = text(name),
            (6, Field::Number(kind)) => span.kind = kind,
            (7, Field::Number(at)) => span.start = at,
            (8, Field::Number(at)) => span.end = at,
            (9, Field::Bytes(pair)) => span.attributes.extend([attribute(pair)]),
            (11, Field::Bytes(event)) => {
                span.events.extend(messages(event, 2).into_iter().map(|(_, name)| text(name)));
            }
            (15, Field::Bytes(status)) => {
                for (number, field) in fields(status) {
                    if let (3, Field::Number(code)) = (number, field) {
                        span.status = code;
                    }
                }
            }
            (16, Field::Number(flags)) => assert_eq!(flags & 1, 1, "it is sampled"),
            (number, field) => panic!("a span has no field {number} of ours: {field:?}"),
        }
    }
    span
}

fn attribute(pair: &[u8]) -> (String, String) {
    let key = messages(pair, 1).first().map(|(_, key)| text(key)).unwrap();
    let value = messages(pair, 2).first().map(|(_, value)| *value).unwrap();
    let value = match fields(value).pop().unwrap() {
        (1, Field::Bytes(value)) => text(value),
        (3, Field::Number(value)) => value.cast_signed().to_string(),
        (4, Field::Number(value)) => f64::from_bits(value).to_string(),
        (number, field) => panic!("no value {number} of ours: {field:?}"),
    };
    (key, value)
}

#[derive(Clone, Copy, Debug)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn messages(bytes: &[u8], wanted: u64) -> Vec<(u64, &[u8])> {
    let only = |(number, field)| match field {
        Field::Bytes(bytes) if number == wanted => Some((number, bytes)),
        Field::Bytes(_) | Field::Number(_) => None,
    };
    fields(bytes).into_iter().filter_map(only).collect()
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
            2 => {
                let length = varint(&mut bytes) as usize;
                Field::Bytes(take(&mut bytes, length))
            }
            5 => Field::Number(u64::from(u32::from_le_bytes(take(&mut bytes, 4).try_into().unwrap()))),
            wire_type => panic!("no wire type {wire_type}"),
        };
        found.push((key >> 3, field));
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
