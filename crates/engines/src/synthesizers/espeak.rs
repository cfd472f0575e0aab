//! eSpeak NG: a program of its own (GPL, never linked), one run per sentence.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use offhook_audio::AudioChunk;
use offhook_engine_api::{
    EngineError, EventSink, Synthesizer, SynthesizerEngine, SynthesizerEvent, UtteranceId, Voice,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::turns::{Turn, Turns};
use super::wav;

const NAME: &str = "espeak";
/// A run that says nothing for so long is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which program and how many at once.
#[derive(Clone, Debug)]
pub struct EspeakConfig {
    /// The program.
    pub program: PathBuf,
    /// How many run at the same time at most.
    pub processes: usize,
}

impl Default for EspeakConfig {
    fn default() -> Self {
        EspeakConfig { program: "espeak-ng".into(), processes: 2 }
    }
}

/// Speaks many languages, Mandarin among them.
#[derive(Debug)]
pub struct EspeakSynthesizer {
    shared: Arc<Shared>,
    ids: AtomicU32,
}

#[derive(Debug)]
struct Shared {
    config: EspeakConfig,
    turns: Turns,
    sinks: Mutex<BTreeMap<u32, EventSink<SynthesizerEvent>>>,
}

impl EspeakSynthesizer {
    /// Looks for the program; `Missing` where it is not installed.
    pub fn new(config: EspeakConfig) -> Result<Self, EngineError> {
        let found = Command::new(&config.program)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            return Err(EngineError::Missing {
                engine: NAME.to_owned(),
                what: config.program.display().to_string(),
                remedy: "apt install espeak-ng".to_owned(),
            });
        }
        let shared = Arc::new(Shared { config, turns: Turns::default(), sinks: Mutex::default() });
        for number in 0..shared.config.processes.max(1) {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name(format!("espeak-{number}"))
                .spawn(move || {
                    while let Some(turn) = shared.turns.next() {
                        shared.speak(&turn);
                    }
                })
                .map_err(|error| refused(error.to_string()))?;
        }
        Ok(EspeakSynthesizer { shared, ids: AtomicU32::new(0) })
    }
}

impl Drop for EspeakSynthesizer {
    fn drop(&mut self) {
        self.shared.turns.close();
    }
}

impl SynthesizerEngine for EspeakSynthesizer {
    fn open(
        &self,
        voice: &Voice,
        events: EventSink<SynthesizerEvent>,
    ) -> Result<Box<dyn Synthesizer>, EngineError> {
        let voice = voice_name(voice)?;
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        self.shared.sinks().insert(id, events);
        Ok(Box::new(Session { id, voice, shared: Arc::clone(&self.shared) }))
    }

    fn name(&self) -> &str {
        NAME
    }
}

struct Session {
    id: u32,
    voice: String,
    shared: Arc<Shared>,
}

impl Synthesizer for Session {
    fn speak(&mut self, utterance: UtteranceId, text: &str) {
        self.shared.turns.speak(self.id, utterance.0, self.voice.clone(), text);
    }

    fn cancel(&mut self, utterance: UtteranceId) {
        self.shared.turns.cancel(self.id, utterance.0);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.turns.leave(self.id);
        self.shared.sinks().remove(&self.id);
    }
}

impl Shared {
    fn sinks(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, EventSink<SynthesizerEvent>>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn speak(&self, turn: &Turn) {
        let sink = self.sinks().get(&turn.session).cloned();
        let Some(events) = sink else {
            self.turns.done(turn, true, || {});
            return;
        };
        let utterance = UtteranceId(turn.utterance);
        let result = if turn.sentence.is_empty() { Ok(()) } else { self.say(turn, &events) };
        self.turns.done(turn, result.is_err(), || match result {
            Ok(()) => events.send(SynthesizerEvent::SpeakComplete { utterance }),
            Err(error) => events.send(SynthesizerEvent::Failed { utterance, error }),
        });
    }

    fn say(&self, turn: &Turn, events: &EventSink<SynthesizerEvent>) -> Result<(), EngineError> {
        let mut child = Command::new(&self.config.program)
            .args(["--stdout", "-b", "1", "-v", &turn.voice, "--stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| gone(error.to_string()))?;
        let result = self.carry(&mut child, turn, events);
        // Killed also where the sentence is not wanted any more; an exited one does not mind.
        let _ = child.kill();
        let status = child.wait();
        match (result, status) {
            (Ok(true), Ok(status)) if status.code().is_some_and(|code| code != 0) => {
                Err(refused(format!("voice {}: {status}", turn.voice)))
            }
            (result, _) => result.map(|_| ()),
        }
    }

    /// True where the program said nothing at all.
    fn carry(
        &self,
        child: &mut Child,
        turn: &Turn,
        events: &EventSink<SynthesizerEvent>,
    ) -> Result<bool, EngineError> {
        let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(gone("a child without pipes".to_owned()));
        };
        // A sentence is shorter than a pipe; where it is not, the program reads all of it before it speaks.
        input.write_all(turn.sentence.as_bytes()).map_err(|error| gone(error.to_string()))?;
        drop(input);
        let utterance = UtteranceId(turn.utterance);
        let mut bytes = Vec::new();
        let mut sample_rate = None;
        let mut silent = true;
        let mut buffer = [0; 8192];
        let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        loop {
            let ready = poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&patience));
            if ready.is_ok_and(|ready| ready == 0) {
                return Err(EngineError::TimedOut { engine: NAME.to_owned() });
            }
            let read = output.read(&mut buffer).map_err(|error| gone(error.to_string()))?;
            if read == 0 {
                return Ok(silent);
            }
            bytes.extend_from_slice(&buffer[..read]);
            if sample_rate.is_none() {
                let Some(header) = wav::header(&bytes).map_err(refused)? else { continue };
                bytes.drain(..header.bytes);
                sample_rate = Some(header.sample_rate);
            }
            let Some(sample_rate) = sample_rate else { continue };
            let whole = bytes.len() & !1;
            if whole == 0 {
                continue;
            }
            let samples = bytes[..whole].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
            let chunk = AudioChunk { sample_rate, samples: samples.collect() };
            bytes.drain(..whole);
            silent = false;
            if !self.turns.if_wanted(turn, || events.send(SynthesizerEvent::Audio { utterance, chunk })) {
                return Ok(false);
            }
        }
    }
}

/// The program's name for the voice. `cmn` reads tone numbers aloud; `cmn-latn-pinyin` speaks characters correctly.
fn voice_name(voice: &Voice) -> Result<String, EngineError> {
    let language = voice.language.to_ascii_lowercase();
    let name = match (voice.name.as_str(), language.as_str()) {
        ("", "") => "en-us".to_owned(),
        ("", language) if language.starts_with("zh") || language.starts_with("cmn") => {
            "cmn-latn-pinyin".to_owned()
        }
        ("", language) => language.to_owned(),
        (name, _) => name.to_owned(),
    };
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '_'));
    if !plain || name.starts_with('-') {
        return Err(refused(format!("{name:?} is no name of a voice")));
    }
    Ok(name)
}

fn refused(why: String) -> EngineError {
    EngineError::Refused { engine: NAME.to_owned(), why }
}

fn gone(why: String) -> EngineError {
    EngineError::Gone { engine: NAME.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_spoken_by_the_voice_that_knows_its_tones_and_no_voice_is_an_option() {
        let name = |language: &str, name: &str| {
            voice_name(&Voice { language: language.into(), name: name.into() }).map_err(|_| ())
        };

        assert_eq!(name("zh-CN", ""), Ok("cmn-latn-pinyin".into()));
        assert_eq!(name("en-US", ""), Ok("en-us".into()));
        assert_eq!(name("en-US", "en-us+f3"), Ok("en-us+f3".into()));
        assert_eq!(name("", "--path"), Err(()));
        assert_eq!(name("", "a b"), Err(()));
    }
}
