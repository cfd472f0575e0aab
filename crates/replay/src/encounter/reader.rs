//! A caller who reads a transcript, and what of the bot's lines came out otherwise.

use std::collections::VecDeque;

use serde::Serialize;

use crate::surroundings::{Act, Line, Talker, Who};
use crate::{Transcript, TranscriptLine};

/// Where a bot first says something else than the transcript has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OtherWords {
    /// Seconds since the call began at which the bot of now began to say it.
    pub at: f64,
    /// The line of the transcript, counted from 1, with which it begins.
    pub line: usize,
    /// What the transcript has.
    pub expected: String,
    /// What was said.
    pub got: String,
}

/// Says and keys the caller's lines of a transcript, each when it is the caller's turn. Where the bot says something
/// else than its lines, somebody else ([`Reader::with_successor`]) goes on.
pub struct Reader<'a> {
    lines: VecDeque<(usize, TranscriptLine)>,
    seen: usize,
    successor: Option<&'a mut dyn Talker>,
    is_over: bool,
    first_other: Option<OtherWords>,
}

impl<'a> Reader<'a> {
    /// A caller who reads this and hangs up at its end.
    pub fn new(transcript: Transcript) -> Reader<'a> {
        let numbered = transcript.lines.into_iter().enumerate().map(|(at, line)| (at + 1, line));
        Reader { lines: numbered.collect(), seen: 0, successor: None, is_over: false, first_other: None }
    }

    /// From where the bot leaves the transcript, or the transcript ends, `successor` decides what the caller does.
    pub fn with_successor(mut self, successor: &'a mut dyn Talker) -> Reader<'a> {
        self.successor = Some(successor);
        self
    }

    /// Where the bot first said something else, once all its lines are known.
    pub fn first_other(&mut self, lines: &[Line]) -> Option<OtherWords> {
        self.compare(lines);
        self.first_other.clone()
    }

    /// What the caller would have said and did not: the numbers of the lines.
    pub fn unread(&self) -> Vec<usize> {
        let is_caller = |line: &TranscriptLine| match line {
            TranscriptLine::Caller(_) | TranscriptLine::Keys(_) => true,
            TranscriptLine::Bot(_) | TranscriptLine::Wait(_) | TranscriptLine::HangUp => false,
        };
        self.lines.iter().filter(|(_, line)| is_caller(line)).map(|(number, _)| *number).collect()
    }

    fn compare(&mut self, so_far: &[Line]) {
        let mut expected = Vec::new();
        let mut number = 0;
        while let Some((at, TranscriptLine::Bot(text))) = self.lines.front() {
            number = if expected.is_empty() { *at } else { number };
            expected.push(text.clone());
            self.lines.pop_front();
        }
        let fresh = so_far.get(self.seen..).unwrap_or_default();
        let said: Vec<&Line> = fresh.iter().filter(|line| line.who == Who::Bot).collect();
        self.seen = so_far.len();
        // Lines of the bot may be left out of a transcript.
        if expected.is_empty() {
            return;
        }
        let got: Vec<&str> = said.iter().map(|line| line.text.as_str()).collect();
        let (expected, got) = (expected.join(" "), got.join(" "));
        if words(&expected) != words(&got) {
            let at = said.first().or(so_far.last().as_ref()).map_or(0.0, |line| line.at);
            self.first_other.get_or_insert(OtherWords { at, line: number, expected, got });
        }
    }
}

impl Talker for Reader<'_> {
    fn turn(&mut self, so_far: &[Line]) -> Act {
        self.compare(so_far);
        self.is_over |= self.lines.is_empty() || (self.first_other.is_some() && self.successor.is_some());
        if self.is_over
            && let Some(successor) = &mut self.successor
        {
            return successor.turn(so_far);
        }
        match self.lines.pop_front() {
            Some((_, TranscriptLine::Caller(text))) => Act::Say(text),
            Some((_, TranscriptLine::Keys(keys))) => Act::Press(keys),
            Some((_, TranscriptLine::Wait(time))) => Act::Wait(time),
            Some((_, TranscriptLine::HangUp | TranscriptLine::Bot(_))) | None => Act::HangUp,
        }
    }

    fn notes(&mut self) -> Vec<String> {
        self.successor.as_mut().map(|successor| successor.notes()).unwrap_or_default()
    }

    fn name(&self) -> String {
        match &self.successor {
            Some(successor) if self.is_over => successor.name(),
            Some(_) | None => "the transcript".to_owned(),
        }
    }
}

/// What counts when texts are compared: letters and digits.
fn words(text: &str) -> String {
    text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(text: &str) -> Reader<'static> {
        Reader::new(Transcript::parse(text).unwrap())
    }

    fn bot(text: &str) -> Line {
        Line { at: 1.5, who: Who::Bot, text: text.to_owned() }
    }

    #[test]
    fn lines_are_read_in_turn_and_the_bot_s_are_compared_by_words() {
        let mut reader = reader("bot: Hello, this is X!\nbot: Yes?\ncaller: tea\nwait 1s\nbot: One tea\n");
        let mut so_far = vec![bot("hello this is x"), bot("Yes")];

        assert_eq!(reader.turn(&so_far), Act::Say("tea".to_owned()));
        assert_eq!(reader.turn(&so_far), Act::Wait(std::time::Duration::from_secs(1)));
        so_far.push(bot("Two teas."));
        assert_eq!(reader.turn(&so_far), Act::HangUp);

        let other = reader.first_other(&so_far).unwrap();
        assert_eq!((other.line, other.expected.as_str(), other.got.as_str()), (5, "One tea", "Two teas."));
        assert!(reader.unread().is_empty());
    }

    #[test]
    fn where_the_bot_says_something_else_a_successor_goes_on() {
        struct Other;
        impl Talker for Other {
            fn turn(&mut self, _so_far: &[Line]) -> Act {
                Act::Say("what?".to_owned())
            }
            fn name(&self) -> String {
                "the other".to_owned()
            }
        }
        let mut other = Other;
        let lines = Transcript::parse("bot: Tea?\ncaller: yes\nbot: Good.\ncaller: bye").unwrap();
        let mut reader = Reader::new(lines).with_successor(&mut other);

        assert_eq!(reader.turn(&[bot("Tea?")]), Act::Say("yes".to_owned()));
        assert_eq!(reader.name(), "the transcript");
        assert_eq!(reader.turn(&[bot("Tea?"), bot("Coffee?")]), Act::Say("what?".to_owned()));
        assert_eq!(reader.name(), "the other");
        assert_eq!(reader.unread(), [4]);
    }

    #[test]
    fn a_transcript_without_the_bot_s_lines_is_never_left() {
        let mut reader = reader("来电者：我要查话费");

        assert_eq!(reader.turn(&[bot("您好")]), Act::Say("我要查话费".to_owned()));
        assert_eq!(reader.first_other(&[bot("您好"), bot("再见")]), None);
    }
}
