//! What serde cannot see: names that do not exist, states that nobody reaches, ladders without an end.

mod flow;
mod masking;
mod names;
mod phrases;
mod shape;
mod template;

use super::error::{BotError, BotErrors};
use super::file::{BotFile, TestFile};
use super::place::{At, Place};
use super::templates::Templates;

/// Finds all mistakes of a file that serde could read, in the order of their lines.
pub(crate) fn check(
    file: &BotFile,
    templates: &Templates,
    source: &str,
    file_name: &str,
) -> Result<(), BotErrors> {
    let mut report = Report::new(source, file_name);
    shape::check(file, &mut report);
    names::check(file, &mut report);
    template::check(file, templates, &mut report);
    phrases::check(file, &mut report);
    masking::check(file, &mut report);
    // Reachability of a file with unknown names would only repeat them.
    if report.errors.is_empty() {
        flow::check(file, &mut report);
    }
    report.finish()
}

/// Finds all mistakes of tests that stand in a file beside the bot's.
pub(crate) fn check_tests(
    tests: &[At<TestFile>],
    file: &BotFile,
    source: &str,
    file_name: &str,
) -> Result<(), BotErrors> {
    let mut report = Report::new(source, file_name);
    names::tests(tests, file, &mut report);
    report.finish()
}

/// Collects mistakes.
pub(crate) struct Report<'a> {
    source: &'a str,
    file_name: &'a str,
    errors: Vec<BotError>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(source: &'a str, file_name: &'a str) -> Self {
        Report { source, file_name, errors: Vec::new() }
    }

    /// Notes a mistake.
    pub(crate) fn add(&mut self, place: Place, message: impl Into<String>, remedy: impl Into<String>) {
        let line = place.line.max(1);
        let error = BotError {
            file: self.file_name.to_owned(),
            line,
            column: place.column.max(1),
            message: message.into(),
            remedy: remedy.into(),
            source: self.source.lines().nth(line - 1).unwrap_or("").to_owned(),
        };
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// Where `needle` stands as a whole word at or after `place`; `place` where it does not.
    fn find(&self, place: Place, needle: &str) -> Place {
        /// A prompt in block style rarely has more lines.
        const LINES: usize = 30;

        let lines = self.source.lines().enumerate().skip(place.line.saturating_sub(1)).take(LINES);
        for (index, line) in lines {
            let first = if index + 1 == place.line { place.column.saturating_sub(1) } else { 0 };
            let start = line.char_indices().nth(first).map_or(line.len(), |(at, _)| at);
            if let Some(at) = whole_word(&line[start..], needle) {
                return Place { line: index + 1, column: line[..start + at].chars().count() + 1 };
            }
        }
        place
    }

    /// Where the text of a scalar that begins at `place` stands; `place` where it is written otherwise.
    fn find_text(&self, place: Place, text: &str) -> Place {
        /// A prompt in block style rarely has more lines.
        const LINES: usize = 30;

        let lines = self.source.lines().enumerate().skip(place.line.saturating_sub(1)).take(LINES);
        for (index, line) in lines {
            if let Some(at) = line.find(text).filter(|_| !text.is_empty()) {
                return Place { line: index + 1, column: line[..at].chars().count() + 1 };
            }
        }
        place
    }

    pub(crate) fn into_errors(self) -> Vec<BotError> {
        self.errors
    }

    pub(crate) fn finish(mut self) -> Result<(), BotErrors> {
        self.errors.sort_by_key(|error| (error.line, error.column));
        if self.errors.is_empty() { Ok(()) } else { Err(BotErrors(self.errors)) }
    }
}

fn whole_word(text: &str, needle: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(needle).map(|(at, _)| at).find(|at| {
        !text[..*at].chars().next_back().is_some_and(is_word)
            && !text[at + needle.len()..].chars().next().is_some_and(is_word)
    })
}
