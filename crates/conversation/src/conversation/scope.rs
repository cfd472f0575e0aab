//! What a conversation knows, as templates see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value;
use offhook_time::{Time, WallClock};
use serde_json::Value as Json;

use super::{Conversation, Failure};
use crate::bot::At;
use crate::bot::Scope;
use crate::bot::file::Named;
use crate::{Bot, CallFacts, Event, NoMatchReason};

/// Slots, variables and the facts of the call.
#[derive(Debug, Default)]
pub(super) struct Memory {
    variables: BTreeMap<String, Json>,
    call: Json,
    config: BTreeMap<String, String>,
    pub(super) turn: Turn,
    pub(super) counts: Counts,
    pub(super) answer: Option<(u16, Json)>,
    pub(super) transfer: Option<(String, String, Option<u16>)>,
}

/// What the caller's last turn was.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    pub(super) text: String,
    pub(super) count: u32,
    pub(super) reason: Option<NoMatchReason>,
    pub(super) digits: String,
}

/// How often in a row, in the current state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) no_input: u32,
    pub(super) no_match: u32,
    pub(super) rejected: u32,
}

impl Memory {
    pub(super) fn new(bot: &Bot) -> Self {
        let initial = bot.file().variables.iter();
        Memory {
            variables: initial
                .map(|(name, value)| (name.value.clone(), value.clone().unwrap_or(Json::Null)))
                .collect(),
            ..Memory::default()
        }
    }

    pub(super) fn learn_facts(&mut self, bot: &Bot, facts: CallFacts) {
        self.config = bot
            .file()
            .config
            .iter()
            .filter_map(|(name, default)| {
                let value = facts.config.get(name.as_str()).or(default.as_ref())?;
                Some((name.value.clone(), value.clone()))
            })
            .collect();
        self.call = serde_json::json!({
            "caller": facts.caller,
            "caller_name": facts.caller_name,
            "called": facts.called,
            "headers": facts.headers,
        });
    }

    pub(super) fn variable(&self, name: &str) -> Option<&Json> {
        self.variables.get(name)
    }

    fn scope(&self, clock: Json) -> Scope {
        // Configured values are trusted: a URL may begin with one as it is.
        let config: BTreeMap<String, Value> = self
            .config
            .iter()
            .map(|(name, value)| (name.clone(), Value::from_safe_string(value.clone())))
            .collect();
        let turn = serde_json::json!({
            "text": self.turn.text,
            "count": self.turn.count,
            "digits": self.turn.digits,
            "reason": self.turn.reason.map(reason_name),
        });
        let answer =
            self.answer.as_ref().map(|(status, body)| serde_json::json!({ "status": status, "body": body }));
        let transfer = self.transfer.as_ref().map(
            |(target, cause, status)| serde_json::json!({ "target": target, "cause": cause, "status": status }),
        );
        let mut scope: Scope =
            self.variables.iter().map(|(name, value)| (name.clone(), template_value(value))).collect();
        scope.extend([
            ("config".to_owned(), Value::from(config)),
            ("call".to_owned(), template_value(&self.call)),
            ("turn".to_owned(), template_value(&turn)),
            ("answer".to_owned(), answer.as_ref().map_or(Value::UNDEFINED, template_value)),
            ("transfer".to_owned(), transfer.as_ref().map_or(Value::UNDEFINED, template_value)),
            ("time".to_owned(), template_value(&clock)),
        ]);
        scope
    }
}

impl Conversation {
    pub(super) fn scope(&self, now: Time) -> Scope {
        self.memory.scope(clock(&self.wall, now))
    }

    pub(super) fn holds(&self, condition: &str, now: Time) -> Result<bool, Failure> {
        Ok(self.bot.templates().holds(condition, &self.scope(now))?)
    }

    /// Evaluates all expressions before the first variable changes, so that their order does not matter.
    pub(super) fn set(&mut self, values: &Named<At<String>>, now: Time) -> Result<(), Failure> {
        if values.is_empty() {
            return Ok(());
        }
        let scope = self.scope(now);
        let bot = Arc::clone(&self.bot);
        let revealed = (!bot.masked_names().is_empty()).then(|| self.revealed_scope(now));
        let mut evaluated = Vec::with_capacity(values.len());
        for (name, expression) in values {
            let value = bot.templates().value(expression, &scope)?;
            let json = serde_json::to_value(&value).map_err(|error| Failure(error.to_string()))?;
            let hidden = revealed.as_ref().filter(|_| bot.masked_names().contains(name.as_str()));
            // The masked value decides; what the real one gives is only said and sent.
            let hidden = hidden.and_then(|scope| bot.templates().value(expression, scope).ok());
            let hidden = hidden.and_then(|value| serde_json::to_value(&value).ok());
            evaluated.push((name.value.clone(), json, hidden));
        }
        for (name, value, hidden) in evaluated {
            self.set_variable(&name, value);
            if let Some(hidden) = hidden {
                self.vault.values.insert(name, hidden);
            }
        }
        Ok(())
    }

    pub(super) fn set_variable(&mut self, name: &str, value: Json) {
        let shown = self.shown(name, &value.to_string());
        self.vault.values.remove(name);
        self.memory.variables.insert(name.to_owned(), value);
        self.event(Event::VariableSet { name: name.to_owned(), value: shown });
    }

    /// The value as records may show it.
    pub(super) fn shown(&self, name: &str, value: &str) -> String {
        let is_sensitive = self.bot.file().slots.get(name).is_some_and(|slot| slot.sensitive || slot.masked);
        if is_sensitive { "*".repeat(value.chars().count()) } else { value.to_owned() }
    }
}

pub(super) fn template_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(float)) => Value::from(float),
            (None, None) => Value::from(number.to_string()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(template_value).collect::<Vec<Value>>().into(),
        Json::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| (name.clone(), template_value(field)));
            fields.collect::<BTreeMap<String, Value>>().into()
        }
    }
}

fn reason_name(reason: NoMatchReason) -> &'static str {
    match reason {
        NoMatchReason::NothingAwaited => "nothing_awaited",
        NoMatchReason::Ambiguous => "ambiguous",
        NoMatchReason::WrongLength => "wrong_length",
        NoMatchReason::LowConfidence => "low_confidence",
    }
}

fn clock(wall: &WallClock, now: Time) -> Json {
    const WEEKDAYS: [&str; 7] =
        ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];

    let seconds = wall.seconds_of_day(now);
    let local = wall.unix_ms(now).div_euclid(1000) + i64::from(wall.utc_offset_seconds);
    let days = local.div_euclid(86_400);
    let (year, month, day) = civil(days);
    serde_json::json!({
        "hour": seconds / 3600,
        "minute": seconds / 60 % 60,
        // 1 January 1970 was a Thursday.
        "weekday": WEEKDAYS[days.rem_euclid(7) as usize],
        "date": format!("{year:04}-{month:02}-{day:02}"),
    })
}

/// Year, month and day of a day counted from 1 January 1970.
fn civil(days: i64) -> (i64, u32, u32) {
    const DAYS_OF_400_YEARS: i64 = 146_097;

    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut year = 1970 + 400 * days.div_euclid(DAYS_OF_400_YEARS);
    let mut rest = days.rem_euclid(DAYS_OF_400_YEARS);
    while rest >= 365 + i64::from(is_leap(year)) {
        rest -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    (year, month, rest as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(20_778), (2026, 11, 21));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(-1), (1969, 12, 31));
    }

    #[test]
    fn the_clock_knows_the_zone_and_the_weekday() {
        let wall =
            WallClock { unix_ms_at_zero: 20_778 * 86_400_000 + 20 * 3_600_000, utc_offset_seconds: 8 * 3600 };

        let clock = clock(&wall, Time::ZERO);

        assert_eq!(clock["date"], "2026-11-22");
        assert_eq!(clock["hour"], 4);
        assert_eq!(clock["weekday"], "sunday");
    }
}
