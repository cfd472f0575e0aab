//! Masking that could not work: values that would be written down after all, and masks over nothing.

use std::collections::BTreeSet;

use super::super::file::{BotFile, LineFile};
use super::super::masking::{masked_names, mentions};
use super::super::place::At;
use super::super::short::Short;
use super::super::walk::{self, Template};
use super::Report;

pub(super) fn check(file: &BotFile, report: &mut Report<'_>) {
    for (name, slot) in file.slots.iter().filter(|(_, slot)| slot.masked) {
        if slot.digits.is_none() {
            report.add(
                name.place,
                format!("the slot `{}` cannot be masked: only digits can", name.value),
                "take `masked` away: what a choice decides is seen in the states that follow",
            );
        }
    }
    for (name, state) in &file.states {
        let Some(masked) = state.masked.as_ref().filter(|masked| masked.value) else { continue };
        let Some(listen) = &state.listen else {
            report.add(
                masked.place,
                format!("the state `{}` hears nothing that could be masked", name.value),
                "take `masked` away; a value stays masked by its slot wherever it is used",
            );
            continue;
        };
        let slot = listen.slot.as_ref().and_then(|slot| Some((slot, file.slots.get(slot.as_str())?)));
        if let Some((slot, _)) = slot.filter(|(_, slot)| !slot.masked && slot.digits.is_some()) {
            report.add(
                masked.place,
                format!(
                    "the state `{}` is masked and fills the slot `{}`, which is not",
                    name.value, slot.value
                ),
                format!("add `masked: true` to the slot `{}`", slot.value),
            );
        }
    }
    let masked = masked_names(file);
    if masked.is_empty() {
        return;
    }
    for condition in conditions(file) {
        if mentions(Template::Expression, &condition, &masked)
            && !asks_only_whether_filled(&condition, &masked)
        {
            report.add(
                condition.place,
                "a condition looks into a masked value: a recorded call could not be run again",
                "ask only whether it is there, such as `card` or `not card`; let a tool judge the value",
            );
        }
    }
    for tool in file.tools.values() {
        if mentions(Template::Text, &tool.url, &masked) {
            report.add(
                tool.url.place,
                "a masked value stands in a URL, which every server on the way writes down",
                "send it in the `body`",
            );
        }
    }
}

fn conditions(file: &BotFile) -> Vec<At<String>> {
    let of_line = |line: &Short<LineFile>| match line {
        Short::Text(_) => None,
        Short::Long(long) => long.condition.clone(),
    };
    let says = walk::every_say(file).into_iter().flat_map(|say| &say.0);
    let branches = file.states.values().flat_map(|state| &state.when);
    says.filter_map(|line| of_line(&line.value))
        .chain(branches.map(|branch| branch.condition.clone()))
        .collect()
}

fn asks_only_whether_filled(condition: &str, masked: &BTreeSet<String>) -> bool {
    let condition = condition.trim();
    let condition = condition.strip_prefix("not ").unwrap_or(condition).trim();
    let (name, test) = condition.split_once(char::is_whitespace).unwrap_or((condition, ""));
    masked.contains(name) && matches!(test.trim(), "" | "is none" | "is not none")
}
