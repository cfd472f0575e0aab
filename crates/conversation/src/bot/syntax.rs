//! From YAML to the shape of a bot file; what serde says becomes a message for people.

use serde_saphyr::Error;

use super::check::Report;
use super::error::BotErrors;
use super::file::BotFile;
use super::place::Place;
use super::suggest;

pub(super) fn read(yaml: &str, file_name: &str) -> Result<BotFile, BotErrors> {
    serde_saphyr::from_str::<BotFile>(yaml).map_err(|error| {
        let mut report = Report::new(yaml, file_name);
        let error = error.without_snippet();
        let place = error.location().map_or(Place { line: 1, column: 1 }, Place::from);
        let (message, remedy) = explain(error);
        report.add(place, message, remedy);
        BotErrors(report.into_errors())
    })
}

fn explain(error: &Error) -> (String, String) {
    if let Error::SerdeUnknownField { field, expected, .. } = error {
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
        return (
            format!("{expected} belongs here, not {unexpected}"),
            "look at the indentation; put texts that look like numbers, true or false into quotes".to_owned(),
        );
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
    let message = error.to_string();
    let message = message.lines().next().unwrap_or("the file cannot be read");
    // The position stands before the message already.
    let message = message.split(" at line ").next().unwrap_or(message).to_owned();
    (message, "look at the indentation, the quotes and the brackets around this place".to_owned())
}
