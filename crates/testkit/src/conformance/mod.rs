//! What every engine owes a call, whichever it is: the same tests for all of them.
//!
//! [`check_recognizer`] and [`check_synthesizer`] panic with the sentence that is broken. They run against real time
//! and real processes, so each waits no longer than its probe allows.

mod recognizer;
mod synthesizer;

pub use recognizer::{RecognizerProbe, check_recognizer};
pub use synthesizer::{SynthesizerProbe, check_synthesizer};

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use offhook_engine_api::EventSink;

/// How long an engine is watched that should stay silent.
const SILENCE: Duration = Duration::from_millis(300);

/// The longest a call into an engine may take. The contract is 1 ms; the median of many calls must keep it, a single
/// one may meet the scheduler of a busy machine.
const LONGEST_MEDIAN: Duration = Duration::from_millis(1);

fn sink<E: Send + 'static>() -> (EventSink<E>, Receiver<E>) {
    let (events, received) = channel();
    let events = EventSink::new(move |event| {
        // The test may be over already.
        let _ = events.send(event);
    });
    (events, received)
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort();
    durations.get(durations.len() / 2).copied().unwrap_or_default()
}
