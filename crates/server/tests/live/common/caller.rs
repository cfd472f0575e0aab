//! A caller on the line: `offhook call`, run inside the test.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use offhook_caller::call::{self, CallOptions, CallReport, OnRefer, Stop, Transport};
use offhook_caller::g711::Law;
use offhook_caller::impair::Impairment;

use super::{Server, until};

/// A call to be placed.
pub struct Calling {
    options: CallOptions,
    folder: tempfile::TempDir,
}

impl Calling {
    pub fn to(server: &Server, user: &str) -> Calling {
        Calling::uri(server.uri(user))
    }

    pub fn uri(uri: String) -> Calling {
        let mut options = CallOptions::to(uri);
        options.max_duration = Duration::from_secs(120);
        Calling { options, folder: tempfile::tempdir().unwrap() }
    }

    /// User part of From: how tests tell calls apart.
    pub fn from(mut self, user: &str) -> Self {
        self.options.from_user = user.to_owned();
        self
    }

    /// What the caller does; without it the caller listens until it is told to hang up.
    pub fn script(mut self, script: &str) -> Self {
        let file = self.folder.path().join("script");
        std::fs::write(&file, script).unwrap();
        self.options.script = Some(file);
        self
    }

    /// Makes a file of audio-samples known to the script under `name`.
    pub fn sample(self, name: &str, file: &str) -> Self {
        std::fs::copy(super::repository("audio-samples").join(file), self.folder.path().join(name)).unwrap();
        self
    }

    /// Makes these samples known to the script under `name`.
    pub fn wav(self, name: &str, samples: &[i16]) -> Self {
        offhook_caller::wav::write(&self.folder.path().join(name), &[samples]).unwrap();
        self
    }

    /// A line that is not clean.
    pub fn impaired(mut self, impairment: Impairment) -> Self {
        self.options.impairment = Some(impairment);
        self
    }

    /// Offers A-law alone.
    pub fn a_law(mut self) -> Self {
        self.options.codecs = vec![Law::A];
        self
    }

    /// Makes a second of noise known to the script under `name`.
    pub fn noise(self, name: &str) -> Self {
        let samples = offhook_caller::probe::noise(7, 8000);
        offhook_caller::wav::write(&self.folder.path().join(name), &[&samples]).unwrap();
        self
    }

    /// Plays a whole file of audio-samples, waiting for the bot's pauses.
    pub fn audio(mut self, file: &str) -> Self {
        self.options.audio = Some(super::repository("audio-samples").join(file));
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.options.extra_headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn tcp(mut self) -> Self {
        self.options.transport = Transport::Tcp;
        self
    }

    pub fn on_refer(mut self, on_refer: OnRefer) -> Self {
        self.options.on_refer = on_refer;
        self
    }

    /// Keeps both sides as WAV files.
    pub fn record(mut self) -> Self {
        self.options.record_to = Some(self.folder.path().join("recorded"));
        self
    }

    pub fn start(self) -> OnTheLine {
        let (stop, said) = (Stop::default(), Said::default());
        let Calling { options, folder } = self;
        let (raised, mut written) = (stop.clone(), said.clone());
        let thread = std::thread::spawn(move || call::run(&options, &mut written, &raised).unwrap());
        OnTheLine { stop, said, thread, folder }
    }

    /// Starts it and waits for its end.
    pub fn place(self) -> Ended {
        self.start().finish()
    }
}

/// A call that runs.
pub struct OnTheLine {
    stop: Stop,
    said: Said,
    thread: JoinHandle<CallReport>,
    folder: tempfile::TempDir,
}

impl OnTheLine {
    /// Waits until the caller told this, as `answered`.
    #[track_caller]
    pub fn wait_for(&self, what: &str) {
        until(&format!("the caller to tell '{what}'; it told:\n{}", self.said.text()), || {
            let text = self.said.text();
            assert!(text.contains(what) || !self.thread.is_finished(), "no '{what}' in\n{text}");
            text.contains(what).then_some(())
        });
    }

    pub fn hang_up(self) -> Ended {
        self.stop.raise();
        self.finish()
    }

    /// Leaves it to itself: its far end is dead, and its BYE will wait for 32 s.
    pub fn abandon(self) {
        self.stop.raise();
    }

    /// Waits for its end.
    pub fn finish(self) -> Ended {
        let report = self.thread.join().unwrap();
        Ended { report, said: self.said.text(), folder: self.folder }
    }
}

/// A call that is over.
pub struct Ended {
    pub report: CallReport,
    /// What the caller told, line by line.
    pub said: String,
    folder: tempfile::TempDir,
}

impl Ended {
    /// What the caller heard.
    pub fn heard(&self) -> Vec<i16> {
        let file: PathBuf = self.folder.path().join("recorded/far.wav");
        offhook_caller::wav::read(&file).unwrap()
    }
}

#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
