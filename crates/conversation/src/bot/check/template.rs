//! Templates and expressions: whether they compile, and whether everything they name exists.

use std::collections::BTreeSet;

use super::super::file::BotFile;
use super::super::place::{At, Place};
use super::super::suggest;
use super::super::templates::{GIVEN, Templates};
use super::super::walk::{self, Template};
use super::Report;

/// What stands below the names that every call has. `config` follows the file, bodies and headers are free.
const FIELDS: [(&str, &[&str]); 5] = [
    ("call", &["caller", "caller_name", "called", "headers"]),
    ("turn", &["text", "count", "reason", "digits"]),
    ("answer", &["status", "body"]),
    ("transfer", &["target", "cause", "status"]),
    ("time", &["hour", "minute", "weekday", "date"]),
];

pub(super) fn check(file: &BotFile, templates: &Templates, report: &mut Report<'_>) {
    let own: BTreeSet<&str> = walk::names(&file.slots)
        .chain(walk::names(&file.variables))
        .chain(walk::every_set(file).into_iter().map(|(name, _)| name.as_str()))
        .collect();
    for (kind, source) in walk::every_template(file) {
        let names = match kind {
            Template::Text => templates.names_in_template(&source),
            Template::Expression => templates.names_in_expression(&source),
        };
        match names {
            Ok(names) => {
                for name in names {
                    known(file, templates, &own, &source, &name, report);
                }
                filters(kind, templates, &source, report);
                if let Some(what) = templates.misuse(kind, &source) {
                    report.add(
                        report.find(source.place, "|"),
                        format!("a filter is used in a way it cannot be: {what}"),
                        "bots/README.md says what each filter takes",
                    );
                }
            }
            Err(error) => {
                let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
                report.add(
                    inside(&source, error.line(), error.range(), report),
                    format!("the template cannot be read: {what}"),
                    match kind {
                        Template::Text => {
                            "a value is written as {{ name }}, a condition as {% if name %} … {% endif %}"
                        }
                        Template::Expression => {
                            "write an expression without braces, such as `order.state == \"shipped\"`"
                        }
                    },
                );
            }
        }
    }
}

fn known(
    file: &BotFile,
    templates: &Templates,
    own: &BTreeSet<&str>,
    source: &At<String>,
    name: &str,
    report: &mut Report<'_>,
) {
    let (root, field) = name
        .split_once('.')
        .map_or((name, None), |(root, rest)| (root, Some(rest.split('.').next().unwrap_or(rest))));
    if root == "config" {
        if let Some(field) = field.filter(|field| !file.config.contains_key(*field)) {
            report.add(
                report.find(source.place, field),
                format!("`config.{field}` is not declared"),
                config_remedy(file, field),
            );
        }
        return;
    }
    if let Some((_, fields)) = FIELDS.iter().find(|(given, _)| *given == root) {
        if let Some(field) = field.filter(|field| !fields.contains(field)) {
            report.add(
                report.find(source.place, field),
                format!("`{root}` has no `{field}`"),
                suggest::remedy(field, "fields", fields.iter().copied()),
            );
        }
        return;
    }
    if own.contains(root) || templates.is_function(root) {
        return;
    }
    let candidates = own.iter().copied().chain(GIVEN);
    report.add(
        report.find(source.place, root),
        format!("nothing sets `{root}`"),
        match suggest::closest(root, candidates) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "declare it under `variables` or `slots`, or `set` it in a state".to_owned(),
        },
    );
}

fn config_remedy(file: &BotFile, field: &str) -> String {
    match suggest::closest(field, walk::names(&file.config)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("add `{field}:` under `config`, with a default or `~`"),
    }
}

/// The library finds an unknown filter only when it runs, perhaps in the middle of a call.
fn filters(kind: Template, templates: &Templates, source: &At<String>, report: &mut Report<'_>) {
    for name in used_filters(kind, source) {
        if !templates.is_filter(&name) {
            report.add(
                report.find(source.place, &name),
                format!("there is no filter `{name}`"),
                suggest::remedy(
                    &name,
                    "filters",
                    [
                        "digits", "spell", "number", "money", "date", "default", "upper", "lower", "length",
                        "round", "join",
                    ],
                ),
            );
        }
    }
}

fn used_filters(kind: Template, source: &str) -> Vec<String> {
    let mut code = String::new();
    match kind {
        Template::Expression => code.push_str(source),
        Template::Text => {
            for part in source.split("{{").skip(1).chain(source.split("{%").skip(1)) {
                let end = part.find("}}").into_iter().chain(part.find("%}")).min().unwrap_or(part.len());
                code.push_str(&part[..end]);
                code.push('\n');
            }
        }
    }
    let outside_quotes: String = code.split(['"', '\'']).step_by(2).collect::<Vec<_>>().join(" ");
    outside_quotes
        .split('|')
        .skip(1)
        .map(|after| {
            after.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

/// The place of a mistake inside a template: exact for one line, the line for a block.
fn inside(
    source: &At<String>,
    line: Option<usize>,
    range: Option<std::ops::Range<usize>>,
    report: &Report<'_>,
) -> Place {
    let line_inside = line.unwrap_or(1).saturating_sub(1);
    let text = source.value.lines().nth(line_inside).unwrap_or("").trim();
    let start_of_line: usize = source.value.split_inclusive('\n').take(line_inside).map(str::len).sum();
    let in_line = range.map_or(0, |range| range.start.saturating_sub(start_of_line)).min(text.len());
    let at_text = report.find_text(source.place, text);
    Place {
        line: at_text.line,
        column: at_text.column + text.get(..in_line).map_or(0, |head| head.chars().count()),
    }
}
