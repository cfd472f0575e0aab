//! The bot: bot files, states, slots, prompts and policies.
//!
//! Owns [`Bot`] (a checked bot file), [`Conversation`] (the state machine of one call), [`understand()`] (text to
//! intents and slots) and [`run_tests`] (the dialogues inside a bot file). It must not know SIP, RTP, engines or
//! audio: it takes [`Input`], gives [`Output`], and `call-control` translates. Start with [`Conversation`].

mod bot;
mod conversation;
mod expected;
mod input;
mod language;
mod numerals;
mod output;
mod rehearsal;
mod secret;
mod understand;

pub use bot::{Bot, BotError, BotErrors};
pub use conversation::{Conversation, MASKED_KEY};
pub use expected::{DtmfExpect, Expected, IntentPhrases, SlotKind};
pub use input::{CallFacts, Input, ToolAnswer, ToolFailure, TransferOutcome};
pub use language::Language;
pub use output::{
    BargeIn, Event, HangUpReason, NoMatchReason, OnSpeech, Output, Prompt, PromptContent, PromptId, ToolCall,
    ToolError, ToolId, ToolSecret, TransferCall, TransferId,
};
pub use rehearsal::{TestFailure, TestOutcome, TestReport, run_tests, run_tests_beside};
pub use secret::Secret;
pub use understand::{Understanding, understand};
