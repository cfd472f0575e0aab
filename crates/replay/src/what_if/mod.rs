//! What would have happened: both halves together in one thread, with something changed.
//!
//! [`follow`](stage) feeds the recording as long as both halves do what they did; at the point of departure
//! [`leave`](leave) takes over: the caller's packets and keys keep their moments, recognizer, synthesizer, business
//! systems and the far end answer as they did where they were asked the same. What nobody was asked then is not invented.

mod known;
mod leave;
mod live;
mod script;
mod stage;

use std::time::Duration;

use offhook_call_control::{CallEvent, CallRecord, Fact};
use offhook_journal::bundle::{Bundle, OutputBody};
use offhook_time::Half;
use serde::Serialize;

use crate::compare::{Levels, Tally};
use crate::surroundings::Answered;
use crate::{CallHead, Changes, Departure, HeadError, decode_fact};
pub use live::Helpers;
use stage::Stage;

/// What to do where the recording has no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beyond {
    /// Stop and say so.
    #[default]
    Stop,
    /// Nobody answers: time-outs take their course.
    TimeOut,
}

/// Why a call cannot be played again.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The bundle does not say what the call was run with.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// A step is of another version.
    #[error(
        "step {0} of the recording cannot be read by this build: replay it with the build that the bundle names"
    )]
    Step(u64),
}

/// What happened instead.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlayReport {
    /// The call.
    pub call_id: String,
    /// The point at which the conversation left the recording; `None` where it never did.
    pub departure: Option<Departure>,
    /// Why it was not played to its end.
    pub stopped: Option<String>,
    /// What was taken from the recording although something else was asked, and what nobody answered.
    pub notes: Vec<String>,
    /// What was asked from the point of departure on, and who answered.
    pub answered: Vec<Answered>,
    /// How long it lasted, in virtual time.
    pub lasted: Duration,
    /// The record then.
    pub recorded: CallRecord,
    /// The record now.
    pub played: CallRecord,
    /// The event log now.
    pub facts: Vec<Fact>,
    /// What was used of engines now.
    #[serde(skip)]
    pub(crate) tally: Tally,
    /// How loud the bot was now.
    #[serde(skip)]
    pub(crate) sent: Levels,
}

impl PlayReport {
    /// Numbers of the turns (from 1) whose ledgers differ by more than `tolerance` in any segment, or that only one side
    /// has.
    pub fn changed_turns(&self, tolerance: Duration) -> Vec<usize> {
        let (then, now) = (&self.recorded.turns, &self.played.turns);
        let most = tolerance.as_micros() as u64;
        let same = |at: usize| {
            let (Some(one), Some(other)) = (then.get(at), now.get(at)) else { return false };
            let (one, other) = (&one.ledger.segments, &other.ledger.segments);
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| one.name == other.name && one.micros.abs_diff(other.micros) <= most)
        };
        (0..then.len().max(now.len())).filter(|at| !same(*at)).map(|at| at + 1).collect()
    }
}

/// Plays a call again with something changed.
///
/// # Errors
/// The bundle does not say what the call was run with, or is of another version.
pub fn play(bundle: &Bundle, changes: &Changes, beyond: Beyond) -> Result<PlayReport, PlayError> {
    play_with(bundle, changes, beyond, Helpers::default())
}

/// [`play`], with somebody who answers where the recording does not: engines, business systems, another caller.
///
/// # Errors
/// As [`play`].
pub fn play_with(
    bundle: &Bundle,
    changes: &Changes,
    beyond: Beyond,
    helpers: Helpers<'_>,
) -> Result<PlayReport, PlayError> {
    let head = CallHead::from_meta(&bundle.meta)?;
    let steps = script::script(bundle).map_err(PlayError::Step)?;
    let mut recorded = CallRecord::default();
    for output in bundle.outputs(Half::Control) {
        if let OutputBody::Whole(bytes) = &output.body
            && let Some(fact) = decode_fact(bytes)
        {
            recorded.apply(&fact);
        }
    }
    // Both live as long as the stage, no longer.
    let Helpers { around, caller } = helpers;
    let helpers =
        Helpers { around: around.map(|around| around as _), caller: caller.map(|caller| caller as _) };
    let live = live::Live::new(helpers);
    let mut stage = Stage::new(bundle, &head, changes, beyond, &steps, live).map_err(HeadError::from)?;
    if let Some(ran) = stage.follow() {
        stage.leave(ran);
    }
    let mut report = stage.finish(recorded);
    report.call_id.clone_from(&head.control.call_id);
    Ok(report)
}

/// Whether a fact is the last of a call.
pub(crate) fn is_end(fact: &Fact) -> bool {
    matches!(fact.event, CallEvent::CallEnded { .. })
}
