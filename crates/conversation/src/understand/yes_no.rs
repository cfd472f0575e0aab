//! Yes, no, and words that turn a meaning around or carry none.

use crate::Language;

/// How people say yes.
pub(crate) fn yes(language: Language) -> &'static [&'static str] {
    match language {
        Language::English => &[
            "yes [please|it is|that is (right|correct)|thats (right|correct)]",
            "(yeah|yep|yup|sure|correct|right|exactly|okay|ok|absolutely|definitely)",
            "(that is|thats) (right|correct|it)",
            "of course",
            "you got it",
            "(uh huh|mm hm|mhm)",
        ],
        Language::Chinese => &[
            "(是|对|嗯|行|可以|没错|没问题|正确|好)",
            "(是|对|好|行)的",
            "(是|对|好)[的]没错",
            "对对[对]",
            "是[的]是[的]",
            "要[的]",
            "ok",
        ],
    }
}

/// How people say no.
pub(crate) fn no(language: Language) -> &'static [&'static str] {
    match language {
        Language::English => &[
            "no [thanks|thank you|it is not|it isnt|that is wrong|thats wrong]",
            "(nope|nah|wrong|incorrect|negative)",
            "(that is|thats) (wrong|incorrect)",
            "[that is|thats|it is] not (right|correct|it)",
            "(that|it) isnt (right|correct|it)",
            "not really",
        ],
        Language::Chinese => &[
            "(不|否|错|没有|没了)",
            "(不是|不对|错了|不行|不可以|不正确|不要|不用|不好|不需要)[的|了]",
            "不是[这个|的]",
            "号码不对",
        ],
    }
}

/// Whether the word just before turns the phrase that begins at `start` into its contrary.
pub(crate) fn is_negated(words: &[String], start: usize, language: Language) -> bool {
    let reach = match language {
        // "don't want to return", "not going to return".
        Language::English => 3,
        // 不退货, 不想退货, 不要退货.
        Language::Chinese => 2,
    };
    words[start.saturating_sub(reach)..start].iter().any(|word| {
        matches!(
            word.as_str(),
            "not" | "dont" | "doesnt" | "didnt" | "isnt" | "wont" | "never" | "不" | "别" | "没"
        )
    })
}

/// Leaves out phrases of politeness that contain a yes or a no by accident (对不起, 你好).
pub(crate) fn without_politeness(words: Vec<String>, language: Language) -> Vec<String> {
    match language {
        Language::English => words,
        Language::Chinese => {
            let mut kept: Vec<String> = Vec::with_capacity(words.len());
            for word in words {
                kept.push(word);
                for polite in ["对不起", "不好意思", "你好", "您好", "不客气"] {
                    let length = polite.chars().count();
                    if kept.len() >= length && kept[kept.len() - length..].concat() == polite {
                        kept.truncate(kept.len() - length);
                    }
                }
            }
            kept
        }
    }
}
