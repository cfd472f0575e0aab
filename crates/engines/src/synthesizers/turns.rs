//! Whose sentence is spoken next: sessions take turns, sentence by sentence, and each keeps its own order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::sentences;

/// What waits to be spoken. Bounded by the callers: a call asks for what its conversation says.
#[derive(Debug, Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: BTreeMap<u32, VecDeque<Job>>,
    waiting: VecDeque<u32>,
    busy: BTreeSet<u32>,
    closed: bool,
}

#[derive(Debug)]
struct Job {
    utterance: u32,
    voice: String,
    sentences: VecDeque<String>,
}

/// One sentence to speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) session: u32,
    pub(super) utterance: u32,
    pub(super) voice: String,
    /// Empty where the text held nothing to say.
    pub(super) sentence: String,
    /// The utterance is complete after it.
    pub(super) last: bool,
}

impl Turns {
    pub(super) fn speak(&self, session: u32, utterance: u32, voice: String, text: &str) {
        let mut state = self.state();
        let mut sentences: VecDeque<String> = sentences::split(text).into();
        if sentences.is_empty() {
            sentences.push_back(String::new());
        }
        state.jobs.entry(session).or_default().push_back(Job { utterance, voice, sentences });
        state.enlist(session);
        drop(state);
        self.changed.notify_one();
    }

    pub(super) fn cancel(&self, session: u32, utterance: u32) {
        if let Some(jobs) = self.state().jobs.get_mut(&session) {
            jobs.retain(|job| job.utterance != utterance);
        }
    }

    /// Nothing more is wanted for this session.
    pub(super) fn leave(&self, session: u32) {
        self.state().jobs.remove(&session);
    }

    /// Ends all waits for a turn.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.jobs.clear();
        state.closed = true;
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the next sentence; none when closed.
    pub(super) fn next(&self) -> Option<Turn> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(turn) = state.take_turn() {
                return Some(turn);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Runs `report` if the utterance is still wanted; a cancel waits for it. Answers whether it is.
    pub(super) fn if_wanted(&self, turn: &Turn, report: impl FnOnce()) -> bool {
        let state = self.state();
        let wanted = state
            .jobs
            .get(&turn.session)
            .and_then(|jobs| jobs.front())
            .is_some_and(|job| job.utterance == turn.utterance);
        if wanted {
            report();
        }
        wanted
    }

    /// The sentence is spoken. With the last one (or a failure, `abandon`) the utterance ends and `report` runs if it
    /// is still wanted.
    pub(super) fn done(&self, turn: &Turn, abandon: bool, report: impl FnOnce()) {
        if turn.last || abandon {
            self.if_wanted(turn, report);
            self.cancel(turn.session, turn.utterance);
        }
        let mut state = self.state();
        state.busy.remove(&turn.session);
        state.enlist(turn.session);
        drop(state);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enlist(&mut self, session: u32) {
        let has_work = self.jobs.get(&session).is_some_and(|jobs| !jobs.is_empty());
        if has_work && !self.busy.contains(&session) && !self.waiting.contains(&session) {
            self.waiting.push_back(session);
        }
    }

    fn take_turn(&mut self) -> Option<Turn> {
        while let Some(session) = self.waiting.pop_front() {
            let Some(job) = self.jobs.get_mut(&session).and_then(VecDeque::front_mut) else { continue };
            let Some(sentence) = job.sentences.pop_front() else { continue };
            let (utterance, voice, last) = (job.utterance, job.voice.clone(), job.sentences.is_empty());
            self.busy.insert(session);
            return Some(Turn { session, utterance, voice, sentence, last });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_of_one_call_does_not_hold_up_another() {
        let turns = Turns::default();
        turns.speak(1, 10, String::new(), "First one. Second one.");
        turns.speak(2, 20, String::new(), "Other call.");
        turns.speak(1, 11, String::new(), "Third one.");
        let mut spoken = Vec::new();

        for _ in 0..4 {
            let turn = turns.next().unwrap();
            turns.done(&turn, false, || spoken.push(turn.utterance));
            spoken.extend((!turn.last).then_some(0));
        }

        assert_eq!(spoken, [0, 20, 10, 11]);
    }

    #[test]
    fn a_cancelled_utterance_is_not_reported_and_the_next_one_follows() {
        let turns = Turns::default();
        turns.speak(1, 10, String::new(), "First one. Second one.");
        turns.speak(1, 11, String::new(), "Third one.");
        let first = turns.next().unwrap();

        turns.cancel(1, 10);

        assert!(!turns.if_wanted(&first, || panic!("not wanted")));
        turns.done(&first, false, || panic!("not wanted"));
        assert_eq!(turns.next().unwrap().utterance, 11);
    }

    #[test]
    fn an_empty_text_is_complete_and_a_close_ends_the_wait() {
        let turns = Turns::default();
        turns.speak(1, 10, String::new(), " ");

        let turn = turns.next().unwrap();
        turns.close();

        assert_eq!((turn.sentence.as_str(), turn.last), ("", true));
        assert_eq!(turns.next(), None);
    }
}
