//! Phrases: whether they can be read, and whether two meanings share one.

use std::collections::{BTreeMap, BTreeSet};

use super::super::file::{BotFile, Listen};
use super::super::place::At;
use super::Report;
use crate::Language;
use crate::understand::{Pattern, no, yes};

/// Sentences per phrase that are compared; a phrase with more is too broad to overlap by accident only there.
const SENTENCES: usize = 400;

pub(super) fn check(file: &BotFile, report: &mut Report<'_>) {
    let choices = file.slots.values().flat_map(|slot| &slot.choice);
    for (name, phrases) in file.intents.iter().chain(choices) {
        if phrases.is_empty() {
            report.add(
                name.place,
                format!("nobody can say `{}`: it has no phrases", name.value),
                "add the wordings that callers use",
            );
        }
        for phrase in phrases {
            if let Err(error) = Pattern::parse(phrase) {
                report.add(
                    phrase.place,
                    format!("the phrase cannot be read: {error}"),
                    "write words, [optional words] and (one|other)",
                );
            }
        }
    }
    for (name, state) in &file.states {
        if let Some(listen) = &state.listen {
            collisions(file, name, listen, report);
        }
    }
}

fn collisions(file: &BotFile, state: &At<String>, listen: &Listen, report: &mut Report<'_>) {
    let mut said: BTreeMap<Vec<String>, &str> = BTreeMap::new();
    let slot = listen.slot.as_ref().and_then(|slot| file.slots.get(slot.as_str()));
    if listen.yes.is_some() || listen.no.is_some() || slot.is_some_and(|slot| slot.yes_no) {
        let language = Language::of(&file.language);
        for (name, phrases) in [("yes", yes(language)), ("no", no(language))] {
            let patterns = phrases.iter().filter_map(|phrase| Pattern::parse(phrase).ok());
            said.extend(
                patterns.flat_map(|pattern| pattern.sentences(SENTENCES)).map(|sentence| (sentence, name)),
            );
        }
    }
    let values =
        slot.into_iter().flat_map(|slot| &slot.choice).map(|(name, phrases)| (name.as_str(), phrases));
    let names: BTreeSet<&str> =
        listen.intents.keys().chain(file.anywhere.intents.keys()).map(|name| name.as_str()).collect();
    let intents = names.into_iter().filter_map(|name| Some((name, file.intents.get(name)?)));
    for (name, phrases) in values.chain(intents) {
        for phrase in phrases {
            let Ok(pattern) = Pattern::parse(phrase) else { continue };
            for sentence in pattern.sentences(SENTENCES) {
                let words = sentence.join(" ");
                match said.insert(sentence, name) {
                    Some(other) if other != name => {
                        report.add(
                            phrase.place,
                            format!(
                                "in the state `{}`, \"{words}\" means both `{other}` and `{name}`",
                                state.value
                            ),
                            "take the phrase away from one of them",
                        );
                        break;
                    }
                    Some(_) | None => {}
                }
            }
        }
    }
}
