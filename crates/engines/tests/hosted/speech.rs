//! What flite says.

use std::time::{Duration, Instant};

use offhook_engine_api::{EngineError, SynthesizerEngine, SynthesizerEvent, UtteranceId, Voice};
use offhook_engines::host::NativeEngine;
use offhook_engines::synthesizers::FliteSynthesizer;
use offhook_testkit::conformance::{SynthesizerProbe, check_synthesizer};

use super::{Ran, WAIT, events, pool};

pub(crate) fn conforms() -> Ran {
    let engine = match pool(NativeEngine::Flite, 2) {
        Ok(pool) => FliteSynthesizer::new(pool),
        Err(ran) => return ran,
    };
    let probe = SynthesizerProbe {
        voice: voice("kal16"),
        text: "Thank you for calling.".into(),
        long_text: Some("This is a long text. It goes on and on. It does not end soon. ".repeat(10)),
        at_least: Duration::from_millis(700),
        patience: WAIT,
    };
    check_synthesizer(&engine, &probe);
    Ran::Yes
}

pub(crate) fn a_long_text_starts_early_in_every_voice() -> Ran {
    let engine = match pool(NativeEngine::Flite, 1) {
        Ok(pool) => FliteSynthesizer::new(pool),
        Err(ran) => return ran,
    };
    for name in ["slt", "rms", "awb", "kal16"] {
        let (sink, events) = events();
        let mut call = engine.open(&voice(name), sink).unwrap();
        call.speak(UtteranceId(1), "Ready.");
        while !matches!(events.recv_timeout(WAIT).unwrap(), SynthesizerEvent::SpeakComplete { .. }) {}
        let began = Instant::now();
        let (mut first, mut audio) = (None, Duration::ZERO);

        call.speak(UtteranceId(2), &"Your order is on its way, and it arrives tomorrow at noon. ".repeat(8));
        loop {
            match events.recv_timeout(WAIT).unwrap() {
                SynthesizerEvent::Audio { chunk, .. } => {
                    first.get_or_insert_with(|| began.elapsed());
                    audio += chunk.duration();
                }
                SynthesizerEvent::SpeakComplete { .. } => break,
                failed @ SynthesizerEvent::Failed { .. } => panic!("{failed:?}"),
            }
        }

        let (first, all) = (first.unwrap(), began.elapsed());
        println!("  {name}: first audio after {first:?}, {audio:?} of it after {all:?}");
        assert!(audio > Duration::from_secs(15), "{audio:?}");
        assert!(first * 4 < all, "first audio after {first:?} of {all:?}");
    }
    let (sink, _) = events();
    let unknown = engine.open(&voice("hal"), sink).err();
    assert!(matches!(unknown, Some(EngineError::Refused { .. })), "{unknown:?}");
    Ran::Yes
}

pub(crate) fn voice(name: &str) -> Voice {
    Voice { language: "en-US".into(), name: name.into() }
}
