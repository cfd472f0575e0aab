//! The caller's turn: what is awaited, what was heard, and the ladders for silence and misunderstanding.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use offhook_time::Time;

use super::vault::hesitates;
use super::{Conversation, Failure, MASKED_KEY, Next, Phase};
use crate::bot::digits_of;
use crate::bot::file::{Listen, Rung, SlotFile};
use crate::{
    Bot, DtmfExpect, Event, Expected, HangUpReason, IntentPhrases, NoMatchReason, OnSpeech, Output, Secret,
    SlotKind, Understanding,
};

/// The key that ends a number early.
const TERMINATOR: char = '#';

/// The caller has the word.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) question: Question,
    pub(super) expected: Expected,
    /// Keys of an unfinished number.
    keys: String,
    /// What they really are, where they are masked.
    hidden: Secret<String>,
    timer: Timer,
}

/// What the caller is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// What the state asks.
    State,
    /// Whether its slot was heard right.
    Confirm,
}

#[derive(Clone, Copy, Debug)]
enum Timer {
    /// A prompt still plays.
    Off,
    /// The caller may think.
    NoInput(Time),
    /// The caller speaks; a result follows.
    Speech(Time),
    /// The caller presses keys.
    BetweenKeys(Time),
}

impl Listening {
    pub(super) fn deadline(&self) -> Option<Time> {
        match self.timer {
            Timer::Off => None,
            Timer::NoInput(at) | Timer::Speech(at) | Timer::BetweenKeys(at) => Some(at),
        }
    }

    pub(super) fn takes_keys(&self) -> bool {
        self.expected.dtmf.is_some()
    }

    /// What the caller said is not waited for any more.
    pub(super) fn await_again(&mut self, is_silent: bool, now: Time) {
        match self.timer {
            Timer::Speech(_) => self.timer = Timer::Off,
            Timer::Off | Timer::NoInput(_) | Timer::BetweenKeys(_) => {}
        }
        if is_silent {
            self.start_waiting(now);
        }
    }

    /// The last prompt has finished: from here silence counts.
    pub(super) fn start_waiting(&mut self, now: Time) {
        match self.timer {
            Timer::Off => self.timer = Timer::NoInput(now + self.expected.no_input_after),
            Timer::NoInput(_) | Timer::Speech(_) | Timer::BetweenKeys(_) => {}
        }
    }
}

impl Conversation {
    pub(super) fn handle_speech_started(&mut self, now: Time) {
        let max_speech = self.bot.file().turn.max_speech.0;
        let on_speech = self.speaking.barge_in().speech;
        match &mut self.phase {
            // Whoever types has no voice: tones in the audio sound like speech to some detectors.
            Phase::Listening(listening) if !listening.keys.is_empty() => {}
            Phase::Listening(listening) => match on_speech {
                OnSpeech::Ignore => self.resume_prompts(),
                OnSpeech::WaitForMatch => listening.timer = Timer::Speech(now + max_speech),
                OnSpeech::Stop => {
                    listening.timer = Timer::Speech(now + max_speech);
                    self.stopped_by_speech();
                }
            },
            Phase::Calling(_) | Phase::Transferring(_) | Phase::Leaving(_) | Phase::Waiting | Phase::Over => {
                self.resume_prompts()
            }
        }
    }

    pub(super) fn handle_heard(&mut self, text: &str, confidence: Option<f32>, now: Time) {
        let Phase::Listening(listening) = &self.phase else { return self.resume_prompts() };
        if !listening.keys.is_empty() {
            return;
        }
        let on_speech = self.speaking.barge_in().speech;
        if on_speech == OnSpeech::Ignore {
            return self.resume_prompts();
        }
        let is_unsure = confidence.is_some_and(|confidence| confidence < self.bot.file().turn.min_confidence);
        let understanding = if is_unsure {
            Understanding::NoMatch { reason: NoMatchReason::LowConfidence, digits: String::new() }
        } else {
            listening.understand(text)
        };
        let is_answer = !matches!(understanding, Understanding::NoMatch { .. });
        // Over a prompt, a sound that nobody took for speech is no answer either, whatever a recognizer hears in it.
        let may_be_nothing = hesitates(text)
            || on_speech == OnSpeech::WaitForMatch
            || (!self.speaking.has_given_way() && !matches!(listening.timer, Timer::Speech(_)));
        if !is_answer && may_be_nothing {
            return self.handle_unclear(now);
        }
        self.stop_for_answer();
        self.memory.turn.text = text.to_owned();
        self.understood(understanding, now);
    }

    /// A sound without sense. It does not end a prompt: a cough is no interruption. Speech that has ended one and is
    /// not understood counts at once.
    pub(super) fn handle_unclear(&mut self, now: Time) {
        let Phase::Listening(listening) = &mut self.phase else { return self.resume_prompts() };
        if !listening.keys.is_empty() {
            return;
        }
        if self.speaking.has_given_way() {
            self.memory.turn.text.clear();
            self.no_match(NoMatchReason::NothingAwaited, String::new(), now);
        } else {
            listening.timer = Timer::Off;
            self.resume_prompts();
        }
    }

    pub(super) fn handle_no_input(&mut self, now: Time) {
        if !matches!(self.phase, Phase::Listening(_)) || !self.speaking.is_silent() {
            return;
        }
        if !self.take_turn() {
            return self.run(too_many_turns(), now);
        }
        self.memory.counts.no_input += 1;
        let count = self.memory.counts.no_input;
        self.memory.turn = super::scope::Turn { count, ..Default::default() };
        self.event(Event::NoInput { count });
        let bot = Arc::clone(&self.bot);
        let ladder = listen_of(&bot, &self.state).and_then(|listen| listen.no_input.as_ref());
        let rungs = ladder.or(bot.file().no_input.as_ref()).map_or(&[][..], |ladder| ladder.as_slice());
        let next = self.climb(rungs.get(rung_of(count, rungs.len())).map(|rung| &rung.value), None, now);
        self.run_result(next, now);
    }

    pub(super) fn handle_digit(&mut self, pressed: char, now: Time) {
        let key = self.masked_key(pressed);
        let may_interrupt = self.speaking.barge_in().digits;
        let between_keys = self.bot.file().turn.between_keys.0;
        let bot = Arc::clone(&self.bot);
        let Phase::Listening(listening) = &mut self.phase else { return };
        if !may_interrupt || !listening.takes_keys() {
            // No result follows what was said before the key.
            listening.await_again(self.speaking.is_silent(), now);
            return self.resume_prompts();
        }
        let awaits_number = awaited_digits(&listening.expected);
        let is_answer = listening.question == Question::State;
        let listen = listen_of(&bot, &self.state);
        let jump = listen.filter(|_| is_answer).and_then(|listen| listen.keys.get(key.to_string().as_str()));
        let jump = jump.or_else(|| bot.file().anywhere.keys.get(key.to_string().as_str()));
        if let Some(go) = jump {
            self.stop_for_key();
            if !self.take_turn() {
                return self.run(too_many_turns(), now);
            }
            self.memory.turn = super::scope::Turn { digits: key.to_string(), ..Default::default() };
            self.memory.counts = Default::default();
            self.event(Event::Understood { intent: "key".to_owned(), slot: None });
            let next = self.go(go, now);
            return self.run_result(next, now);
        }
        // 1 and 2 answer a yes-or-no question, unless the state gives keys a meaning of their own.
        let has_menu = is_answer && listen.is_some_and(|listen| !listen.keys.is_empty());
        let asks_number = is_answer && awaits_number.is_some();
        let yes_or_no = takes_yes_or_no(listening, has_menu, asks_number);
        match (awaits_number, key) {
            (_, '1') if yes_or_no => {
                self.stop_for_key();
                self.understood(Understanding::Yes, now);
            }
            (_, '2') if yes_or_no => {
                self.stop_for_key();
                self.understood(Understanding::No, now);
            }
            (Some((_, max)), '0'..='9' | MASKED_KEY) if is_answer => {
                listening.keys.push(key);
                if key == MASKED_KEY {
                    let mut hidden =
                        std::mem::take(&mut listening.hidden).into_revealed().unwrap_or_default();
                    hidden.push(pressed);
                    listening.hidden = Secret::new(hidden);
                }
                let until = now + between_keys;
                #[cfg(feature = "planted-faults")]
                let until = match listening.timer {
                    Timer::BetweenKeys(first) if is_planted(Fault::BetweenKeysFromTheFirst) => first,
                    Timer::Off | Timer::NoInput(_) | Timer::Speech(_) | Timer::BetweenKeys(_) => until,
                };
                listening.timer = Timer::BetweenKeys(until);
                let is_complete = listening.keys.len() >= usize::from(max);
                self.stop_for_key();
                if is_complete {
                    self.number_entered(now);
                }
            }
            (Some(_), TERMINATOR) if is_answer && !listening.keys.is_empty() => self.number_entered(now),
            _ => {
                self.stop_for_key();
                self.no_match(NoMatchReason::NothingAwaited, key.to_string(), now);
            }
        }
    }

    /// Whether a key is an answer by itself here, or leads somewhere: then it is no digit of a number.
    pub(super) fn is_an_answer(&self, listening: &Listening, key: char) -> bool {
        let is_answer = listening.question == Question::State;
        let listen = listen_of(&self.bot, &self.state);
        let name = key.to_string();
        let own = listen.filter(|_| is_answer).is_some_and(|listen| listen.keys.contains_key(name.as_str()));
        let has_menu = is_answer && listen.is_some_and(|listen| !listen.keys.is_empty());
        let asks_number = is_answer && awaited_digits(&listening.expected).is_some();
        own || self.bot.file().anywhere.keys.contains_key(name.as_str())
            || (matches!(key, '1' | '2') && takes_yes_or_no(listening, has_menu, asks_number))
    }

    pub(super) fn handle_listening_deadline(&mut self, now: Time) {
        let Phase::Listening(listening) = &mut self.phase else { return };
        match std::mem::replace(&mut listening.timer, Timer::Off) {
            Timer::Off => {}
            Timer::NoInput(_) => self.handle_no_input(now),
            // The recognizer owes a result that never came.
            Timer::Speech(_) => self.handle_unclear(now),
            Timer::BetweenKeys(_) => self.number_entered(now),
        }
    }

    pub(super) fn listen_to_state(&mut self, listen: &Listen, now: Time) -> Result<Next, Failure> {
        self.listen(Question::State, listen, now)
    }

    /// Listens on for the question that was asked last.
    pub(super) fn listen_on(&mut self, now: Time) -> Result<Next, Failure> {
        let question = match &self.phase {
            Phase::Listening(listening) => listening.question.clone(),
            Phase::Waiting | Phase::Calling(_) | Phase::Transferring(_) | Phase::Leaving(_) | Phase::Over => {
                Question::State
            }
        };
        let bot = Arc::clone(&self.bot);
        match listen_of(&bot, &self.state) {
            Some(listen) => self.listen(question, listen, now),
            None => Err(Failure(format!("the state `{}` does not listen", self.state))),
        }
    }

    pub(super) fn listen(&mut self, question: Question, listen: &Listen, now: Time) -> Result<Next, Failure> {
        let expected = expected(&self.bot, &question, listen);
        if self.recognizer_failed && expected.dtmf.is_none() {
            return Ok(self.way_out(HangUpReason::EngineFailed, now));
        }
        self.outputs.push_back(Output::Expect(expected.clone()));
        let mut listening = Listening {
            question,
            expected,
            keys: String::new(),
            hidden: Secret::default(),
            timer: Timer::Off,
        };
        if self.speaking.is_silent() {
            listening.start_waiting(now);
        }
        self.phase = Phase::Listening(listening);
        Ok(Next::Stay)
    }

    /// Says again what the caller is asked.
    pub(super) fn say_question(&mut self, now: Time) -> Result<(), Failure> {
        let bot = Arc::clone(&self.bot);
        let Some(state) = bot.file().states.get(self.state.as_str()) else { return Ok(()) };
        let confirm = match &self.phase {
            Phase::Listening(listening) if listening.question == Question::Confirm => state
                .listen
                .as_ref()
                .and_then(|listen| slot_of(&bot, listen))
                .and_then(|(_, slot)| slot.confirm.as_ref()),
            Phase::Listening(_)
            | Phase::Waiting
            | Phase::Calling(_)
            | Phase::Transferring(_)
            | Phase::Leaving(_)
            | Phase::Over => None,
        };
        self.say(confirm.unwrap_or(&state.say), now)
    }

    pub(super) fn no_match(&mut self, reason: NoMatchReason, digits: String, now: Time) {
        if !self.take_turn() {
            return self.run(too_many_turns(), now);
        }
        self.memory.counts.no_match += 1;
        let count = self.memory.counts.no_match;
        self.memory.turn.count = count;
        self.memory.turn.reason = Some(reason);
        self.memory.turn.digits = digits;
        self.event(Event::NotUnderstood { reason, count });
        let bot = Arc::clone(&self.bot);
        let listen = listen_of(&bot, &self.state);
        let ladder = listen.and_then(|listen| listen.no_match.as_ref()).or(bot.file().no_match.as_ref());
        let rungs = ladder.map_or(&[][..], |ladder| ladder.as_slice());
        let wrong_length = match reason {
            NoMatchReason::WrongLength => {
                listen.and_then(|listen| slot_of(&bot, listen)).map(|(_, slot)| slot)
            }
            NoMatchReason::NothingAwaited | NoMatchReason::Ambiguous | NoMatchReason::LowConfidence => None,
        };
        let next =
            self.climb(rungs.get(rung_of(count, rungs.len())).map(|rung| &rung.value), wrong_length, now);
        self.run_result(next, now);
    }

    /// One rung of a ladder. Without one, the call ends: a ladder always does.
    pub(super) fn climb(
        &mut self,
        rung: Option<&Rung>,
        wrong_length: Option<&SlotFile>,
        now: Time,
    ) -> Result<Next, Failure> {
        let Some(rung) = rung else { return Ok(Next::Leave(HangUpReason::NotUnderstood)) };
        let stays = rung.goto.is_none() && !rung.hang_up;
        match wrong_length.and_then(|slot| slot.wrong_length.as_ref()).filter(|_| stays) {
            Some(say) => {
                self.say(say, now)?;
                return Ok(Next::Listen);
            }
            None => self.say(&rung.say, now)?,
        }
        Ok(match &rung.goto {
            Some(state) => Next::Enter(state.value.clone()),
            None if rung.hang_up => Next::Leave(HangUpReason::NotUnderstood),
            None if rung.repeat => Next::Repeat,
            None => Next::Listen,
        })
    }

    /// Counts a turn of the caller; false when there were too many.
    pub(super) fn take_turn(&mut self) -> bool {
        self.turns += 1;
        self.silent_states = 0;
        self.turns <= self.bot.file().turn.max_turns
    }

    fn number_entered(&mut self, now: Time) {
        let Phase::Listening(listening) = &mut self.phase else { return };
        let keys = std::mem::take(&mut listening.keys);
        self.vault.heard = std::mem::take(&mut listening.hidden).into_revealed();
        let fits = awaited_digits(&listening.expected)
            .is_some_and(|(min, max)| (usize::from(min)..=usize::from(max)).contains(&keys.len()));
        self.memory.turn.text.clear();
        let understanding = if fits {
            Understanding::Digits(keys)
        } else {
            Understanding::NoMatch { reason: NoMatchReason::WrongLength, digits: keys }
        };
        self.understood(understanding, now);
    }
}

fn takes_yes_or_no(listening: &Listening, has_menu: bool, asks_number: bool) -> bool {
    let is_asked = listening.expected.slots.contains(&SlotKind::YesNo);
    !has_menu && !asks_number && is_asked && listening.keys.is_empty()
}

pub(super) fn too_many_turns() -> Next {
    Next::Leave(HangUpReason::TooManyTurns)
}

/// The state's `listen`.
pub(super) fn listen_of<'a>(bot: &'a Bot, state: &str) -> Option<&'a Listen> {
    bot.file().states.get(state)?.listen.as_ref().map(|listen| &listen.value)
}

/// The slot that a state fills, with its name.
pub(super) fn slot_of<'a>(bot: &'a Bot, listen: &'a Listen) -> Option<(&'a str, &'a SlotFile)> {
    let name = listen.slot.as_ref()?.as_str();
    Some((name, bot.file().slots.get(name)?))
}

/// The rung for the `count`th time: the last one for all that follow.
fn rung_of(count: u32, rungs: usize) -> usize {
    #[cfg(feature = "planted-faults")]
    let count = count + u32::from(is_planted(Fault::LadderOneRungAhead));
    (count as usize).min(rungs).saturating_sub(1)
}

fn expected(bot: &Bot, question: &Question, listen: &Listen) -> Expected {
    let file = bot.file();
    let (of_state, slots) = match question {
        Question::State => {
            (listen.intents.keys().map(|name| name.as_str()).collect(), state_slots(bot, listen))
        }
        // A correction ("no, it is one two three …") may give the value again.
        Question::Confirm => {
            let again = slot_of(bot, listen).map(|(_, slot)| slot_kind(slot));
            let again = again.filter(|kind| *kind != SlotKind::YesNo);
            (Vec::new(), [SlotKind::YesNo].into_iter().chain(again).collect())
        }
    };
    let mut names: Vec<&str> = of_state;
    names.extend(file.anywhere.intents.keys().map(|name| name.as_str()));
    names.sort_unstable();
    names.dedup();
    let intents = names
        .into_iter()
        .filter_map(|name| {
            let phrases = file.intents.get(name)?.iter().map(|phrase| phrase.value.clone()).collect();
            Some(IntentPhrases { intent: name.to_owned(), phrases })
        })
        .collect();
    let mut end_of_speech: Duration = listen.end_of_speech.unwrap_or(file.turn.end_of_speech).0;
    if slots.iter().any(|slot| matches!(slot, SlotKind::Digits { .. })) && listen.end_of_speech.is_none() {
        end_of_speech = end_of_speech.max(END_OF_NUMBER);
    }
    Expected {
        language: file.language.value.clone(),
        dtmf: dtmf(bot, question, listen, &slots),
        intents,
        slots,
        hints: listen.hints.clone(),
        end_of_speech,
        no_input_after: listen.no_input_after.unwrap_or(file.turn.no_input_after).0,
    }
}

/// People pause between the groups of a number.
const END_OF_NUMBER: Duration = Duration::from_millis(1000);

fn state_slots(bot: &Bot, listen: &Listen) -> Vec<SlotKind> {
    let mut slots: Vec<SlotKind> =
        slot_of(bot, listen).map(|(_, slot)| slot_kind(slot)).into_iter().collect();
    if (listen.yes.is_some() || listen.no.is_some()) && !slots.contains(&SlotKind::YesNo) {
        slots.push(SlotKind::YesNo);
    }
    slots
}

fn slot_kind(slot: &SlotFile) -> SlotKind {
    if let Some((min, max)) = slot.digits.as_ref().and_then(|digits| digits_of(digits)) {
        SlotKind::Digits { min, max }
    } else if slot.yes_no {
        SlotKind::YesNo
    } else {
        SlotKind::Choice(
            slot.choice
                .iter()
                .map(|(value, phrases)| IntentPhrases {
                    intent: value.value.clone(),
                    phrases: phrases.iter().map(|phrase| phrase.value.clone()).collect(),
                })
                .collect(),
        )
    }
}

fn dtmf(bot: &Bot, question: &Question, listen: &Listen, slots: &[SlotKind]) -> Option<DtmfExpect> {
    let number = slots.iter().find_map(digits_range).filter(|_| *question == Question::State);
    if let Some((min, max)) = number {
        return Some(DtmfExpect { min, max, terminator: Some(TERMINATOR) });
    }
    let has_menu =
        !bot.file().anywhere.keys.is_empty() || (*question == Question::State && !listen.keys.is_empty());
    let takes_one = has_menu || slots.contains(&SlotKind::YesNo);
    takes_one.then_some(DtmfExpect { min: 1, max: 1, terminator: None })
}

fn awaited_digits(expected: &Expected) -> Option<(u8, u8)> {
    expected.slots.iter().find_map(digits_range)
}

fn digits_range(slot: &SlotKind) -> Option<(u8, u8)> {
    match slot {
        SlotKind::Digits { min, max } => Some((*min, *max)),
        SlotKind::YesNo | SlotKind::Choice(_) => None,
    }
}
