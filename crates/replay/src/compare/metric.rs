//! What rules can judge: the metrics by name, and their values in a comparison.

use super::totals::{SEGMENTS, Side};
use super::{Aspect, CallComparison, Comparison, Distribution, Turn};

/// Something that a rule can judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    /// A percentile of lengths of time.
    Time(TimeOf, Stat),
    /// How many, or how much.
    Count(Count),
    /// How many of those that could be.
    Rate(Count),
    /// A word for each call.
    Word(WordOf),
    /// Whether something of a call is the same.
    Same(Aspect),
}

/// Lengths of time of turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeOf {
    Turn,
    BargeIn,
    Segment(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stat {
    P50,
    P95,
    P99,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Departed,
    Changed,
    Unfinished,
    Failed,
    TurnsChanged,
    WordsChanged,
    Turns,
    NoMatch,
    NoInput,
    BargeIns,
    TransfersFailed,
    ToolCalls,
    ToolFailures,
    Characters,
    Seconds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WordOf {
    Outcome,
    Cause,
}

const STATS: [(&str, Stat); 4] =
    [("_p50", Stat::P50), ("_p95", Stat::P95), ("_p99", Stat::P99), ("_max", Stat::Max)];

const COUNTS: [(&str, Count, &str); 15] = [
    ("departed", Count::Departed, "calls that left their recording"),
    ("changed", Count::Changed, "calls that are not the same, the timing of turns apart"),
    ("unfinished", Count::Unfinished, "calls that were not played to their end"),
    ("failed", Count::Failed, "calls that could not be compared"),
    ("turns_changed", Count::TurnsChanged, "turns whose ledger changed, or that only one side has"),
    ("words_changed", Count::WordsChanged, "words that were replaced, removed or added"),
    ("turns", Count::Turns, "turns"),
    ("no_match", Count::NoMatch, "times that a caller was not understood"),
    ("no_input", Count::NoInput, "times that a caller said nothing"),
    ("barge_ins", Count::BargeIns, "times that a caller interrupted"),
    ("transfers_failed", Count::TransfersFailed, "transfers that failed"),
    ("tool_calls", Count::ToolCalls, "requests to business systems"),
    ("tool_failures", Count::ToolFailures, "requests without an answer"),
    ("synthesized_characters", Count::Characters, "characters handed to a synthesizer"),
    ("recognizer_seconds", Count::Seconds, "seconds handed to a recognizer"),
];

const WORDS: [(&str, Metric); 7] = [
    ("outcome", Metric::Word(WordOf::Outcome)),
    ("cause", Metric::Word(WordOf::Cause)),
    ("transcript", Metric::Same(Aspect::Transcript)),
    ("states", Metric::Same(Aspect::States)),
    ("slots", Metric::Same(Aspect::Slots)),
    ("transfers", Metric::Same(Aspect::Transfers)),
    ("tools", Metric::Same(Aspect::Tools)),
];

/// Every metric, for people.
pub(super) fn list() -> String {
    let mut text = "  turn, barge_in, ".to_owned();
    text.push_str(&SEGMENTS.join(", "));
    text.push_str(" with _p50, _p95, _p99 or _max: times\n");
    for (name, count, meaning) in COUNTS {
        let rate = if count.has_rate() { format!("{name}_rate") } else { String::new() };
        text.push_str(&format!("  {name:22} {rate:22} {meaning}\n"));
    }
    text.push_str("  outcome, cause: == or != a word or recorded; ");
    let same: Vec<&str> = WORDS.iter().skip(2).map(|(name, _)| *name).collect();
    text.push_str(&format!("{}: != recorded\n", same.join(", ")));
    text
}

impl Metric {
    pub fn named(name: &str) -> Option<Metric> {
        if let Some((_, metric)) = WORDS.iter().find(|(known, _)| *known == name) {
            return Some(*metric);
        }
        let count = |name: &str| COUNTS.iter().find(|(known, ..)| *known == name).map(|(_, count, _)| *count);
        if let Some(count) = count(name) {
            return Some(Metric::Count(count));
        }
        if let Some(count) = name.strip_suffix("_rate").and_then(count) {
            return count.has_rate().then_some(Metric::Rate(count));
        }
        let (of, stat) = STATS.iter().find_map(|(suffix, stat)| Some((name.strip_suffix(suffix)?, *stat)))?;
        let of = match of {
            "turn" => TimeOf::Turn,
            "barge_in" => TimeOf::BargeIn,
            _ => TimeOf::Segment(SEGMENTS.iter().find(|known| **known == of)?),
        };
        Some(Metric::Time(of, stat))
    }

    /// The name that is most like what was written.
    pub fn nearest(name: &str) -> Option<String> {
        let times = ["turn", "barge_in"].into_iter().chain(SEGMENTS);
        let times = times.flat_map(|of| STATS.iter().map(move |(suffix, _)| format!("{of}{suffix}")));
        let counts = COUNTS.iter().flat_map(|(name, count, _)| {
            [Some((*name).to_owned()), count.has_rate().then(|| format!("{name}_rate"))]
        });
        let words = WORDS.iter().map(|(name, _)| (*name).to_owned());
        let all = times.chain(counts.flatten()).chain(words);
        let (distance, nearest) = all.map(|known| (letters_changed(name, &known), known)).min()?;
        (distance <= name.len() / 3).then_some(nearest)
    }

    /// Whether side a has a value of its own.
    pub fn has_recorded(self) -> bool {
        match self {
            Metric::Time(..) | Metric::Word(_) | Metric::Same(_) => true,
            Metric::Count(count) | Metric::Rate(count) => count.is_of_a_side(),
        }
    }

    /// Its value on a side: microseconds, percent, or a number. `None` where there is nothing to measure, or where not
    /// every bundle says it.
    pub fn value(self, comparison: &Comparison, side: Side) -> Option<f64> {
        let calls = &comparison.calls;
        match self {
            Metric::Time(of, stat) => {
                let values: Vec<u64> =
                    calls.iter().flat_map(|call| of.values(call, side)).map(|(_, micros)| micros).collect();
                let spread = Distribution::of(values);
                (spread.count > 0).then_some(stat.of(&spread) as f64)
            }
            Metric::Count(Count::Failed) => Some(comparison.not_compared.len() as f64),
            Metric::Rate(Count::Failed) => {
                let failed = comparison.not_compared.len();
                rate(failed as f64, (failed + calls.len()) as f64)
            }
            Metric::Count(count) => calls.iter().map(|call| count.of_call(call, side)).sum(),
            Metric::Rate(count) => {
                let sum: Option<f64> = calls.iter().map(|call| count.of_call(call, side)).sum();
                rate(sum?, calls.iter().map(|call| count.could_be(call, side)).sum())
            }
            Metric::Word(_) | Metric::Same(_) => None,
        }
    }
}

fn rate(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then_some(100.0 * part / whole)
}

impl TimeOf {
    /// The values of a call, with the numbers of their turns.
    pub fn values(self, call: &CallComparison, side: Side) -> impl Iterator<Item = (usize, u64)> {
        call.turns_of(side).filter_map(move |turn| Some((turn.number, self.of_turn(turn)?)))
    }

    fn of_turn(self, turn: &Turn) -> Option<u64> {
        match self {
            TimeOf::Turn => Some(turn.micros),
            TimeOf::BargeIn => turn.barge_in_micros,
            TimeOf::Segment(name) => {
                turn.segments.iter().find(|segment| segment.name == name).map(|segment| segment.micros)
            }
        }
    }

    pub fn words(self, turn: usize, length: &str) -> String {
        match self {
            TimeOf::Turn => format!("turn {turn} takes {length}"),
            TimeOf::BargeIn => format!("turn {turn}: the bot falls silent after {length}"),
            TimeOf::Segment(name) => format!("turn {turn}: {name} takes {length}"),
        }
    }
}

impl Stat {
    fn of(self, spread: &Distribution) -> u64 {
        match self {
            Stat::P50 => spread.p50,
            Stat::P95 => spread.p95,
            Stat::P99 => spread.p99,
            Stat::Max => spread.max,
        }
    }
}

impl Count {
    /// What it counts in one call.
    pub fn of_call(self, call: &CallComparison, side: Side) -> Option<f64> {
        let of = call.side(side);
        let count = match self {
            Count::Departed => u64::from(of.departure.is_some()),
            Count::Changed => u64::from(call.is_changed()),
            Count::Unfinished => u64::from(of.unfinished.is_some()),
            Count::Failed => 0,
            Count::TurnsChanged => call.turns.iter().filter(|pair| pair.changed).count() as u64,
            Count::WordsChanged => call.words.changed(),
            Count::Turns => call.turns_of(side).count() as u64,
            Count::NoMatch => of.no_match.into(),
            Count::NoInput => of.no_input.into(),
            Count::BargeIns => of.barge_ins.len() as u64,
            Count::TransfersFailed => {
                of.transfers.iter().filter(|transfer| transfer.failure.is_some()).count() as u64
            }
            Count::ToolCalls => of.costs.tool_calls,
            Count::ToolFailures => of.costs.tool_failures,
            Count::Characters => of.costs.synthesized_characters?,
            Count::Seconds => return of.costs.recognizer_seconds,
        };
        Some(count as f64)
    }

    /// How many there could be in one call.
    fn could_be(self, call: &CallComparison, side: Side) -> f64 {
        let of = call.side(side);
        let utterances = f64::from(of.understood) + f64::from(of.no_match);
        match self {
            Count::Departed | Count::Changed | Count::Unfinished | Count::Failed => 1.0,
            Count::TurnsChanged => call.turns.len() as f64,
            Count::WordsChanged => call.words.a as f64,
            Count::NoMatch => utterances,
            Count::NoInput => utterances + f64::from(of.no_input),
            Count::TransfersFailed => of.transfers.len() as f64,
            Count::ToolFailures => of.costs.tool_calls as f64,
            Count::Turns | Count::BargeIns | Count::ToolCalls | Count::Characters | Count::Seconds => 0.0,
        }
    }

    fn has_rate(self) -> bool {
        match self {
            Count::Departed
            | Count::Changed
            | Count::Unfinished
            | Count::Failed
            | Count::TurnsChanged
            | Count::WordsChanged
            | Count::NoMatch
            | Count::NoInput
            | Count::TransfersFailed
            | Count::ToolFailures => true,
            Count::Turns | Count::BargeIns | Count::ToolCalls | Count::Characters | Count::Seconds => false,
        }
    }

    /// Something that is paid for: who uses more than before is worse, not who uses most.
    pub fn is_cost(self) -> bool {
        matches!(self, Count::ToolCalls | Count::Characters | Count::Seconds)
    }

    fn is_of_a_side(self) -> bool {
        match self {
            Count::Departed
            | Count::Changed
            | Count::Unfinished
            | Count::Failed
            | Count::TurnsChanged
            | Count::WordsChanged => false,
            Count::Turns
            | Count::NoMatch
            | Count::NoInput
            | Count::BargeIns
            | Count::TransfersFailed
            | Count::ToolCalls
            | Count::ToolFailures
            | Count::Characters
            | Count::Seconds => true,
        }
    }
}

/// How many letters must be changed to make one word of the other.
fn letters_changed(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut costs: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = costs[0];
        costs[0] = i + 1;
        for (j, against) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *against);
            diagonal = costs[j + 1];
            costs[j + 1] = replaced.min(diagonal + 1).min(costs[j] + 1);
        }
    }
    costs.last().copied().unwrap_or(0)
}
