//! The shape of a bot file. Only what serde needs; what it means is in `check` and `conversation`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::barge_in::BargeInFile;
use super::place::At;
use super::short::{OneOrMany, Short};
use super::span::Span;
use crate::BargeIn;

pub(crate) type Named<T> = BTreeMap<At<String>, T>;
pub(crate) type Say = OneOrMany<At<Short<LineFile>>>;
pub(crate) type Ladder = Vec<At<Rung>>;

/// A bot.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BotFile {
    /// Name of the bot.
    pub bot: At<String>,
    /// BCP 47 tag of what it speaks and hears.
    #[serde(default = "english")]
    pub language: At<String>,
    /// Voice by the synthesizer's name.
    pub voice: Option<String>,
    /// The first state.
    pub start: At<String>,
    /// Names that the server's configuration gives a value, with a default or nothing (`~`).
    #[serde(default)]
    pub config: Named<Option<String>>,
    /// Variables and what they are at first.
    #[serde(default)]
    pub variables: Named<Option<serde_json::Value>>,
    /// Turn-taking.
    #[serde(default)]
    pub turn: Turn,
    /// What callers mean, and how they say it.
    #[serde(default)]
    pub intents: Named<Vec<At<String>>>,
    /// Typed values that callers give.
    #[serde(default)]
    pub slots: Named<SlotFile>,
    /// Prompts that are used in several places.
    #[serde(default)]
    pub prompts: Named<Say>,
    /// HTTP requests.
    #[serde(default)]
    pub tools: Named<ToolFile>,
    /// Where calls may be transferred to.
    #[serde(default)]
    pub targets: Named<TargetFile>,
    /// What is understood in every state that listens.
    #[serde(default)]
    pub anywhere: Anywhere,
    /// What to do when the caller is silent, in states that do not say.
    pub no_input: Option<At<Ladder>>,
    /// What to do when the caller is not understood, in states that do not say.
    pub no_match: Option<At<Ladder>>,
    /// Where to go when an engine or the bot itself fails; without it the call ends with an apology.
    pub on_failure: Option<At<String>>,
    /// The states.
    pub states: Named<StateFile>,
    /// Dialogues that `offhook bot test` plays.
    #[serde(default)]
    pub tests: Vec<At<TestFile>>,
}

fn english() -> At<String> {
    At { value: "en".to_owned(), place: Default::default() }
}

/// Turn-taking.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Turn {
    /// Silence that ends the caller's turn.
    pub end_of_speech: Span,
    /// Silence after the last prompt that counts as no input.
    pub no_input_after: Span,
    /// The longest utterance; longer is not understood.
    pub max_speech: Span,
    /// Silence between two keys that ends an answer.
    pub between_keys: Span,
    /// Below it a result counts as not understood (0..1).
    pub min_confidence: f32,
    /// What may interrupt prompts that do not say.
    pub barge_in: BargeInFile,
    /// The most turns of a call.
    pub max_turns: u32,
}

impl Default for Turn {
    fn default() -> Self {
        use std::time::Duration;

        Turn {
            end_of_speech: Span(Duration::from_millis(700)),
            no_input_after: Span(Duration::from_secs(6)),
            max_speech: Span(Duration::from_secs(20)),
            between_keys: Span(Duration::from_secs(3)),
            min_confidence: 0.0,
            barge_in: BargeInFile(BargeIn::ANY),
            max_turns: 100,
        }
    }
}

/// A prompt with more than its text.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LineFile {
    /// What to say: a template.
    pub text: Option<At<String>>,
    /// A recording by its name.
    pub recording: Option<At<String>>,
    /// One of `prompts:`.
    pub prompt: Option<At<String>>,
    /// One of these, by chance.
    pub one_of: Vec<At<String>>,
    /// Only if this holds.
    #[serde(rename = "if")]
    pub condition: Option<At<String>>,
    /// What may interrupt it.
    pub barge_in: Option<BargeInFile>,
    /// BCP 47 tag where it is not the bot's.
    pub language: Option<String>,
    /// Voice where it is not the bot's.
    pub voice: Option<String>,
}

/// Where to go next: a state's name, or more.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GoFile {
    /// The next state.
    pub goto: Option<At<String>>,
    /// Say the state's prompts again instead.
    pub repeat: bool,
    /// Said on the way.
    pub say: Say,
    /// Variables and the expressions that give their values.
    pub set: Named<At<String>>,
}

pub(crate) type Go = At<Short<GoFile>>;

/// One step of a ladder.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rung {
    /// Said first.
    pub say: Say,
    /// Then the state's own prompts again.
    pub repeat: bool,
    /// Leave the state.
    pub goto: Option<At<String>>,
    /// End the call.
    pub hang_up: bool,
}

/// A typed value.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SlotFile {
    /// So many digits.
    pub digits: Option<At<Short<DigitsFile>>>,
    /// Yes or no; the variable is true or false.
    pub yes_no: bool,
    /// One of these values, each with its wordings.
    pub choice: Named<Vec<At<String>>>,
    /// Asks whether it was heard right; 1 and 2 are the keys for yes and no.
    pub confirm: Option<Say>,
    /// Said after a no, before the state asks again.
    pub rejected: Say,
    /// Said in place of the ladder's words when digits are too few or too many.
    pub wrong_length: Option<Say>,
    /// How many times a no may be answered.
    pub attempts: Option<u32>,
    /// Keep the value out of events.
    pub sensitive: bool,
    /// Record the value nowhere, nor what is said and keyed where it is asked for. Only for digits.
    pub masked: bool,
}

/// How many digits.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DigitsFile {
    /// Fewest.
    pub min: u8,
    /// Most.
    pub max: u8,
}

/// An HTTP request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolFile {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    #[serde(default = "get")]
    pub method: At<String>,
    /// A template; what it inserts is percent-encoded, values from `config` are not.
    pub url: At<String>,
    /// Templates by header name.
    #[serde(default)]
    pub headers: Named<At<String>>,
    /// A template, or a structure with templates that is sent as JSON.
    pub body: Option<At<serde_json::Value>>,
    /// How long to wait.
    #[serde(default = "three_seconds")]
    pub timeout: Span,
}

fn get() -> At<String> {
    At { value: "GET".to_owned(), place: Default::default() }
}

fn three_seconds() -> Span {
    Span(std::time::Duration::from_secs(3))
}

/// A transfer target.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TargetFile {
    /// SIP or tel URI; without it the server's configuration knows the name.
    pub uri: Option<At<String>>,
    /// How long it may ring.
    pub ring_time: Option<Span>,
}

/// What is understood in every state that listens.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Anywhere {
    /// By intent.
    pub intents: Named<Go>,
    /// By key.
    pub keys: Named<Go>,
}

/// A state: `set`, `say` and `when` in this order, then exactly one of the rest.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StateFile {
    /// Variables and the expressions that give their values.
    pub set: Named<At<String>>,
    /// What the bot says.
    pub say: Say,
    /// Record nothing that the caller says or keys here. A state that fills a masked slot is masked by itself.
    pub masked: Option<At<bool>>,
    /// What the call was good for, for the record.
    pub outcome: Option<At<String>>,
    /// The first condition that holds decides the next state.
    pub when: Vec<At<Branch>>,
    /// Wait for the caller.
    pub listen: Option<At<Listen>>,
    /// Send an HTTP request.
    pub call: Option<At<CallFile>>,
    /// Transfer the call.
    pub transfer: Option<At<TransferFile>>,
    /// The next state.
    pub goto: Option<At<String>>,
    /// End the call after what was said.
    pub hang_up: bool,
}

/// A conditional way out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Branch {
    /// The condition.
    #[serde(rename = "if")]
    pub condition: At<String>,
    /// The next state.
    pub goto: At<String>,
}

/// What a state waits for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Listen {
    /// By intent.
    pub intents: Named<Go>,
    /// After yes; the key 1 means it too where the state has no keys of its own.
    pub yes: Option<Go>,
    /// After no; the key 2 means it too where the state has no keys of its own.
    pub no: Option<Go>,
    /// By key.
    pub keys: Named<Go>,
    /// The slot to fill, by voice or by keys.
    pub slot: Option<At<String>>,
    /// Where to go once it is filled and confirmed.
    pub filled: Option<Go>,
    /// Where to go when it was rejected too often.
    pub given_up: Option<Go>,
    /// Words that are likely here, for recognizers that take hints.
    pub hints: Vec<String>,
    /// What to do when the caller is silent.
    pub no_input: Option<At<Ladder>>,
    /// What to do when the caller is not understood.
    pub no_match: Option<At<Ladder>>,
    /// Silence that ends the caller's turn.
    pub end_of_speech: Option<Span>,
    /// Silence after the last prompt that counts as no input.
    pub no_input_after: Option<Span>,
}

/// An HTTP request and what its answer means. Expressions see `answer.status` and `answer.body`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallFile {
    /// One of `tools:`.
    pub tool: At<String>,
    /// Variables from an answer with a 2xx status.
    #[serde(default)]
    pub set: Named<At<String>>,
    /// After a 2xx status.
    pub answered: Go,
    /// After other statuses.
    #[serde(default)]
    pub on_status: Named<Go>,
    /// After any other answer, or none.
    pub on_error: Go,
    /// After no answer in time, where that differs.
    pub on_timeout: Option<Go>,
}

/// A transfer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransferFile {
    /// One of `targets:`, or several that are tried in order.
    pub to: OneOrMany<At<String>>,
    /// After the last one failed; `transfer.cause` and `transfer.status` say why.
    pub on_failed: Go,
}

/// A dialogue.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestFile {
    /// What it shows.
    pub name: String,
    /// User part of the caller's address.
    #[serde(default)]
    pub caller: String,
    /// The caller's display name.
    #[serde(default)]
    pub caller_name: String,
    /// When the call comes in, such as `2026-01-05 10:00`; without it, this Monday at ten.
    pub time: Option<At<String>>,
    /// Values for `config`.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Answers of tools, in order; the last one repeats.
    #[serde(default)]
    pub tools: Named<OneOrMany<At<StubFile>>>,
    /// Outcomes of transfers: `succeeded`, or a cause such as `busy`.
    #[serde(default)]
    pub transfers: Named<String>,
    /// What is said and what must be seen.
    pub dialogue: Vec<At<TestStep>>,
}

/// The answer of a tool in a test.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StubFile {
    /// HTTP status.
    pub status: Option<u16>,
    /// The body, sent as JSON.
    pub body: Option<serde_json::Value>,
    /// No answer in time.
    pub timeout: bool,
    /// No connection.
    pub unreachable: bool,
}

/// One line of a dialogue.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TestStep {
    /// The bot's words since the caller's last line contain this.
    Bot(String),
    /// The bot's words since the caller's last line do not contain this.
    BotNever(String),
    /// The caller says this after the bot has finished.
    Caller(String),
    /// The caller says this while the bot still speaks.
    Interrupts(String),
    /// The caller presses these keys.
    Keys(String),
    /// The caller says nothing until the bot reacts.
    Silence,
    /// The caller makes a sound that no recognizer understands.
    Unclear,
    /// The caller hangs up.
    HangsUp,
    /// The bot is in this state.
    State(String),
    /// Slots and variables have these values.
    Variables(BTreeMap<String, serde_json::Value>),
    /// This tool was called and its URL contains this text.
    Called(BTreeMap<String, String>),
    /// The call was transferred to this target.
    TransferredTo(String),
    /// The record says the call was good for this.
    Outcome(String),
    /// The bot has hung up, or has not.
    Ended(bool),
}
