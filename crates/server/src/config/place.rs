//! Where in the file something is, and what its author may have meant.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Something that is wrong with a value, before it is known where in the file it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The keys that lead to it; tables of an array by their index.
    path: Vec<String>,
    /// What to call the place, where its keys alone would not say.
    name: Option<String>,
    what: String,
}

impl Wrong {
    pub fn new(path: &[&str], what: impl Into<String>) -> Self {
        let path = path.iter().map(|key| (*key).to_owned()).collect();
        Wrong { path, name: None, what: what.into() }
    }

    /// The same, below other keys.
    pub fn below(mut self, outer: &[&str]) -> Self {
        self.path.splice(0..0, outer.iter().map(|key| (*key).to_owned()));
        self
    }

    /// Calls the place by another name than its keys.
    pub fn called(mut self, name: String) -> Self {
        self.name = Some(name);
        self
    }

    /// The place, as exact as the text tells.
    pub fn place(&self, text: &str) -> String {
        match offset_of(text, &self.path) {
            Some(offset) => format!("{}: {self}", line_and_column(text, offset)),
            None => self.to_string(),
        }
    }

    pub fn what(&self) -> &str {
        &self.what
    }
}

/// The place by its keys.
impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => f.write_str(&self.path.join(".")),
        }
    }
}

/// `line 3, column 7`.
pub(super) fn line_and_column(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    format!("line {line}, column {column}")
}

/// Where the value at `path` begins; of a path that is not there whole, where its deepest part begins.
fn offset_of(text: &str, path: &[String]) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = Some(document.get_ref());
    let mut array: Option<&[_]> = None;
    let mut found = None;
    for key in path {
        let value = match (table, array) {
            (Some(table), _) => table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value),
            (None, Some(array)) => key.parse().ok().and_then(|index: usize| array.get(index)),
            (None, None) => None,
        };
        let Some(value) = value else { break };
        found = Some(value.span().start);
        (table, array) = match value.get_ref() {
            DeValue::Table(inner) => (Some(inner), None),
            DeValue::Array(inner) => (None, Some(&inner[..])),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => (None, None),
        };
    }
    found
}

/// The keys that lead to the value at `offset`, as `media.ptime_ms`; `None` between values.
pub(super) fn key_at(text: &str, offset: usize) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    let mut table = Some(document.get_ref());
    let mut array: Option<&[_]> = None;
    let mut keys: Vec<String> = Vec::new();
    loop {
        let inner = match (table, array) {
            (Some(table), _) => table
                .iter()
                .find(|(_, value)| holds(value, offset))
                .map(|(key, value)| (key.get_ref().to_string(), value.get_ref())),
            (None, Some(array)) => array
                .iter()
                .enumerate()
                .find(|(_, value)| holds(value, offset))
                .map(|(index, value)| ((index + 1).to_string(), value.get_ref())),
            (None, None) => None,
        };
        let Some((key, value)) = inner else { break };
        keys.push(key);
        (table, array) = match value {
            DeValue::Table(inner) => (Some(inner), None),
            DeValue::Array(inner) => (None, Some(&inner[..])),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => break,
        };
    }
    (!keys.is_empty()).then(|| keys.join("."))
}

/// Whether something stands within a value. The lines of a table are not within its header, so each is asked.
fn holds(value: &Spanned<DeValue<'_>>, offset: usize) -> bool {
    value.span().contains(&offset)
        || match value.get_ref() {
            DeValue::Table(table) => table.iter().any(|(_, value)| holds(value, offset)),
            DeValue::Array(array) => array.iter().any(|value| holds(value, offset)),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => false,
        }
}

/// What the reader of TOML says, with what to do about it.
pub(super) fn explained(message: &str) -> String {
    let remedy = unknown_key(message).or_else(|| wrong_kind(message).map(str::to_owned));
    match remedy {
        Some(remedy) => format!("{message}: {remedy}"),
        None => message.to_owned(),
    }
}

fn unknown_key(message: &str) -> Option<String> {
    let mut names = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let written = names.next()?;
    let known: Vec<&str> = names.collect();
    // Keys that are right, but in another place.
    let moved = match written {
        "codecs" | "ptime_ms" | "nat" | "ports" | "realtime" | "prefer" if known.contains(&"media") => {
            "media"
        }
        "calls" | "call_time" | "ring_time" | "silence" | "rtp_timeout" | "drain_timeout"
            if known.contains(&"limits") =>
        {
            "limits"
        }
        "recognizer" | "synthesizer" | "bridge" | "voices" if known.contains(&"engine") => "engine",
        "port" | "address" | "host" if known.contains(&"listen") => {
            return Some("write it as listen = \"ADDRESS:PORT\"".to_owned());
        }
        "listen" | "user_agent" if known.contains(&"sip") => "sip",
        "targets" | "folder" | "prompts" if known.contains(&"bots") => "bots",
        _ => return closest(written, &known).map(|meant| format!("did you mean `{meant}`?")),
    };
    Some(format!("write it as {moved}.{written}"))
}

fn wrong_kind(message: &str) -> Option<&'static str> {
    let remedies = [
        ("socket address", "write ADDRESS:PORT, as \"127.0.0.1:5060\" or \"[::1]:5060\""),
        ("IP address", "write an address, as \"203.0.113.10\" or \"2001:db8::10\""),
        ("map, expected a sequence", "write it with two brackets, as [[route]] or [[trunk]]"),
        ("duplicate key", "it stands above already, leave one out"),
        ("expected f64", "write a number without quotes, as 30.0"),
        ("expected u32", "write a whole number without quotes"),
        ("expected i64", "write a whole number without quotes"),
        ("expected usize", "write a whole number without quotes, 0 or more"),
        ("expected a string", "write it in quotes"),
        ("expected a sequence", "write a list, as [\"one\", \"two\"]"),
    ];
    remedies.into_iter().find(|(part, _)| message.contains(part)).map(|(_, remedy)| remedy)
}

/// The name that was probably meant: at most two letters of five are different.
fn closest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|name| (distance(written, name), *name));
    near.filter(|(distance, name)| *distance * 5 <= name.len().max(3) * 2).min().map(|(_, name)| name)
}

/// How many letters have to be put in, left out or changed.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in right.chars().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[media]\ncodecs = [\"pcmu\",  \"g729\"]\n\n[[trunk]]\nname = \"a\"\n\n[[trunk]]\nname = \"b\"\nmedia.nat = \"no\"\n";

    #[test]
    fn a_value_is_found_in_tables_and_lists() {
        let place = |path: &[&str]| Wrong::new(path, "").place(TEXT);

        assert_eq!(place(&["media", "codecs", "1"]), "line 2, column 20: media.codecs.1");
        assert_eq!(place(&["trunk", "1", "media", "nat"]), "line 9, column 13: trunk.1.media.nat");
    }

    #[test]
    fn the_key_of_a_place_is_known() {
        let key = |what: &str| key_at(TEXT, TEXT.find(what).unwrap());

        assert_eq!(key("\"g729\"").as_deref(), Some("media.codecs.2"));
        assert_eq!(key("\"no\"").as_deref(), Some("trunk.2.media.nat"));
        assert_eq!(key("name"), None);
    }

    #[test]
    fn what_is_missing_is_where_it_should_be() {
        let wrong = Wrong::new(&["allow"], "").below(&["trunk", "1"]).called("trunk 'b'".into());

        assert_eq!(wrong.place(TEXT), "line 7, column 1: trunk 'b'");
        assert_eq!(Wrong::new(&["sip", "dscp"], "").place(TEXT), "sip.dscp");
    }

    #[test]
    fn a_slip_of_the_pen_is_set_right() {
        let table = [
            ("unknown field `prots`, expected one of `ports`, `codecs`", "did you mean `ports`?"),
            ("unknown field `nat`, expected one of `name`, `media`, `limits`", "write it as media.nat"),
            ("unknown field `calls`, expected one of `name`, `media`, `limits`", "write it as limits.calls"),
            ("invalid type: string \"1h\", expected f64", "write a number without quotes, as 30.0"),
            ("invalid socket address syntax", "write ADDRESS:PORT"),
        ];

        for (message, remedy) in table {
            let said = explained(message);

            assert!(said.starts_with(message) && said.contains(remedy), "{said}");
        }
        assert_eq!(explained("unknown field `zebra`, expected `a`"), "unknown field `zebra`, expected `a`");
    }
}
