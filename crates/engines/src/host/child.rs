//! The main loop of a child.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use offhook_engine_api::EngineError;

use super::NativeEngine;
use super::message::{Decoder, FromChild, ToChild, encode};
use crate::recognizers::Listener;
use crate::synthesizers::Speaker;

/// Serves sessions until `input` ends. `output` carries messages only: nothing else may be written to it.
pub fn run_engine_host(
    engine: NativeEngine,
    mut input: impl Read,
    output: impl Write + Send + 'static,
) -> io::Result<()> {
    let reports = Reports(Arc::new(Mutex::new(Output { sink: Box::new(output), buffer: Vec::new() })));
    let mut work = match Work::start(engine, &reports) {
        Ok(work) => work,
        Err(error) => {
            reports.send(&FromChild::Unavailable(error));
            // The parent closes the input when it has read that.
            return io::copy(&mut input, &mut io::sink()).map(|_| ());
        }
    };
    reports.send(&FromChild::Warm);
    let mut messages = Decoder::default();
    while let Some(message) = messages.read::<ToChild>(&mut input)? {
        work.take(message);
    }
    Ok(())
}

/// [`run_engine_host`] on standard input and output; what the library prints goes to standard error.
pub fn run_engine_host_on_stdio(engine: NativeEngine) -> io::Result<()> {
    let output = rustix::io::dup(rustix::stdio::stdout())?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    run_engine_host(engine, io::stdin().lock(), std::fs::File::from(output))
}

enum Work {
    Listen(Box<Listener>),
    Speak(Speaker),
}

impl Work {
    fn start(engine: NativeEngine, reports: &Reports) -> Result<Work, EngineError> {
        match engine {
            NativeEngine::Pocketsphinx => Ok(Work::Listen(Box::new(Listener::new(reports.clone())?))),
            NativeEngine::Flite => Ok(Work::Speak(Speaker::start(reports.clone())?)),
        }
    }

    fn take(&mut self, message: ToChild) {
        match self {
            Work::Listen(listener) => listener.take(message),
            Work::Speak(speaker) => speaker.take(message),
        }
    }
}

/// The way back to the parent, from any thread of the child.
#[derive(Clone)]
pub(crate) struct Reports(Arc<Mutex<Output>>);

struct Output {
    sink: Box<dyn Write + Send>,
    buffer: Vec<u8>,
}

impl Reports {
    pub(crate) fn send(&self, message: &FromChild) {
        let mut output = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Output { sink, buffer } = &mut *output;
        buffer.clear();
        encode(message, buffer);
        // A parent that is gone closes the input too, which ends this process.
        let _ = sink.write_all(buffer).and_then(|()| sink.flush());
    }
}
