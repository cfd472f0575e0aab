//! A call without audio: prompts take the time they would take, tools and transfers answer as the test says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use offhook_time::{Seed, Time, WallClock};

use crate::bot::file::{StubFile, TestFile};
use crate::{
    Bot, CallFacts, Conversation, Event, Input, Output, PromptContent, ToolAnswer, ToolCall, ToolFailure,
    TransferCall, TransferOutcome,
};

/// Roughly how long a voice takes for one byte of text.
const SPEECH_PER_BYTE: Duration = Duration::from_millis(60);
/// How long a service or a phone takes to answer.
const ANSWER_TIME: Duration = Duration::from_millis(200);
/// How long the caller thinks before speaking.
const THINKING_TIME: Duration = Duration::from_secs(1);
/// Between two keys.
const KEY_TIME: Duration = Duration::from_millis(300);
/// More happenings than this in one step are an endless conversation.
const MOST_HAPPENINGS: usize = 1000;

/// Tests that do not say when play on Monday, 5 January 2026, at ten in the morning.
const WALL: WallClock = WallClock { unix_ms_at_zero: 1_767_607_200_000, utc_offset_seconds: 0 };

/// The call of one test.
pub(super) struct Stage<'a> {
    test: &'a TestFile,
    conversation: Conversation,
    now: Time,
    /// What will happen, in order of time, then of planning.
    agenda: BTreeMap<(Time, u64), Input>,
    planned: u64,
    speaks_until: Time,
    said: String,
    transcript: Vec<String>,
    calls: Vec<(String, String)>,
    transfers: Vec<String>,
    outcome: Option<String>,
    hung_up: bool,
}

impl<'a> Stage<'a> {
    /// The call is up and the bot has begun to speak.
    pub(super) fn open(bot: &Arc<Bot>, test: &'a TestFile) -> Self {
        let now = Time::ZERO;
        let wall = test.time.as_ref().and_then(|time| wall_clock(time)).unwrap_or(WALL);
        let mut stage = Stage {
            test,
            conversation: Conversation::new(Arc::clone(bot), Seed::default(), wall, now),
            now,
            agenda: BTreeMap::new(),
            planned: 0,
            speaks_until: now,
            said: String::new(),
            transcript: Vec::new(),
            calls: Vec::new(),
            transfers: Vec::new(),
            outcome: None,
            hung_up: false,
        };
        stage.handle(Input::Start(CallFacts {
            caller: test.caller.clone(),
            caller_name: test.caller_name.clone(),
            called: bot.name().to_owned(),
            headers: BTreeMap::new(),
            config: test.config.clone(),
        }));
        stage
    }

    /// Lets everything happen that needs no caller.
    pub(super) fn settle(&mut self) {
        self.until(|_| false);
    }

    /// Lets things happen until `is_so`, or until nothing more happens without the caller; whether it is so.
    pub(super) fn until(&mut self, is_so: impl Fn(&Self) -> bool) -> bool {
        for _ in 0..MOST_HAPPENINGS {
            if is_so(self) {
                return true;
            }
            let Some(((at, _), input)) = self.agenda.pop_first() else { return false };
            self.wait_until(at);
            self.handle(input);
        }
        false
    }

    pub(super) fn caller_says(&mut self, text: &str) {
        self.said.clear();
        self.transcript.push(format!("caller: {text}"));
        if !self.is_bot_speaking() {
            self.wait_until(self.now + THINKING_TIME);
        }
        self.handle(Input::SpeechStarted);
        self.handle(Input::Heard { text: text.to_owned(), confidence: None });
    }

    pub(super) fn caller_presses(&mut self, keys: &str) {
        self.said.clear();
        self.transcript.push(format!("keys: {keys}"));
        for key in keys.chars() {
            self.wait_until(self.now + KEY_TIME);
            self.handle(Input::Digit(key));
        }
        // A number that is not complete ends by waiting.
        let patience = self.now + self.conversation.bot().file().turn.between_keys.0;
        if self.agenda.is_empty() && self.conversation.poll_timeout().is_some_and(|at| at <= patience) {
            self.wait_until(patience);
        }
    }

    /// False where nothing is awaited.
    pub(super) fn caller_is_silent(&mut self) -> bool {
        self.said.clear();
        self.transcript.push("(silence)".to_owned());
        match self.conversation.poll_timeout() {
            Some(at) => {
                self.wait_until(at);
                true
            }
            None => false,
        }
    }

    pub(super) fn caller_is_unclear(&mut self) {
        self.said.clear();
        self.transcript.push("(unclear)".to_owned());
        self.handle(Input::SpeechStarted);
        self.handle(Input::NoMatch);
    }

    pub(super) fn caller_hangs_up(&mut self) {
        self.transcript.push("(caller hangs up)".to_owned());
        self.handle(Input::CallerHungUp);
    }

    pub(super) fn is_bot_speaking(&self) -> bool {
        self.speaks_until > self.now
    }

    pub(super) fn said(&self) -> &str {
        &self.said
    }

    pub(super) fn state(&self) -> &str {
        self.conversation.state()
    }

    pub(super) fn variable(&self, name: &str) -> Option<&serde_json::Value> {
        self.conversation.variable(name)
    }

    pub(super) fn called(&self, tool: &str, url: &str) -> bool {
        self.calls.iter().any(|(name, called)| name == tool && called.contains(url))
    }

    pub(super) fn calls(&self) -> String {
        self.calls.iter().map(|(tool, url)| format!("{tool} {url}")).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn transferred_to(&self, target: &str) -> bool {
        self.transfers.iter().any(|transfer| transfer == target)
    }

    pub(super) fn outcome(&self) -> Option<&str> {
        self.outcome.as_deref()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.hung_up || self.conversation.is_over()
    }

    pub(super) fn into_transcript(self) -> Vec<String> {
        self.transcript
    }

    /// Passes time, feeding each deadline at its own moment.
    fn wait_until(&mut self, at: Time) {
        while let Some(deadline) = self.conversation.poll_timeout().filter(|deadline| *deadline <= at) {
            self.now = self.now.max(deadline);
            self.handle(Input::Deadline);
        }
        self.now = self.now.max(at);
    }

    fn handle(&mut self, input: Input) {
        self.conversation.handle(input, self.now);
        while let Some(output) = self.conversation.poll_output() {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Prompt(prompt) => {
                let text = match prompt.content {
                    PromptContent::Text(text) => prompt.secret.into_revealed().unwrap_or(text),
                    PromptContent::Recording(name) => format!("[{name}]"),
                };
                self.speaks_until = self.speaks_until.max(self.now) + SPEECH_PER_BYTE * text.len() as u32;
                self.plan(self.speaks_until, Input::PromptFinished { prompt: prompt.id, completed: true });
                self.transcript.push(format!("bot: {text}"));
                if !self.said.is_empty() {
                    self.said.push(' ');
                }
                self.said.push_str(&text);
            }
            Output::StopPrompts => {
                self.agenda.retain(|_, input| !matches!(input, Input::PromptFinished { .. }));
                self.speaks_until = self.now;
            }
            // What waits behind it would be said earlier; when is of no matter here.
            Output::StopPrompt(stopped) => self.agenda.retain(
                |_, input| !matches!(input, Input::PromptFinished { prompt, .. } if *prompt == stopped),
            ),
            Output::CallTool(call) => self.call_tool(call),
            Output::CancelTool(_) => {
                self.agenda.retain(|_, input| !matches!(input, Input::ToolResult { .. }))
            }
            Output::Transfer(transfer) => self.transfer(transfer),
            Output::HangUp { .. } => self.hung_up = true,
            Output::Event(Event::Outcome { name }) => self.outcome = Some(name),
            Output::Event(Event::BotFailed { what, .. }) => {
                self.transcript.push(format!("(the bot failed: {what})"))
            }
            Output::Event(
                Event::StateEntered { .. }
                | Event::Understood { .. }
                | Event::NotUnderstood { .. }
                | Event::NoInput { .. }
                | Event::VariableSet { .. }
                | Event::ToolFinished { .. }
                | Event::TransferFinished { .. },
            )
            | Output::ResumePrompts
            | Output::Expect(_)
            | Output::ExpectNothing
            | Output::Mask(_) => {}
        }
    }

    fn call_tool(&mut self, call: ToolCall) {
        let earlier = self.calls.iter().filter(|(name, _)| *name == call.name).count();
        let stubs = self.test.tools.get(call.name.as_str()).map_or(&[][..], |stubs| &stubs.0);
        let stub = stubs.get(earlier.min(stubs.len().saturating_sub(1)));
        let (after, outcome) = stub.map_or_else(not_stubbed, |stub| answer(&stub.value, call.timeout));
        let shown = outcome.as_ref().map_or_else(ToString::to_string, |answer| answer.status.to_string());
        self.transcript.push(format!("({} {} {}: {shown})", call.name, call.method, call.url));
        self.calls.push((call.name, call.url));
        self.plan(self.now + after, Input::ToolResult { tool: call.id, outcome });
    }

    fn transfer(&mut self, transfer: TransferCall) {
        let outcome = match self.test.transfers.get(transfer.target.as_str()).map(String::as_str) {
            None | Some("succeeded") => TransferOutcome::Succeeded,
            Some(cause) => TransferOutcome::Failed { cause: cause.to_owned(), status: None },
        };
        let shown = match &outcome {
            TransferOutcome::Succeeded => "succeeded",
            TransferOutcome::Failed { cause, .. } => cause,
        };
        self.transcript.push(format!("(transfer to {}: {shown})", transfer.target));
        self.transfers.push(transfer.target);
        self.plan(self.now + ANSWER_TIME, Input::TransferOutcome { transfer: transfer.id, outcome });
    }

    fn plan(&mut self, at: Time, input: Input) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), input);
    }
}

/// `2026-01-05 10:00` as a wall clock; `None` where it is written otherwise.
pub(crate) fn wall_clock(text: &str) -> Option<WallClock> {
    let (date, time) = text.trim().split_once([' ', 'T'])?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (hour, minute) = time.split_once(':')?;
    let (hour, minute) = (hour.parse::<i64>().ok()?, minute.parse::<i64>().ok()?);
    let is_real = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute);
    let minutes = (days_from_civil(year, month, day) * 24 + hour) * 60 + minute;
    is_real.then_some(WallClock { unix_ms_at_zero: minutes * 60_000, utc_offset_seconds: 0 })
}

/// Days since 1 January 1970. Counted in years that begin in March, so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

fn not_stubbed() -> (Duration, Result<ToolAnswer, ToolFailure>) {
    (ANSWER_TIME, Err(ToolFailure::Unreachable("the test does not say what this tool answers".to_owned())))
}

fn answer(stub: &StubFile, timeout: Duration) -> (Duration, Result<ToolAnswer, ToolFailure>) {
    if stub.timeout {
        return (timeout, Err(ToolFailure::TimedOut));
    }
    if stub.unreachable {
        return (ANSWER_TIME, Err(ToolFailure::Unreachable("the test says so".to_owned())));
    }
    let body = stub.body.as_ref().map(|body| body.to_string()).unwrap_or_default();
    (ANSWER_TIME, Ok(ToolAnswer { status: stub.status.unwrap_or(200), body }))
}
