//! Rules that fail a comparison: `turn_p95 > 900ms`, `outcome != recorded`.
//!
//! ```text
//! rule   = metric ( ">" | ">=" | "<" | "<=" | "==" | "!=" ) value
//! value  = amount | side [ ( "+" | "-" ) amount ] | word
//! side   = "recorded" | "a"             side a's value of the same metric
//! amount = number unit                  us, ms, s, m for times; % for rates, or of side a's value; none for counts
//! ```
//!
//! The metric is that of side b. A rule fires where it is true.

use std::fmt;

use super::metric::{self, Count, Metric, TimeOf, WordOf};
use super::totals::Side;
use super::{Aspect, CallComparison, Comparison, RuleCall, RuleResult};

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    text: String,
    metric: Metric,
    compares: Compares,
    value: Value,
}

/// Why something is no rule, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RuleError {
    /// The rule as it was written.
    pub rule: String,
    /// Where it goes wrong, in characters from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = " ".repeat(self.column.saturating_sub(1));
        write!(f, "column {}: {}\n  {}\n  {before}^", self.column, self.what, self.rule)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compares {
    More,
    AtLeast,
    Less,
    AtMost,
    Is,
    IsNot,
}

/// Longer ones first: each is looked for in this order.
const COMPARES: [(&str, Compares); 6] = [
    (">=", Compares::AtLeast),
    ("<=", Compares::AtMost),
    ("==", Compares::Is),
    ("!=", Compares::IsNot),
    (">", Compares::More),
    ("<", Compares::Less),
];

#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// In microseconds, percent, or as it is.
    Number(f64),
    /// Side a's, times this, plus that.
    Recorded {
        times: f64,
        plus: f64,
    },
    Word(String),
}

/// Every metric that rules know, with what each means: for `--help`.
pub fn metrics() -> String {
    metric::list()
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// It is none; with the place, and the metrics where it names no such one.
    pub fn parse(text: &str) -> Result<Rule, RuleError> {
        let mut reading = Reading { text, at: 0 };
        let metric = reading.metric()?;
        let compares = reading.compares()?;
        let value = reading.value(metric, compares)?;
        reading.end()?;
        Ok(Rule { text: text.trim().to_owned(), metric, compares, value })
    }

    /// What it says of a comparison.
    pub fn judge(&self, comparison: &Comparison) -> RuleResult {
        let (fired, found, mut calls) = match self.metric {
            Metric::Time(..) | Metric::Count(_) | Metric::Rate(_) => self.judge_number(comparison),
            Metric::Word(word) => self.judge_words(comparison, |call| self.word_fires(word, call)),
            Metric::Same(aspect) => self.judge_words(comparison, |call| same_fires(aspect, call)),
        };
        if !fired {
            calls.clear();
        }
        let more_calls = calls.len().saturating_sub(RuleResult::MOST_CALLS) as u64;
        calls.truncate(RuleResult::MOST_CALLS);
        RuleResult { rule: self.text.clone(), fired, found, calls, more_calls }
    }

    fn judge_number(&self, comparison: &Comparison) -> (bool, String, Vec<RuleCall>) {
        let name = self.name();
        let recorded = self.metric.value(comparison, Side::A);
        let Some(value) = self.metric.value(comparison, Side::B) else {
            return (
                false,
                format!("{name}: there is nothing to measure, or not every bundle says it"),
                Vec::new(),
            );
        };
        let (limit, against) = match (&self.value, recorded) {
            (Value::Number(limit), _) => (*limit, None),
            (Value::Recorded { times, plus }, Some(recorded)) => (recorded * times + plus, Some(recorded)),
            (Value::Recorded { .. } | Value::Word(_), _) => {
                return (false, format!("{name} is {}; side a has none", self.show(value)), Vec::new());
            }
        };
        let fired = self.compares.is_true(value, limit);
        let mut found = format!("{name} is {}", self.show(value));
        if let Some(recorded) = against {
            let side = &comparison.a.label;
            found.push_str(&format!(", {side} {}, the limit is {}", self.show(recorded), self.show(limit)));
        }
        (fired, found, self.calls(comparison, limit, against.is_some()))
    }

    /// The calls that have a part in it, worst first.
    fn calls(&self, comparison: &Comparison, limit: f64, against_a: bool) -> Vec<RuleCall> {
        let mut calls: Vec<(f64, RuleCall)> = match self.metric {
            Metric::Time(of, _) => {
                comparison.calls.iter().filter_map(|call| self.worst_turn(of, call, limit)).collect()
            }
            Metric::Count(Count::Failed) | Metric::Rate(Count::Failed) => {
                let named = comparison.not_compared.iter().map(|call| {
                    let why = call.reason.clone();
                    (1.0, RuleCall { call_id: call.call_id.clone(), file: call.file.clone(), why })
                });
                named.collect()
            }
            Metric::Count(count) | Metric::Rate(count) if self.compares.is_upwards() => {
                let part = |call| part_in_count(count, call, against_a && count.is_cost());
                comparison.calls.iter().filter_map(part).collect()
            }
            Metric::Count(_) | Metric::Rate(_) | Metric::Word(_) | Metric::Same(_) => Vec::new(),
        };
        calls.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        calls.into_iter().map(|(_, call)| call).collect()
    }

    fn worst_turn(&self, of: TimeOf, call: &CallComparison, limit: f64) -> Option<(f64, RuleCall)> {
        let beyond =
            of.values(call, Side::B).filter(|(_, micros)| self.compares.is_true(*micros as f64, limit));
        let key =
            |(_, micros): &(usize, u64)| if self.compares.is_upwards() { *micros } else { u64::MAX - micros };
        let worst = beyond.max_by_key(key)?;
        let why = of.words(worst.0, &self.show(worst.1 as f64));
        Some((key(&worst) as f64, rule_call(call, why)))
    }

    fn judge_words(
        &self,
        comparison: &Comparison,
        fires: impl Fn(&CallComparison) -> Option<String>,
    ) -> (bool, String, Vec<RuleCall>) {
        let calls: Vec<RuleCall> =
            comparison.calls.iter().filter_map(|call| Some(rule_call(call, fires(call)?))).collect();
        let found = format!("{} of {} calls", calls.len(), comparison.calls.len());
        (!calls.is_empty(), found, calls)
    }

    fn word_fires(&self, word: WordOf, call: &CallComparison) -> Option<String> {
        let of = |side: Side| match word {
            WordOf::Outcome => call.side(side).outcome.as_deref().unwrap_or("none"),
            WordOf::Cause => call.side(side).cause.as_deref().unwrap_or("none"),
        };
        let is_other = self.compares == Compares::IsNot;
        if let Some(unfinished) = &call.b.unfinished {
            // What is not known is not known to be right; where the recording does not know either, nobody ever will.
            return (is_other && call.a.unfinished.is_none()).then(|| format!("not known: {unfinished}"));
        }
        match &self.value {
            Value::Word(word) => {
                ((of(Side::B) != word) == is_other).then(|| format!("{} is {}", self.name(), of(Side::B)))
            }
            Value::Recorded { .. } | Value::Number(_) => {
                let known = call.a.unfinished.is_none();
                let fires = known && (of(Side::A) != of(Side::B)) == is_other;
                fires.then(|| format!("{} then, {} now", of(Side::A), of(Side::B)))
            }
        }
    }

    fn name(&self) -> &str {
        self.text.split(|c: char| !is_name(c)).next().unwrap_or_default()
    }

    fn show(&self, value: f64) -> String {
        match self.metric {
            Metric::Time(..) => length(value),
            Metric::Rate(_) => format!("{value:.1} %"),
            Metric::Count(_) | Metric::Word(_) | Metric::Same(_) => {
                if value.fract() == 0.0 {
                    format!("{value:.0}")
                } else {
                    format!("{value:.3}")
                }
            }
        }
    }
}

fn same_fires(aspect: Aspect, call: &CallComparison) -> Option<String> {
    let name = aspect.words();
    if call.changed.contains(&aspect) {
        let at = call.first_difference.as_ref().map(|first| format!("; first: {} → {}", first.a, first.b));
        return Some(format!("{name} changed{}", at.unwrap_or_default()));
    }
    let unfinished = call.b.unfinished.as_ref().filter(|_| call.a.unfinished.is_none())?;
    Some(format!("not known to its end: {unfinished}"))
}

fn part_in_count(count: Count, call: &CallComparison, less_a: bool) -> Option<(f64, RuleCall)> {
    let value = count.of_call(call, Side::B)?;
    let recorded = count.of_call(call, Side::A)?;
    let part = if less_a { value - recorded } else { value };
    let number =
        |value: f64| if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") };
    let why = match count {
        Count::Departed => call.b.departure.as_ref().map(|departure| {
            format!("{:.3} s, {}: {}", departure.at_ms as f64 / 1000.0, departure.place, departure.what)
        })?,
        Count::Changed => call.changed.iter().map(|aspect| aspect.words()).collect::<Vec<_>>().join(", "),
        Count::Unfinished => call.b.unfinished.clone()?,
        Count::TurnsChanged | Count::WordsChanged | Count::Failed => number(value),
        Count::Turns
        | Count::NoMatch
        | Count::NoInput
        | Count::BargeIns
        | Count::TransfersFailed
        | Count::ToolCalls
        | Count::ToolFailures
        | Count::Characters
        | Count::Seconds => format!("{} then, {} now", number(recorded), number(value)),
    };
    (part > 0.0).then(|| (part, rule_call(call, why)))
}

fn rule_call(call: &CallComparison, why: String) -> RuleCall {
    let file = call.file_b.as_ref().unwrap_or(&call.file).clone();
    RuleCall { call_id: Some(call.call_id.clone()), file, why }
}

fn length(micros: f64) -> String {
    if micros < 10_000.0 {
        format!("{:.1} ms", micros / 1000.0)
    } else {
        format!("{:.0} ms", micros / 1000.0)
    }
}

impl Compares {
    fn is_true(self, value: f64, limit: f64) -> bool {
        match self {
            Compares::More => value > limit,
            Compares::AtLeast => value >= limit,
            Compares::Less => value < limit,
            Compares::AtMost => value <= limit,
            Compares::Is => value == limit,
            Compares::IsNot => value != limit,
        }
    }

    fn is_upwards(self) -> bool {
        match self {
            Compares::More | Compares::AtLeast | Compares::Is | Compares::IsNot => true,
            Compares::Less | Compares::AtMost => false,
        }
    }

    fn is_equality(self) -> bool {
        match self {
            Compares::Is | Compares::IsNot => true,
            Compares::More | Compares::AtLeast | Compares::Less | Compares::AtMost => false,
        }
    }
}

/// A rule on its way from text.
struct Reading<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

impl<'a> Reading<'a> {
    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn rest(&mut self) -> &'a str {
        self.skip_space();
        &self.text[self.at..]
    }

    fn take(&mut self, may: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !may(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn wrong<T>(&self, at: usize, what: impl Into<String>) -> Result<T, RuleError> {
        let column = self.text[..at].chars().count() + 1;
        Err(RuleError { rule: self.text.to_owned(), column, what: what.into() })
    }

    fn metric(&mut self) -> Result<Metric, RuleError> {
        self.skip_space();
        let at = self.at;
        let name = self.take(is_name);
        let known = || format!("metrics are\n{}", metric::list().trim_end());
        if name.is_empty() {
            return self
                .wrong(at, format!("write METRIC COMPARISON VALUE, such as turn_p95 > 900ms; {}", known()));
        }
        match Metric::named(name) {
            Some(metric) => Ok(metric),
            None => {
                let hint =
                    Metric::nearest(name).map_or(String::new(), |near| format!(" (did you mean {near}?)"));
                self.wrong(at, format!("there is no metric '{name}'{hint}; {}", known()))
            }
        }
    }

    fn compares(&mut self) -> Result<Compares, RuleError> {
        let rest = self.rest();
        let Some((sign, compares)) = COMPARES.iter().find(|(sign, _)| rest.starts_with(sign)) else {
            return self.wrong(self.at, "write one of >, >=, <, <=, ==, != behind the metric");
        };
        self.at += sign.len();
        Ok(*compares)
    }

    fn value(&mut self, metric: Metric, compares: Compares) -> Result<Value, RuleError> {
        self.skip_space();
        let at = self.at;
        let before = self.at;
        let word = self.take(is_name);
        let is_side = word == "recorded" || word == "a";
        match metric {
            Metric::Word(_) if !compares.is_equality() => self.wrong(at, "a word is compared with == or !="),
            Metric::Word(_) if word.is_empty() => self.wrong(at, "write a word, or recorded"),
            Metric::Word(_) if is_side => Ok(Value::Recorded { times: 1.0, plus: 0.0 }),
            Metric::Word(_) => Ok(Value::Word(word.to_owned())),
            Metric::Same(_) if is_side && compares == Compares::IsNot => {
                Ok(Value::Recorded { times: 1.0, plus: 0.0 })
            }
            Metric::Same(_) => self.wrong(at, "this can only be compared by != recorded"),
            Metric::Time(..) | Metric::Count(_) | Metric::Rate(_) if is_side => {
                if !metric.has_recorded() {
                    return self.wrong(at, "side a has none of these: compare with a number");
                }
                self.more_or_less(metric)
            }
            Metric::Time(..) | Metric::Count(_) | Metric::Rate(_) => {
                self.at = before;
                let (number, percent) = self.amount(metric)?;
                let is_rate = matches!(metric, Metric::Rate(_));
                if percent && !is_rate {
                    return self.wrong(at, "a percentage of what? Write recorded + 10%");
                }
                Ok(Value::Number(number))
            }
        }
    }

    fn more_or_less(&mut self, metric: Metric) -> Result<Value, RuleError> {
        let rest = self.rest();
        let sign = match rest.chars().next() {
            Some('+') => 1.0,
            Some('-') => -1.0,
            Some(_) | None => return Ok(Value::Recorded { times: 1.0, plus: 0.0 }),
        };
        self.at += 1;
        let (number, percent) = self.amount(metric)?;
        if percent && !matches!(metric, Metric::Rate(_)) {
            return Ok(Value::Recorded { times: 1.0 + sign * number / 100.0, plus: 0.0 });
        }
        Ok(Value::Recorded { times: 1.0, plus: sign * number })
    }

    /// A number in the unit of the metric, and whether it is a percentage.
    fn amount(&mut self, metric: Metric) -> Result<(f64, bool), RuleError> {
        self.skip_space();
        let at = self.at;
        let digits = self.take(|c| c.is_ascii_digit() || c == '.');
        let Ok(number) = digits.parse::<f64>() else {
            return self.wrong(at, format!("write a number, such as {}", example(metric)));
        };
        let number_ends = self.at;
        let unit = self.take(|c| c.is_alphabetic() || c == '%');
        let unit_at = self.at - unit.len();
        // A word that stands apart and is no unit is for whoever looks for the end of the rule.
        let is_apart = unit_at > number_ends && !["us", "ms", "s", "m", "%"].contains(&unit);
        let unit = if is_apart {
            self.at = number_ends;
            ""
        } else {
            unit
        };
        if unit == "%" {
            return Ok((number, true));
        }
        let micros = match (metric, unit) {
            (Metric::Time(..), "us") => 1.0,
            (Metric::Time(..), "ms") => 1e3,
            (Metric::Time(..), "s") => 1e6,
            (Metric::Time(..), "m") => 60e6,
            (Metric::Count(Count::Seconds), "s") | (Metric::Count(_), "") => 1.0,
            (
                Metric::Time(..) | Metric::Count(_) | Metric::Rate(_) | Metric::Word(_) | Metric::Same(_),
                _,
            ) => {
                return self.wrong(unit_at, format!("the unit is wrong here: write {}", example(metric)));
            }
        };
        Ok((number * micros, false))
    }

    fn end(&mut self) -> Result<(), RuleError> {
        let rest = self.rest();
        if rest.is_empty() {
            return Ok(());
        }
        self.wrong(self.at, format!("the rule ends before '{rest}'; repeat --fail-on for another one"))
    }
}

fn example(metric: Metric) -> &'static str {
    match metric {
        Metric::Time(..) => "900ms, 1.2s",
        Metric::Rate(_) => "5%",
        Metric::Count(_) => "3",
        Metric::Word(_) | Metric::Same(_) => "recorded",
    }
}
