//! The thread of one place: it alone talks to the child and knows its sessions.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use offhook_audio::AudioChunk;
use offhook_engine_api::{EngineError, EventSink, Grammar, RecognizerEvent, SynthesizerEvent, UtteranceId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::message::{Decoder, FromChild, Recognized, SessionId, ToChild, encode};
use super::pool::{Board, Place};
use super::session::Numbered;
use super::{HostConfig, HostStatus};

/// How often audio of running utterances is carried to the child. Nobody hears the difference: the result waits for
/// the end of speech, which wakes the thread.
const CARRY_EVERY: Duration = Duration::from_millis(10);
/// Bytes that may wait for the child's input before audio stays in its own, bounded queues.
const OUTPUT_LIMIT: usize = 256 * 1024;
/// The first restart comes at once; a child that dies young is started again more and more slowly.
const SLOWEST_RESTART: Duration = Duration::from_secs(5);
/// A child that lived this long was no failed start.
const GROWN_UP: Duration = Duration::from_secs(2);

/// What sessions ask of the thread.
#[derive(Debug)]
pub(super) enum Order {
    OpenRecognizer {
        session: SessionId,
        audio: Arc<ArrayQueue<Numbered>>,
        events: EventSink<RecognizerEvent>,
    },
    Grammar {
        session: SessionId,
        grammar: Box<Grammar>,
    },
    /// The utterance begins with frame `at`.
    Start {
        session: SessionId,
        at: u32,
    },
    /// The utterance ends before frame `at`.
    Finish {
        session: SessionId,
        at: u32,
    },
    OpenSynthesizer {
        session: SessionId,
        voice: String,
        events: EventSink<SynthesizerEvent>,
    },
    Speak {
        session: SessionId,
        utterance: UtteranceId,
        text: String,
    },
    Cancel {
        session: SessionId,
        utterance: UtteranceId,
    },
    Close {
        session: SessionId,
    },
}

struct Hearing {
    audio: Arc<ArrayQueue<Numbered>>,
    events: EventSink<RecognizerEvent>,
    grammar: Option<Box<Grammar>>,
    /// The child of today knows the grammar.
    told: bool,
    speaking: bool,
    /// The child died during the utterance.
    lost: bool,
    next: u32,
    held: Option<Numbered>,
    dropped: u32,
    /// Results that the child owes, and since when.
    owed: VecDeque<Instant>,
}

struct Speaking {
    voice: String,
    events: EventSink<SynthesizerEvent>,
    jobs: VecDeque<Job>,
}

struct Job {
    utterance: UtteranceId,
    text: String,
    asked: Instant,
    delivered: bool,
    retried: bool,
}

struct Running {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    decoder: Decoder,
    born: Instant,
    last_word: Instant,
}

pub(super) struct PlaceThread {
    config: HostConfig,
    place: Arc<Place>,
    board: Arc<Board>,
    woken: OwnedFd,
    running: Option<Running>,
    unsent: Vec<u8>,
    hearing: BTreeMap<SessionId, Hearing>,
    speaking: BTreeMap<SessionId, Speaking>,
    unavailable: Option<EngineError>,
    restart_at: Instant,
    restart_after: Duration,
}

impl PlaceThread {
    pub(super) fn new(config: HostConfig, place: Arc<Place>, board: Arc<Board>, woken: OwnedFd) -> Self {
        PlaceThread {
            config,
            place,
            board,
            woken,
            running: None,
            unsent: Vec::new(),
            hearing: BTreeMap::new(),
            speaking: BTreeMap::new(),
            unavailable: None,
            restart_at: Instant::now(),
            restart_after: Duration::ZERO,
        }
    }

    pub(super) fn run(mut self) {
        while !self.place.closing.load(Ordering::Acquire) {
            self.start_child_when_due();
            self.obey();
            self.carry_audio();
            if let Err(error) = self.exchange() {
                self.bury(&error.to_string());
            }
            if self.is_hung() {
                self.bury("it did not answer in time");
            }
            self.wait();
        }
        self.dismiss();
    }

    fn start_child_when_due(&mut self) {
        if self.running.is_some() || self.unavailable.is_some() || Instant::now() < self.restart_at {
            return;
        }
        match start(&self.config) {
            Ok(running) => {
                self.place.process.store(running.child.id(), Ordering::Release);
                self.running = Some(running);
                self.unsent.clear();
                self.repeat_jobs();
            }
            Err(error) => {
                let missing = EngineError::Missing {
                    engine: self.config.engine.name().to_owned(),
                    what: format!("{}: {error}", self.config.program.display()),
                    remedy: "check the installation of offhook".to_owned(),
                };
                self.give_up(missing);
            }
        }
    }

    fn obey(&mut self) {
        while let Some(order) = self.place.orders.pop() {
            self.follow(order);
        }
        // Closes come after what the session asked before them.
        while let Some(close) = self.place.leaves.pop() {
            while let Some(order) = self.place.orders.pop() {
                self.follow(order);
            }
            self.follow(close);
        }
    }

    fn follow(&mut self, order: Order) {
        match order {
            Order::OpenRecognizer { session, audio, events } => {
                events.send(RecognizerEvent::Ready);
                self.hearing.insert(session, Hearing::new(audio, events));
            }
            Order::Grammar { session, grammar } => {
                if let Some(hearing) = self.hearing.get_mut(&session) {
                    hearing.grammar = Some(grammar);
                    hearing.told = false;
                }
                self.tell_grammar(session);
            }
            Order::Start { session, at } => self.start_utterance(session, at),
            Order::Finish { session, at } => self.finish_utterance(session, at),
            Order::OpenSynthesizer { session, voice, events } => {
                self.speaking.insert(session, Speaking { voice, events, jobs: VecDeque::new() });
            }
            Order::Speak { session, utterance, text } => self.speak(session, utterance, text),
            Order::Cancel { session, utterance } => {
                if let Some(speaking) = self.speaking.get_mut(&session) {
                    speaking.jobs.retain(|job| job.utterance != utterance);
                }
                self.send(&ToChild::Cancel { session, utterance: utterance.0 });
            }
            Order::Close { session } => {
                self.hearing.remove(&session);
                self.speaking.remove(&session);
                self.send(&ToChild::Close { session });
            }
        }
    }

    fn tell_grammar(&mut self, session: SessionId) {
        if self.running.is_none() {
            return;
        }
        if let Some(hearing) = self.hearing.get_mut(&session)
            && !hearing.told
            && let Some(grammar) = &hearing.grammar
        {
            hearing.told = true;
            encode(&ToChild::Grammar { session, grammar: (**grammar).clone() }, &mut self.unsent);
        }
    }

    fn start_utterance(&mut self, session: SessionId, at: u32) {
        // Frames of an utterance before it that was never finished.
        self.carry(session, Some(at));
        self.tell_grammar(session);
        let running = self.running.is_some();
        if let Some(hearing) = self.hearing.get_mut(&session) {
            hearing.speaking = true;
            hearing.lost = !running;
            self.send(&ToChild::Start { session });
        }
    }

    fn finish_utterance(&mut self, session: SessionId, at: u32) {
        self.carry(session, Some(at));
        let failure = self.unavailable.clone().unwrap_or_else(|| self.gone("its process died"));
        let running = self.running.is_some();
        let Some(hearing) = self.hearing.get_mut(&session) else { return };
        if hearing.dropped > 0 {
            hearing
                .events
                .send(RecognizerEvent::AudioDropped { frames: std::mem::take(&mut hearing.dropped) });
        }
        hearing.speaking = false;
        if std::mem::take(&mut hearing.lost) || !running {
            hearing.events.send(RecognizerEvent::Failed(failure));
        } else {
            hearing.owed.push_back(Instant::now());
            self.send(&ToChild::Finish { session });
        }
    }

    fn speak(&mut self, session: SessionId, utterance: UtteranceId, text: String) {
        let Some(speaking) = self.speaking.get_mut(&session) else { return };
        if let Some(error) = &self.unavailable {
            speaking.events.send(SynthesizerEvent::Failed { utterance, error: error.clone() });
            return;
        }
        let voice = speaking.voice.clone();
        speaking.jobs.push_back(Job {
            utterance,
            text: text.clone(),
            asked: Instant::now(),
            delivered: false,
            retried: false,
        });
        self.send(&ToChild::Speak { session, utterance: utterance.0, voice, text });
    }

    fn carry_audio(&mut self) {
        let due: Vec<SessionId> =
            self.hearing.iter().filter(|(_, hearing)| hearing.speaking).map(|(id, _)| *id).collect();
        for session in due {
            if self.unsent.len() < OUTPUT_LIMIT {
                self.carry(session, None);
            }
        }
    }

    /// Sends what waits, up to but without frame `end`.
    fn carry(&mut self, session: SessionId, end: Option<u32>) {
        let Some(hearing) = self.hearing.get_mut(&session) else { return };
        while let Some((number, frame)) = hearing.held.take().or_else(|| hearing.audio.pop()) {
            if end.is_some_and(|end| number.wrapping_sub(end) as i32 >= 0) {
                hearing.held = Some((number, frame));
                return;
            }
            hearing.dropped = hearing.dropped.saturating_add(number.wrapping_sub(hearing.next));
            hearing.next = number.wrapping_add(1);
            if hearing.speaking && !hearing.lost && self.running.is_some() {
                encode(&ToChild::Audio { session, samples: frame.samples().to_vec() }, &mut self.unsent);
            }
        }
    }

    fn send(&mut self, message: &ToChild) {
        if self.running.is_some() {
            encode(message, &mut self.unsent);
        }
    }

    fn exchange(&mut self) -> io::Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let mut written = 0;
        while written < self.unsent.len() {
            match running.input.write(&self.unsent[written..]) {
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.unsent.drain(..written);
        let mut buffer = [0; 16 * 1024];
        loop {
            let Some(running) = &mut self.running else { return Ok(()) };
            match running.output.read(&mut buffer) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its process died")),
                Ok(bytes) => running.decoder.extend(&buffer[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            running.last_word = Instant::now();
            while let Some(running) = &mut self.running
                && let Some(message) = running.decoder.next()?
            {
                self.take(message);
            }
        }
    }

    fn take(&mut self, message: FromChild) {
        match message {
            FromChild::Warm => self.board.set(HostStatus::Ready),
            FromChild::Unavailable(error) => self.give_up(error),
            FromChild::Recognized { session, result } => {
                let Some(hearing) = self.hearing.get_mut(&session) else { return };
                if hearing.owed.pop_front().is_some() {
                    hearing.events.send(match result {
                        Recognized::Text { text, confidence } => {
                            RecognizerEvent::Final { text, confidence: Some(confidence) }
                        }
                        Recognized::NoMatch => RecognizerEvent::NoMatch,
                        Recognized::Failed(error) => RecognizerEvent::Failed(error),
                    });
                }
            }
            FromChild::Audio { session, utterance, sample_rate, samples } => {
                let Some(speaking) = self.speaking.get_mut(&session) else { return };
                let utterance = UtteranceId(utterance);
                if let Some(job) = speaking.jobs.iter_mut().find(|job| job.utterance == utterance) {
                    job.delivered = true;
                    let chunk = AudioChunk { sample_rate, samples: samples.into() };
                    speaking.events.send(SynthesizerEvent::Audio { utterance, chunk });
                }
            }
            FromChild::Complete { session, utterance } => {
                self.end_job(session, UtteranceId(utterance), |utterance| SynthesizerEvent::SpeakComplete {
                    utterance,
                });
            }
            FromChild::SpeakFailed { session, utterance, error } => {
                self.end_job(session, UtteranceId(utterance), |utterance| SynthesizerEvent::Failed {
                    utterance,
                    error,
                });
            }
        }
    }

    fn end_job(
        &mut self,
        session: SessionId,
        utterance: UtteranceId,
        event: impl FnOnce(UtteranceId) -> SynthesizerEvent,
    ) {
        let Some(speaking) = self.speaking.get_mut(&session) else { return };
        let Some(at) = speaking.jobs.iter().position(|job| job.utterance == utterance) else { return };
        speaking.jobs.remove(at);
        speaking.events.send(event(utterance));
    }

    /// Its silence counts from when something was asked: an idle child has nothing to say.
    fn is_hung(&self) -> bool {
        let Some(running) = &self.running else { return false };
        let results = self.hearing.values().filter_map(|hearing| hearing.owed.front().copied());
        let speech = self.speaking.values().filter_map(|speaking| Some(speaking.jobs.front()?.asked));
        let Some(oldest) = results.chain(speech).min() else { return false };
        running.last_word.max(oldest).elapsed() > self.config.result_timeout
    }

    /// The child is gone: its sessions stay and go on with the next child.
    fn bury(&mut self, why: &str) {
        let Some(mut running) = self.running.take() else { return };
        self.place.process.store(0, Ordering::Release);
        // It may have died already.
        let _ = running.child.kill();
        let status = running.child.wait().map(|status| status.to_string()).unwrap_or_default();
        tracing::warn!(
            engine = self.config.engine.name(),
            why,
            status,
            "an engine process ended and is restarted"
        );
        self.restart_after = if running.born.elapsed() > GROWN_UP {
            Duration::ZERO
        } else {
            (self.restart_after * 2).max(Duration::from_millis(50)).min(SLOWEST_RESTART)
        };
        self.restart_at = Instant::now() + self.restart_after;
        self.unsent.clear();
        let gone = self.gone(why);
        for hearing in self.hearing.values_mut() {
            hearing.told = false;
            hearing.lost = hearing.speaking;
            for _ in hearing.owed.drain(..) {
                hearing.events.send(RecognizerEvent::Failed(gone.clone()));
            }
        }
        for speaking in self.speaking.values_mut() {
            for job in std::mem::take(&mut speaking.jobs) {
                if job.delivered || job.retried {
                    let event = SynthesizerEvent::Failed { utterance: job.utterance, error: gone.clone() };
                    speaking.events.send(event);
                } else {
                    speaking.jobs.push_back(Job { retried: true, ..job });
                }
            }
        }
    }

    /// Texts of which nobody heard anything are spoken by the new child.
    fn repeat_jobs(&mut self) {
        for (session, speaking) in &self.speaking {
            for job in &speaking.jobs {
                let speak = ToChild::Speak {
                    session: *session,
                    utterance: job.utterance.0,
                    voice: speaking.voice.clone(),
                    text: job.text.clone(),
                };
                encode(&speak, &mut self.unsent);
            }
        }
    }

    /// There is no such engine here: whoever waits is told.
    fn give_up(&mut self, error: EngineError) {
        tracing::warn!(%error, "an engine cannot run");
        self.board.set(HostStatus::Failed(error.clone()));
        self.unavailable = Some(error.clone());
        self.dismiss();
        for hearing in self.hearing.values_mut() {
            hearing.lost = hearing.speaking;
            for _ in hearing.owed.drain(..) {
                hearing.events.send(RecognizerEvent::Failed(error.clone()));
            }
        }
        for speaking in self.speaking.values_mut() {
            for job in speaking.jobs.drain(..) {
                let event = SynthesizerEvent::Failed { utterance: job.utterance, error: error.clone() };
                speaking.events.send(event);
            }
        }
    }

    /// Closing its input ends a child; one that does not listen is killed.
    fn dismiss(&mut self) {
        self.place.process.store(0, Ordering::Release);
        let Some(Running { mut child, input, .. }) = self.running.take() else { return };
        drop(input);
        for _ in 0..50 {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    fn wait(&self) {
        let timeout = self.patience();
        let mut fds = vec![PollFd::new(&self.woken, PollFlags::IN)];
        if let Some(running) = &self.running {
            fds.push(PollFd::new(&running.output, PollFlags::IN));
            if !self.unsent.is_empty() {
                fds.push(PollFd::new(&running.input, PollFlags::OUT));
            }
        }
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: timeout.subsec_nanos().into(),
        });
        // An interrupted wait looks at everything once more.
        let _ = poll(&mut fds, timeout.as_ref());
        let mut wakes = [0; 512];
        let _ = rustix::io::read(&self.woken, &mut wakes);
    }

    /// How long nothing can be due; none: until somebody calls.
    fn patience(&self) -> Option<Duration> {
        if self.running.is_none() {
            let waiting = self.restart_at.saturating_duration_since(Instant::now());
            return if self.unavailable.is_some() { None } else { Some(waiting) };
        }
        if self.hearing.values().any(|hearing| hearing.speaking) {
            return Some(CARRY_EVERY);
        }
        let owed = self.hearing.values().any(|hearing| !hearing.owed.is_empty())
            || self.speaking.values().any(|speaking| !speaking.jobs.is_empty());
        owed.then_some(Duration::from_millis(100))
    }

    fn gone(&self, why: &str) -> EngineError {
        EngineError::Gone { engine: self.config.engine.name().to_owned(), why: why.to_owned() }
    }
}

impl Hearing {
    fn new(audio: Arc<ArrayQueue<Numbered>>, events: EventSink<RecognizerEvent>) -> Self {
        Hearing {
            audio,
            events,
            grammar: None,
            told: false,
            speaking: false,
            lost: false,
            next: 0,
            held: None,
            dropped: 0,
            owed: VecDeque::new(),
        }
    }
}

fn start(config: &HostConfig) -> io::Result<Running> {
    let mut child = Command::new(&config.program)
        .args(&config.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        // A group of its own: Ctrl-C at the server's terminal drains calls, and they still need their engines.
        .process_group(0)
        .spawn()?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("a child without pipes"));
    };
    rustix::io::ioctl_fionbio(&input, true)?;
    rustix::io::ioctl_fionbio(&output, true)?;
    let now = Instant::now();
    Ok(Running { child, input, output, decoder: Decoder::default(), born: now, last_word: now })
}
