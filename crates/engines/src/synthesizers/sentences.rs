//! Where a text may be cut, so that a long one starts early.

/// Marks that end a sentence where a space or the end follows.
const WESTERN: [char; 5] = ['.', '!', '?', ';', ':'];
/// Marks that end a sentence or clause wherever they stand.
const CHINESE: [char; 6] = ['。', '！', '？', '；', '：', '，'];
/// Shorter pieces stay with what follows: each piece has its own melody.
const SHORTEST: usize = 4;

/// The sentences of `text`, in order, with their marks; nothing but spaces is lost.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut sentence = String::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        sentence.push(c);
        let ends = c == '\n'
            || CHINESE.contains(&c)
            || WESTERN.contains(&c) && characters.peek().is_none_or(|next| next.is_whitespace());
        if ends && sentence.trim().chars().count() >= SHORTEST {
            sentences.push(sentence.trim().to_owned());
            sentence.clear();
        }
    }
    if !sentence.trim().is_empty() {
        sentences.push(sentence.trim().to_owned());
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_cut_at_their_marks_but_not_inside_numbers() {
        assert_eq!(
            split("Your order 12.5 is on its way. It arrives today! Anything else?"),
            ["Your order 12.5 is on its way.", "It arrives today!", "Anything else?"]
        );
    }

    #[test]
    fn chinese_needs_no_space() {
        assert_eq!(split("您好，欢迎致电。请按一！"), ["您好，欢迎致电。", "请按一！"]);
    }

    #[test]
    fn short_pieces_stay_with_what_follows_and_silence_is_nothing() {
        assert_eq!(split("No. Wait."), ["No. Wait."]);
        assert_eq!(split("  \n "), [""; 0]);
    }
}
