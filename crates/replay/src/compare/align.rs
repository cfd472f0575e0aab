//! Two transcripts, word by word, with as few edits as can be.

use offhook_call_control::Speaker;

use super::{Part, PartKind, Row, Words};

/// A table of this many cells takes some ten milliseconds: transcripts of 2,000 words on each side fit. Longer ones are
/// aligned by whole lines first.
const MOST_CELLS: usize = 4_000_000;

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub speaker: Speaker,
    pub at_ms: u64,
    pub text: String,
}

/// Both transcripts side by side, and how many words changed.
pub(super) fn align(a: &[Line], b: &[Line]) -> (Vec<Row>, Words) {
    let (tokens_a, tokens_b) = (tokens(a), tokens(b));
    let edits = edits(&Both { lines: [a, b], tokens: [&tokens_a, &tokens_b] });
    let mut rows = Rows { lines: [a, b], rows: Vec::new(), open: None, words: Words::default() };
    let (mut left, mut right) = (tokens_a.iter(), tokens_b.iter());
    for edit in edits {
        let one = edit.takes_a().then(|| left.next()).flatten();
        let other = edit.takes_b().then(|| right.next()).flatten();
        rows.take(edit, one, other);
    }
    rows.close();
    (rows.rows, rows.words)
}

/// How many words a text has.
pub(super) fn words_in(text: &str) -> u64 {
    let line = Line { speaker: Speaker::Bot, at_ms: 0, text: text.to_owned() };
    tokens(&[line]).iter().filter(|token| token.is_word).count() as u64
}

/// A word, a Chinese character, or a punctuation mark.
#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    line: usize,
    speaker: Speaker,
    text: &'a str,
    is_word: bool,
    /// White space stands before it, in its line.
    spaced: bool,
}

impl Token<'_> {
    fn is(&self, other: &Token<'_>) -> bool {
        self.speaker == other.speaker && self.text == other.text
    }

    fn may_stand_for(&self, other: &Token<'_>) -> bool {
        self.speaker == other.speaker && self.is_word == other.is_word
    }
}

fn tokens(lines: &[Line]) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (line, Line { speaker, text, .. }) in lines.iter().enumerate() {
        let (mut rest, mut spaced) = (text.trim(), false);
        while let Some(first) = rest.chars().next() {
            let length = if first.is_whitespace() {
                spaced = true;
                first.len_utf8()
            } else {
                let length = token_length(rest, first);
                let is_word = first.is_alphanumeric();
                tokens.push(Token { line, speaker: *speaker, text: &rest[..length], is_word, spaced });
                spaced = false;
                length
            };
            rest = &rest[length..];
        }
    }
    tokens
}

fn token_length(text: &str, first: char) -> usize {
    if !first.is_alphanumeric() || is_own_word(first) {
        return first.len_utf8();
    }
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let is_inside = c.is_alphanumeric() && !is_own_word(c);
        // `don't`, `twenty-first`, `1,205.50`: the mark belongs to the word that goes on behind it.
        let joins =
            "'’-.,:".contains(c) && next.is_some_and(|next| next.is_alphanumeric() && !is_own_word(next));
        let of_number = !".,:".contains(c) || next.is_some_and(|next| next.is_ascii_digit());
        if at > 0 && !is_inside && !(joins && of_number) {
            return at;
        }
    }
    text.len()
}

/// Written without spaces between words: each character is compared by itself.
fn is_own_word(c: char) -> bool {
    c.is_alphabetic()
        && matches!(c, '\u{2E80}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// What becomes of the next token of a side, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    Same,
    Replaced,
    Removed,
    Added,
}

impl Edit {
    fn takes_a(self) -> bool {
        self != Edit::Added
    }

    fn takes_b(self) -> bool {
        self != Edit::Removed
    }
}

struct Both<'a> {
    lines: [&'a [Line]; 2],
    tokens: [&'a [Token<'a>]; 2],
}

fn edits(both: &Both<'_>) -> Vec<Edit> {
    let [a, b] = both.tokens;
    let before = a.iter().zip(b).take_while(|(one, other)| one.is(other)).count();
    let (rest_a, rest_b) = (&a[before..], &b[before..]);
    // What both end with is only kept from the table where that would be too large: it need not be the earliest.
    let fits = |one: &[Token<'_>], other: &[Token<'_>]| one.len().saturating_mul(other.len()) <= MOST_CELLS;
    let same =
        || rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(|(one, other)| one.is(other)).count();
    let after = if fits(rest_a, rest_b) { 0 } else { same() };
    let (middle_a, middle_b) = (&rest_a[..rest_a.len() - after], &rest_b[..rest_b.len() - after]);
    if !fits(middle_a, middle_b) {
        return by_lines(both);
    }
    let mut edits = vec![Edit::Same; before];
    edits.extend(by_words(middle_a, middle_b));
    edits.extend(vec![Edit::Same; after]);
    edits
}

fn by_words(a: &[Token<'_>], b: &[Token<'_>]) -> Vec<Edit> {
    fewest(a.len(), b.len(), |i, j| a[i].is(&b[j]), |i, j| a[i].may_stand_for(&b[j]))
}

/// Lines that are the same stay; what stands between them is aligned by words where it is not too long.
fn by_lines(both: &Both<'_>) -> Vec<Edit> {
    let [lines_a, lines_b] = both.lines;
    let mut edits = Vec::new();
    let (mut from_a, mut from_b) = (0, 0);
    let end = (lines_a.len(), lines_b.len());
    for (i, j) in same_lines(lines_a, lines_b).into_iter().chain([end]) {
        let (gap_a, gap_b) = (of_lines(both.tokens[0], from_a, i), of_lines(both.tokens[1], from_b, j));
        if gap_a.len().saturating_mul(gap_b.len()) > MOST_CELLS {
            edits.extend(gap_a.iter().map(|_| Edit::Removed));
            edits.extend(gap_b.iter().map(|_| Edit::Added));
        } else {
            edits.extend(by_words(gap_a, gap_b));
        }
        edits.extend(of_lines(both.tokens[0], i, i + 1).iter().map(|_| Edit::Same));
        (from_a, from_b) = (i + 1, j + 1);
    }
    edits
}

/// Pairs of lines that are the same, as many as can be in order.
fn same_lines(a: &[Line], b: &[Line]) -> Vec<(usize, usize)> {
    if a.len().saturating_mul(b.len()) > MOST_CELLS {
        return Vec::new();
    }
    let same = |i: usize, j: usize| a[i].speaker == b[j].speaker && a[i].text.trim() == b[j].text.trim();
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    for edit in fewest(a.len(), b.len(), same, |_, _| false) {
        if edit == Edit::Same {
            pairs.push((i, j));
        }
        i += usize::from(edit.takes_a());
        j += usize::from(edit.takes_b());
    }
    pairs
}

fn of_lines<'a, 'b>(tokens: &'b [Token<'a>], from: usize, to: usize) -> &'b [Token<'a>] {
    let at = |line: usize| tokens.partition_point(|token| token.line < line);
    &tokens[at(from)..at(to).max(at(from))]
}

/// The fewest edits that turn `0..n` into `0..m`; of those, the ones that keep most; of those, the earliest: a side that
/// breaks off is told beside where it did.
fn fewest(
    n: usize,
    m: usize,
    same: impl Fn(usize, usize) -> bool,
    may_replace: impl Fn(usize, usize) -> bool,
) -> Vec<Edit> {
    /// Worth more than all that could be kept.
    const EDIT: i64 = 1 << 32;

    // Costs of what is left: the table is filled from the end and read from the beginning.
    let width = m + 1;
    let mut table = vec![Edit::Added; (n + 1) * width];
    let mut costs: Vec<i64> = (0..=m as i64).rev().map(|left| left * EDIT).collect();
    for i in (0..n).rev() {
        let mut diagonal = costs[m];
        costs[m] += EDIT;
        table[i * width + m] = Edit::Removed;
        for j in (0..m).rev() {
            let (removed, added) = (costs[j] + EDIT, costs[j + 1] + EDIT);
            let mut best = if removed <= added { (removed, Edit::Removed) } else { (added, Edit::Added) };
            if same(i, j) {
                best = best.min_cost((diagonal - 1, Edit::Same));
            } else if may_replace(i, j) {
                best = best.min_cost((diagonal + EDIT, Edit::Replaced));
            }
            diagonal = costs[j];
            costs[j] = best.0;
            table[i * width + j] = best.1;
        }
    }
    let (mut i, mut j, mut edits) = (0, 0, Vec::with_capacity(n.max(m)));
    while i < n || j < m {
        let edit = table[i * width + j];
        edits.push(edit);
        i += usize::from(edit.takes_a());
        j += usize::from(edit.takes_b());
    }
    edits
}

trait MinCost {
    fn min_cost(self, other: Self) -> Self;
}

impl MinCost for (i64, Edit) {
    /// The other where both cost the same: a diagonal reads better than a corner.
    fn min_cost(self, other: Self) -> Self {
        if other.0 <= self.0 { other } else { self }
    }
}

/// Puts tokens together to rows.
struct Rows<'a> {
    lines: [&'a [Line]; 2],
    rows: Vec<Row>,
    open: Option<Open>,
    words: Words,
}

struct Open {
    speaker: Speaker,
    lines: [Option<usize>; 2],
    parts: Vec<Part>,
    removed: String,
    added: String,
}

impl Rows<'_> {
    fn take(&mut self, edit: Edit, a: Option<&Token<'_>>, b: Option<&Token<'_>>) {
        let Some(first) = a.or(b) else { return };
        self.count(edit, first.is_word);
        let lines = [a.map(|token| token.line), b.map(|token| token.line)];
        let mut open = match self.open.take() {
            Some(open) if open.takes(first.speaker, lines) => open,
            other => {
                self.open = other;
                self.close();
                Open::of(first.speaker)
            }
        };
        for (of, line) in open.lines.iter_mut().zip(lines) {
            *of = of.or(line);
        }
        if edit == Edit::Same {
            open.flush();
            open.push(PartKind::Same, &text(first, b));
        } else {
            open.removed.extend(a.map(|token| text(token, None)));
            open.added.extend(b.map(|token| text(token, None)));
        }
        self.open = Some(open);
    }

    fn count(&mut self, edit: Edit, is_word: bool) {
        let words = &mut self.words;
        let one = u64::from(is_word);
        words.a += one * u64::from(edit.takes_a());
        words.b += one * u64::from(edit.takes_b());
        *match edit {
            Edit::Same => &mut words.same,
            Edit::Replaced => &mut words.replaced,
            Edit::Removed => &mut words.removed,
            Edit::Added => &mut words.added,
        } += one;
    }

    fn close(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        open.flush();
        // A row that begins in the middle of one side's line begins without that side's space.
        for (at, part) in open.parts.iter_mut().enumerate() {
            // Words of both after others of a side are not where that side begins.
            let begins = at == 0 || part.kind != PartKind::Same;
            if begins {
                part.text.drain(..part.text.len() - part.text.trim_start().len());
            }
            if part.kind == PartKind::Same {
                break;
            }
        }
        let at =
            |side: usize| open.lines[side].and_then(|line| self.lines[side].get(line)).map(|line| line.at_ms);
        self.rows.push(Row { speaker: open.speaker, a_ms: at(0), b_ms: at(1), parts: open.parts });
    }
}

/// A token as it stands in its line; with a space where it has one on either side.
fn text(token: &Token<'_>, other: Option<&Token<'_>>) -> String {
    let spaced = token.spaced || other.is_some_and(|other| other.spaced);
    if spaced { format!(" {}", token.text) } else { token.text.to_owned() }
}

impl Open {
    fn of(speaker: Speaker) -> Open {
        Open { speaker, lines: [None, None], parts: Vec::new(), removed: String::new(), added: String::new() }
    }

    fn takes(&self, speaker: Speaker, lines: [Option<usize>; 2]) -> bool {
        let fits =
            |(of, line): (&Option<usize>, Option<usize>)| of.is_none() || line.is_none() || *of == line;
        self.speaker == speaker && self.lines.iter().zip(lines).all(fits)
    }

    /// What was removed stands in front of what was added instead.
    fn flush(&mut self) {
        for (kind, text) in [
            (PartKind::Removed, std::mem::take(&mut self.removed)),
            (PartKind::Added, std::mem::take(&mut self.added)),
        ] {
            if !text.is_empty() {
                self.push(kind, &text);
            }
        }
    }

    fn push(&mut self, kind: PartKind, text: &str) {
        match self.parts.last_mut() {
            Some(part) if part.kind == kind => part.text.push_str(text),
            Some(_) | None => self.parts.push(Part { kind, text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(said: &[&str]) -> Vec<Line> {
        let line = |(at, said): (usize, &&str)| {
            let (who, text) = said.split_once(": ").unwrap();
            let speaker = if who == "bot" { Speaker::Bot } else { Speaker::Caller };
            Line { speaker, at_ms: at as u64 * 1000, text: text.to_owned() }
        };
        said.iter().enumerate().map(line).collect()
    }

    fn told(rows: &[Row]) -> Vec<String> {
        let part = |part: &Part| match part.kind {
            PartKind::Same => part.text.clone(),
            PartKind::Removed => format!("[-{}-]", part.text),
            PartKind::Added => format!("[+{}+]", part.text),
        };
        rows.iter().map(|row| row.parts.iter().map(part).collect()).collect()
    }

    #[test]
    fn a_word_that_differs_is_all_that_differs() {
        let a = lines(&["bot: One moment, please.", "caller: twenty-first of May, at 3.30"]);
        let b = lines(&["bot: One second, please.", "caller: twenty-first of May, at 3.30"]);

        let (rows, words) = align(&a, &b);

        assert_eq!(told(&rows), ["One[- moment-][+ second+], please.", "twenty-first of May, at 3.30"]);
        assert_eq!(words, Words { a: 8, b: 8, same: 7, replaced: 1, removed: 0, added: 0 });
        assert_eq!((rows[1].a_ms, rows[1].b_ms), (Some(1000), Some(1000)));
    }

    #[test]
    fn words_that_differ_at_the_beginning_leave_the_space_behind_them() {
        let (rows, _) =
            align(&lines(&["bot: One moment, please."]), &lines(&["bot: Just a moment, please."]));

        assert_eq!(told(&rows), ["[-One-][+Just a+] moment, please."]);
    }

    #[test]
    fn chinese_is_aligned_by_character() {
        let (rows, words) = align(&lines(&["bot: 请说出您的号码。"]), &lines(&["bot: 请输入您的手机号码。"]));

        assert_eq!(told(&rows), ["请[-说出-][+输入+]您的[+手机+]号码。"]);
        assert_eq!(words, Words { a: 7, b: 9, same: 5, replaced: 2, removed: 0, added: 2 });
    }

    #[test]
    fn a_line_that_one_side_lacks_stands_alone() {
        let a = lines(&["bot: Hello.", "caller: tea", "bot: Bye."]);
        let b = lines(&["bot: Hello.", "bot: What do you want?", "caller: tea", "bot: Bye."]);

        let (rows, words) = align(&a, &b);

        assert_eq!(told(&rows), ["Hello.", "[+What do you want?+]", "tea", "Bye."]);
        assert_eq!((rows[1].a_ms, rows[1].b_ms, words.added), (None, Some(1000), 4));
    }

    #[test]
    fn a_prompt_that_was_split_has_not_changed_a_word() {
        let (rows, words) =
            align(&lines(&["bot: Hello. What is it?"]), &lines(&["bot: Hello.", "bot: What is it?"]));

        assert_eq!((words.same, words.removed, words.added, words.replaced), (4, 0, 0, 0));
        assert_eq!(told(&rows), ["Hello.", "What is it?"]);
    }

    #[test]
    fn a_side_that_breaks_off_is_told_beside_where_it_did() {
        let a = lines(&["bot: One moment, please.", "bot: Your order is on its way.", "bot: Goodbye."]);

        let (rows, _) = align(&a, &lines(&["bot: Let me see."]));

        assert_eq!(told(&rows)[0], "[-One moment, please-][+Let me see+].");
        assert_eq!(told(&rows)[1..], ["[-Your order is on its way.-]", "[-Goodbye.-]"]);
    }

    #[test]
    fn nobody_is_given_the_words_of_another() {
        let (rows, words) = align(&lines(&["bot: yes"]), &lines(&["caller: yes"]));

        assert_eq!(words, Words { a: 1, b: 1, same: 0, replaced: 0, removed: 1, added: 1 });
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn both_sides_can_be_read_out_of_the_rows_and_long_calls_do_not_explode() {
        let text = |seed: u64, lines: u64| -> Vec<Line> {
            let word =
                |n: u64| format!("w{}", n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed) >> 59);
            (0..lines)
                .map(|line| Line {
                    speaker: if line % 2 == 0 { Speaker::Bot } else { Speaker::Caller },
                    at_ms: line,
                    text: (0..9)
                        .map(|n| word(line / 7 * 31 + n * (1 + line % 3 * seed)))
                        .collect::<Vec<_>>()
                        .join(" "),
                })
                .collect()
        };
        for lines in [1, 8, 90, 1500] {
            let (a, b) = (text(0, lines), text(1, lines + 1));

            let (rows, words) = align(&a, &b);

            let side = |not: PartKind| -> String {
                let parts = rows.iter().flat_map(|row| &row.parts).filter(|part| part.kind != not);
                parts.map(|part| part.text.replace(' ', "")).collect()
            };
            let all =
                |lines: &[Line]| lines.iter().map(|line| line.text.replace(' ', "")).collect::<String>();
            assert_eq!((side(PartKind::Added), side(PartKind::Removed)), (all(&a), all(&b)), "{lines}");
            assert_eq!(words.a, words.same + words.replaced + words.removed);
            assert_eq!(words.b, words.same + words.replaced + words.added);
        }
    }
}
