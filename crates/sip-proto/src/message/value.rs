//! What every typed header has in common.

use thiserror::Error;

/// A header value that its grammar does not allow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("bad {field}: {why}")]
pub struct BadValue {
    /// The header, or the part of one, that was read.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

impl BadValue {
    pub(crate) const fn new(field: &'static str, why: &'static str) -> Self {
        BadValue { field, why }
    }
}

/// One element of a header, between raw bytes and a type of ours.
pub trait FieldValue: Sized {
    /// Reads one element (a list header is split before).
    ///
    /// # Errors
    /// [`BadValue`] when the grammar does not allow it.
    fn parse(value: &[u8]) -> Result<Self, BadValue>;

    /// Appends the value as it goes on the wire.
    fn write(&self, out: &mut Vec<u8>);

    /// The value as it goes on the wire.
    fn to_value(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

/// `Display` and `FromStr` by [`FieldValue`]. Display is lossy where the bytes are not UTF-8; the wire never uses it.
macro_rules! text_by_field_value {
    ($($kind:ty),* $(,)?) => {$(
        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&String::from_utf8_lossy(&$crate::message::FieldValue::to_value(self)))
            }
        }

        impl std::str::FromStr for $kind {
            type Err = $crate::message::BadValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::message::FieldValue::parse(text.as_bytes())
            }
        }
    )*};
}
pub(crate) use text_by_field_value;
