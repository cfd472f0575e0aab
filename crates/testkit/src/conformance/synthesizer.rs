//! What every synthesizer owes.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use offhook_engine_api::{Synthesizer, SynthesizerEngine, SynthesizerEvent, UtteranceId, Voice};

use super::{LONGEST_MEDIAN, SILENCE, median, sink};

/// What to ask of a synthesizer under test.
#[derive(Clone, Debug)]
pub struct SynthesizerProbe {
    /// Who speaks.
    pub voice: Voice,
    /// A short text that it can speak.
    pub text: String,
    /// A text of several sentences that takes longer than a cancel; none where the engine has only fixed prompts.
    pub long_text: Option<String>,
    /// Audio of `text` lasts at least so long.
    pub at_least: Duration,
    /// How long an utterance may take to be complete.
    pub patience: Duration,
}

/// Checks everything a call relies on.
///
/// # Panics
/// Where the engine breaks the contract, with what is broken.
pub fn check_synthesizer(engine: &dyn SynthesizerEngine, probe: &SynthesizerProbe) {
    audio_comes_before_the_one_end(engine, probe);
    utterances_are_spoken_in_the_order_of_asking(engine, probe);
    an_empty_text_ends_too(engine, probe);
    a_cancelled_utterance_falls_silent_and_the_next_is_spoken(engine, probe);
    speak_does_not_block(engine, probe);
    two_calls_do_not_mix(engine, probe);
    nothing_is_reported_after_the_end(engine, probe);
}

fn audio_comes_before_the_one_end(engine: &dyn SynthesizerEngine, probe: &SynthesizerProbe) {
    let mut call = Call::open(engine, probe);
    for number in 1..=2 {
        let utterance = UtteranceId(number);
        call.synthesizer.speak(utterance, &probe.text);
        let heard = call.until_end(utterance, probe);

        assert!(heard.complete, "{}: {:?} failed", engine.name(), probe.text);
        assert!(
            heard.duration >= probe.at_least,
            "{}: only {:?} of audio for {:?}",
            engine.name(),
            heard.duration,
            probe.text
        );
        assert!(heard.loudest > 500, "{}: the loudest sample is {}", engine.name(), heard.loudest);
    }
    call.is_silent("something follows SpeakComplete");
}

fn utterances_are_spoken_in_the_order_of_asking(engine: &dyn SynthesizerEngine, probe: &SynthesizerProbe) {
    let mut call = Call::open(engine, probe);
    (1..=3).for_each(|number| call.synthesizer.speak(UtteranceId(number), &probe.text));
    let mut order = Vec::new();
    while order.last() != Some(&UtteranceId(3)) {
        let event = call.next(probe);
        if is_end(&event) {
            order.push(utterance(&event));
        } else {
            let behind = order.len() as u32 + 1;
            assert_eq!(utterance(&event), UtteranceId(behind), "{}: audio out of order", engine.name());
        }
    }
    assert_eq!(order, [1, 2, 3].map(UtteranceId), "{}: ends out of order", engine.name());
}

fn an_empty_text_ends_too(engine: &dyn SynthesizerEngine, probe: &SynthesizerProbe) {
    let mut call = Call::open(engine, probe);
    call.synthesizer.speak(UtteranceId(1), "");
    call.until_end(UtteranceId(1), probe);
    call.is_silent("something follows the end of an empty text");
}

fn a_cancelled_utterance_falls_silent_and_the_next_is_spoken(
    engine: &dyn SynthesizerEngine,
    probe: &SynthesizerProbe,
) {
    let Some(long_text) = &probe.long_text else { return };
    let mut call = Call::open(engine, probe);
    call.synthesizer.speak(UtteranceId(1), long_text);
    call.synthesizer.cancel(UtteranceId(1));
    call.synthesizer.cancel(UtteranceId(99));
    // What was on its way when it was cancelled.
    std::thread::sleep(SILENCE);
    while call.events.try_recv().is_ok() {}
    call.is_silent("a cancelled utterance is still spoken");

    call.synthesizer.speak(UtteranceId(2), &probe.text);
    assert!(call.until_end(UtteranceId(2), probe).complete, "{}: silent after a cancel", engine.name());
}

fn speak_does_not_block(engine: &dyn SynthesizerEngine, probe: &SynthesizerProbe) {
    let mut call = Call::open(engine, probe);
    let times: Vec<Duration> = (1..=20)
        .map(|number| {
            let before = Instant::now();
            call.synthesizer.speak(UtteranceId(number), &probe.text);
            let elapsed = before.elapsed();
            call.synthesizer.cancel(UtteranceId(number));
            elapsed
        })
        .collect();

    let median = median(times);
    assert!(median <= LONGEST_MEDIAN, "{}: speak takes {median:?}", engine.name());
}

fn two_calls_do_not_mix(engine: &dyn SynthesizerEngine, probe: &SynthesizerProbe) {
    let mut calls = [Call::open(engine, probe), Call::open(engine, probe)];
    for (number, call) in calls.iter_mut().enumerate() {
        call.synthesizer.speak(UtteranceId(100 + number as u32), &probe.text);
    }
    for (number, call) in calls.iter().enumerate() {
        let own = UtteranceId(100 + number as u32);
        assert!(call.until_end(own, probe).complete, "{}: one of two calls is not spoken to", engine.name());
    }
}

fn nothing_is_reported_after_the_end(engine: &dyn SynthesizerEngine, probe: &SynthesizerProbe) {
    let mut call = Call::open(engine, probe);
    call.synthesizer.speak(UtteranceId(1), probe.long_text.as_ref().unwrap_or(&probe.text));
    let events = call.events;
    drop(call.synthesizer);
    // What was on its way when the call ended.
    std::thread::sleep(SILENCE);
    while events.try_recv().is_ok() {}

    let late = events.recv_timeout(SILENCE).ok();
    assert_eq!(late, None, "{}: a session that was dropped still reports", engine.name());
}

struct Call {
    name: String,
    synthesizer: Box<dyn Synthesizer>,
    events: Receiver<SynthesizerEvent>,
}

struct Heard {
    complete: bool,
    duration: Duration,
    loudest: u16,
}

impl Call {
    fn open(engine: &dyn SynthesizerEngine, probe: &SynthesizerProbe) -> Call {
        let (sink, events) = sink();
        let synthesizer = match engine.open(&probe.voice, sink) {
            Ok(synthesizer) => synthesizer,
            Err(error) => panic!("{} does not open: {error}", engine.name()),
        };
        Call { name: engine.name().to_owned(), synthesizer, events }
    }

    fn next(&self, probe: &SynthesizerProbe) -> SynthesizerEvent {
        match self.events.recv_timeout(probe.patience) {
            Ok(event) => event,
            Err(_) => panic!("{}: nothing within {:?}", self.name, probe.patience),
        }
    }

    fn until_end(&self, expected: UtteranceId, probe: &SynthesizerProbe) -> Heard {
        let mut heard = Heard { complete: false, duration: Duration::ZERO, loudest: 0 };
        loop {
            let event = self.next(probe);
            assert_eq!(utterance(&event), expected, "{}: audio of another utterance", self.name);
            match event {
                SynthesizerEvent::Audio { chunk, .. } => {
                    heard.duration += chunk.duration();
                    let loudest = chunk.samples.iter().map(|sample| sample.unsigned_abs()).max();
                    heard.loudest = heard.loudest.max(loudest.unwrap_or(0));
                }
                SynthesizerEvent::SpeakComplete { .. } => return Heard { complete: true, ..heard },
                SynthesizerEvent::Failed { .. } => return heard,
            }
        }
    }

    fn is_silent(&self, broken: &str) {
        let event = self.events.recv_timeout(SILENCE).ok();
        assert_eq!(event, None, "{}: {broken}", self.name);
    }
}

fn utterance(event: &SynthesizerEvent) -> UtteranceId {
    match event {
        SynthesizerEvent::Audio { utterance, .. }
        | SynthesizerEvent::SpeakComplete { utterance }
        | SynthesizerEvent::Failed { utterance, .. } => *utterance,
    }
}

fn is_end(event: &SynthesizerEvent) -> bool {
    match event {
        SynthesizerEvent::Audio { .. } => false,
        SynthesizerEvent::SpeakComplete { .. } | SynthesizerEvent::Failed { .. } => true,
    }
}
