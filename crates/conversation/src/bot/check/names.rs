//! Names that are used but nowhere defined.

use super::super::file::{BotFile, Named, TestFile, TestStep};
use super::super::place::At;
use super::super::short::Short;
use super::super::templates::GIVEN;
use super::super::{suggest, walk};
use super::Report;
use crate::MASKED_KEY;

pub(super) fn check(file: &BotFile, report: &mut Report<'_>) {
    known(&file.start, "state", &file.states, report);
    for state in file.on_failure.iter() {
        known(state, "state", &file.states, report);
    }
    for (_, go) in walk::every_jump(file) {
        if let Some(state) = walk::destination(go) {
            known(&state, "state", &file.states, report);
        }
    }
    for (_, ladder) in walk::every_ladder(file) {
        for state in ladder.iter().filter_map(|rung| rung.goto.as_ref()) {
            known(state, "state", &file.states, report);
        }
    }
    for intent in file.anywhere.intents.keys() {
        known(intent, "intent", &file.intents, report);
    }
    for state in file.states.values() {
        for next in state.when.iter().map(|branch| &branch.goto).chain(&state.goto) {
            known(next, "state", &file.states, report);
        }
        if let Some(listen) = &state.listen {
            listen.intents.keys().for_each(|intent| known(intent, "intent", &file.intents, report));
            listen.slot.iter().for_each(|slot| known(slot, "slot", &file.slots, report));
        }
        if let Some(call) = &state.call {
            known(&call.tool, "tool", &file.tools, report);
        }
        if let Some(transfer) = &state.transfer {
            transfer.to.0.iter().for_each(|target| known(target, "target", &file.targets, report));
        }
    }
    prompts(file, report);
    definitions(file, report);
    tests(&file.tests, file, report);
}

fn prompts(file: &BotFile, report: &mut Report<'_>) {
    for say in walk::every_say(file) {
        for line in &say.0 {
            if let Short::Long(long) = &line.value
                && let Some(prompt) = &long.prompt
            {
                known(prompt, "prompt", &file.prompts, report);
            }
        }
    }
    for line in file.prompts.values().flat_map(|say| &say.0) {
        if let Short::Long(long) = &line.value
            && let Some(prompt) = &long.prompt
        {
            report.add(
                prompt.place,
                "a prompt under `prompts` refers to another one",
                "write the text here, or name both prompts where they are said",
            );
        }
    }
}

fn definitions(file: &BotFile, report: &mut Report<'_>) {
    let set = walk::every_set(file).into_iter().map(|(name, _)| name);
    for name in file.slots.keys().chain(file.variables.keys()).chain(set).chain(file.config.keys()) {
        // Letters of any language: 订单 is as good a name as order.
        let is_letter = |c: char| c.is_alphabetic() && !c.is_uppercase();
        let plain = name.chars().all(|c| is_letter(c) || c.is_ascii_digit() || c == '_')
            && name.chars().next().is_some_and(is_letter);
        if !plain {
            report.add(
                name.place,
                format!("templates cannot use the name `{}`", name.value),
                "use lower-case letters, digits and `_`, and begin with a letter",
            );
        }
        if GIVEN.contains(&name.as_str()) && !file.config.contains_key(name.as_str()) {
            report.add(
                name.place,
                format!("the name `{}` is taken by the values that every call has", name.value),
                "choose another name",
            );
        }
    }
    for name in file.slots.keys().filter(|name| file.variables.contains_key(name.as_str())) {
        report.add(
            name.place,
            format!("`{}` is a slot and a variable", name.value),
            "a slot is a variable already; take it out of `variables`",
        );
    }
}

/// How transfers end, as the record and `transfer.cause` say it.
const OUTCOMES: [&str; 7] =
    ["succeeded", "busy", "no_answer", "rejected", "unknown_number", "unreachable", "failed"];

/// Names in tests, wherever those stand.
pub(super) fn tests(tests: &[At<TestFile>], file: &BotFile, report: &mut Report<'_>) {
    for test in tests {
        test.tools.keys().for_each(|tool| known(tool, "tool", &file.tools, report));
        for (target, outcome) in &test.transfers {
            known(target, "target", &file.targets, report);
            if !OUTCOMES.contains(&outcome.as_str()) {
                report.add(
                    report.find(target.place, outcome),
                    format!("no transfer ends with `{outcome}`"),
                    suggest::remedy(outcome, "outcomes", OUTCOMES),
                );
            }
        }
        if let Some(time) = test.time.as_ref().filter(|time| crate::rehearsal::wall_clock(time).is_none()) {
            report.add(time.place, format!("`{}` is no time", time.value), "write it as 2026-01-05 10:00");
        }
        for step in &test.dialogue {
            let at = |name: &String| At::new(name.clone(), report.find(step.place, name));
            match &step.value {
                TestStep::State(state) => known(&at(state), "state", &file.states, report),
                TestStep::TransferredTo(target) => known(&at(target), "target", &file.targets, report),
                TestStep::Called(tools) => {
                    let tools: Vec<At<String>> = tools.keys().map(at).collect();
                    tools.iter().for_each(|tool| known(tool, "tool", &file.tools, report));
                }
                TestStep::Keys(keys) => {
                    if let Some(key) = keys.chars().find(|key| !is_key(*key)) {
                        report.add(
                            report.find_text(step.place, keys),
                            format!("`{key}` is no key of a telephone"),
                            "write \"0\" to \"9\", \"*\" and \"#\"",
                        );
                    }
                }
                TestStep::Bot(_)
                | TestStep::BotNever(_)
                | TestStep::Caller(_)
                | TestStep::Interrupts(_)
                | TestStep::Silence
                | TestStep::Unclear
                | TestStep::HangsUp
                | TestStep::Variables(_)
                | TestStep::Outcome(_)
                | TestStep::Ended(_) => {}
            }
        }
    }
}

/// A key of a telephone, or what a masked digit is to a bot.
fn is_key(key: char) -> bool {
    matches!(key, '0'..='9' | '*' | '#' | 'A'..='D' | MASKED_KEY)
}

fn known<T>(name: &At<String>, kind: &str, map: &Named<T>, report: &mut Report<'_>) {
    if !map.contains_key(name.as_str()) {
        report.add(
            name.place,
            format!("there is no {kind} `{}`", name.value),
            suggest::remedy(name, &format!("{kind}s"), walk::names(map)),
        );
    }
}
