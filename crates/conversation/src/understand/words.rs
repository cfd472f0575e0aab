//! Text as a list of comparable words.

/// Cuts text into lower-case words without punctuation. A Chinese character is a word of its own, full-width forms
/// count as their ordinary ones, apostrophes vanish (`I'd` = `id`), hyphens part words.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars().map(narrow) {
        let c_is_wide = is_ideograph(c);
        if c.is_alphanumeric() && !c_is_wide {
            word.extend(c.to_lowercase());
        } else if !matches!(c, '\'' | '’' | '‘' | '`') {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            if c_is_wide {
                words.push(c.to_string());
            }
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Full-width letters, digits and punctuation become the ASCII ones.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '〇' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_case_and_apostrophes_do_not_matter() {
        assert_eq!(
            words("I'd like to CHECK my order, please!"),
            ["id", "like", "to", "check", "my", "order", "please"]
        );
        assert_eq!(words("twenty-one"), ["twenty", "one"]);
        assert_eq!(words("  ...  "), [] as [&str; 0]);
    }

    #[test]
    fn chinese_is_cut_by_character_and_full_width_forms_are_narrowed() {
        assert_eq!(words("我要查订单。"), ["我", "要", "查", "订", "单"]);
        assert_eq!(words("订单１２３４，谢谢！"), ["订", "单", "1234", "谢", "谢"]);
        assert_eq!(words("ＯＫ　好的"), ["ok", "好", "的"]);
    }
}
