//! In which language a text is to be spoken, by the script that it is written in.

/// The language whose voice speaks a text of the API, for a bot of `language`: a text with Chinese, Japanese or Korean
/// characters gets one that knows them, any other text the bot's own. A voice that does not know a character says
/// nothing at all.
pub(crate) fn language_of<'a>(text: &str, language: &'a str) -> &'a str {
    let primary = language.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let knows_them = matches!(primary.as_str(), "zh" | "cmn" | "yue" | "nan" | "hak" | "wuu" | "ja" | "ko");
    if knows_them {
        return language;
    }
    // Japanese texts have Chinese characters too, so kana decide before them.
    if text.chars().any(is_kana) {
        "ja"
    } else if text.chars().any(is_hangul) {
        "ko"
    } else if text.chars().any(is_han) {
        "zh"
    } else {
        language
    }
}

fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9d}')
}

fn is_hangul(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3131}'..='\u{318e}' | '\u{ac00}'..='\u{d7a3}')
}

/// Han characters with their extensions, and bopomofo.
fn is_han(c: char) -> bool {
    matches!(
        c,
        '\u{3005}'..='\u{3007}'
            | '\u{3105}'..='\u{312f}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_spoken_by_a_voice_that_knows_its_script() {
        for (text, bot, expected) in [
            ("您好", "en-US", "zh"),
            ("Hello 李雷", "en", "zh"),
            ("您好", "zh-CN", "zh-CN"),
            ("您好", "yue", "yue"),
            ("東京です", "en-US", "ja"),
            ("안녕하세요", "de", "ko"),
            ("Good morning, Zoë.", "en-US", "en-US"),
            ("42", "en-US", "en-US"),
        ] {
            assert_eq!(language_of(text, bot), expected, "{text} {bot}");
        }
    }
}
