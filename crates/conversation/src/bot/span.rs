//! Lengths of time as people write them: `700ms`, `6s`, `1.5s`, `2m`.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};

/// A length of time in a bot file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map(Span).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is no length of time; write it as 700ms, 6s or 2m"))
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m)$", "examples": ["700ms", "6s"] })
    }
}

/// An hour is the most: whoever waits longer made a mistake in the unit.
const LONGEST: f64 = 3600.0;

fn parse(text: &str) -> Option<Duration> {
    let (number, seconds) = if let Some(number) = text.strip_suffix("ms") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1.0)
    } else {
        (text.strip_suffix('m')?, 60.0)
    };
    if !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let seconds = number.parse::<f64>().ok()? * seconds;
    (seconds > 0.0 && seconds <= LONGEST).then(|| Duration::from_millis((seconds * 1000.0).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_lengths_of_time_with_a_unit() {
        assert_eq!(parse("700ms"), Some(Duration::from_millis(700)));
        assert_eq!(parse("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse("2m"), Some(Duration::from_secs(120)));
        assert_eq!(parse("5"), None);
        assert_eq!(parse("-5s"), None);
        assert_eq!(parse("0s"), None);
        assert_eq!(parse("90m"), None);
    }
}
