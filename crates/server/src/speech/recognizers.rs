//! One thread owns every open recognizer and hands it the frames that the workers heard.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use offhook_call_control::RecognizerCommand;
use offhook_engine_api::{EventSink, Recognizer, RecognizerEngine, RecognizerEvent};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::worker::SpeechUplink;

/// The caller's audio reaches recognizers at this rate.
const SAMPLE_RATE: u32 = 16_000;

enum Order {
    Open(u64, Arc<dyn RecognizerEngine>, EventSink<RecognizerEvent>),
    Command(u64, RecognizerCommand),
    Close(u64),
}

/// The way to the thread. Never blocks.
#[derive(Clone, Debug)]
pub struct RecognizerHandle {
    orders: Sender<Order>,
    uplink: Arc<SpeechUplink>,
}

impl RecognizerHandle {
    /// Opens a recognizer for a call; if that fails the sink is told.
    pub fn open(&self, call: u64, engine: Arc<dyn RecognizerEngine>, events: EventSink<RecognizerEvent>) {
        self.send(Order::Open(call, engine, events));
    }

    /// Tells a call's recognizer something.
    pub fn command(&self, call: u64, command: RecognizerCommand) {
        self.send(Order::Command(call, command));
    }

    /// Ends a call's recognizer.
    pub fn close(&self, call: u64) {
        self.send(Order::Close(call));
    }

    fn send(&self, order: Order) {
        // The thread lives as long as any handle does.
        let _ = self.orders.send(order);
        self.uplink.wake_fd().wake();
    }
}

/// Starts the thread. It ends when the last handle is dropped.
///
/// # Errors
/// What the system said.
pub fn spawn_recognizers(uplink: Arc<SpeechUplink>) -> io::Result<(RecognizerHandle, JoinHandle<()>)> {
    let (orders, inbox) = channel();
    let handle = RecognizerHandle { orders, uplink: Arc::clone(&uplink) };
    let thread = std::thread::Builder::new()
        .name("recognizers".into())
        .spawn(move || crate::threads::vital("recognizers", || run(&uplink, &inbox)))?;
    Ok((handle, thread))
}

fn run(uplink: &SpeechUplink, inbox: &Receiver<Order>) {
    let mut open: BTreeMap<u64, Box<dyn Recognizer>> = BTreeMap::new();
    loop {
        let mut fds = [PollFd::new(uplink.wake_fd(), PollFlags::IN)];
        // The time-out only notices that every handle is gone.
        let _ = poll(&mut fds, Some(&Timespec { tv_sec: 1, tv_nsec: 0 }));
        uplink.wake_fd().clear();
        hand_out(uplink, &mut open);
        loop {
            match inbox.try_recv() {
                Ok(order) => {
                    // An order to finish an utterance was given after the frames it is about were pushed.
                    hand_out(uplink, &mut open);
                    obey(order, &mut open);
                }
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
            }
        }
    }
}

fn hand_out(uplink: &SpeechUplink, open: &mut BTreeMap<u64, Box<dyn Recognizer>>) {
    while let Some(heard) = uplink.pop() {
        if let Some(recognizer) = open.get_mut(&heard.call) {
            recognizer.push_audio(&heard.frame);
        }
    }
}

fn obey(order: Order, open: &mut BTreeMap<u64, Box<dyn Recognizer>>) {
    match order {
        Order::Open(call, engine, events) => match engine.open(SAMPLE_RATE, events.clone()) {
            Ok(recognizer) => {
                open.insert(call, recognizer);
            }
            Err(error) => events.send(RecognizerEvent::Failed(error)),
        },
        Order::Command(call, command) => {
            if let Some(recognizer) = open.get_mut(&call) {
                match command {
                    RecognizerCommand::SetGrammar(grammar) => recognizer.set_grammar(&grammar),
                    RecognizerCommand::StartUtterance => recognizer.start_utterance(),
                    RecognizerCommand::FinishUtterance => recognizer.finish_utterance(),
                }
            }
        }
        Order::Close(call) => {
            open.remove(&call);
        }
    }
}
