//! The turn ledger as heard from outside.

use std::fmt;

use offhook_time::Time;
use serde::Serialize;

use crate::listen::Segment;
use crate::statistics::{Summary, rounded};

/// Something we said (or keyed), by the packets that carried it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The file, the utterance's number, or the digits.
    pub name: String,
    /// Whether it was keyed.
    pub is_keys: bool,
    /// When its first packet of [speech](crate::listen::speech) reached the wire, or the first packet of the key.
    pub onset: Time,
    /// When its last packet of speech reached the wire, or the first that says that the key was released.
    pub end: Time,
}

/// All turns of a call. Milliseconds are from the answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TurnLedger {
    /// When the far side first spoke.
    pub greeting_ms: Option<f64>,
    /// One entry for each thing we said.
    pub turns: Vec<Turn>,
    /// Over all turns that were answered.
    pub response_ms: Summary,
}

/// One turn: we speak, they answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Turn {
    /// What we said.
    pub said: String,
    /// When our first packet of speech left.
    pub caller_start_ms: f64,
    /// When our last packet of speech left.
    pub caller_end_ms: f64,
    /// When the first audible packet of the answer arrived.
    pub bot_start_ms: Option<f64>,
    /// When the last audible packet of the answer arrived (before we spoke again).
    pub bot_end_ms: Option<f64>,
    /// The silence between: what the caller waits. Negative where they talked into us.
    pub response_ms: Option<f64>,
    /// Where we talked into them.
    pub barge_in: Option<BargeIn>,
}

/// We talked into their speech.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BargeIn {
    /// When their last audible packet arrived.
    pub bot_stopped_ms: f64,
    /// From our first packet of speech, or key, to their last audible one.
    pub stopped_after_ms: f64,
}

impl fmt::Display for TurnLedger {
    /// A table for people, one line per turn; times in seconds from the answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{:.3}", ms / 1000.0));
        let millis = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.0} ms"));
        writeln!(f, "greeting at {} s", seconds(self.greeting_ms))?;
        writeln!(
            f,
            "{:>4} {:>9} {:>9} {:>9} {:>9} {:>9}  said",
            "turn", "from", "to", "answer", "waited", "barge-in"
        )?;
        for (index, turn) in self.turns.iter().enumerate() {
            writeln!(
                f,
                "{:>4} {:>9} {:>9} {:>9} {:>9} {:>9}  {}",
                index + 1,
                seconds(Some(turn.caller_start_ms)),
                seconds(Some(turn.caller_end_ms)),
                seconds(turn.bot_start_ms),
                millis(turn.response_ms),
                millis(turn.barge_in.map(|barge_in| barge_in.stopped_after_ms)),
                turn.said
            )?;
        }
        Ok(())
    }
}

/// Makes the ledger of a call that was answered at `answered`.
pub fn ledger(spoken: &[Spoken], heard: &[Segment], answered: Time) -> TurnLedger {
    let ms = |at: Time| rounded(at.signed_since(answered) as f64 / 1e6);
    let turns: Vec<Turn> = spoken
        .iter()
        .enumerate()
        .map(|(index, said)| {
            let until = spoken.get(index + 1).map_or(Time::MAX, |next| next.onset);
            let interrupted =
                heard.iter().find(|segment| segment.start <= said.onset && segment.end > said.onset);
            let answer: Vec<&Segment> =
                heard.iter().filter(|segment| segment.start > said.onset && segment.start < until).collect();
            Turn {
                said: said.name.clone(),
                caller_start_ms: ms(said.onset),
                caller_end_ms: ms(said.end),
                bot_start_ms: answer.first().map(|segment| ms(segment.start)),
                bot_end_ms: answer.last().map(|segment| ms(segment.end.min(until))),
                response_ms: answer
                    .first()
                    .map(|first| rounded(first.start.signed_since(said.end) as f64 / 1e6)),
                barge_in: interrupted.map(|segment| BargeIn {
                    bot_stopped_ms: ms(segment.end),
                    stopped_after_ms: rounded(segment.end.signed_since(said.onset) as f64 / 1e6),
                }),
            }
        })
        .collect();
    TurnLedger {
        greeting_ms: heard
            .first()
            .filter(|first| spoken.first().is_none_or(|said| first.start < said.onset))
            .map(|first| ms(first.start)),
        response_ms: Summary::of(turns.iter().filter_map(|turn| turn.response_ms)),
        turns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    fn spoken(name: &str, onset: u64, end: u64) -> Spoken {
        Spoken { name: name.into(), is_keys: false, onset: at(onset), end: at(end) }
    }

    fn segment(start: u64, end: u64) -> Segment {
        Segment { start: at(start), end: at(end) }
    }

    #[test]
    fn the_response_is_the_silence_between_our_end_and_their_start() {
        let ledger = ledger(
            &[spoken("hello", 3000, 4000), spoken("order", 9000, 10_000)],
            &[segment(1200, 2500), segment(4650, 6000), segment(6300, 7000), segment(10_810, 12_000)],
            at(1000),
        );

        assert_eq!(ledger.greeting_ms, Some(200.0));
        let responses: Vec<_> = ledger.turns.iter().map(|turn| turn.response_ms).collect();
        assert_eq!(responses, [Some(650.0), Some(810.0)]);
        assert_eq!((ledger.turns[0].bot_start_ms, ledger.turns[0].bot_end_ms), (Some(3650.0), Some(6000.0)));
        assert!(ledger.turns.iter().all(|turn| turn.barge_in.is_none()));
    }

    #[test]
    fn talking_into_them_measures_how_soon_they_stop() {
        let ledger = ledger(&[spoken("no", 3000, 3400)], &[segment(1000, 3120), segment(4100, 5000)], at(0));

        let turn = &ledger.turns[0];
        assert_eq!(turn.barge_in, Some(BargeIn { bot_stopped_ms: 3120.0, stopped_after_ms: 120.0 }));
        assert_eq!(turn.response_ms, Some(700.0));
        let table = ledger.to_string();
        assert!(table.contains("   1     3.000     3.400     4.100    700 ms    120 ms  no\n"), "{table}");
    }

    #[test]
    fn a_turn_without_an_answer_has_none() {
        let ledger = ledger(&[spoken("hello", 1000, 2000)], &[], at(0));

        assert_eq!(ledger.turns[0].response_ms, None);
        assert_eq!(ledger.response_ms.count, 0);
        assert_eq!(ledger.greeting_ms, None);
    }
}
