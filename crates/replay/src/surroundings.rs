//! Who answers a call in virtual time where no recording does.

use std::time::Duration;

use offhook_audio::{AudioChunk, Frame};
use offhook_call_control::SpeakRequest;
use offhook_conversation::{ToolAnswer, ToolCall, ToolFailure};
use offhook_engine_api::{EngineError, Grammar, RecognizerEvent};
use serde::Serialize;

/// What stands around a call: engines, business systems, and the sound of a caller whose words are text.
///
/// The call's own time stands still while one of these runs: an implementation may take its time on the clock on the
/// wall, and says how long its answer takes in the call.
pub trait Surroundings {
    /// What the caller said in one utterance.
    fn recognize(&mut self, heard: &Heard<'_>) -> Answer<RecognizerEvent>;

    /// Speech of the bot.
    fn speak(&mut self, request: &SpeakRequest) -> Answer<Result<Vec<AudioChunk>, EngineError>>;

    /// A request of the bot to a business system.
    fn call_tool(&mut self, call: &ToolCall) -> Answer<Result<ToolAnswer, ToolFailure>>;

    /// Whether anybody answers requests to business systems at all.
    fn has_tools(&self) -> bool {
        true
    }

    /// How a caller sounds who says this: 8 kHz.
    fn voice_of_caller(&mut self, text: &str) -> Vec<i16>;
}

/// Who decides what a caller does, when it is the caller's turn.
pub trait Talker {
    /// The bot has said what it had to say and is quiet.
    fn turn(&mut self, so_far: &[Line]) -> Act;

    /// What is to be said of it at the end: what went wrong, for one.
    fn notes(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Who it is, for the account.
    fn name(&self) -> String;
}

/// What a caller does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Says this.
    Say(String),
    /// Presses these keys.
    Press(String),
    /// Waits, then is asked again.
    Wait(Duration),
    /// Ends the call.
    HangUp,
}

/// An utterance of the caller as the machine heard it.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// What the conversation awaits.
    pub grammar: &'a Grammar,
    /// The frames: some from before the onset of speech, then all of it, 16 kHz.
    pub frames: &'a [Frame],
    /// What was said, where the caller's words are text.
    pub said: Option<&'a str>,
}

/// An answer, how long it takes in the call, and who gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// What.
    pub what: T,
    /// From the question on, in the call's own time.
    pub took: Duration,
    /// By whom.
    pub by: String,
}

/// Something that was said or keyed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Seconds since the call began.
    pub at: f64,
    /// Who.
    pub who: Who,
    /// What: words, or keys.
    pub text: String,
}

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The caller, in words.
    Caller,
    /// The caller, by keys.
    Keys,
    /// The bot.
    Bot,
}

impl Who {
    /// As it stands before a line of a transcript.
    pub const fn word(self) -> &'static str {
        match self {
            Who::Caller => "caller",
            Who::Keys => "dtmf",
            Who::Bot => "bot",
        }
    }
}

/// What was asked of the surroundings and who answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answered {
    /// Seconds since the call began.
    pub at: f64,
    /// Of whom it was asked.
    pub asked: Asked,
    /// What was asked and answered, in words.
    pub what: String,
    /// Who answered.
    pub by: String,
    /// How long it took in the call.
    pub took_ms: u64,
}

/// Of whom something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// The recognizer.
    Recognizer,
    /// The synthesizer.
    Synthesizer,
    /// A business system.
    Tool,
    /// The far end: responses to our requests.
    FarEnd,
    /// The caller.
    Caller,
}

impl Asked {
    /// For people.
    pub const fn word(self) -> &'static str {
        match self {
            Asked::Recognizer => "recognizer",
            Asked::Synthesizer => "synthesizer",
            Asked::Tool => "tool",
            Asked::FarEnd => "far end",
            Asked::Caller => "caller",
        }
    }
}

/// A recognizer's result in words.
pub(crate) fn result_words(event: &RecognizerEvent) -> String {
    match event {
        RecognizerEvent::Final { text, .. } => format!("\"{text}\""),
        RecognizerEvent::NoMatch => "nothing that is awaited".to_owned(),
        RecognizerEvent::Failed(error) => format!("failed: {error}"),
        RecognizerEvent::Ready
        | RecognizerEvent::StartOfInput
        | RecognizerEvent::Partial { .. }
        | RecognizerEvent::AudioDropped { .. } => "no result".to_owned(),
    }
}

/// What a business system answered, in words.
pub(crate) fn outcome_words(call: &ToolCall, outcome: &Result<ToolAnswer, ToolFailure>) -> String {
    let told = match outcome {
        Ok(answer) => answer.status.to_string(),
        Err(ToolFailure::TimedOut) => "no answer in time".to_owned(),
        Err(ToolFailure::Unreachable(why) | ToolFailure::Refused(why)) => format!("failed: {why}"),
    };
    format!("{} {} {}: {told}", call.name, call.method, call.url)
}
