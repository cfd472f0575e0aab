//! A real worker thread, and a control that is played by the test.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use offhook_audio::AudioChunk;
use offhook_engine_api::UtteranceId;

use super::{FromWorker, Slot, SpeechUplink, ToWorker, WayBack, WorkerConfig, WorkerHandle, spawn};

/// Longer than anything takes that does not hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// Many times what both queues hold, and less than the worker keeps room for.
const MESSAGES: u32 = 10_000;

#[test]
fn both_queues_full_and_nobody_waits_for_the_other() {
    let stage = Stage::new(4, 4);
    let samples: Arc<[i16]> = vec![0; 160].into();
    let (done, sent) = channel();
    let (control, said) = (stage.worker.clone(), Arc::clone(&samples));

    // Control says and says, and looks at nothing that the worker tells: each message comes back as one.
    let control = std::thread::spawn(move || {
        for number in 0..MESSAGES {
            let chunk = AudioChunk { sample_rate: 8000, samples: Arc::clone(&said) };
            control.send(ToWorker::Speech(NOBODY, UtteranceId(number), chunk));
        }
        drop(said);
        let _ = done.send(());
    });

    assert!(sent.recv_timeout(PATIENCE).is_ok(), "control and worker wait for each other");
    control.join().unwrap();
    assert!(stage.worker.waiting().1 > 0, "the queue to the worker was full");
    let held = until(|| Some(stage.worker.health.kept()).filter(|(_, ever)| *ever > 0));
    assert!(held.0 > 0, "the queue to control was full: {held:?}");
    assert_eq!(stage.told.len(), 4, "and still is");
    assert_eq!(Arc::strong_count(&samples), 1 + MESSAGES as usize, "the worker frees no memory");
    for number in 0..MESSAGES {
        let message = until(|| stage.told.pop());
        let FromWorker::Unused(ToWorker::Speech(slot, utterance, _)) = message else {
            panic!("{message:?}");
        };
        assert_eq!((slot, utterance), (NOBODY, UtteranceId(number)), "none is lost, and the order stays");
    }
    assert_eq!(Arc::strong_count(&samples), 1);
    until(|| (stage.worker.health.kept().0 == 0).then_some(()));
}

#[test]
fn all_calls_of_a_worker_share_one_wake() {
    let worker = WorkerHandle::new(4).unwrap();

    let (one, other) = (worker.shared_wake(), worker.clone().shared_wake());

    assert!(Arc::ptr_eq(&one, &other), "who has audio for many calls would wake the worker once for each");
}

#[test]
fn what_comes_for_a_call_that_is_over_is_freed_by_control() {
    let stage = Stage::new(16, 16);
    let samples: Arc<[i16]> = vec![0; 160].into();
    let chunk = AudioChunk { sample_rate: 8000, samples: Arc::clone(&samples) };

    stage.worker.send(ToWorker::Speech(NOBODY, UtteranceId(7), chunk));

    let unused = until(|| stage.told.pop());
    assert_eq!(Arc::strong_count(&samples), 2);
    drop(unused);
    assert_eq!(Arc::strong_count(&samples), 1);
}

/// A place that no call has.
const NOBODY: Slot = Slot { index: 3, generation: 1 };

struct Stage {
    worker: WorkerHandle,
    told: Arc<ArrayQueue<FromWorker>>,
    thread: Option<std::thread::JoinHandle<()>>,
    _poll: mio::Poll,
}

impl Stage {
    fn new(to_worker: usize, to_control: usize) -> Stage {
        let poll = mio::Poll::new().unwrap();
        let wake = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let (worker, told) = (WorkerHandle::new(to_worker).unwrap(), Arc::new(ArrayQueue::new(to_control)));
        let config = WorkerConfig {
            number: 0,
            handle: worker.clone(),
            control: WayBack::new(Arc::clone(&told), wake, Arc::clone(&worker.health)),
            speech: SpeechUplink::new(16).unwrap(),
            bridge: None,
            realtime: false,
            tap: None,
            calls: 16,
        };
        let thread = Some(spawn(config).unwrap());
        Stage { worker, told, thread, _poll: poll }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // One that hangs is left behind: the test has failed already.
        if !std::thread::panicking() {
            self.worker.send(ToWorker::Stop);
            self.thread.take().unwrap().join().unwrap();
        }
    }
}

#[track_caller]
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "it never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}
