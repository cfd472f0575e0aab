//! Every template, every jump, every prompt of a bot file, so that checks need not know its shape.

use super::file::{BotFile, Go, GoFile, Ladder, LineFile, Listen, Named, Say, StateFile};
use super::place::At;
use super::short::Short;

/// What kind of template it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Template {
    /// `{{ … }}` inside text.
    Text,
    /// An expression without braces.
    Expression,
}

/// The state that a jump leads to, where it names one.
pub(crate) fn destination(go: &Go) -> Option<At<String>> {
    match &go.value {
        Short::Text(state) => Some(At::new(state.clone(), go.place)),
        Short::Long(long) => long.goto.clone(),
    }
}

/// The long form of a jump, where it has one.
pub(crate) fn long(go: &Go) -> Option<&GoFile> {
    match &go.value {
        Short::Text(_) => None,
        Short::Long(long) => Some(long),
    }
}

/// All jumps of a listening state but those of its ladders.
pub(crate) fn listen_jumps(listen: &Listen) -> impl Iterator<Item = &Go> {
    let named = listen.intents.values().chain(listen.keys.values());
    named.chain([&listen.yes, &listen.no, &listen.filled, &listen.given_up].into_iter().flatten())
}

/// All jumps of a state but those of ladders, `when` and `goto`.
pub(crate) fn jumps(state: &StateFile) -> Vec<&Go> {
    let mut jumps: Vec<&Go> = Vec::new();
    if let Some(listen) = &state.listen {
        jumps.extend(listen_jumps(listen));
    }
    if let Some(call) = &state.call {
        jumps.extend([&call.answered, &call.on_error]);
        jumps.extend(call.on_status.values().chain(&call.on_timeout));
    }
    jumps.extend(state.transfer.iter().map(|transfer| &transfer.on_failed));
    jumps
}

/// The ladders of a listening state, the bot's own where it has none.
pub(crate) fn ladders<'a>(file: &'a BotFile, listen: &'a Listen) -> impl Iterator<Item = &'a At<Ladder>> {
    let no_input = listen.no_input.as_ref().or(file.no_input.as_ref());
    let no_match = listen.no_match.as_ref().or(file.no_match.as_ref());
    no_input.into_iter().chain(no_match)
}

/// Every state that `state` may lead to by itself.
pub(crate) fn successors(file: &BotFile, state: &StateFile) -> Vec<At<String>> {
    let mut next: Vec<At<String>> = jumps(state).into_iter().filter_map(destination).collect();
    next.extend(state.when.iter().map(|branch| branch.goto.clone()));
    next.extend(state.goto.clone());
    if let Some(listen) = &state.listen {
        next.extend(
            ladders(file, listen).flat_map(|ladder| ladder.iter()).filter_map(|rung| rung.goto.clone()),
        );
        let anywhere = file.anywhere.intents.values().chain(file.anywhere.keys.values());
        next.extend(anywhere.filter_map(destination));
    }
    next
}

/// Every jump in the file, with the state it starts from.
pub(crate) fn every_jump(file: &BotFile) -> Vec<(Option<&str>, &Go)> {
    let anywhere = file.anywhere.intents.values().chain(file.anywhere.keys.values()).map(|go| (None, go));
    let states = file.states.iter();
    anywhere
        .chain(
            states
                .flat_map(|(name, state)| jumps(state).into_iter().map(move |go| (Some(name.as_str()), go))),
        )
        .collect()
}

/// Every ladder that the file itself writes, with the state it stands in.
pub(crate) fn every_ladder(file: &BotFile) -> Vec<(Option<&str>, &At<Ladder>)> {
    let of_bot = file.no_input.iter().chain(&file.no_match).map(|ladder| (None, ladder));
    let of_states = file.states.iter().filter_map(|(name, state)| Some((name, state.listen.as_ref()?)));
    of_bot
        .chain(of_states.flat_map(|(name, listen)| {
            listen.no_input.iter().chain(&listen.no_match).map(move |ladder| (Some(name.as_str()), ladder))
        }))
        .collect()
}

/// Every prompt in the file.
pub(crate) fn every_say(file: &BotFile) -> Vec<&Say> {
    let mut says: Vec<&Say> = file.prompts.values().collect();
    says.extend(file.states.values().map(|state| &state.say));
    says.extend(every_jump(file).into_iter().filter_map(|(_, go)| long(go)).map(|go| &go.say));
    says.extend(every_ladder(file).into_iter().flat_map(|(_, ladder)| ladder.iter()).map(|rung| &rung.say));
    for slot in file.slots.values() {
        says.push(&slot.rejected);
        says.extend(slot.confirm.iter().chain(&slot.wrong_length));
    }
    says
}

/// Every variable that something sets, with its expression.
pub(crate) fn every_set(file: &BotFile) -> Vec<(&At<String>, &At<String>)> {
    let of_states = file.states.values().flat_map(|state| &state.set);
    let of_calls = file.states.values().filter_map(|state| state.call.as_ref()).flat_map(|call| &call.set);
    let of_jumps = every_jump(file).into_iter().filter_map(|(_, go)| long(go)).flat_map(|go| &go.set);
    of_states.chain(of_calls).chain(of_jumps).collect()
}

/// Every template and expression in the file.
pub(crate) fn every_template(file: &BotFile) -> Vec<(Template, At<String>)> {
    let mut found = Vec::new();
    for say in every_say(file) {
        for line in &say.0 {
            match &line.value {
                Short::Text(text) => found.push((Template::Text, At::new(text.clone(), line.place))),
                Short::Long(line) => line_templates(line, &mut found),
            }
        }
    }
    found.extend(every_set(file).into_iter().map(|(_, value)| (Template::Expression, value.clone())));
    for state in file.states.values() {
        found.extend(state.when.iter().map(|branch| (Template::Expression, branch.condition.clone())));
    }
    for tool in file.tools.values() {
        found.push((Template::Text, tool.url.clone()));
        found.extend(tool.headers.values().map(|value| (Template::Text, value.clone())));
        if let Some(body) = &tool.body {
            body_templates(&body.value, &mut |text| {
                found.push((Template::Text, At::new(text.to_owned(), body.place)));
            });
        }
    }
    found
}

fn line_templates(line: &LineFile, found: &mut Vec<(Template, At<String>)>) {
    found.extend(line.text.iter().chain(&line.one_of).map(|text| (Template::Text, text.clone())));
    found.extend(line.condition.iter().map(|condition| (Template::Expression, condition.clone())));
}

fn body_templates(body: &serde_json::Value, take: &mut impl FnMut(&str)) {
    use serde_json::Value;

    match body {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => take(text),
        Value::Array(items) => items.iter().for_each(|item| body_templates(item, take)),
        Value::Object(fields) => fields.values().for_each(|field| body_templates(field, take)),
    }
}

/// Names of a map, for messages.
pub(crate) fn names<T>(map: &Named<T>) -> impl Iterator<Item = &str> + Clone {
    map.keys().map(|name| name.as_str())
}
