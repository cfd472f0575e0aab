//! How words are pronounced: the CMU dictionary of the model.

use std::path::Path;

/// The file as it is, and its lines in the order of their words: a quarter of the memory of a map.
pub(super) struct Dictionary {
    text: String,
    /// Where each line begins.
    lines: Vec<u32>,
}

impl Dictionary {
    pub(super) fn load(path: &Path) -> std::io::Result<Dictionary> {
        Ok(Dictionary::parse(std::fs::read_to_string(path)?))
    }

    fn parse(text: String) -> Dictionary {
        let mut lines = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            if !line.trim().is_empty() {
                lines.push(at);
            }
            at += line.len() as u32;
        }
        lines.sort_by_key(|at| word_at(&text, *at));
        Dictionary { text, lines }
    }

    /// The pronunciations of `word`, the usual one first; none where the word is unknown.
    pub(super) fn pronunciations<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        let from = self.lines.partition_point(|at| word_at(&self.text, *at) < word);
        self.lines[from..].iter().map(|at| line_at(&self.text, *at)).map_while(move |line| {
            let (spelled, phones) = line.split_once(' ')?;
            (base(spelled) == word).then_some(phones.trim())
        })
    }

    /// Whether the word can be recognized.
    pub(super) fn contains(&self, word: &str) -> bool {
        self.pronunciations(word).next().is_some()
    }
}

fn line_at(text: &str, at: u32) -> &str {
    text[at as usize..].lines().next().unwrap_or_default()
}

fn word_at(text: &str, at: u32) -> &str {
    base(line_at(text, at).split(' ').next().unwrap_or_default())
}

/// `read(2)` is another way to say `read`.
fn base(spelled: &str) -> &str {
    match spelled.split_once('(') {
        Some((base, _)) if !base.is_empty() => base,
        Some(_) | None => spelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_all_its_pronunciations_and_an_unknown_one_none() {
        let dictionary =
            Dictionary::parse("b B IY\nread R EH D\nread(2) R IY D\nreader R IY D ER\na AH\n".into());

        assert_eq!(dictionary.pronunciations("read").collect::<Vec<_>>(), ["R EH D", "R IY D"]);
        assert_eq!(dictionary.pronunciations("a").collect::<Vec<_>>(), ["AH"]);
        assert!(!dictionary.contains("rea"));
        assert!(!dictionary.contains("zebra"));
    }
}
