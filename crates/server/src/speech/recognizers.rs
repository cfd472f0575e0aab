//! One thread owns every open recognizer and hands it the frames that the workers heard.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use offhook_call_control::RecognizerCommand;
use offhook_engine_api::{EventSink, Recognizer, RecognizerEngine, RecognizerEvent};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::worker::SpeechUplink;

/// The caller's audio reaches recognizers at this rate.
const SAMPLE_RATE: u32 = 16_000;

/// Orders of all calls that may wait. Should there be more, control waits and it is counted: orders are never dropped,
/// and the thread that takes them waits for nobody (engines must not block, reporting to control never does).
const ORDERS: usize = 8192;

enum Order {
    Open(u64, Arc<dyn RecognizerEngine>, EventSink<RecognizerEvent>),
    Command(u64, RecognizerCommand),
    Close(u64),
}

/// The way to the thread.
#[derive(Clone, Debug)]
pub struct RecognizerHandle {
    orders: SyncSender<Order>,
    load: Arc<Load>,
    uplink: Arc<SpeechUplink>,
}

#[derive(Debug, Default)]
struct Load {
    waiting: AtomicUsize,
    waits: AtomicU64,
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

    /// Orders that wait now, and how often one found no room.
    pub fn waiting(&self) -> (usize, u64) {
        (self.load.waiting.load(Ordering::Relaxed), self.load.waits.load(Ordering::Relaxed))
    }

    fn send(&self, order: Order) {
        self.load.waiting.fetch_add(1, Ordering::Relaxed);
        // The thread lives as long as any handle does.
        if let Err(TrySendError::Full(order)) = self.orders.try_send(order) {
            self.load.waits.fetch_add(1, Ordering::Relaxed);
            self.uplink.wake_fd().wake();
            let _ = self.orders.send(order);
        }
        self.uplink.wake_fd().wake();
    }
}

/// Starts the thread. It ends when the last handle is dropped.
///
/// # Errors
/// What the system said.
pub fn spawn_recognizers(uplink: Arc<SpeechUplink>) -> io::Result<(RecognizerHandle, JoinHandle<()>)> {
    spawn_with(uplink, ORDERS)
}

fn spawn_with(uplink: Arc<SpeechUplink>, room: usize) -> io::Result<(RecognizerHandle, JoinHandle<()>)> {
    let (orders, inbox) = sync_channel(room);
    let load = Arc::new(Load::default());
    let handle = RecognizerHandle { orders, load: Arc::clone(&load), uplink: Arc::clone(&uplink) };
    let thread = std::thread::Builder::new()
        .name("recognizers".into())
        .spawn(move || crate::threads::vital("recognizers", || run(&uplink, &inbox, &load)))?;
    Ok((handle, thread))
}

fn run(uplink: &SpeechUplink, inbox: &Receiver<Order>, load: &Load) {
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
                    load.waiting.fetch_sub(1, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use offhook_audio::Frame;
    use offhook_engine_api::{EngineError, Grammar};

    use super::*;

    /// An engine that stands still until it is let go, and then counts what it is told.
    #[derive(Debug, Default)]
    struct Slow {
        go: AtomicBool,
        heard: Arc<AtomicUsize>,
    }

    struct Counting(Arc<AtomicUsize>);

    impl RecognizerEngine for Slow {
        fn open(
            &self,
            _sample_rate: u32,
            events: EventSink<RecognizerEvent>,
        ) -> Result<Box<dyn Recognizer>, EngineError> {
            while !self.go.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(1));
            }
            events.send(RecognizerEvent::Ready);
            Ok(Box::new(Counting(Arc::clone(&self.heard))))
        }

        fn name(&self) -> &str {
            "slow"
        }
    }

    impl Recognizer for Counting {
        fn set_grammar(&mut self, _grammar: &Grammar) {}
        fn start_utterance(&mut self) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
        fn push_audio(&mut self, _frame: &Frame) {}
        fn finish_utterance(&mut self) {}
    }

    #[test]
    fn orders_wait_for_room_and_none_is_lost() {
        let (handle, _thread) = spawn_with(SpeechUplink::new(4).unwrap(), 4).unwrap();
        let engine = Arc::new(Slow::default());
        handle.open(1, Arc::clone(&engine) as Arc<dyn RecognizerEngine>, EventSink::new(|_| ()));
        let (done, finished) = channel();

        let orders = handle.clone();
        std::thread::spawn(move || {
            (0..100).for_each(|_| orders.command(1, RecognizerCommand::StartUtterance));
            let _ = done.send(());
        });

        assert!(finished.recv_timeout(Duration::from_millis(200)).is_err(), "there is room for four");
        engine.go.store(true, Ordering::Release);
        finished.recv_timeout(Duration::from_secs(20)).unwrap();
        while handle.waiting().0 > 0 || engine.heard.load(Ordering::Acquire) < 100 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(engine.heard.load(Ordering::Acquire), 100);
        assert!(handle.waiting().1 > 0);
    }
}
