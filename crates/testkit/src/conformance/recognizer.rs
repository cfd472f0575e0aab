//! What every recognizer owes.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use offhook_audio::Frame;
use offhook_engine_api::{Grammar, Recognizer, RecognizerEngine, RecognizerEvent};

use super::{LONGEST_MEDIAN, SILENCE, median, sink};

/// What to say to a recognizer under test.
#[derive(Clone, Debug)]
pub struct RecognizerProbe {
    /// What is awaited.
    pub grammar: Grammar,
    /// An utterance, 20 ms a frame.
    pub speech: Vec<Frame>,
    /// What it says; none where the engine does not listen (a script).
    pub text: Option<String>,
    /// Another utterance of the same grammar and what it says, for two calls at once.
    pub other: Option<(Vec<Frame>, String)>,
    /// How long a result may take.
    pub patience: Duration,
}

/// Checks everything a call relies on. A `Final`, `NoMatch` and `Failed` are all results.
///
/// # Panics
/// Where the engine breaks the contract, with what is broken.
pub fn check_recognizer(engine: &dyn RecognizerEngine, probe: &RecognizerProbe) {
    each_finish_has_exactly_one_result(engine, probe);
    an_utterance_without_audio_has_a_result_too(engine, probe);
    audio_outside_utterances_says_nothing(engine, probe);
    push_audio_does_not_block(engine, probe);
    two_calls_do_not_mix(engine, probe);
    nothing_is_reported_after_the_end(engine, probe);
}

fn each_finish_has_exactly_one_result(engine: &dyn RecognizerEngine, probe: &RecognizerProbe) {
    let mut call = Call::open(engine, probe);
    for turn in 0..3 {
        call.say(&probe.speech);
        let result = call.result(probe);
        match (&probe.text, &result) {
            (Some(expected), RecognizerEvent::Final { text, .. }) => {
                assert_eq!(text, expected, "{}: turn {turn} is misheard", engine.name());
            }
            (Some(expected), other) => {
                panic!("{}: turn {turn} was {expected:?}, the result {other:?}", engine.name());
            }
            (None, _) => {}
        }
    }
    call.is_silent("a finish has more than one result");
}

fn an_utterance_without_audio_has_a_result_too(engine: &dyn RecognizerEngine, probe: &RecognizerProbe) {
    let mut call = Call::open(engine, probe);
    call.say(&[]);
    call.result(probe);
    call.recognizer.finish_utterance();
    call.result(probe);
    call.is_silent("an empty utterance has more than one result");
}

fn audio_outside_utterances_says_nothing(engine: &dyn RecognizerEngine, probe: &RecognizerProbe) {
    let mut call = Call::open(engine, probe);
    probe.speech.iter().for_each(|frame| call.recognizer.push_audio(frame));
    call.is_silent("audio outside an utterance has a result");
}

fn push_audio_does_not_block(engine: &dyn RecognizerEngine, probe: &RecognizerProbe) {
    let mut call = Call::open(engine, probe);
    call.recognizer.start_utterance();
    // Ten times as fast as a caller speaks for ten seconds: an engine that falls behind drops.
    let times: Vec<Duration> = (0..500)
        .map(|n| {
            if n % 10 == 0 {
                std::thread::sleep(Duration::from_millis(20));
            }
            let frame = probe.speech[n % probe.speech.len()];
            let before = Instant::now();
            call.recognizer.push_audio(&frame);
            before.elapsed()
        })
        .collect();
    call.recognizer.finish_utterance();

    let median = median(times);
    assert!(median <= LONGEST_MEDIAN, "{}: push_audio takes {median:?}", engine.name());
    call.result(&RecognizerProbe { patience: probe.patience * 5, ..probe.clone() });
}

fn two_calls_do_not_mix(engine: &dyn RecognizerEngine, probe: &RecognizerProbe) {
    let Some((other_speech, other_text)) = &probe.other else { return };
    let mut first = Call::open(engine, probe);
    let mut second = Call::open(engine, probe);
    first.recognizer.start_utterance();
    second.recognizer.start_utterance();
    for n in 0..probe.speech.len().max(other_speech.len()) {
        if let Some(frame) = probe.speech.get(n) {
            first.recognizer.push_audio(frame);
        }
        if let Some(frame) = other_speech.get(n) {
            second.recognizer.push_audio(frame);
        }
        std::thread::sleep(Duration::from_millis(4));
    }
    second.recognizer.finish_utterance();
    first.recognizer.finish_utterance();

    let heard = [first.result(probe), second.result(probe)].map(|event| match event {
        RecognizerEvent::Final { text, .. } => Some(text),
        RecognizerEvent::Ready
        | RecognizerEvent::StartOfInput
        | RecognizerEvent::Partial { .. }
        | RecognizerEvent::NoMatch
        | RecognizerEvent::AudioDropped { .. }
        | RecognizerEvent::Failed(_) => None,
    });
    assert_eq!(heard, [probe.text.clone(), Some(other_text.clone())], "{}: calls mix", engine.name());
}

fn nothing_is_reported_after_the_end(engine: &dyn RecognizerEngine, probe: &RecognizerProbe) {
    let mut call = Call::open(engine, probe);
    call.recognizer.start_utterance();
    probe.speech.iter().for_each(|frame| call.recognizer.push_audio(frame));
    let events = call.events;
    drop(call.recognizer);
    // What was on its way when the call ended.
    std::thread::sleep(SILENCE);
    while events.try_recv().is_ok() {}

    let late = events.recv_timeout(SILENCE).ok();
    assert_eq!(late, None, "{}: a session that was dropped still reports", engine.name());
}

struct Call {
    name: String,
    recognizer: Box<dyn Recognizer>,
    events: Receiver<RecognizerEvent>,
}

impl Call {
    fn open(engine: &dyn RecognizerEngine, probe: &RecognizerProbe) -> Call {
        let (sink, events) = sink();
        let mut recognizer = match engine.open(16_000, sink) {
            Ok(recognizer) => recognizer,
            Err(error) => panic!("{} does not open: {error}", engine.name()),
        };
        recognizer.set_grammar(&probe.grammar);
        Call { name: engine.name().to_owned(), recognizer, events }
    }

    /// Speaks five times as fast as a caller.
    fn say(&mut self, speech: &[Frame]) {
        self.recognizer.start_utterance();
        for frame in speech {
            self.recognizer.push_audio(frame);
            std::thread::sleep(Duration::from_millis(4));
        }
        self.recognizer.finish_utterance();
    }

    fn result(&self, probe: &RecognizerProbe) -> RecognizerEvent {
        let deadline = Instant::now() + probe.patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) if is_result(&event) => return event,
                Ok(_) => {}
                Err(_) => panic!("{}: no result within {:?}", self.name, probe.patience),
            }
        }
    }

    fn is_silent(&self, broken: &str) {
        let deadline = Instant::now() + SILENCE;
        while let Ok(event) = self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            assert!(!is_result(&event), "{}: {broken}: {event:?}", self.name);
        }
    }
}

fn is_result(event: &RecognizerEvent) -> bool {
    match event {
        RecognizerEvent::Final { .. } | RecognizerEvent::NoMatch | RecognizerEvent::Failed(_) => true,
        RecognizerEvent::Ready
        | RecognizerEvent::StartOfInput
        | RecognizerEvent::Partial { .. }
        | RecognizerEvent::AudioDropped { .. } => false,
    }
}
