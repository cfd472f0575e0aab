//! Whether two texts mean the same to the bot.

use std::collections::BTreeMap;
use std::path::Path;

use offhook_engine_api::IntentPhrases;

use crate::jsgf::{NO, YES};

/// Every text of every phrase, with what it means.
pub(crate) struct Meanings(BTreeMap<String, String>);

impl Meanings {
    pub(crate) fn new(intents: &[IntentPhrases]) -> Meanings {
        let own = intents.iter().flat_map(|one| one.phrases.iter().map(|phrase| (&*one.intent, &**phrase)));
        let all = YES.iter().map(|phrase| ("yes", *phrase)).chain(NO.iter().map(|phrase| ("no", *phrase)));
        let texts = all.chain(own);
        Meanings(
            texts
                .flat_map(|(meaning, phrase)| {
                    texts_of(phrase).into_iter().map(|text| (text, meaning.to_owned()))
                })
                .collect(),
        )
    }

    pub(crate) fn same(&self, heard: &str, said: &str) -> bool {
        match (self.0.get(heard), self.0.get(said)) {
            (Some(heard), Some(said)) => heard == said,
            (None, None) => plain(heard) == plain(said),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// "oh" is "zero", "double two" is "two two".
fn plain(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut times = 1;
    for word in text.split(' ') {
        match word {
            "double" => times = 2,
            "oh" => words.extend(std::iter::repeat_n("zero", std::mem::replace(&mut times, 1))),
            word => words.extend(std::iter::repeat_n(word, std::mem::replace(&mut times, 1))),
        }
    }
    words
}

/// All texts of a phrase with options in square brackets and choices in round ones.
fn texts_of(phrase: &str) -> Vec<String> {
    let spaced = phrase.chars().fold(String::new(), |mut all, c| {
        match c {
            '[' | ']' | '(' | ')' | '|' => all.extend([' ', c, ' ']),
            c => all.push(c),
        }
        all
    });
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    choices(&tokens, &mut 0).into_iter().map(|words| words.join(" ")).collect()
}

/// Up to the bracket that closes, or the end.
fn choices<'a>(tokens: &[&'a str], at: &mut usize) -> Vec<Vec<&'a str>> {
    let mut done = Vec::new();
    let mut open: Vec<Vec<&str>> = vec![Vec::new()];
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match *token {
            "]" | ")" => break,
            "|" => done.extend(std::mem::replace(&mut open, vec![Vec::new()])),
            "[" | "(" => {
                let mut inner = choices(tokens, at);
                if *token == "[" {
                    inner.push(Vec::new());
                }
                open = open
                    .iter()
                    .flat_map(|words| inner.iter().map(|more| [words.as_slice(), more].concat()))
                    .collect();
            }
            word => open.iter_mut().for_each(|words| words.push(word)),
        }
    }
    done.extend(open);
    done
}

/// The intents of `bots/after-sales.yaml`, whose lines have one phrase each.
pub(crate) fn bot_intents() -> Vec<IntentPhrases> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bots/after-sales.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("\nintents:\n").nth(1).unwrap();
    let mut intents: Vec<IntentPhrases> = Vec::new();
    for line in section.lines().take_while(|line| line.is_empty() || line.starts_with(' ')) {
        if let Some(phrase) = line.trim().strip_prefix("- ") {
            intents.last_mut().unwrap().phrases.push(phrase.trim_matches('"').to_owned());
        } else if let Some(intent) = line.trim().strip_suffix(':') {
            intents.push(IntentPhrases { intent: intent.to_owned(), phrases: Vec::new() });
        }
    }
    intents
}

pub(crate) fn number(value: f64) -> String {
    format!("{value:.1}")
}
