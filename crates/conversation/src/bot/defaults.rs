//! What a bot does when the caller is silent or not understood and the file does not say.

use super::file::{BotFile, Ladder, Rung};
use super::place::{At, Place};
use super::short::{OneOrMany, Short};
use crate::Language;

pub(super) fn fill(file: &mut BotFile) {
    let words = match Language::of(&file.language) {
        Language::English => ENGLISH,
        Language::Chinese => CHINESE,
    };
    file.no_input.get_or_insert_with(|| At::new(ladder(words.no_input), Place::default()));
    file.no_match.get_or_insert_with(|| At::new(ladder(words.no_match), Place::default()));
}

/// Said before the call ends because something of ours failed.
pub(crate) fn apology(language: Language) -> &'static str {
    match language {
        Language::English => {
            "I am sorry, something went wrong on our side. Please call again later. Goodbye."
        }
        Language::Chinese => "非常抱歉，系统出现故障，请您稍后再拨。再见。",
    }
}

struct Words {
    no_input: [&'static str; 3],
    no_match: [&'static str; 3],
}

const ENGLISH: Words = Words {
    no_input: [
        "Sorry, I did not hear you.",
        "I still cannot hear you. Please speak now.",
        "I cannot hear you. Please call again. Goodbye.",
    ],
    no_match: [
        "Sorry, I did not understand.",
        "Sorry, I still did not understand. Please say it another way.",
        "I am sorry that I could not understand you. Please call again. Goodbye.",
    ],
};

const CHINESE: Words = Words {
    no_input: [
        "抱歉，我没有听到您的声音。",
        "还是没有听到您的声音，请您说话。",
        "没有听到您的声音，请您稍后再拨。再见。",
    ],
    no_match: [
        "抱歉，我没有听懂。",
        "抱歉，还是没有听懂，请您换个说法。",
        "非常抱歉，没能听懂您的意思，请您稍后再拨。再见。",
    ],
};

fn ladder(words: [&str; 3]) -> Ladder {
    let last = words.len() - 1;
    let rung = |(index, text): (usize, &str)| Rung {
        say: OneOrMany(vec![At::new(Short::Text(text.to_owned()), Place::default())]),
        repeat: index < last,
        goto: None,
        hang_up: index == last,
    };
    words.into_iter().enumerate().map(|indexed| At::new(rung(indexed), Place::default())).collect()
}
