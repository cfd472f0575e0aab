//! The way to the control thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use offhook_call_control::{Command, CommandId, Refusal};
use offhook_conversation::{ToolAnswer, ToolFailure};
use offhook_engine_api::{EventSink, RecognizerEvent, SynthesizerEvent};
use offhook_engines::websocket::BridgeEvent;
use tokio::sync::oneshot;

use super::inbox::{API_ROOM, Inbox, Room, SOURCE_ROOM};

/// An outgoing call that the API asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// SIP URI whose host is an address.
    pub to: String,
    /// Name of the bot that speaks.
    pub bot: String,
    /// User part of From.
    pub from: String,
    /// The trunk that must lead there; the one that does where absent.
    pub trunk: Option<String>,
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
    /// Why new calls are refused now; `None` where they are taken.
    pub refuses: Option<&'static str>,
    /// Events of the workers that wait for control.
    pub from_workers: usize,
    /// Every trunk: its name, its calls, and how many it may have.
    pub trunks: Vec<(String, usize, Option<usize>)>,
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
    /// No new calls, and those that ring are refused; tell when the last one has ended.
    Drain(oneshot::Sender<()>),
    /// End every call now; tell when the last one has ended.
    EndAll(oneshot::Sender<()>),
    /// End the thread.
    Stop,
}

/// The way to the control thread. Cheap to clone; sending never blocks. How much may wait: `inbox.rs`.
#[derive(Clone, Debug)]
pub struct ControlHandle {
    inbox: Arc<Inbox>,
    api: Room,
    waker: Arc<mio::Waker>,
}

impl ControlHandle {
    pub(super) fn new(waker: Arc<mio::Waker>) -> (ControlHandle, Arc<Inbox>) {
        let inbox = Arc::new(Inbox::default());
        (ControlHandle { inbox: Arc::clone(&inbox), api: Room::new(API_ROOM), waker }, inbox)
    }

    /// Sends a message of which there cannot be many: an answer to what control asked for, or an order of the server.
    pub fn send(&self, message: ToControl) {
        self.inbox.push(message, None);
        let _ = self.waker.wake();
    }

    /// Sends a request of the API. `false` where too many wait already.
    fn ask(&self, message: ToControl) -> bool {
        let Some(claim) = self.api.claim() else {
            metrics::counter!("offhook_queue_dropped_total", "queue" => "api").increment(1);
            return false;
        };
        self.inbox.push(message, Some(claim));
        let _ = self.waker.wake();
        true
    }

    /// A way in for a source that tells what it likes. Where it has told more than control could look at, `gives_up`
    /// is the last that is heard of it: the rest is dropped and counted under `queue`.
    pub(super) fn sink<E>(
        &self,
        queue: &'static str,
        message: impl Fn(E) -> ToControl + Send + Sync + 'static,
        gives_up: impl Fn() -> E + Send + Sync + 'static,
    ) -> EventSink<E> {
        let (control, room, has_given_up) = (self.clone(), Room::new(SOURCE_ROOM), AtomicBool::new(false));
        EventSink::new(move |event| {
            let claim = if has_given_up.load(Ordering::Acquire) { None } else { room.claim() };
            let is_heard = claim.is_some();
            if is_heard {
                control.inbox.push(message(event), claim);
            } else {
                metrics::counter!("offhook_queue_dropped_total", "queue" => queue).increment(1);
                if has_given_up.swap(true, Ordering::AcqRel) {
                    return;
                }
                control.inbox.push(message(gives_up()), None);
            }
            let _ = control.waker.wake();
        })
    }

    /// Messages that wait for control.
    pub fn waiting(&self) -> usize {
        self.inbox.len()
    }

    /// Hands a command to a call. `None` where the server is shutting down, or has too much to do.
    pub async fn command(&self, call: String, id: CommandId, command: Command) -> Option<CommandReply> {
        let (reply, answer) = oneshot::channel();
        if !self.ask(ToControl::Command(call, id, command, reply)) {
            return None;
        }
        answer.await.ok()
    }

    /// Places a call. `None` where the server is shutting down, or has too much to do.
    pub async fn dial(&self, dial: Dial) -> Option<Result<String, Refusal>> {
        let (reply, answer) = oneshot::channel();
        if !self.ask(ToControl::Dial(dial, reply)) {
            return None;
        }
        answer.await.ok()
    }

    /// What control knows that metrics want.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let (reply, answer) = channel();
        if !self.ask(ToControl::Snapshot(reply)) {
            return None;
        }
        answer.recv_timeout(std::time::Duration::from_secs(1)).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use offhook_engine_api::EngineError;

    use super::*;

    #[test]
    fn a_source_that_tells_too_much_is_told_to_have_failed_and_costs_others_nothing() {
        let (handle, inbox, _poll) = control();
        let failed = || RecognizerEvent::Failed(EngineError::TimedOut { engine: "flood".into() });
        let sink = |call| handle.sink("recognizer", move |event| ToControl::Recognizer(call, event), failed);
        let (flood, other) = (sink(1), sink(2));

        (0..SOURCE_ROOM * 3).for_each(|_| flood.send(RecognizerEvent::NoMatch));
        other.send(RecognizerEvent::NoMatch);

        let mut waiting = VecDeque::new();
        inbox.exchange(&mut waiting);
        let of = |wanted: u64| {
            let messages = waiting.iter().map(|waiting| &waiting.message);
            messages
                .filter_map(|message| {
                    let ToControl::Recognizer(call, event) = message else { return None };
                    (*call == wanted).then(|| event.clone())
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(of(1).len(), SOURCE_ROOM + 1);
        assert_eq!(of(1).last(), Some(&failed()));
        assert_eq!(of(2), [RecognizerEvent::NoMatch]);
        waiting.clear();
        flood.send(RecognizerEvent::NoMatch);
        assert_eq!(inbox.len(), 0, "one that was given up is not heard again");
    }

    #[test]
    fn room_comes_back_when_control_has_looked() {
        let (handle, inbox, _poll) = control();
        let failed = || RecognizerEvent::Failed(EngineError::TimedOut { engine: "busy".into() });
        let sink = handle.sink("recognizer", |event| ToControl::Recognizer(1, event), failed);

        for _ in 0..5 {
            (0..SOURCE_ROOM).for_each(|_| sink.send(RecognizerEvent::NoMatch));
            let mut waiting = VecDeque::new();
            inbox.exchange(&mut waiting);
            assert_eq!(waiting.len(), SOURCE_ROOM);
        }
    }

    #[test]
    fn requests_of_the_api_are_refused_where_too_many_wait() {
        let (handle, inbox, _poll) = control();
        let ask = || handle.ask(ToControl::Snapshot(channel().0));

        let taken = (0..API_ROOM + 5).filter(|_| ask()).count();

        assert_eq!((taken, inbox.len()), (API_ROOM, API_ROOM));
        inbox.exchange(&mut VecDeque::new());
        assert!(ask(), "control has looked");
    }

    fn control() -> (ControlHandle, Arc<Inbox>, mio::Poll) {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (handle, inbox) = ControlHandle::new(Arc::new(waker));
        (handle, inbox, poll)
    }
}
