//! From YAML to the shape of a bot file; what serde says becomes a message for people.

use serde::de::DeserializeOwned;
use serde_saphyr::Error;

use super::check::Report;
use super::error::BotErrors;
use super::place::Place;
use super::suggest;

pub(super) fn read<T: DeserializeOwned>(yaml: &str, file_name: &str) -> Result<T, BotErrors> {
    serde_saphyr::from_str::<T>(yaml).map_err(|error| {
        let mut report = Report::new(yaml, file_name);
        let error = error.without_snippet();
        let place = error.location().map_or(Place { line: 1, column: 1 }, Place::from);
        let line = yaml.lines().nth(place.line.saturating_sub(1)).unwrap_or("");
        let (message, remedy) = explain(error, line, place.column);
        report.add(place, message, remedy);
        BotErrors(report.into_errors())
    })
}

fn explain(error: &Error, line: &str, column: usize) -> (String, String) {
    if let Some((message, remedy)) = slip(error, line, column) {
        return (message.to_owned(), remedy.to_owned());
    }
    if let Error::SerdeUnknownField { field, expected, .. } = error {
        if field.contains(CHINESE_MARKS) {
            return (CHINESE_MARK.0.to_owned(), CHINESE_MARK.1.to_owned());
        }
        let remedy = suggest::remedy(field, "keys", expected.iter().copied());
        return (format!("`{field}` is not known here"), remedy);
    }
    if let Error::SerdeUnknownVariant { variant, expected, .. } = error {
        let remedy = suggest::remedy(variant, "words", expected.iter().copied());
        return (format!("`{variant}` is not known here"), remedy);
    }
    if let Error::SerdeMissingField { field, .. } = error {
        return (format!("`{field}` is missing here"), format!("add `{field}:`"));
    }
    if let Error::DuplicateMappingKey { key, .. } = error {
        let key = key.as_deref().unwrap_or("a key");
        return (format!("`{key}` stands here twice"), "keep one of them".to_owned());
    }
    if let Error::SerdeInvalidType { unexpected, expected, .. } = error {
        let remedy = if expected.contains("one of") || expected.contains(" or ") && !expected.contains("text")
        {
            "write one of them".to_owned()
        } else {
            "look at the indentation; put texts that look like numbers, true or false into quotes".to_owned()
        };
        return (format!("{expected} belongs here, not {unexpected}"), remedy);
    }
    if matches!(error, Error::NullIntoString { .. }) {
        return ("a text is missing here".to_owned(), "write it after the colon".to_owned());
    }
    if let Error::Message { msg, .. } = error {
        return match msg.split_once("; ") {
            Some((message, remedy)) => (message.to_owned(), remedy.to_owned()),
            None => (msg.clone(), "correct the value".to_owned()),
        };
    }
    if let Error::InvalidScalar { ty, .. } = error {
        return if *ty == "floating point" {
            ("a number belongs here".to_owned(), "write one such as 0.4".to_owned())
        } else {
            ("a whole number belongs here".to_owned(), "write one such as 3".to_owned())
        };
    }
    let message = error.to_string();
    let message = message.lines().next().unwrap_or("the file cannot be read");
    // The position stands before the message already.
    let message = message.split(" at line ").next().unwrap_or(message).to_owned();
    (message, "look at the indentation, the quotes and the brackets around this place".to_owned())
}

const CHINESE_MARKS: [char; 4] = ['：', '，', '“', '”'];
const CHINESE_MARK: (&str, &str) =
    ("a mark of Chinese punctuation stands where YAML needs its own", "write `:` with a space, `,` and `\"`");

/// Slips that people make in YAML, told by what stands at the place of the error.
fn slip(error: &Error, line: &str, column: usize) -> Option<(&'static str, &'static str)> {
    let here: String = line.chars().skip(column.saturating_sub(1)).collect();
    let text = error.to_string();
    let says = |words: &str| text.contains(words);
    if says("tabs disallowed") {
        return Some(("a tab stands at the beginning of the line", "indent with spaces"));
    }
    if says("unexpected end of input") {
        return Some((
            "the file ends before anything was said",
            "write at least `bot`, `start` and `states`",
        ));
    }
    if matches!(error, Error::UnknownAnchor { .. }) || says("unknown anchor") {
        return Some((
            "a text that begins with `*` or `&` needs quotes",
            "write it as \"*\"; without quotes YAML means something else",
        ));
    }
    let before: String = line.chars().take(column).collect();
    if (before.ends_with("{{") || here.starts_with("{{")) && says("expected") {
        return Some(("a text that begins with `{{` needs quotes", "write it as \"{{ name }}\""));
    }
    if matches!(error, Error::ExpectedMappingEndAfterEnumVariantValue { .. }) {
        return Some((
            "a line of a dialogue does one thing",
            "give the second one a line of its own, such as `- caller: hello`",
        ));
    }
    if matches!(error, Error::UnexpectedValueForUnitEnumVariant { .. }) {
        return Some(("this word stands alone", "write it without a value, such as `- silence`"));
    }
    if says("mapping values are not allowed") {
        return Some((
            "a text with a colon and a space in it needs quotes",
            "write it as \"Your choice: tea\"; where it is no text, look at the indentation",
        ));
    }
    if says("simple key expected") || says("expected mapping start") {
        return Some(if here.contains(CHINESE_MARKS) {
            CHINESE_MARK
        } else {
            ("lines of the form `key: value` belong here", "write the key, a colon, a space and the value")
        });
    }
    None
}
