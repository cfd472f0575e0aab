//! What a comparison found: the data that the JSON of `offhook compare --json` and the HTML report are made of.
//!
//! Times of a call are milliseconds from its beginning, as in `offhook bundle show`; lengths of time are microseconds, as
//! in turn ledgers. Lists without content are written as empty lists, never left out. A reader refuses a `version` that it does
//! not know; members are only ever added within one.

use std::collections::BTreeMap;

use offhook_call_control::{Segment, Speaker};
use serde::{Deserialize, Serialize};

/// The version of the JSON that this build writes.
pub const COMPARISON_VERSION: u32 = 1;

/// Side a against side b, call by call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`COMPARISON_VERSION`].
    pub version: u32,
    /// The build that compared.
    pub build: String,
    /// What is compared with: the recordings, or another bot.
    pub a: SideLabel,
    /// What is judged: another bot, other settings, this build, or another server's recordings.
    pub b: SideLabel,
    /// All calls together.
    pub totals: Totals,
    /// The rules of `--fail-on`, in the order in which they were given.
    pub rules: Vec<RuleResult>,
    /// In the order of the calls' files.
    pub calls: Vec<CallComparison>,
    /// Calls that could not be compared, and why.
    pub not_compared: Vec<NotCompared>,
}

/// What a side is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideLabel {
    /// For headlines: `recorded`, `new.yaml, end_of_speech=500ms`.
    pub label: String,
    /// The calls as they were recorded; otherwise they were played again.
    pub is_recorded: bool,
    /// The bot file that took the calls instead.
    pub bot: Option<String>,
    /// What was set otherwise, as `key=value`.
    pub settings: Vec<String>,
}

/// One call on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallComparison {
    /// Counts the calls of the comparison, from 1.
    pub number: usize,
    /// The call's id; side a's where they differ.
    pub call_id: String,
    /// The bundle of side a.
    pub file: String,
    /// The bundle of side b, where that is another.
    pub file_b: Option<String>,
    /// Who called (user part of From).
    pub caller: String,
    /// Whom (user part of the Request-URI).
    pub called: String,
    /// When it began on side a, Unix time in milliseconds.
    pub started_unix_ms: i64,
    /// What of the call is not the same, in the order of [`Aspect`]'s variants. Empty: nothing that is compared.
    pub changed: Vec<Aspect>,
    /// Where the conversations first differ: a state, something said, understood, asked or done.
    pub first_difference: Option<FirstDifference>,
    /// What was said on both sides, aligned word by word.
    pub transcript: Vec<Row>,
    /// How many words that are.
    pub words: Words,
    /// The turns of both sides, those that belong together side by side.
    pub turns: Vec<TurnPair>,
    /// Side a alone.
    pub a: CallSide,
    /// Side b alone.
    pub b: CallSide,
}

/// Something of a call that can be the same or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// What the call was good for.
    Outcome,
    /// Why it ended.
    Cause,
    /// Any word, by any speaker.
    Transcript,
    /// The states, or their order.
    States,
    /// The values that slots had at the end.
    Slots,
    /// Transfers and how they ended.
    Transfers,
    /// What business systems were asked, and whether they answered.
    Tools,
    /// How often the caller interrupted.
    BargeIns,
    /// A turn that only one side has, or one of which a segment differs by more than a tick.
    Turns,
}

/// One side of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallSide {
    /// The bot that took it.
    pub bot: String,
    /// Hash of its file.
    pub bot_version: String,
    /// Why the call ended, as in records; `None` where it was not played to its end, or runs still.
    pub cause: Option<String>,
    /// What it was good for; `None` where the bot says nothing of it.
    pub outcome: Option<String>,
    /// Why it was not played to its end: outcome, cause and the rest are then not known.
    pub unfinished: Option<String>,
    /// Where a call that was played again left its recording. It may do so in its timing only.
    pub departure: Option<DepartureNote>,
    /// What is to be known of how it was played.
    pub notes: Vec<String>,
    /// From the answer to the end, or to the last sign of life.
    pub talk_ms: u64,
    /// The states the bot went through.
    pub states: Vec<StateNote>,
    /// The last value of each slot.
    pub slots: BTreeMap<String, String>,
    /// The intents that were understood, in order.
    pub intents: Vec<String>,
    /// Keys that were pressed.
    pub keys: String,
    /// How often the caller was understood.
    pub understood: u32,
    /// How often the caller was not understood.
    pub no_match: u32,
    /// How often the caller said nothing.
    pub no_input: u32,
    /// How often the caller interrupted.
    pub barge_ins: Vec<BargeInNote>,
    /// Transfers that came to an end.
    pub transfers: Vec<TransferNote>,
    /// Business systems that were asked.
    pub tools: Vec<ToolNote>,
    /// What was used of engines and business systems.
    pub costs: Costs,
    /// What could be heard; only where a report wants it.
    pub sound: Option<Sound>,
}

/// The bot entered a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateNote {
    /// When.
    pub at_ms: u64,
    /// Its name.
    pub state: String,
}

/// The caller interrupted the bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BargeInNote {
    /// When.
    pub at_ms: u64,
    /// How much of the utterance had been heard.
    pub played_ms: u64,
}

/// A transfer came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferNote {
    /// When.
    pub at_ms: u64,
    /// To whom.
    pub target: String,
    /// Why it failed; `None` = it succeeded.
    pub failure: Option<String>,
}

/// A business system was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolNote {
    /// When it had answered, or had not.
    pub at_ms: u64,
    /// Its name in the bot file.
    pub tool: String,
    /// The HTTP status that came.
    pub status: Option<u16>,
    /// Why none came.
    pub error: Option<String>,
}

/// Where a call that was played again left its recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepartureNote {
    /// When.
    pub at_ms: u64,
    /// Where in the conversation: turn, state, the words before.
    pub place: String,
    /// What differs.
    pub what: String,
    /// What the recording has.
    pub recorded: String,
    /// What came instead.
    pub now: String,
}

/// Where two conversations first differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstDifference {
    /// When on side a; `None` where that has nothing more.
    pub a_ms: Option<u64>,
    /// When on side b; `None` where that has nothing more.
    pub b_ms: Option<u64>,
    /// The state in which both were.
    pub state: Option<String>,
    /// What side a does there: `bot: One moment, please.`, `state: menu`; `nothing more`.
    pub a: String,
    /// What side b does there.
    pub b: String,
}

/// What was used of engines and business systems. Prices are the reader's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// Characters handed to a synthesizer; recorded prompts are none. `None` where the bundle does not hold requests.
    pub synthesized_characters: Option<u64>,
    /// Seconds of audio in utterances handed to a recognizer. `None` as above.
    pub recognizer_seconds: Option<f64>,
    /// Requests to business systems.
    pub tool_calls: u64,
    /// Those of them that no answer came to.
    pub tool_failures: u64,
}

/// What could be heard, as loudness over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sound {
    /// How long a bin is.
    pub bin_ms: u64,
    /// The caller, as received: two hexadecimal digits for each bin, the peak of 16-bit samples divided by 128
    /// (`00` silent, `ff` full scale).
    pub caller: String,
    /// The bot, as sent, in the same way.
    pub bot: String,
}

/// A stretch of the aligned transcripts: one speaker, at most one line of each side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Who.
    pub speaker: Speaker,
    /// When side a's line was said; `None` where that has none here.
    pub a_ms: Option<u64>,
    /// When side b's line was said; `None` where that has none here.
    pub b_ms: Option<u64>,
    /// The words in order: side a reads those that are not added, side b those that are not removed.
    pub parts: Vec<Part>,
}

/// Words in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Who has them.
    pub kind: PartKind,
    /// The words.
    pub text: String,
}

/// Which side has some words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// Both.
    Same,
    /// Only side a.
    Removed,
    /// Only side b.
    Added,
}

/// How many words were said, and what became of them. A Chinese, Japanese or Korean character is a word; punctuation is
/// compared and not counted, nor is what an unfinished side has not come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// On side a.
    pub a: u64,
    /// On side b.
    pub b: u64,
    /// On both.
    pub same: u64,
    /// Words of side a in whose place side b has another.
    pub replaced: u64,
    /// Words that side b lacks.
    pub removed: u64,
    /// Words that side a lacks.
    pub added: u64,
}

/// A turn of side a and the one of side b that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnPair {
    /// `None` where side b has one more.
    pub a: Option<Turn>,
    /// `None` where side a has one more.
    pub b: Option<Turn>,
    /// Only one side has it, or a segment differs by more than a tick.
    pub changed: bool,
}

/// One turn: from the caller's last packet of speech to the bot's first audible one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Counts the turns of its side, from 1.
    pub number: usize,
    /// When the caller had ended.
    pub began_ms: u64,
    /// The silence as a whole.
    pub micros: u64,
    /// Where it went; contiguous, in order of time.
    pub segments: Vec<Segment>,
    /// Where the caller talked (or keyed) into the bot: until that could not be heard any more.
    pub barge_in_micros: Option<u64>,
}

/// A call that could not be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCompared {
    /// Its bundle.
    pub file: String,
    /// Its id, where that could be read.
    pub call_id: Option<String>,
    /// Why.
    pub reason: String,
}

/// All calls together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Calls that were compared.
    pub calls: u64,
    /// Calls that could not be compared.
    pub not_compared: u64,
    /// Calls that side b did not play to their end.
    pub unfinished: u64,
    /// Calls of side b that left their recording, were it in timing only.
    pub departed: u64,
    /// Calls of which anything but the timing of turns is not the same.
    pub changed: u64,
    /// How many calls changed in each aspect; aspects that none changed in are absent.
    pub changed_in: BTreeMap<Aspect, u64>,
    /// Pairs of turns, and turns without a counterpart.
    pub turns: u64,
    /// Those of them that changed.
    pub turns_changed: u64,
    /// The words of all transcripts.
    pub words: Words,
    /// Side a alone.
    pub a: SideTotals,
    /// Side b alone.
    pub b: SideTotals,
}

/// One side of all calls together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideTotals {
    /// From answer to end.
    pub talk_ms: u64,
    /// The silence before the bot answers.
    pub turn: Distribution,
    /// Its segments, in order of time.
    pub segments: Vec<SegmentDistribution>,
    /// From the caller's first packet of speech into the bot to the bot's silence.
    pub barge_in: Distribution,
    /// How often callers interrupted.
    pub barge_ins: u64,
    /// Utterances that were understood.
    pub understood: u64,
    /// Utterances that were not.
    pub no_match: u64,
    /// How often callers said nothing.
    pub no_input: u64,
    /// Transfers that succeeded.
    pub transfers: u64,
    /// Transfers that failed.
    pub transfers_failed: u64,
    /// Calls by what they were good for; `none` where the bot says nothing of it, `not known` where it is unfinished.
    pub outcomes: BTreeMap<String, u64>,
    /// Calls by why they ended; `not known` where one is unfinished.
    pub causes: BTreeMap<String, u64>,
    /// What was used. `None` for what not every bundle holds.
    pub costs: Costs,
}

/// How lengths of time are spread. Percentiles are of the nearest rank: values that were measured, nothing between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// How many.
    pub count: u64,
    /// The median, in microseconds; 0 where there is none, as all below.
    pub p50: u64,
    /// 95 of 100 are not longer.
    pub p95: u64,
    /// 99 of 100 are not longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

/// How one segment of the turns is spread. Turns that lack the segment are not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentDistribution {
    /// Its name in turn ledgers.
    pub name: String,
    /// Its lengths.
    pub micros: Distribution,
}

/// What a rule of `--fail-on` said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleResult {
    /// The rule as it was written.
    pub rule: String,
    /// It fired: the comparison fails.
    pub fired: bool,
    /// What was found, in words: `turn_p95 is 1020 ms, recorded 980 ms`.
    pub found: String,
    /// The calls that made it fire, worst first, at most [`RuleResult::MOST_CALLS`].
    pub calls: Vec<RuleCall>,
    /// Further calls that made it fire.
    pub more_calls: u64,
}

impl RuleResult {
    /// More calls than these are only counted.
    pub const MOST_CALLS: usize = 100;
}

/// A call that made a rule fire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCall {
    /// Its id, where that could be read.
    pub call_id: Option<String>,
    /// Its bundle.
    pub file: String,
    /// What of it: `turn 3 takes 1020 ms`, `recorded sold, now none`.
    pub why: String,
}
