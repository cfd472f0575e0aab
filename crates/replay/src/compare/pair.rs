//! One call on both sides: what is the same of it and what is not.
//!
//! A side that was not played to its end says nothing of what it did not come to: only what it did is compared.

use std::time::Duration;

use super::align::{align, words_in};
use super::side::{Doing, SideOfCall};
use super::{Aspect, CallComparison, CallSide, FirstDifference, Part, PartKind, Row, Turn, TurnPair, Words};

/// Drivers wake on a tick: what moved by less did not change.
pub const TICK: Duration = Duration::from_millis(5);

/// Two turns of one recording are the same when the caller ended within a packet or two.
const SAME_MOMENT_MS: u64 = 45;

/// How the turns of both sides find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnsBy {
    /// The caller is the same recording on both sides: by the moment at which the caller ended.
    Moment,
    /// Two calls: by their order.
    Order,
}

/// Compares both sides of a call. `file` is side a's bundle, `file_b` that of side b where it is another.
pub fn compare(
    number: usize,
    file: String,
    file_b: Option<String>,
    a: SideOfCall,
    b: SideOfCall,
    turns_by: TurnsBy,
) -> CallComparison {
    let (transcript, mut words) = align(&a.lines, &b.lines);
    Lists::of(&a.side, &b.side).forget_ahead(&transcript, &mut words);
    let turns = pair_turns(&a, &b, turns_by);
    let changed = changed(&a.side, &b.side, &transcript, &turns);
    CallComparison {
        number,
        first_difference: first_difference(&a, &b),
        call_id: a.call_id,
        file,
        file_b,
        caller: a.caller,
        called: a.called,
        started_unix_ms: a.started_unix_ms,
        changed,
        transcript,
        words,
        turns,
        a: a.side,
        b: b.side,
    }
}

fn pair_turns(a: &SideOfCall, b: &SideOfCall, by: TurnsBy) -> Vec<TurnPair> {
    let open = [a, b].map(|side| side.side.unfinished.is_some());
    let ends = [&a.turns, &b.turns].map(|turns| turns.last().map_or(0, |turn| turn.began_ms));
    let (mut left, mut right) = (a.turns.iter().peekable(), b.turns.iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let (first_a, first_b) = (left.peek(), right.peek());
        let (takes_a, takes_b) = match (first_a, first_b) {
            (None, None) => break,
            (Some(_), None) => (true, false),
            (None, Some(_)) => (false, true),
            (Some(one), Some(other)) => match by {
                TurnsBy::Order => (true, true),
                TurnsBy::Moment => {
                    let same = one.began_ms.abs_diff(other.began_ms) <= SAME_MOMENT_MS;
                    (same || one.began_ms < other.began_ms, same || other.began_ms < one.began_ms)
                }
            },
        };
        let one = takes_a.then(|| left.next()).flatten().cloned();
        let other = takes_b.then(|| right.next()).flatten().cloned();
        let changed = match (&one, &other) {
            (Some(one), Some(other)) => differ(one, other),
            (Some(one), None) => !(open[1] && one.began_ms > ends[1]),
            (None, Some(other)) => !(open[0] && other.began_ms > ends[0]),
            (None, None) => false,
        };
        pairs.push(TurnPair { a: one, b: other, changed });
    }
    pairs
}

fn differ(one: &Turn, other: &Turn) -> bool {
    let most = TICK.as_micros() as u64;
    one.segments.len() != other.segments.len()
        || one
            .segments
            .iter()
            .zip(&other.segments)
            .any(|(one, other)| one.name != other.name || one.micros.abs_diff(other.micros) > most)
}

fn changed(a: &CallSide, b: &CallSide, transcript: &[Row], turns: &[TurnPair]) -> Vec<Aspect> {
    let known = a.unfinished.is_none() && b.unfinished.is_none();
    let lists = Lists::of(a, b);
    let mut changed = Vec::new();
    let mut note = |aspect, is_changed: bool| changed.extend(is_changed.then_some(aspect));
    note(Aspect::Outcome, known && a.outcome != b.outcome);
    note(Aspect::Cause, known && a.cause != b.cause);
    note(Aspect::Transcript, lists.rows_differ(transcript));
    note(Aspect::States, lists.differ(&a.states, &b.states, |one, other| one.state == other.state));
    let lost = |one: &CallSide, other: &CallSide, other_is_open: bool| {
        one.slots.iter().any(|(name, value)| match other.slots.get(name) {
            Some(now) => now != value,
            None => !other_is_open,
        })
    };
    note(Aspect::Slots, lost(a, b, lists.open_b) || lost(b, a, lists.open_a));
    let same = |one: &super::TransferNote, other: &super::TransferNote| {
        (&one.target, &one.failure) == (&other.target, &other.failure)
    };
    note(Aspect::Transfers, lists.differ(&a.transfers, &b.transfers, same));
    let same = |one: &super::ToolNote, other: &super::ToolNote| {
        (&one.tool, one.status, &one.error) == (&other.tool, other.status, &other.error)
    };
    note(Aspect::Tools, lists.differ(&a.tools, &b.tools, same));
    note(Aspect::BargeIns, lists.differ(&a.barge_ins, &b.barge_ins, |_, _| true));
    note(Aspect::Turns, turns.iter().any(|pair| pair.changed));
    changed
}

/// Compares lists of which one may be open at its end.
struct Lists {
    open_a: bool,
    open_b: bool,
}

impl Lists {
    fn of(a: &CallSide, b: &CallSide) -> Lists {
        Lists { open_a: a.unfinished.is_some(), open_b: b.unfinished.is_some() }
    }

    fn differ<T>(&self, a: &[T], b: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
        a.iter().zip(b).any(|(one, other)| !same(one, other))
            || (a.len() > b.len() && !self.open_b)
            || (b.len() > a.len() && !self.open_a)
    }

    fn rows_differ(&self, rows: &[Row]) -> bool {
        let mut parts: Vec<&Part> = rows.iter().flat_map(|row| &row.parts).collect();
        parts.truncate(parts.len() - self.ahead(rows));
        parts.iter().any(|part| part.kind != PartKind::Same)
    }

    /// How many parts at the end an open side has not come to.
    fn ahead(&self, rows: &[Row]) -> usize {
        let is_ahead = |part: &&Part| match part.kind {
            PartKind::Same => false,
            PartKind::Removed => self.open_b,
            PartKind::Added => self.open_a,
        };
        rows.iter().flat_map(|row| &row.parts).rev().take_while(is_ahead).count()
    }

    /// Words that an open side has not come to are not counted.
    fn forget_ahead(&self, rows: &[Row], words: &mut Words) {
        for part in rows.iter().flat_map(|row| &row.parts).rev().take(self.ahead(rows)) {
            let count = words_in(&part.text);
            let (all, changed) = match part.kind {
                PartKind::Same => continue,
                PartKind::Removed => (&mut words.a, &mut words.removed),
                PartKind::Added => (&mut words.b, &mut words.added),
            };
            // Where a word stands for another that broke off, it is a replaced one.
            let count = count.min(*changed);
            *all -= count;
            *changed -= count;
        }
    }
}

fn first_difference(a: &SideOfCall, b: &SideOfCall) -> Option<FirstDifference> {
    let same = a.doings.iter().zip(&b.doings).take_while(|(one, other)| one.words == other.words).count();
    let (one, other) = (a.doings.get(same), b.doings.get(same));
    let is_open = |next: Option<&Doing>, side: &CallSide| next.is_none() && side.unfinished.is_some();
    if (one.is_none() && other.is_none()) || is_open(one, &a.side) || is_open(other, &b.side) {
        return None;
    }
    let words =
        |next: Option<&Doing>| next.map_or_else(|| "nothing more".to_owned(), |next| next.words.clone());
    Some(FirstDifference {
        a_ms: one.map(|next| next.at_ms),
        b_ms: other.map(|next| next.at_ms),
        state: one.or(other).and_then(|next| next.state.clone()),
        a: words(one),
        b: words(other),
    })
}

impl Aspect {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Aspect::Outcome => "outcome",
            Aspect::Cause => "cause",
            Aspect::Transcript => "transcript",
            Aspect::States => "states",
            Aspect::Slots => "slots",
            Aspect::Transfers => "transfers",
            Aspect::Tools => "tools",
            Aspect::BargeIns => "barge-ins",
            Aspect::Turns => "turns",
        }
    }
}
