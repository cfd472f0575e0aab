//! Routes: which bot takes a call.

use offhook_call_control::AnswerPolicy;

use super::place::Wrong;
use super::{RouteSection, value};

/// One rule that picks the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRule {
    /// User part of the Request-URI.
    pub user: Option<String>,
    /// Dialled number.
    pub did: Option<String>,
    /// Header name and value.
    pub header: Option<(String, String)>,
    /// The bot.
    pub bot: String,
    /// Most calls at once.
    pub calls: Option<usize>,
    /// When it is answered.
    pub answer: AnswerPolicy,
    /// Whether its calls are recorded, where it says so itself.
    pub record: Option<bool>,
    /// Where its bot is named in the file.
    pub place: String,
}

pub(super) fn check(sections: &[RouteSection]) -> Result<Vec<RouteRule>, Wrong> {
    let rules = sections.iter().enumerate().map(|(index, section)| {
        check_one(section).map_err(|wrong| {
            let key = wrong.to_string();
            let number = format!("route {}", index + 1);
            let name = if key.is_empty() { number } else { format!("{number}: {key}") };
            wrong.below(&["route", &index.to_string()]).called(name)
        })
    });
    rules.collect()
}

fn check_one(route: &RouteSection) -> Result<RouteRule, Wrong> {
    if route.bot.is_empty() {
        return Err(Wrong::new(&[], "names no bot: add bot = \"NAME\""));
    }
    if route.user.is_none() && route.did.is_none() && route.header.is_none() {
        return Err(Wrong::new(&[], "has no condition: add user, did or header"));
    }
    let header = match route.header.as_deref().map(|header| header.split_once(':')) {
        None => None,
        Some(Some((name, value))) if !name.trim().is_empty() => {
            Some((name.trim().to_owned(), value.trim().to_owned()))
        }
        Some(Some(_) | None) => {
            return Err(Wrong::new(&["header"], "write it as \"Name: value\", the value may end in *"));
        }
    };
    for (key, pattern) in [("user", &route.user), ("did", &route.did)] {
        if let Some(pattern) = pattern {
            check_pattern(pattern).map_err(|what| Wrong::new(&[key], what))?;
        }
    }
    let answer = match route.answer.as_deref() {
        None | Some("immediately") => AnswerPolicy::Immediately,
        Some("api") => AnswerPolicy::WaitForApi,
        Some(other) => {
            return Err(Wrong::new(&["answer"], format!("'{other}' is none of immediately, api")));
        }
    };
    Ok(RouteRule {
        user: route.user.clone(),
        did: route.did.clone(),
        header,
        bot: route.bot.clone(),
        calls: value::calls(&["calls"], route.calls)?,
        answer,
        record: route.record.as_deref().map(|record| value::on_off(&["record"], record)).transpose()?,
        place: String::new(),
    })
}

/// A `*` stands for anything at the end only: elsewhere it would silently match nothing.
fn check_pattern(pattern: &str) -> Result<(), String> {
    let before_last = pattern.strip_suffix('*').unwrap_or(pattern);
    if pattern.is_empty() {
        Err("'' matches no user: write a name, or * for all".to_owned())
    } else if before_last.contains('*') {
        Err(format!("'{pattern}': a * stands for anything at the end only"))
    } else {
        Ok(())
    }
}
