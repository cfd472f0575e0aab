//! The way to the control thread.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use offhook_call_control::{Command, CommandId, Refusal};
use offhook_conversation::{ToolAnswer, ToolFailure};
use offhook_engine_api::{RecognizerEvent, SynthesizerEvent};
use offhook_engines::websocket::BridgeEvent;
use tokio::sync::oneshot;

/// An outgoing call that the API asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// SIP URI whose host is an address.
    pub to: String,
    /// Name of the bot that speaks.
    pub bot: String,
    /// User part of From.
    pub from: String,
}

/// What became of a command at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandReply {
    /// It runs, or is done; the event says how it ended.
    Accepted,
    /// It cannot be done.
    Refused(Refusal),
    /// There is no such call.
    NoSuchCall,
}

/// What control knows that metrics want.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Calls that have not ended.
    pub calls: usize,
    /// Free RTP port pairs.
    pub free_ports: usize,
    /// The endpoint's counters, by name.
    pub sip: Vec<(&'static str, u64)>,
}

/// A message to the control thread.
#[derive(Debug)]
pub enum ToControl {
    /// From a call's recognizer.
    Recognizer(u64, RecognizerEvent),
    /// From a call's synthesizer: what is not audio.
    Synthesizer(u64, SynthesizerEvent),
    /// From a call's application.
    Bridge(u64, BridgeEvent),
    /// A tool came back.
    Tool(u64, u64, Result<ToolAnswer, ToolFailure>),
    /// From the API.
    Command(String, CommandId, Command, oneshot::Sender<CommandReply>),
    /// From the API.
    Dial(Dial, oneshot::Sender<Result<String, Refusal>>),
    /// For `/metrics`.
    Snapshot(Sender<Snapshot>),
    /// No new calls; tell when the last one has ended.
    Drain(Sender<()>),
    /// End every call now; tell when the last one has ended.
    EndAll(Sender<()>),
    /// End the thread.
    Stop,
}

/// The way to the control thread. Cheap to clone; sending never blocks.
#[derive(Clone, Debug)]
pub struct ControlHandle {
    sender: Sender<ToControl>,
    waker: Arc<mio::Waker>,
}

impl ControlHandle {
    pub(super) fn new(waker: Arc<mio::Waker>) -> (ControlHandle, Receiver<ToControl>) {
        let (sender, receiver) = channel();
        (ControlHandle { sender, waker }, receiver)
    }

    /// Sends a message. Says whether the thread is still there.
    pub fn send(&self, message: ToControl) -> bool {
        let sent = self.sender.send(message).is_ok();
        let _ = self.waker.wake();
        sent
    }

    /// Hands a command to a call. `None` where the server is shutting down.
    pub async fn command(&self, call: String, id: CommandId, command: Command) -> Option<CommandReply> {
        let (reply, answer) = oneshot::channel();
        self.send(ToControl::Command(call, id, command, reply));
        answer.await.ok()
    }

    /// Places a call. `None` where the server is shutting down.
    pub async fn dial(&self, dial: Dial) -> Option<Result<String, Refusal>> {
        let (reply, answer) = oneshot::channel();
        self.send(ToControl::Dial(dial, reply));
        answer.await.ok()
    }

    /// What control knows that metrics want.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let (reply, answer) = channel();
        self.send(ToControl::Snapshot(reply));
        answer.recv_timeout(std::time::Duration::from_secs(1)).ok()
    }
}
