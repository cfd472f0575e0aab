//! Phrase patterns: words, `[optional]`, `(one|other)`, nested as one likes.

use std::collections::BTreeSet;

use super::words::words;

/// A phrase pattern that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Word(String),
    Optional(Vec<Vec<Part>>),
    Choice(Vec<Vec<Part>>),
}

/// Why a pattern cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("a bracket is opened and not closed")]
    Unclosed,
    #[error("a bracket is closed that was not opened")]
    Unopened,
    #[error("`|` stands outside of brackets")]
    StrayBar,
    #[error("nothing has to be said to match it")]
    Empty,
    #[error("brackets are nested too deeply")]
    TooDeep,
}

/// Deeper nesting than this is unreadable, and reading recurses.
const DEEPEST: usize = 8;

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut reader = Reader { rest: text, depth: 0 };
        let mut alternatives = reader.alternatives(None)?;
        if alternatives.len() > 1 {
            return Err(PatternError::StrayBar);
        }
        let pattern = Pattern(alternatives.pop().unwrap_or_default());
        if pattern.ends(&[], 0).contains(&0) { Err(PatternError::Empty) } else { Ok(pattern) }
    }

    /// The longest stretch of `text` that this pattern covers, as a range of words; the earliest of equals.
    /// `allowed` may refuse a beginning.
    pub(crate) fn find(&self, text: &[String], allowed: impl Fn(usize) -> bool) -> Option<(usize, usize)> {
        let mut best: Option<(usize, usize)> = None;
        for start in (0..text.len()).filter(|start| allowed(*start)) {
            let Some(end) = self.ends(text, start).last().copied() else { continue };
            if end > start && best.is_none_or(|(from, to)| end - start > to - from) {
                best = Some((start, end));
            }
        }
        best
    }

    /// Sentences of this pattern, at most `limit`.
    pub(crate) fn sentences(&self, limit: usize) -> BTreeSet<Vec<String>> {
        expand(&self.0, limit)
    }

    fn ends(&self, text: &[String], start: usize) -> BTreeSet<usize> {
        ends(&self.0, text, start)
    }
}

fn ends(parts: &[Part], text: &[String], start: usize) -> BTreeSet<usize> {
    let mut at = BTreeSet::from([start]);
    for part in parts {
        at = at.iter().flat_map(|from| part_ends(part, text, *from)).collect();
        if at.is_empty() {
            break;
        }
    }
    at
}

fn part_ends(part: &Part, text: &[String], from: usize) -> BTreeSet<usize> {
    match part {
        Part::Word(word) if text.get(from) == Some(word) => BTreeSet::from([from + 1]),
        Part::Word(_) => BTreeSet::new(),
        Part::Choice(alternatives) => alternatives.iter().flat_map(|parts| ends(parts, text, from)).collect(),
        Part::Optional(alternatives) => {
            let mut at: BTreeSet<usize> =
                alternatives.iter().flat_map(|parts| ends(parts, text, from)).collect();
            at.insert(from);
            at
        }
    }
}

fn expand(parts: &[Part], limit: usize) -> BTreeSet<Vec<String>> {
    let mut sentences = BTreeSet::from([Vec::new()]);
    for part in parts {
        let tails: BTreeSet<Vec<String>> = match part {
            Part::Word(word) => BTreeSet::from([vec![word.clone()]]),
            Part::Choice(alternatives) => {
                alternatives.iter().flat_map(|parts| expand(parts, limit)).collect()
            }
            Part::Optional(alternatives) => {
                let mut tails: BTreeSet<_> =
                    alternatives.iter().flat_map(|parts| expand(parts, limit)).collect();
                tails.insert(Vec::new());
                tails
            }
        };
        sentences = sentences
            .iter()
            .flat_map(|head| tails.iter().map(move |tail| [head.as_slice(), tail.as_slice()].concat()))
            .take(limit)
            .collect();
    }
    sentences
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn alternatives(&mut self, close: Option<char>) -> Result<Vec<Vec<Part>>, PatternError> {
        let mut alternatives = vec![Vec::new()];
        let mut plain = String::new();
        loop {
            let next = self.rest.chars().next();
            self.rest = next.map_or("", |c| &self.rest[c.len_utf8()..]);
            match next {
                Some(c) if !matches!(c, '[' | '(' | ']' | ')' | '|') => plain.push(c),
                boundary => {
                    let parts = words(&std::mem::take(&mut plain)).into_iter().map(Part::Word);
                    if let Some(last) = alternatives.last_mut() {
                        last.extend(parts);
                    }
                    match boundary {
                        Some('[') => self.nested(']', &mut alternatives)?,
                        Some('(') => self.nested(')', &mut alternatives)?,
                        Some('|') if close.is_none() => return Err(PatternError::StrayBar),
                        Some('|') => alternatives.push(Vec::new()),
                        found if found == close => return Ok(alternatives),
                        Some(_) => return Err(PatternError::Unopened),
                        None => return Err(PatternError::Unclosed),
                    }
                }
            }
        }
    }

    fn nested(&mut self, close: char, alternatives: &mut [Vec<Part>]) -> Result<(), PatternError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(PatternError::TooDeep);
        }
        let inner = self.alternatives(Some(close))?;
        self.depth -= 1;
        let part = if close == ']' { Part::Optional(inner) } else { Part::Choice(inner) };
        if let Some(last) = alternatives.last_mut() {
            last.push(part);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, text: &str) -> Option<(usize, usize)> {
        Pattern::parse(pattern).unwrap().find(&words(text), |_| true)
    }

    #[test]
    fn optional_words_and_choices_match_with_and_without() {
        let pattern = "[i want to] (check|track) [on] (my|the) order";

        assert_eq!(covers(pattern, "check my order"), Some((0, 3)));
        assert_eq!(covers(pattern, "well I want to track the order now"), Some((1, 7)));
        assert_eq!(covers(pattern, "check order"), None);
    }

    #[test]
    fn brackets_nest() {
        let pattern = "talk to (a (person|human [being])|someone)";

        assert_eq!(covers(pattern, "talk to a human being"), Some((0, 5)));
        assert_eq!(covers(pattern, "talk to someone"), Some((0, 3)));
        assert_eq!(covers(pattern, "talk to a"), None);
    }

    #[test]
    fn chinese_patterns_need_no_spaces() {
        assert_eq!(covers("[我]要(查|看)[一下]订单", "你好我要查一下订单"), Some((2, 9)));
        assert_eq!(covers("查[我的]订单", "查订单"), Some((0, 3)));
    }

    #[test]
    fn broken_patterns_say_what_is_wrong() {
        assert_eq!(Pattern::parse("check (my order"), Err(PatternError::Unclosed));
        assert_eq!(Pattern::parse("check my] order"), Err(PatternError::Unopened));
        assert_eq!(Pattern::parse("(check my] order"), Err(PatternError::Unopened));
        assert_eq!(Pattern::parse("check | track"), Err(PatternError::StrayBar));
        assert_eq!(Pattern::parse("[please]"), Err(PatternError::Empty));
        assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
        assert_eq!(Pattern::parse(&"(".repeat(99)), Err(PatternError::TooDeep));
    }

    #[test]
    fn sentences_are_expanded_up_to_a_limit() {
        let pattern = Pattern::parse("(a|b) [c]").unwrap();

        assert_eq!(pattern.sentences(100).len(), 4);
        assert_eq!(pattern.sentences(3).len(), 3);
    }
}
