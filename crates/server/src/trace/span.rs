//! A span, as OTLP has it.

/// Whose side of an exchange it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Within this server.
    Internal = 1,
    /// Somebody asked us.
    Server = 2,
    /// We asked somebody.
    Client = 3,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Number(i64),
    /// A number with a fraction.
    Fraction(f64),
}

/// Attributes in order.
pub type Attributes = Vec<(&'static str, Value)>;

/// Something that happened within a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEvent {
    /// Unix time in nanoseconds.
    pub at: u64,
    /// What.
    pub name: &'static str,
    /// More about it.
    pub attributes: Attributes,
}

/// One span, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its trace.
    pub trace_id: [u8; 16],
    /// Itself.
    pub span_id: [u8; 8],
    /// What it is part of.
    pub parent: Option<[u8; 8]>,
    /// Whether that is somebody else's span.
    pub parent_is_remote: bool,
    /// Its name: few different ones.
    pub name: String,
    /// Whose side it is.
    pub kind: SpanKind,
    /// Unix time in nanoseconds.
    pub start: u64,
    /// Unix time in nanoseconds.
    pub end: u64,
    /// More about it.
    pub attributes: Attributes,
    /// What happened within.
    pub events: Vec<SpanEvent>,
    /// Events that found no room.
    pub dropped_events: u32,
    /// What went wrong.
    pub failure: Option<String>,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Value::Number(i64::from(number))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Value::Number(i64::from(number))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::Fraction(number)
    }
}
