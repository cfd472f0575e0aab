//! A comparison for people and for programs.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use offhook_replay::compare::{
    CallComparison, Comparison, Distribution, RuleResult, SideTotals, TICK, Totals,
};

use super::bundle::print;

/// Calls that changed are shown up to here; the report and `--json` have all.
const MOST_SHOWN: usize = 20;

/// Calls that made a rule fire.
const MOST_NAMED: usize = 10;

pub(super) fn print_json(comparison: &Comparison) {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    // Who reads only the first bytes closes the pipe, and that is no mistake of ours.
    let _ = serde_json::to_writer(&mut out, comparison);
    let _ = writeln!(out);
}

pub(super) fn print_text(comparison: &Comparison, html: Option<&Path>) {
    let Comparison { a, b, totals, calls, not_compared, .. } = comparison;
    let noun = if totals.calls == 1 { "call" } else { "calls" };
    print(format_args!("{} {noun}: a = {}, b = {}", totals.calls, a.label, b.label));
    print_counts(totals);
    print(format_args!("\n{:32} {:>28} {:>28}", "", "a", "b"));
    print_sides(&totals.a, &totals.b);
    let changed: Vec<&CallComparison> =
        calls.iter().filter(|call| call.is_changed() || call.b.unfinished.is_some()).collect();
    if !changed.is_empty() {
        print("\ncalls that are not the same (the timing of turns apart)");
    }
    changed.iter().take(MOST_SHOWN).for_each(|call| print_call(call));
    more(changed.len(), MOST_SHOWN, "calls; --json and --html have all");
    if !not_compared.is_empty() {
        print("\nnot compared");
    }
    for call in not_compared.iter().take(MOST_SHOWN) {
        print(format_args!("  {}: {}", call.file, call.reason));
    }
    more(not_compared.len(), MOST_SHOWN, "calls");
    if !comparison.rules.is_empty() {
        print("\nrules");
    }
    comparison.rules.iter().for_each(print_rule);
    if let Some(file) = html {
        print(format_args!("\nreport: {}", file.display()));
    }
}

fn more(all: usize, shown: usize, of: &str) {
    if all > shown {
        print(format_args!("  and {} more {of}", all - shown));
    }
}

fn print_counts(totals: &Totals) {
    let in_what: Vec<String> =
        totals.changed_in.iter().map(|(aspect, count)| format!("{} {count}", aspect.words())).collect();
    let in_what = if in_what.is_empty() { String::new() } else { format!(" ({})", in_what.join(", ")) };
    print(format_args!("  not the same: {}{in_what}", totals.changed));
    print(format_args!(
        "  turns that changed by more than {} ms: {} of {}",
        TICK.as_millis(),
        totals.turns_changed,
        totals.turns
    ));
    print(format_args!(
        "  left their recording: {}; not played to their end: {}; not compared: {}",
        totals.departed, totals.unfinished, totals.not_compared
    ));
    let words = &totals.words;
    print(format_args!(
        "  words: {} replaced, {} removed, {} added of {}",
        words.replaced, words.removed, words.added, words.a
    ));
}

fn print_sides(a: &SideTotals, b: &SideTotals) {
    print("milliseconds: p50 / p95 / p99 / max");
    let row = |name: &str, a: String, b: String| print(format_args!("  {name:30} {a:>28} {b:>28}"));
    row("turn", spread(&a.turn), spread(&b.turn));
    let names: Vec<&str> = {
        let mut seen = BTreeSet::new();
        let all = b.segments.iter().chain(&a.segments).map(|segment| segment.name.as_str());
        all.filter(|name| seen.insert(*name)).collect()
    };
    for name in names {
        let of = |side: &SideTotals| {
            let segment = side.segments.iter().find(|segment| segment.name == name);
            segment.map_or_else(|| "-".to_owned(), |segment| spread(&segment.micros))
        };
        row(&format!("  {name}"), of(a), of(b));
    }
    row("barge-in", spread(&a.barge_in), spread(&b.barge_in));
    print("counts");
    for (name, of) in COUNTS {
        if (of(a), of(b)) != (0, 0) {
            row(name, of(a).to_string(), of(b).to_string());
        }
    }
    let costs = |side: &SideTotals| {
        let unknown = || "not known".to_owned();
        let costs = &side.costs;
        let characters = costs.synthesized_characters.map_or_else(unknown, |count| count.to_string());
        let seconds = costs.recognizer_seconds.map_or_else(unknown, |seconds| format!("{seconds:.1}"));
        [characters, seconds]
    };
    let ([characters_a, seconds_a], [characters_b, seconds_b]) = (costs(a), costs(b));
    row("synthesized characters", characters_a, characters_b);
    row("recognizer seconds", seconds_a, seconds_b);
    for (title, of) in
        [("outcome", (|side| &side.outcomes) as fn(&SideTotals) -> &_), ("cause", |side| &side.causes)]
    {
        let names: BTreeSet<&String> = of(a).keys().chain(of(b).keys()).collect();
        for name in names {
            let count = |side| of(side).get(name).copied().unwrap_or(0);
            row(&format!("{title} {name}"), count(a).to_string(), count(b).to_string());
        }
    }
}

type CountOf = fn(&SideTotals) -> u64;

const COUNTS: [(&str, CountOf); 8] = [
    ("turns", |side| side.turn.count),
    ("barge-ins", |side| side.barge_ins),
    ("not understood", |side| side.no_match),
    ("no input", |side| side.no_input),
    ("transfers", |side| side.transfers),
    ("transfers that failed", |side| side.transfers_failed),
    ("tool calls", |side| side.costs.tool_calls),
    ("tools without answer", |side| side.costs.tool_failures),
];

fn spread(spread: &Distribution) -> String {
    if spread.count == 0 {
        return "-".to_owned();
    }
    let ms = |micros: u64| (micros as f64 / 1000.0).round();
    format!("{} / {} / {} / {}", ms(spread.p50), ms(spread.p95), ms(spread.p99), ms(spread.max))
}

fn print_call(call: &CallComparison) {
    let file = call.file_b.as_ref().map_or(call.file.clone(), |other| format!("{} and {other}", call.file));
    let aspects: Vec<&str> = call.changed.iter().map(|aspect| aspect.words()).collect();
    let aspects = if aspects.is_empty() { "the same so far".to_owned() } else { aspects.join(", ") };
    print(format_args!("  #{} {file}: {aspects}", call.number));
    let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "none".to_owned());
    let known = call.a.unfinished.is_none() && call.b.unfinished.is_none();
    for (name, a, b) in
        [("outcome", &call.a.outcome, &call.b.outcome), ("cause", &call.a.cause, &call.b.cause)]
    {
        if known && a != b {
            print(format_args!("      {name}: {} → {}", word(a), word(b)));
        }
    }
    if let Some(first) = &call.first_difference {
        let at = first.b_ms.or(first.a_ms).unwrap_or(0) as f64 / 1000.0;
        let state = first.state.as_ref().map_or(String::new(), |state| format!(", state {state}"));
        print(format_args!("      first at {at:.1} s{state}: {} → {}", first.a, first.b));
    }
    if let Some(why) = &call.b.unfinished {
        print(format_args!("      not played to its end: {why}"));
    }
}

fn print_rule(rule: &RuleResult) {
    let verdict = if rule.fired { "FAIL" } else { "ok  " };
    print(format_args!("  {verdict} {}: {}", rule.rule, rule.found));
    for call in rule.calls.iter().take(MOST_NAMED) {
        print(format_args!("         {}: {}", call.file, call.why));
    }
    let all = rule.calls.len() + rule.more_calls as usize;
    if all > MOST_NAMED {
        print(format_args!("         and {} more calls", all - MOST_NAMED));
    }
}
