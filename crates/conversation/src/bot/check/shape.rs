//! Things of which there must be exactly one, or none, or enough.

use super::super::file::{BotFile, Go, Listen, SlotFile, StateFile};
use super::super::place::{At, Place};
use super::super::short::Short;
use super::super::walk;
use super::Report;
use crate::Language;

/// More digits than this nobody says in one breath.
const MOST_DIGITS: u8 = 32;

pub(super) fn check(file: &BotFile, report: &mut Report<'_>) {
    if !Language::is_known(&file.language) {
        report.add(
            file.language.place,
            format!("the language `{}` is not known", file.language.value),
            "known are en and zh, also with a region such as en-GB or zh-CN",
        );
    }
    if !(0.0..=1.0).contains(&file.turn.min_confidence) {
        let place = report.find(Place { line: 1, column: 1 }, "min_confidence");
        report.add(place, "`min_confidence` is outside of 0 to 1", "write a number such as 0.4");
    }
    if file.turn.max_turns == 0 {
        let place = report.find(Place { line: 1, column: 1 }, "max_turns");
        report.add(place, "`max_turns` is 0: no caller could say a word", "leave it out, or write 1 or more");
    }
    for (name, slot) in &file.slots {
        slot_shape(name, slot, report);
    }
    for (name, tool) in &file.tools {
        tool_shape(name, tool, report);
    }
    for target in file.targets.values() {
        if let Some(uri) = &target.uri
            && !["sip:", "sips:", "tel:"].iter().any(|scheme| uri.starts_with(scheme))
        {
            report.add(
                uri.place,
                format!("`{}` is no SIP or tel address", uri.value),
                "write it as sip:agents@pbx.example.com, or leave `uri` out and name the target in the server's configuration",
            );
        }
    }
    for (name, state) in &file.states {
        state_shape(file, name, state, report);
    }
    for (name, go) in file.anywhere.intents.iter().chain(&file.anywhere.keys) {
        leads_somewhere(name, go, report);
    }
    for key in file.anywhere.keys.keys() {
        key_shape(key, report);
    }
    for say in walk::every_say(file) {
        for line in &say.0 {
            if let Short::Long(long) = &line.value {
                let contents = usize::from(long.text.is_some())
                    + usize::from(long.recording.is_some())
                    + usize::from(long.prompt.is_some())
                    + usize::from(!long.one_of.is_empty());
                if contents != 1 {
                    report.add(
                        line.place,
                        "a prompt has exactly one of `text`, `recording`, `prompt` and `one_of`",
                        if contents == 0 {
                            "add what to say: `text: …`"
                        } else {
                            "make a list of several prompts"
                        },
                    );
                }
            }
        }
    }
}

fn slot_shape(name: &At<String>, slot: &SlotFile, report: &mut Report<'_>) {
    let kinds =
        usize::from(slot.digits.is_some()) + usize::from(slot.yes_no) + usize::from(!slot.choice.is_empty());
    if kinds != 1 {
        report.add(
            name.place,
            format!("the slot `{}` must be exactly one of `digits`, `yes_no` and `choice`", name.value),
            "write for example `digits: 8`",
        );
    }
    if let Some(digits) = &slot.digits {
        let good = super::super::digits_of(digits)
            .is_some_and(|(min, max)| min >= 1 && min <= max && max <= MOST_DIGITS);
        if !good {
            report.add(
                digits.place,
                format!("the slot `{}` has an impossible number of digits", name.value),
                format!("write `digits: 8` or `digits: {{ min: 4, max: 8 }}`, from 1 to {MOST_DIGITS}"),
            );
        }
    }
    if slot.confirm.is_none() && (slot.attempts.is_some() || !slot.rejected.0.is_empty()) {
        report.add(
            name.place,
            format!("the slot `{}` says what happens after a no, but never asks", name.value),
            "add `confirm:` with the question, or take `attempts` and `rejected` away",
        );
    }
    if slot.attempts == Some(0) {
        report.add(
            name.place,
            format!("the slot `{}` allows no attempt at all", name.value),
            "write `attempts: 1` or more",
        );
    }
    if slot.digits.is_none() && slot.wrong_length.is_some() {
        report.add(
            name.place,
            format!("the slot `{}` has no digits whose length could be wrong", name.value),
            "take `wrong_length` away",
        );
    }
}

fn tool_shape(name: &At<String>, tool: &super::super::file::ToolFile, report: &mut Report<'_>) {
    const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    if !METHODS.contains(&tool.method.as_str()) {
        report.add(
            tool.method.place,
            format!("the tool `{}` has the unknown method `{}`", name.value, tool.method.value),
            super::super::suggest::remedy(&tool.method.to_uppercase(), "methods", METHODS),
        );
    }
    let url = tool.url.trim();
    if !["http://", "https://", "{{"].iter().any(|start| url.starts_with(start)) {
        report.add(
            tool.url.place,
            format!("the URL of the tool `{}` is not absolute", name.value),
            "begin it with https://, http:// or a value such as {{ config.order_service }}",
        );
    }
}

fn state_shape(file: &BotFile, name: &At<String>, state: &StateFile, report: &mut Report<'_>) {
    let exits: Vec<&str> = [
        ("listen", state.listen.is_some()),
        ("call", state.call.is_some()),
        ("transfer", state.transfer.is_some()),
        ("goto", state.goto.is_some()),
        ("hang_up", state.hang_up),
    ]
    .into_iter()
    .filter_map(|(exit, is_there)| is_there.then_some(exit))
    .collect();
    match exits.as_slice() {
        [_] => {}
        [] => report.add(
            name.place,
            format!("the state `{}` has no way out", name.value),
            "add one of `listen`, `call`, `transfer`, `goto` and `hang_up: true`",
        ),
        several => report.add(
            name.place,
            format!("the state `{}` has several ways out: {}", name.value, several.join(", ")),
            "keep one; `when` chooses between states",
        ),
    }
    if let Some(listen) = &state.listen {
        listen_shape(file, name, listen, report);
    }
    if let Some(call) = &state.call {
        for (status, go) in &call.on_status {
            if !status.parse::<u16>().is_ok_and(|status| (100..600).contains(&status)) {
                report.add(
                    status.place,
                    format!("`{}` is no HTTP status", status.value),
                    "write a number such as \"404\"",
                );
            }
            must_go(status, go, report);
        }
        must_go(name, &call.answered, report);
        must_go(name, &call.on_error, report);
        if let Some(go) = &call.on_timeout {
            must_go(name, go, report);
        }
    }
    if let Some(transfer) = &state.transfer {
        if transfer.to.0.is_empty() {
            report.add(
                name.place,
                format!("the state `{}` transfers to nobody", name.value),
                "name a target under `to`",
            );
        }
        must_go(name, &transfer.on_failed, report);
    }
}

fn listen_shape(file: &BotFile, name: &At<String>, listen: &At<Listen>, report: &mut Report<'_>) {
    if walk::listen_jumps(listen).next().is_none() && listen.slot.is_none() {
        report.add(
            listen.place,
            format!("the state `{}` listens for nothing", name.value),
            "add `intents`, `keys`, `yes` and `no`, or a `slot`",
        );
    }
    for (intent, go) in listen.intents.iter().chain(&listen.keys) {
        leads_somewhere(intent, go, report);
    }
    listen.keys.keys().for_each(|key| key_shape(key, report));
    for go in [&listen.yes, &listen.no].into_iter().flatten() {
        leads_somewhere(name, go, report);
    }
    for go in [&listen.filled, &listen.given_up].into_iter().flatten() {
        must_go(name, go, report);
    }
    match (&listen.slot, &listen.filled) {
        (Some(slot), None) => report.add(
            slot.place,
            format!("nothing follows once the slot `{}` is filled", slot.value),
            "add `filled:` with the next state beside `slot:`",
        ),
        (None, Some(filled)) => {
            report.add(
                filled.place,
                "`filled` stands here without a slot",
                "add `slot:` with the slot's name",
            );
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    let Some(slot) = listen.slot.as_ref().and_then(|slot| file.slots.get(slot.as_str())) else { return };
    if slot.digits.is_some() {
        for key in listen.keys.keys().chain(file.anywhere.keys.keys()).filter(|key| key.as_str() != "*") {
            report.add(
                key.place,
                format!(
                    "the key `{}` also belongs to the number that the state `{}` asks for",
                    key.value, name.value
                ),
                "use `*`, or ask in another state",
            );
        }
    }
    if slot.yes_no && (listen.yes.is_some() || listen.no.is_some()) {
        report.add(
            listen.place,
            format!("the state `{}` has `yes` or `no` beside a yes-or-no slot", name.value),
            "take one of them away",
        );
    }
}

fn key_shape(key: &At<String>, report: &mut Report<'_>) {
    let is_key =
        key.chars().count() == 1 && key.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '#'));
    if !is_key {
        report.add(
            key.place,
            format!("`{}` is no key of a telephone", key.value),
            "write one of \"0\" to \"9\", \"*\" and \"#\"",
        );
    }
}

/// A jump may stay, but then it must say something.
fn leads_somewhere(name: &At<String>, go: &Go, report: &mut Report<'_>) {
    let Some(long) = walk::long(go) else { return };
    if long.goto.is_some() && long.repeat {
        report.add(go.place, format!("`{}` both leaves and repeats", name.value), "keep `goto` or `repeat`");
    }
    if long.goto.is_none() && !long.repeat && long.say.0.is_empty() {
        report.add(
            go.place,
            format!("`{}` leads nowhere", name.value),
            "add `goto` with a state's name, `repeat: true`, or `say`",
        );
    }
}

fn must_go(name: &At<String>, go: &Go, report: &mut Report<'_>) {
    if walk::destination(go).is_none() {
        report.add(
            if go.place.line > 0 { go.place } else { name.place },
            "a next state is missing here",
            "add `goto` with a state's name",
        );
    }
}
