//! The data of the page: what `assets/compare.js` reads.

use std::collections::BTreeSet;

use offhook_call_control::Speaker;
use offhook_replay::compare::{
    Aspect, CallComparison, CallSide, Comparison, FirstDifference, NotCompared, PartKind, Row, RuleResult,
    SideLabel, Totals, Turn, TurnPair, Words,
};
use serde::Serialize;

use super::sound::{Budget, WireSounds};

#[derive(Serialize)]
pub(super) struct WirePage<'a> {
    build: &'a str,
    made_unix_ms: Option<u64>,
    a: &'a SideLabel,
    b: &'a SideLabel,
    totals: &'a Totals,
    rules: &'a [RuleResult],
    not_compared: &'a [NotCompared],
    /// Calls that are in the totals and not below.
    calls_left_out: usize,
    /// Names of segments, in the order in which their lengths stand in turns.
    segments: Vec<&'a str>,
    calls: Vec<WireCall<'a>>,
}

#[derive(Serialize)]
struct WireCall<'a> {
    number: usize,
    call_id: &'a str,
    file: &'a str,
    file_b: Option<&'a str>,
    caller: &'a str,
    called: &'a str,
    started_unix_ms: i64,
    changed: &'a [Aspect],
    first_difference: Option<&'a FirstDifference>,
    transcript: Vec<WireRow<'a>>,
    words: &'a Words,
    turns: Vec<WirePair>,
    a: CallSide,
    b: CallSide,
    sound: WireSounds,
}

/// Speaker, when on side a, when on side b, words: 0 same, 1 removed, 2 added.
#[derive(Serialize)]
struct WireRow<'a>(Speaker, Option<u64>, Option<u64>, Vec<(u8, &'a str)>);

/// Side a, side b, whether it changed.
#[derive(Serialize)]
struct WirePair(Option<WireTurn>, Option<WireTurn>, bool);

/// Number, when, microseconds in all, microseconds of the barge-in, microseconds of each segment.
#[derive(Serialize)]
struct WireTurn(usize, u64, u64, Option<u64>, Vec<u64>);

impl<'a> WirePage<'a> {
    pub(super) fn of(
        comparison: &'a Comparison,
        shown: &[&'a CallComparison],
        made_unix_ms: Option<u64>,
    ) -> Self {
        let segments = segments(comparison, shown);
        let budget = Budget::among(shown);
        WirePage {
            build: &comparison.build,
            made_unix_ms,
            a: &comparison.a,
            b: &comparison.b,
            totals: &comparison.totals,
            rules: &comparison.rules,
            not_compared: &comparison.not_compared,
            calls_left_out: comparison.calls.len() - shown.len(),
            calls: shown.iter().map(|call| wire_call(call, &segments, budget)).collect(),
            segments,
        }
    }
}

/// All names that occur: those of the totals in their order, which is that of time, then any other.
fn segments<'a>(comparison: &'a Comparison, shown: &[&'a CallComparison]) -> Vec<&'a str> {
    let both = [&comparison.totals.a, &comparison.totals.b];
    let mut names: Vec<&str> = Vec::new();
    for name in both.into_iter().flat_map(|side| &side.segments).map(|segment| segment.name.as_str()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let turns = shown.iter().flat_map(|call| &call.turns).flat_map(|pair| [&pair.a, &pair.b]).flatten();
    let others: BTreeSet<&str> = turns
        .flat_map(|turn| &turn.segments)
        .map(|segment| segment.name.as_str())
        .filter(|name| !names.contains(name))
        .collect();
    names.extend(others);
    names
}

fn wire_call<'a>(call: &'a CallComparison, segments: &[&str], budget: Budget) -> WireCall<'a> {
    WireCall {
        number: call.number,
        call_id: &call.call_id,
        file: &call.file,
        file_b: call.file_b.as_deref(),
        caller: &call.caller,
        called: &call.called,
        started_unix_ms: call.started_unix_ms,
        changed: &call.changed,
        first_difference: call.first_difference.as_ref(),
        transcript: call.transcript.iter().map(wire_row).collect(),
        words: &call.words,
        turns: call.turns.iter().map(|pair| wire_pair(pair, segments)).collect(),
        a: CallSide { sound: None, ..call.a.clone() },
        b: CallSide { sound: None, ..call.b.clone() },
        sound: WireSounds::of(&call.a.sound, &call.b.sound, budget),
    }
}

fn wire_row(row: &Row) -> WireRow<'_> {
    let kind = |kind: PartKind| match kind {
        PartKind::Same => 0,
        PartKind::Removed => 1,
        PartKind::Added => 2,
    };
    WireRow(
        row.speaker,
        row.a_ms,
        row.b_ms,
        row.parts.iter().map(|part| (kind(part.kind), part.text.as_str())).collect(),
    )
}

fn wire_pair(pair: &TurnPair, segments: &[&str]) -> WirePair {
    let turn = |turn: &Option<Turn>| turn.as_ref().map(|turn| wire_turn(turn, segments));
    WirePair(turn(&pair.a), turn(&pair.b), pair.changed)
}

fn wire_turn(turn: &Turn, segments: &[&str]) -> WireTurn {
    let of = |name: &&str| turn.segments.iter().filter(|one| one.name == *name).map(|one| one.micros).sum();
    WireTurn(turn.number, turn.began_ms, turn.micros, turn.barge_in_micros, segments.iter().map(of).collect())
}
