//! What follows from being understood: jumps, slots and their confirmation.

use std::sync::Arc;

use offhook_time::Time;
use serde_json::Value as Json;

use super::listening::{Question, listen_of, slot_of, too_many_turns};
use super::{Conversation, Failure, Next, Phase};
use crate::bot::file::{Go, Listen};
use crate::{Bot, Event, HangUpReason, NoMatchReason, Understanding};

/// How many times a no is answered where the slot does not say.
const ATTEMPTS: u32 = 3;

impl Conversation {
    pub(super) fn understood(&mut self, understanding: Understanding, now: Time) {
        let question = match &self.phase {
            Phase::Listening(listening) => listening.question.clone(),
            Phase::Waiting | Phase::Calling(_) | Phase::Transferring(_) | Phase::Leaving(_) | Phase::Over => {
                return;
            }
        };
        let bot = Arc::clone(&self.bot);
        let Some(listen) = listen_of(&bot, &self.state) else { return };
        let meaning = match understanding {
            Understanding::NoMatch { reason, digits } => return self.no_match(reason, digits, now),
            Understanding::Intent { intent } => match jump_of(&bot, &question, listen, &intent) {
                Some(go) => Meaning::Jump(intent, go),
                None => return self.no_match(NoMatchReason::NothingAwaited, String::new(), now),
            },
            Understanding::Yes => match self.yes_or_no(&bot, &question, listen, true) {
                Some(meaning) => meaning,
                None => return self.no_match(NoMatchReason::NothingAwaited, String::new(), now),
            },
            Understanding::No => match self.yes_or_no(&bot, &question, listen, false) {
                Some(meaning) => meaning,
                None => return self.no_match(NoMatchReason::NothingAwaited, String::new(), now),
            },
            Understanding::Digits(digits) => Meaning::Value("digits", Json::String(digits)),
            Understanding::Choice(value) => Meaning::Value("choice", Json::String(value)),
        };
        if !self.take_turn() {
            return self.run(too_many_turns(), now);
        }
        self.memory.counts.no_input = 0;
        self.memory.counts.no_match = 0;
        self.memory.turn.count = 0;
        self.memory.turn.reason = None;
        let next = self.act(&bot, listen, meaning, now);
        self.run_result(next, now);
    }

    fn act(&mut self, bot: &Bot, listen: &Listen, meaning: Meaning<'_>, now: Time) -> Result<Next, Failure> {
        match meaning {
            Meaning::Jump(intent, go) => {
                self.event(Event::Understood { intent, slot: None });
                self.go(go, now)
            }
            Meaning::Value(intent, value) => self.fill(bot, listen, intent, value, now),
            Meaning::Confirmed => {
                self.event(Event::Understood { intent: "yes".to_owned(), slot: None });
                self.filled(listen, now)
            }
            Meaning::Rejected => {
                self.event(Event::Understood { intent: "no".to_owned(), slot: None });
                self.rejected(bot, listen, now)
            }
        }
    }

    fn yes_or_no<'a>(
        &self,
        bot: &'a Bot,
        question: &Question,
        listen: &'a Listen,
        is_yes: bool,
    ) -> Option<Meaning<'a>> {
        let intent = if is_yes { "yes" } else { "no" };
        match question {
            Question::Confirm if is_yes => Some(Meaning::Confirmed),
            Question::Confirm => Some(Meaning::Rejected),
            Question::State => match slot_of(bot, listen) {
                Some((_, slot)) if slot.yes_no => Some(Meaning::Value(intent, Json::Bool(is_yes))),
                Some(_) | None => {
                    let go = if is_yes { listen.yes.as_ref() } else { listen.no.as_ref() };
                    go.map(|go| Meaning::Jump(intent.to_owned(), go))
                }
            },
        }
    }

    fn fill(
        &mut self,
        bot: &Bot,
        listen: &Listen,
        intent: &str,
        value: Json,
        now: Time,
    ) -> Result<Next, Failure> {
        let Some((name, slot)) = slot_of(bot, listen) else {
            return Err(Failure(format!("the state `{}` fills no slot", self.state)));
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let shown = self.shown(name, &text);
        self.event(Event::Understood { intent: intent.to_owned(), slot: Some((name.to_owned(), shown)) });
        let hidden = self.vault.heard.take();
        self.set_variable(name, value);
        if let Some(digits) = hidden.filter(|_| slot.masked) {
            self.vault.values.insert(name.to_owned(), Json::String(digits));
        }
        match &slot.confirm {
            Some(confirm) => {
                self.say(confirm, now)?;
                self.listen(Question::Confirm, listen, now)
            }
            None => self.filled(listen, now),
        }
    }

    fn filled(&mut self, listen: &Listen, now: Time) -> Result<Next, Failure> {
        match &listen.filled {
            Some(go) => self.go(go, now),
            None => Err(Failure(format!("nothing follows the slot of the state `{}`", self.state))),
        }
    }

    fn rejected(&mut self, bot: &Bot, listen: &Listen, now: Time) -> Result<Next, Failure> {
        let Some((name, slot)) = slot_of(bot, listen) else { return Ok(Next::Repeat) };
        self.set_variable(name, Json::Null);
        self.memory.counts.rejected += 1;
        if self.memory.counts.rejected > slot.attempts.unwrap_or(ATTEMPTS) {
            return self.given_up(bot, listen, now);
        }
        if slot.rejected.0.is_empty() {
            let state = bot.file().states.get(self.state.as_str());
            match state {
                Some(state) => self.say(&state.say, now)?,
                None => return Ok(Next::Leave(HangUpReason::NotUnderstood)),
            }
        } else {
            self.say(&slot.rejected, now)?;
        }
        self.listen(Question::State, listen, now)
    }

    /// Rejected too often: where the state says, else where its ladder ends.
    fn given_up(&mut self, bot: &Bot, listen: &Listen, now: Time) -> Result<Next, Failure> {
        match &listen.given_up {
            Some(go) => self.go(go, now),
            None => {
                let ladder = listen.no_match.as_ref().or(bot.file().no_match.as_ref());
                self.climb(ladder.and_then(|ladder| ladder.last()).map(|rung| &rung.value), None, now)
            }
        }
    }
}

/// What an understanding means to the question that was asked.
enum Meaning<'a> {
    Jump(String, &'a Go),
    Value(&'static str, Json),
    Confirmed,
    Rejected,
}

fn jump_of<'a>(bot: &'a Bot, question: &Question, listen: &'a Listen, intent: &str) -> Option<&'a Go> {
    let own = match question {
        Question::State => listen.intents.get(intent),
        Question::Confirm => None,
    };
    own.or_else(|| bot.file().anywhere.intents.get(intent))
}
