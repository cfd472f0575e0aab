//! The conversation of one call.
//!
//! `handle` looks at the phase the conversation is in; what follows from an input is a [`Next`], and `run` follows
//! it from state to state until the caller, a tool or a transfer has the next word.

mod doing;
mod filling;
mod listening;
mod scope;
mod speaking;
mod vault;

use std::collections::VecDeque;
use std::sync::Arc;

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use offhook_time::{Randomness, Seed, Time, WallClock};

use self::doing::{Calling, Transferring};
use self::listening::Listening;
use self::scope::Memory;
use self::speaking::Speaking;
pub use self::vault::MASKED_KEY;
use self::vault::Vault;
use crate::bot::file::{Go, StateFile};
use crate::bot::{Short, defaults};
use crate::{Bot, CallFacts, Event, HangUpReason, Input, Output, PromptId};

/// States that may be entered without a word from the caller. A real flow needs a handful between two turns.
const MAX_SILENT_STATES: u32 = 50;

/// What one bot says to one caller, and when. Inputs and `now` go in, outputs and one deadline come out.
#[derive(Debug)]
pub struct Conversation {
    bot: Arc<Bot>,
    randomness: Randomness,
    wall: WallClock,
    outputs: VecDeque<Output>,
    state: String,
    phase: Phase,
    memory: Memory,
    vault: Vault,
    speaking: Speaking,
    turns: u32,
    silent_states: u32,
    requests: u64,
    /// Whether the bot's `on_failure` was taken: it is not taken twice.
    failing: bool,
    recognizer_failed: bool,
}

/// Who has the next word.
#[derive(Debug)]
enum Phase {
    /// The call is not up yet.
    Waiting,
    /// The caller.
    Listening(Listening),
    /// An HTTP tool.
    Calling(Calling),
    /// The target of a transfer.
    Transferring(Transferring),
    /// The last prompts, then the call ends.
    Leaving(HangUpReason),
    /// Nobody.
    Over,
}

/// What follows from an input.
#[derive(Debug)]
enum Next {
    /// Enter this state.
    Enter(String),
    /// Say the current question again and listen.
    Repeat,
    /// Listen on for the current question.
    Listen,
    /// End the call after what was said.
    Leave(HangUpReason),
    /// The phase is as it shall be.
    Stay,
}

/// The bot file misbehaved: what went wrong, in words.
struct Failure(String);

impl From<minijinja::Error> for Failure {
    fn from(error: minijinja::Error) -> Self {
        Failure(
            error
                .detail()
                .map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind())),
        )
    }
}

impl Conversation {
    /// A conversation that waits for [`Input::Start`].
    pub fn new(bot: Arc<Bot>, seed: Seed, wall: WallClock, now: Time) -> Self {
        Conversation {
            memory: Memory::new(&bot),
            vault: Vault::default(),
            bot,
            randomness: Randomness::new(seed),
            wall,
            outputs: VecDeque::new(),
            state: String::new(),
            phase: Phase::Waiting,
            speaking: Speaking::new(now),
            turns: 0,
            silent_states: 0,
            requests: 0,
            failing: false,
            recognizer_failed: false,
        }
    }

    /// Takes one input. Afterwards [`poll_output`](Self::poll_output) until it gives nothing.
    pub fn handle(&mut self, input: Input, now: Time) {
        match input {
            Input::Start(facts) => self.handle_start(facts, now),
            Input::Heard { text, confidence } => {
                let (text, digits) = self.hear(&text);
                self.vault.heard = digits;
                self.handle_heard(&text, confidence, now);
            }
            Input::NoMatch => self.handle_unclear(now),
            Input::NoInput => self.handle_no_input(now),
            Input::Digit(key) => self.handle_digit(key, now),
            Input::SpeechStarted => self.handle_speech_started(now),
            Input::PromptFinished { prompt, completed } => {
                self.handle_prompt_finished(prompt, completed, now)
            }
            Input::ToolResult { tool, outcome } => {
                let outcome = self.scrubbed(outcome);
                self.handle_tool_result(tool, outcome, now);
            }
            Input::TransferOutcome { transfer, outcome } => {
                self.handle_transfer_outcome(transfer, outcome, now)
            }
            Input::Deadline => self.handle_deadline(now),
            Input::CallerHungUp => self.handle_caller_hung_up(),
            Input::RecognizerFailed => self.handle_recognizer_failed(now),
            Input::SynthesizerFailed { prompt } => self.handle_synthesizer_failed(prompt, now),
        }
        self.vault.heard = None;
        self.settle_barge_in();
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due.
    pub fn poll_timeout(&self) -> Option<Time> {
        let own = match &self.phase {
            Phase::Listening(listening) => listening.deadline(),
            Phase::Calling(calling) => Some(calling.deadline()),
            Phase::Transferring(transferring) => transferring.deadline(),
            Phase::Waiting | Phase::Leaving(_) => None,
            Phase::Over => return None,
        };
        [own, self.speaking.deadline()].into_iter().flatten().min()
    }

    /// Name of the current state; empty before the start.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Whether nothing more will come.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// The value of a slot or variable.
    pub fn variable(&self, name: &str) -> Option<&serde_json::Value> {
        self.memory.variable(name)
    }

    /// The bot this call began with.
    pub fn bot(&self) -> &Arc<Bot> {
        &self.bot
    }

    fn handle_start(&mut self, facts: CallFacts, now: Time) {
        match self.phase {
            Phase::Waiting => {
                self.memory.learn_facts(&self.bot, facts);
                let start = self.bot.file().start.value.clone();
                self.run(Next::Enter(start), now);
            }
            Phase::Listening(_)
            | Phase::Calling(_)
            | Phase::Transferring(_)
            | Phase::Leaving(_)
            | Phase::Over => {}
        }
    }

    fn handle_deadline(&mut self, now: Time) {
        if self.speaking.deadline().is_some_and(|at| at <= now) {
            self.speaking.give_up();
            self.prompts_are_done(now);
            return;
        }
        match &self.phase {
            Phase::Listening(listening) if listening.deadline().is_some_and(|at| at <= now) => {
                self.handle_listening_deadline(now);
            }
            Phase::Calling(calling) if calling.deadline() <= now => self.handle_tool_deadline(now),
            Phase::Transferring(transferring) if transferring.deadline().is_some_and(|at| at <= now) => {
                self.handle_transfer_deadline(now);
            }
            Phase::Listening(_)
            | Phase::Calling(_)
            | Phase::Transferring(_)
            | Phase::Waiting
            | Phase::Leaving(_)
            | Phase::Over => {}
        }
    }

    fn handle_caller_hung_up(&mut self) {
        if let Phase::Calling(calling) = &self.phase {
            self.outputs.push_back(Output::CancelTool(calling.id()));
        }
        self.phase = Phase::Over;
    }

    fn handle_recognizer_failed(&mut self, now: Time) {
        self.recognizer_failed = true;
        match &mut self.phase {
            Phase::Listening(listening) if listening.takes_keys() => {
                listening.await_again(self.speaking.is_silent(), now);
                self.resume_prompts();
            }
            Phase::Listening(_) => self.engine_failed(now),
            Phase::Waiting | Phase::Calling(_) | Phase::Transferring(_) | Phase::Leaving(_) | Phase::Over => {
            }
        }
    }

    fn handle_synthesizer_failed(&mut self, prompt: PromptId, now: Time) {
        let is_broken = self.speaking.failed(prompt);
        if is_broken && !self.failing && !self.is_over() {
            self.engine_failed(now);
        } else if self.speaking.is_silent() {
            self.prompts_are_done(now);
        }
    }

    /// No recognizer, or nothing to speak with: the bot's way out, or the end.
    fn engine_failed(&mut self, now: Time) {
        self.stop_all_prompts();
        let next = self.way_out(HangUpReason::EngineFailed, now);
        self.run(next, now);
    }

    /// Follows `next` until somebody else has the next word.
    fn run(&mut self, mut next: Next, now: Time) {
        loop {
            next = match self.step(next, now) {
                Ok(Some(next)) => next,
                Ok(None) => return,
                Err(Failure(what)) => {
                    self.event(Event::BotFailed { state: self.state.clone(), what });
                    self.way_out(HangUpReason::BotFailed, now)
                }
            };
        }
    }

    fn step(&mut self, next: Next, now: Time) -> Result<Option<Next>, Failure> {
        match next {
            Next::Enter(state) => self.enter(state, now).map(Some),
            Next::Repeat => {
                self.say_question(now)?;
                Ok(Some(Next::Listen))
            }
            Next::Listen => self.listen_on(now).map(Some),
            Next::Leave(reason) => {
                self.stop_listening();
                self.phase = Phase::Leaving(reason);
                if self.speaking.is_silent() {
                    self.prompts_are_done(now);
                }
                Ok(None)
            }
            Next::Stay => Ok(None),
        }
    }

    fn enter(&mut self, name: String, now: Time) -> Result<Next, Failure> {
        self.silent_states += 1;
        if self.silent_states > MAX_SILENT_STATES {
            return Err(Failure(format!("{MAX_SILENT_STATES} states were entered without the caller")));
        }
        if self.state != name {
            self.memory.counts = Default::default();
        }
        self.state = name;
        let masked = self.is_masked();
        if std::mem::replace(&mut self.vault.told, masked) != masked {
            self.outputs.push_back(Output::Mask(masked));
        }
        self.event(Event::StateEntered { state: self.state.clone() });
        let bot = Arc::clone(&self.bot);
        let Some(state) = bot.file().states.get(self.state.as_str()) else {
            return Err(Failure(format!("there is no state `{}`", self.state)));
        };
        self.set(&state.set, now)?;
        self.say(&state.say, now)?;
        if let Some(outcome) = &state.outcome {
            self.event(Event::Outcome { name: outcome.value.clone() });
        }
        for branch in &state.when {
            if self.holds(&branch.condition, now)? {
                return Ok(Next::Enter(branch.goto.value.clone()));
            }
        }
        self.leave_by(state, now)
    }

    fn leave_by(&mut self, state: &StateFile, now: Time) -> Result<Next, Failure> {
        if let Some(listen) = &state.listen {
            self.listen_to_state(listen, now)
        } else if let Some(call) = &state.call {
            self.call(call, now)
        } else if let Some(transfer) = &state.transfer {
            self.transfer(transfer, now)
        } else if let Some(goto) = &state.goto {
            Ok(Next::Enter(goto.value.clone()))
        } else {
            Ok(Next::Leave(HangUpReason::Finished))
        }
    }

    /// Does what a jump says on the way, and tells where it leads.
    fn go(&mut self, go: &Go, now: Time) -> Result<Next, Failure> {
        match &go.value {
            Short::Text(state) => Ok(Next::Enter(state.clone())),
            Short::Long(long) => {
                self.set(&long.set, now)?;
                self.say(&long.say, now)?;
                Ok(match &long.goto {
                    Some(state) => Next::Enter(state.value.clone()),
                    None if long.repeat => Next::Repeat,
                    None => Next::Listen,
                })
            }
        }
    }

    /// Where to go when something of ours failed.
    fn way_out(&mut self, reason: HangUpReason, now: Time) -> Next {
        let state = self.bot.file().on_failure.as_ref().map(|state| state.value.clone());
        match state {
            Some(state) if !self.failing => {
                self.failing = true;
                self.silent_states = 0;
                Next::Enter(state)
            }
            Some(_) | None => {
                self.failing = true;
                let family = self.bot.family();
                self.say_text(defaults::apology(family), now);
                Next::Leave(reason)
            }
        }
    }

    fn run_result(&mut self, next: Result<Next, Failure>, now: Time) {
        match next {
            Ok(next) => self.run(next, now),
            Err(Failure(what)) => {
                self.event(Event::BotFailed { state: self.state.clone(), what });
                let next = self.way_out(HangUpReason::BotFailed, now);
                self.run(next, now);
            }
        }
    }

    /// All prompts were heard (or will never be): whatever waited for that goes on.
    fn prompts_are_done(&mut self, now: Time) {
        match &mut self.phase {
            Phase::Listening(listening) => listening.start_waiting(now),
            Phase::Transferring(_) => self.send_transfer(now),
            Phase::Leaving(reason) => {
                let reason = *reason;
                self.phase = Phase::Over;
                self.outputs.push_back(Output::HangUp { reason });
            }
            Phase::Waiting | Phase::Calling(_) | Phase::Over => {}
        }
    }

    /// What the caller says is of no use until the next question.
    fn stop_listening(&mut self) {
        #[cfg(feature = "planted-faults")]
        if is_planted(Fault::ExpectNothingDropped) {
            return;
        }
        if let Phase::Listening(_) = self.phase {
            self.outputs.push_back(Output::ExpectNothing);
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }
}
