//! A recognizer that is asked and waited for.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use offhook_engine_api::{EngineError, EventSink, Recognizer, RecognizerEngine, RecognizerEvent};
use offhook_replay::Heard;

/// The caller's audio reaches recognizers at this rate.
const SAMPLE_RATE: u32 = 16_000;

/// Frames from before the onset of speech that sessions keep for themselves.
const PRE_ROLL: usize = 30;

/// How long a recognizer may take on the clock on the wall.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often is looked whether an engine has room for more audio.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The session of one call.
#[derive(Default)]
pub(super) struct Hearing {
    open: Option<(Box<dyn Recognizer>, Receiver<RecognizerEvent>, String)>,
}

impl Hearing {
    /// The call is over.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// What the engine hears, its name, and how long it took from the end of the audio on.
    pub fn recognize(
        &mut self,
        engine: Option<Arc<dyn RecognizerEngine>>,
        heard: &Heard<'_>,
    ) -> (RecognizerEvent, String, Duration) {
        let gone = |why: &str| {
            let engine = "recognizer".to_owned();
            RecognizerEvent::Failed(EngineError::Gone { engine, why: why.to_owned() })
        };
        if self.open.is_none() {
            let Some(engine) = engine else {
                return (gone("there is none"), "nobody: there is no recognizer".to_owned(), Duration::ZERO);
            };
            let (tell, told) = channel();
            // Whoever asked may have gone.
            let sink = EventSink::new(move |event| drop(tell.send(event)));
            let name = engine.name().to_owned();
            match engine.open(SAMPLE_RATE, sink) {
                Ok(recognizer) => self.open = Some((recognizer, told, name)),
                Err(error) => return (RecognizerEvent::Failed(error), name, Duration::ZERO),
            }
        }
        let Some((recognizer, told, name)) = &mut self.open else {
            return (gone("there is none"), String::new(), Duration::ZERO);
        };
        // What an utterance before left behind.
        while told.try_recv().is_ok() {}
        recognizer.set_grammar(heard.grammar);
        // Sessions keep the latest frames for the beginning of an utterance: these must not be those of the one before.
        let (before, after) = heard.frames.split_at(heard.frames.len().min(PRE_ROLL));
        before.iter().for_each(|frame| recognizer.push_audio(frame));
        recognizer.start_utterance();
        let began = Instant::now();
        for frame in after {
            while recognizer.room() == 0 && began.elapsed() < PATIENCE {
                std::thread::sleep(LOOK_EVERY);
            }
            recognizer.push_audio(frame);
        }
        let finished = Instant::now();
        recognizer.finish_utterance();
        loop {
            match told.recv_timeout(PATIENCE.saturating_sub(finished.elapsed())) {
                Ok(
                    event @ (RecognizerEvent::Final { .. }
                    | RecognizerEvent::NoMatch
                    | RecognizerEvent::Failed(_)),
                ) => return (event, name.clone(), finished.elapsed()),
                Ok(RecognizerEvent::AudioDropped { frames }) => {
                    let why = format!("{frames} frames were dropped: the machine is too busy for a replay");
                    let name = name.clone();
                    self.open = None;
                    return (gone(&why), name, finished.elapsed());
                }
                Ok(
                    RecognizerEvent::Ready | RecognizerEvent::StartOfInput | RecognizerEvent::Partial { .. },
                ) => {}
                Err(_) => {
                    let engine = name.clone();
                    self.open = None;
                    let late = RecognizerEvent::Failed(EngineError::TimedOut { engine: engine.clone() });
                    return (late, engine, finished.elapsed());
                }
            }
        }
    }
}
