//! As much of the protobuf wire format as OTLP needs: what a message writes, and the fields of one that came.

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

/// A message that is being written. Fields that have their default value are left out, as proto3 does.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub fn varint(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.present_varint(field, value);
        }
    }

    /// A member of a `oneof`, which is written whatever its value.
    pub fn present_varint(&mut self, field: u64, value: u64) {
        self.key(field, VARINT);
        put_varint(&mut self.0, value);
    }

    pub fn fixed64(&mut self, field: u64, value: u64) {
        self.key(field, FIXED64);
        self.0.extend(value.to_le_bytes());
    }

    pub fn fixed32(&mut self, field: u64, value: u32) {
        self.key(field, FIXED32);
        self.0.extend(value.to_le_bytes());
    }

    pub fn bytes(&mut self, field: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.present_bytes(field, bytes);
        }
    }

    /// A member of a `oneof`, which is written whatever its value.
    pub fn present_bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, LENGTH);
        put_varint(&mut self.0, bytes.len() as u64);
        self.0.extend(bytes);
    }

    pub fn message(&mut self, field: u64, inner: Message) {
        self.present_bytes(field, &inner.0);
    }

    fn key(&mut self, field: u64, wire_type: u64) {
        put_varint(&mut self.0, field << 3 | wire_type);
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// What stands in a field that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, until one that cannot be read.
pub(super) fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u64, Field<'_>)> {
    std::iter::from_fn(move || {
        let key = take_varint(&mut bytes)?;
        let field = match key & 7 {
            VARINT => Field::Number(take_varint(&mut bytes)?),
            FIXED64 => Field::Number(u64::from_le_bytes(*bytes.split_first_chunk::<8>()?.0)),
            FIXED32 => Field::Number(u64::from(u32::from_le_bytes(*bytes.split_first_chunk::<4>()?.0))),
            LENGTH => {
                let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                let (found, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Field::Bytes(found)
            }
            _ => return None,
        };
        bytes = match key & 7 {
            FIXED64 => bytes.get(8..)?,
            FIXED32 => bytes.get(4..)?,
            _ => bytes,
        };
        Some((key >> 3, field))
    })
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_encoding_guide_come_out() {
        let mut number = Message::default();
        number.varint(1, 150);
        let mut text = Message::default();
        text.bytes(2, b"testing");
        let mut outer = Message::default();
        outer.message(3, number.clone());

        assert_eq!(number.into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(text.into_bytes(), b"\x12\x07testing");
        assert_eq!(outer.into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
    }

    #[test]
    fn what_was_written_is_read() {
        let mut message = Message::default();
        message.varint(1, u64::MAX);
        message.fixed64(7, 3);
        message.fixed32(16, 0x301);
        message.bytes(20, b"ab");
        message.varint(2, 0);

        let bytes = message.into_bytes();
        let found: Vec<_> = fields(&bytes).collect();

        assert_eq!(
            found,
            [
                (1, Field::Number(u64::MAX)),
                (7, Field::Number(3)),
                (16, Field::Number(0x301)),
                (20, Field::Bytes(b"ab"))
            ]
        );
    }

    #[test]
    fn what_is_cut_ends_there() {
        for bytes in [&[0x08][..], &[0x12, 0x05, 1], &[0x39, 1, 2], &[0xFF; 12], &[0x0B]] {
            assert_eq!(fields(bytes).count(), 0, "{bytes:?}");
        }
    }
}
