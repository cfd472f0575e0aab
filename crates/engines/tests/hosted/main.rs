//! Native engines in child processes: this program is the parent of the tests and, as `engine-host`, the child.
//!
//! Says what it skips and why where a library is not installed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::type_complexity,
    reason = "a test program with a main of its own"
)]

mod audio;
mod crashes;
mod recognition;
mod speech;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use offhook_engine_api::EventSink;
use offhook_engines::host::{HostConfig, HostPool, HostStatus, NativeEngine, run_engine_host_on_stdio};

const WAIT: Duration = Duration::from_secs(10);

/// Tests by name; each says whether it ran.
const TESTS: [(&str, fn() -> Ran); 13] = [
    ("pocketsphinx conforms", recognition::conforms),
    (
        "phrases are recognized over a telephone band",
        recognition::phrases_are_recognized_over_a_telephone_band,
    ),
    ("digits and answers are recognized", recognition::digits_and_answers_are_recognized),
    ("what is outside the grammar is a no-match", recognition::what_is_outside_the_grammar_is_a_no_match),
    ("held-out sentences are no-matches", recognition::held_out_sentences_are_no_matches),
    ("the onset before the start counts", recognition::the_onset_before_the_start_counts),
    ("a result comes at once and recognition is cheap", recognition::a_result_comes_at_once_and_is_cheap),
    ("flite conforms", speech::conforms),
    ("a long text starts early in every voice", speech::a_long_text_starts_early_in_every_voice),
    ("a recognizer survives its process", crashes::a_recognizer_survives_its_process),
    ("speech survives its process", crashes::speech_survives_its_process),
    ("what cannot start or hangs is told", crashes::what_cannot_start_or_hangs_is_told),
    ("a process that idled is not taken for hung", crashes::a_process_that_idled_is_not_taken_for_hung),
];

#[derive(PartialEq)]
enum Ran {
    Yes,
    Skipped(String),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, _, engine] = &arguments[..]
        && command == "engine-host"
        && let Some(engine) = NativeEngine::from_name(engine)
    {
        return match run_engine_host_on_stdio(engine) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let mut failed = 0;
    for (name, test) in TESTS {
        if filter.is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        let began = Instant::now();
        let result = match catch_unwind(AssertUnwindSafe(test)) {
            Ok(Ran::Yes) => "ok".to_owned(),
            // In the gate nothing is skipped: what nobody looked at does not hold.
            Ok(Ran::Skipped(why)) if is_gate() => {
                failed += 1;
                format!("FAILED, it cannot run: {why}")
            }
            Ok(Ran::Skipped(why)) => format!("skipped: {why}"),
            Err(_) => {
                failed += 1;
                "FAILED".to_owned()
            }
        };
        println!("test {name} ... {result} ({:.1} s)", began.elapsed().as_secs_f64());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether this run decides what goes in (`scripts/test.sh` says so).
fn is_gate() -> bool {
    std::env::var_os("OFFHOOK_GATE").is_some_and(|value| value == "1")
}

/// A warm pool of this very program, or why there is none.
fn pool(engine: NativeEngine, processes: usize) -> Result<Arc<HostPool>, Ran> {
    let mut config = HostConfig::new(std::env::current_exe().unwrap(), engine);
    config.processes = processes;
    let pool = HostPool::start(config).unwrap();
    match pool.wait_until_warm(WAIT) {
        HostStatus::Ready => Ok(pool),
        HostStatus::Starting => panic!("{} is not warm after {WAIT:?}", engine.name()),
        HostStatus::Failed(error) => Err(Ran::Skipped(error.to_string())),
    }
}

fn events<E: Send + 'static>() -> (EventSink<E>, Receiver<E>) {
    let (sender, events) = channel();
    let sink = EventSink::new(move |event| {
        let _ = sender.send(event);
    });
    (sink, events)
}
