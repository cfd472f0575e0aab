//! Children that die or hang while calls go on.

use std::time::{Duration, Instant};

use offhook_audio::Frame;
use offhook_engine_api::{
    EngineError, Grammar, Recognizer, RecognizerEngine, RecognizerEvent, SlotKind, SynthesizerEngine,
    SynthesizerEvent, UtteranceId,
};
use offhook_engines::host::{HostConfig, HostPool, HostStatus, NativeEngine};
use offhook_engines::recognizers::PocketsphinxRecognizer;
use offhook_engines::synthesizers::FliteSynthesizer;
use rustix::process::{Pid, Signal, kill_process};

use super::audio::spoken;
use super::speech::voice;
use super::{Ran, WAIT, events, pool};

pub(crate) fn a_recognizer_survives_its_process() -> Ran {
    let pool = match pool(NativeEngine::Pocketsphinx, 1) {
        Ok(pool) => pool,
        Err(ran) => return ran,
    };
    let engine = PocketsphinxRecognizer::new(pool.clone());
    let (sink, heard) = events();
    let mut call = engine.open(16_000, sink).unwrap();
    call.set_grammar(&Grammar { slots: vec![SlotKind::YesNo], ..Grammar::default() });
    let speech = spoken("rms", "yes please");

    say(&mut *call, &speech[..40]);
    let died = Instant::now();
    let victim = signal(&pool, Signal::KILL);
    let child = another_child(&pool, victim);
    let restarted = died.elapsed();
    call.finish_utterance();
    let lost = result(&heard);
    let mut after = RecognizerEvent::NoMatch;
    for _ in 0..2 {
        say(&mut *call, &speech);
        call.finish_utterance();
        after = result(&heard);
    }

    println!("  process {child} stands {restarted:?} after the death of {victim}");
    assert!(restarted < Duration::from_millis(300), "{restarted:?}");
    assert!(matches!(lost, RecognizerEvent::Failed(EngineError::Gone { .. })), "{lost:?}");
    assert!(matches!(&after, RecognizerEvent::Final { text, .. } if text == "yes please"), "{after:?}");
    assert!(heard.try_recv().is_err());
    Ran::Yes
}

pub(crate) fn speech_survives_its_process() -> Ran {
    let pool = match pool(NativeEngine::Flite, 1) {
        Ok(pool) => pool,
        Err(ran) => return ran,
    };
    let engine = FliteSynthesizer::new(pool.clone());
    let (sink, heard) = events();
    let mut call = engine.open(&voice("slt"), sink).unwrap();
    let long = "This is a long text, and it goes on for quite some time. ".repeat(40);
    call.speak(UtteranceId(1), &long);
    while !matches!(heard.recv_timeout(WAIT).unwrap(), SynthesizerEvent::Audio { .. }) {}
    // Behind the long one: nobody has heard anything of it.
    call.speak(UtteranceId(2), "Goodbye.");

    signal(&pool, Signal::KILL);

    let mut ends = Vec::new();
    while ends.len() < 2 {
        match heard.recv_timeout(WAIT).unwrap() {
            SynthesizerEvent::Audio { .. } => {}
            end => ends.push(end),
        }
    }
    assert!(
        matches!(
            &ends[0],
            SynthesizerEvent::Failed { utterance: UtteranceId(1), error: EngineError::Gone { .. } }
        ),
        "{ends:?}"
    );
    assert_eq!(ends[1], SynthesizerEvent::SpeakComplete { utterance: UtteranceId(2) });
    Ran::Yes
}

pub(crate) fn what_cannot_start_or_hangs_is_told() -> Ran {
    let nowhere = HostPool::start(HostConfig::new("no-such-program", NativeEngine::Pocketsphinx)).unwrap();
    let status = nowhere.wait_until_warm(WAIT);
    assert!(matches!(status, HostStatus::Failed(EngineError::Missing { .. })), "{status:?}");
    let refused = PocketsphinxRecognizer::new(nowhere).open(16_000, events().0).err();
    assert!(matches!(refused, Some(EngineError::Missing { .. })), "{refused:?}");

    let mut config = HostConfig::new(std::env::current_exe().unwrap(), NativeEngine::Pocketsphinx);
    (config.processes, config.result_timeout) = (1, Duration::from_millis(400));
    let pool = HostPool::start(config).unwrap();
    if let HostStatus::Failed(error) = pool.wait_until_warm(WAIT) {
        return Ran::Skipped(error.to_string());
    }
    let (sink, heard) = events();
    let mut call = PocketsphinxRecognizer::new(pool.clone()).open(16_000, sink).unwrap();
    let stopped = signal(&pool, Signal::STOP);
    let mut slowest = Duration::ZERO;
    call.start_utterance();
    for _ in 0..200 {
        let before = Instant::now();
        call.push_audio(&Frame::silence(16_000));
        slowest = slowest.max(before.elapsed());
    }
    call.finish_utterance();
    let failed = result(&heard);

    assert!(matches!(failed, RecognizerEvent::Failed(EngineError::Gone { .. })), "{failed:?}");
    assert!(slowest < Duration::from_millis(50), "{slowest:?}");
    another_child(&pool, stopped);
    Ran::Yes
}

pub(crate) fn a_process_that_idled_is_not_taken_for_hung() -> Ran {
    let mut config = HostConfig::new(std::env::current_exe().unwrap(), NativeEngine::Flite);
    (config.processes, config.result_timeout) = (1, Duration::from_secs(1));
    let idle = config.result_timeout * 2;
    let pool = HostPool::start(config).unwrap();
    if let HostStatus::Failed(error) = pool.wait_until_warm(WAIT) {
        return Ran::Skipped(error.to_string());
    }
    let (sink, heard) = events();
    let mut call = FliteSynthesizer::new(pool.clone()).open(&voice("slt"), sink).unwrap();
    let before = pool.process_ids();

    std::thread::sleep(idle);
    call.speak(UtteranceId(1), "Goodbye.");
    let end = loop {
        match heard.recv_timeout(WAIT).unwrap() {
            SynthesizerEvent::Audio { .. } => {}
            end => break end,
        }
    };

    assert_eq!(end, SynthesizerEvent::SpeakComplete { utterance: UtteranceId(1) });
    assert_eq!(before.len(), 1);
    assert_eq!(pool.process_ids(), before);
    Ran::Yes
}

fn say(call: &mut dyn Recognizer, speech: &[Frame]) {
    call.start_utterance();
    for frame in speech {
        call.push_audio(frame);
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn result(heard: &std::sync::mpsc::Receiver<RecognizerEvent>) -> RecognizerEvent {
    loop {
        match heard.recv_timeout(WAIT).unwrap() {
            RecognizerEvent::Ready | RecognizerEvent::AudioDropped { .. } => {}
            result => return result,
        }
    }
}

/// Sends a signal to the pool's one child.
fn signal(pool: &HostPool, signal: Signal) -> u32 {
    let child = pool.process_ids()[0];
    kill_process(Pid::from_raw(child as i32).unwrap(), signal).unwrap();
    child
}

fn another_child(pool: &HostPool, than: u32) -> u32 {
    let began = Instant::now();
    loop {
        if let Some(child) = pool.process_ids().iter().find(|child| **child != than) {
            return *child;
        }
        assert!(began.elapsed() < WAIT, "no new child");
        std::thread::sleep(Duration::from_millis(2));
    }
}
