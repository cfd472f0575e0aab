//! All calls together.

use std::collections::BTreeMap;

use super::{
    Aspect, CallComparison, CallSide, Costs, Distribution, SegmentDistribution, SideTotals, Totals, Turn,
    Words,
};

/// The order of segments in a turn.
pub(super) const SEGMENTS: [&str; 8] = [
    "jitter_buffer",
    "voice_activity",
    "recognizer",
    "conversation",
    "tools",
    "synthesizer",
    "queue",
    "lead_in",
];

/// A side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    A,
    B,
}

impl CallComparison {
    pub(super) fn side(&self, side: Side) -> &CallSide {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    pub(super) fn turns_of(&self, side: Side) -> impl Iterator<Item = &Turn> {
        self.turns.iter().filter_map(move |pair| match side {
            Side::A => pair.a.as_ref(),
            Side::B => pair.b.as_ref(),
        })
    }

    /// Whether anything but the timing of turns is not the same.
    pub fn is_changed(&self) -> bool {
        self.changed.iter().any(|aspect| *aspect != Aspect::Turns)
    }
}

impl Distribution {
    /// Of lengths of time in microseconds, in any order.
    pub fn of(mut values: Vec<u64>) -> Distribution {
        values.sort_unstable();
        let rank = |percent: usize| {
            let rank = (values.len() * percent).div_ceil(100).max(1);
            values.get(rank - 1).copied().unwrap_or(0)
        };
        Distribution {
            count: values.len() as u64,
            p50: rank(50),
            p95: rank(95),
            p99: rank(99),
            max: values.last().copied().unwrap_or(0),
        }
    }
}

impl Totals {
    /// Of these calls, beside others that could not be compared.
    pub fn of(calls: &[CallComparison], not_compared: u64) -> Totals {
        let mut totals = Totals { calls: calls.len() as u64, not_compared, ..Totals::default() };
        for call in calls {
            totals.unfinished += u64::from(call.b.unfinished.is_some());
            totals.departed += u64::from(call.b.departure.is_some());
            totals.changed += u64::from(call.is_changed());
            for aspect in &call.changed {
                *totals.changed_in.entry(*aspect).or_default() += 1;
            }
            totals.turns += call.turns.len() as u64;
            totals.turns_changed += call.turns.iter().filter(|pair| pair.changed).count() as u64;
            totals.words.add(&call.words);
        }
        totals.a = side(calls, Side::A);
        totals.b = side(calls, Side::B);
        totals
    }
}

impl Words {
    fn add(&mut self, other: &Words) {
        self.a += other.a;
        self.b += other.b;
        self.same += other.same;
        self.replaced += other.replaced;
        self.removed += other.removed;
        self.added += other.added;
    }

    /// How many are not the same: the edits that turn side a's words into side b's.
    pub fn changed(&self) -> u64 {
        self.replaced + self.removed + self.added
    }
}

fn side(calls: &[CallComparison], side: Side) -> SideTotals {
    let turns = || calls.iter().flat_map(|call| call.turns_of(side));
    let mut totals = SideTotals {
        turn: Distribution::of(turns().map(|turn| turn.micros).collect()),
        segments: segments(turns()),
        barge_in: Distribution::of(turns().filter_map(|turn| turn.barge_in_micros).collect()),
        costs: Costs { synthesized_characters: Some(0), recognizer_seconds: Some(0.0), ..Costs::default() },
        ..SideTotals::default()
    };
    for call in calls {
        let side = call.side(side);
        totals.talk_ms += side.talk_ms;
        totals.barge_ins += side.barge_ins.len() as u64;
        totals.understood += u64::from(side.understood);
        totals.no_match += u64::from(side.no_match);
        totals.no_input += u64::from(side.no_input);
        let failed = side.transfers.iter().filter(|transfer| transfer.failure.is_some()).count();
        totals.transfers += (side.transfers.len() - failed) as u64;
        totals.transfers_failed += failed as u64;
        let unknown = side.unfinished.as_ref().map(|_| "not known");
        let count = |counts: &mut BTreeMap<String, u64>, word: &Option<String>| {
            let word = unknown.or(word.as_deref()).unwrap_or("none");
            *counts.entry(word.to_owned()).or_default() += 1;
        };
        count(&mut totals.outcomes, &side.outcome);
        count(&mut totals.causes, &side.cause);
        totals.costs.add(&side.costs);
    }
    totals
}

impl Costs {
    fn add(&mut self, other: &Costs) {
        let characters = self.synthesized_characters.zip(other.synthesized_characters);
        self.synthesized_characters = characters.map(|(sum, more)| sum + more);
        let seconds = self.recognizer_seconds.zip(other.recognizer_seconds);
        // Sums of milliseconds: what is added in another order is the same.
        self.recognizer_seconds = seconds.map(|(sum, more)| ((sum + more) * 1000.0).round() / 1000.0);
        self.tool_calls += other.tool_calls;
        self.tool_failures += other.tool_failures;
    }
}

fn segments<'a>(turns: impl Iterator<Item = &'a Turn>) -> Vec<SegmentDistribution> {
    let mut values: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for segment in turns.flat_map(|turn| &turn.segments) {
        values.entry(&segment.name).or_default().push(segment.micros);
    }
    let place = |name: &str| SEGMENTS.iter().position(|known| *known == name).unwrap_or(SEGMENTS.len());
    let mut segments: Vec<SegmentDistribution> = values
        .into_iter()
        .map(|(name, values)| SegmentDistribution { name: name.to_owned(), micros: Distribution::of(values) })
        .collect();
    segments.sort_by_key(|segment| place(&segment.name));
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let spread = Distribution::of((1..=100).rev().collect());

        assert_eq!(spread, Distribution { count: 100, p50: 50, p95: 95, p99: 99, max: 100 });
        assert_eq!(Distribution::of(vec![7]), Distribution { count: 1, p50: 7, p95: 7, p99: 7, max: 7 });
        assert_eq!(Distribution::of(Vec::new()), Distribution::default());
    }
}
