//! Where a conversation can go: states nobody reaches, loops without the caller, ladders without an end.

use std::collections::BTreeSet;

use super::super::file::{BotFile, Ladder, StateFile};
use super::super::place::At;
use super::super::walk;
use super::Report;

pub(super) fn check(file: &BotFile, report: &mut Report<'_>) {
    for (state, ladder) in walk::every_ladder(file) {
        ladder_ends(state, ladder, report);
    }
    let reached = reached(file);
    for (name, _) in file.states.iter().filter(|(name, _)| !reached.contains(name.as_str())) {
        report.add(
            name.place,
            format!("no state leads to `{}`", name.value),
            "lead to it with a `goto`, or take it away",
        );
    }
    for (name, _) in file.states.iter().filter(|(name, _)| loops_alone(file, name)) {
        report.add(
            name.place,
            format!("from `{}` the bot goes round in circles without the caller", name.value),
            "let a state of the circle `listen`, or leave it with `when`",
        );
    }
    let ending = ending(file);
    for (name, _) in file.states.iter().filter(|(name, _)| !ending.contains(name.as_str())) {
        if !loops_alone(file, name) {
            report.add(
                name.place,
                format!("from `{}` the call can never end", name.value),
                "lead to a state with `hang_up: true` or `transfer`",
            );
        }
    }
}

fn ladder_ends(state: Option<&str>, ladder: &At<Ladder>, report: &mut Report<'_>) {
    let Some(last) = ladder.last() else {
        report.add(
            ladder.place,
            "the ladder has no rung",
            "add one that says something and one that goes on",
        );
        return;
    };
    if last.goto.is_none() && !last.hang_up {
        report.add(last.place, "the ladder never ends", "add `goto` or `hang_up: true` to its last rung");
    }
    if let Some(goto) = last.goto.as_ref().filter(|goto| state == Some(goto.as_str())) {
        report.add(
            goto.place,
            "the ladder never ends: its last rung goes back to its own state",
            "go to a state that helps or ends",
        );
    }
    for rung in ladder.iter() {
        if rung.goto.is_some() && (rung.hang_up || rung.repeat) {
            report.add(
                rung.place,
                "the rung leaves the state and does more",
                "keep `goto` alone, beside `say`",
            );
        }
    }
    if let Some(early) = ladder.iter().rev().skip(1).find(|rung| rung.goto.is_some() || rung.hang_up) {
        report.add(
            early.place,
            "the rungs below this one are never reached",
            "take them away, or move this one down",
        );
    }
}

fn reached(file: &BotFile) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<String> = vec![file.start.value.clone()];
    open.extend(file.on_failure.iter().map(|state| state.value.clone()));
    while let Some(name) = open.pop() {
        if reached.insert(name.clone())
            && let Some(state) = file.states.get(name.as_str())
        {
            open.extend(walk::successors(file, state).into_iter().map(|next| next.value));
        }
    }
    reached
}

/// Whether the unconditional `goto`s from a state come back to it.
fn loops_alone(file: &BotFile, start: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut name = start;
    while seen.insert(name) {
        match file.states.get(name) {
            Some(StateFile { goto: Some(next), when, .. }) if when.is_empty() => name = next.as_str(),
            Some(_) | None => return false,
        }
    }
    name == start
}

/// The states from which the call can end.
fn ending(file: &BotFile) -> BTreeSet<&str> {
    let ends_by_itself = |state: &StateFile| {
        let by_ladder = state.listen.as_ref().is_some_and(|listen| {
            walk::ladders(file, listen).flat_map(|ladder| ladder.iter()).any(|rung| rung.hang_up)
        });
        state.hang_up || state.transfer.is_some() || by_ladder
    };
    let mut ending: BTreeSet<&str> = file
        .states
        .iter()
        .filter(|(_, state)| ends_by_itself(state))
        .map(|(name, _)| name.as_str())
        .collect();
    loop {
        let more: Vec<&str> = file
            .states
            .iter()
            .filter(|(name, state)| {
                !ending.contains(name.as_str())
                    && walk::successors(file, state).iter().any(|next| ending.contains(next.as_str()))
            })
            .map(|(name, _)| name.as_str())
            .collect();
        if more.is_empty() {
            return ending;
        }
        ending.extend(more);
    }
}
