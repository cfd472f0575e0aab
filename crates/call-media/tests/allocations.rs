//! The half takes its memory when the call begins, and not one byte after.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, clippy::print_stdout)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::{bridge, caller_address, conversation, echo, noise, sample};
use offhook_audio::{AudioChunk, Frame, G711};
use offhook_call_media::{
    BargeIn, CallMedia, Input, LegId, MediaCommand, MediaEvent, MediaSettings, OnSpeech, Outputs,
    UtterancePolicy,
};
use offhook_engine_api::UtteranceId;
use offhook_rtp_proto::{Digit, DigitSender, DigitSenderConfig, NextEvent, PayloadType, StreamSender};
use offhook_time::{Half, Randomness, Seed, Step, StepSink, Time};

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static FREES: Cell<u64> = const { Cell::new(0) };
    static HEAP: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

#[allow(unsafe_code)]
// SAFETY: everything is handed to the system's allocator unchanged; the counters are thread-local cells without
// destructors, which never allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if WATCHED.get() {
            ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        }
        HEAP.set(HEAP.get() + layout.size() as i64);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if WATCHED.get() {
            FREES.set(FREES.get() + 1);
        }
        HEAP.set(HEAP.get() - layout.size() as i64);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[test]
fn sixty_seconds_of_echo_allocate_and_free_nothing() {
    let mut run = Run::new(echo());
    run.says = noise(5);

    run.for_seconds(60);

    run.assert_nothing_was_allocated();
    assert!(run.outputs.rtp > 2_990);
}

#[test]
fn sixty_seconds_of_an_application_allocate_and_free_nothing() {
    for rate in [8_000, 16_000] {
        let mut run = Run::new(bridge(rate));
        run.says = noise(5);
        run.application = true;

        run.for_seconds(60);

        run.assert_nothing_was_allocated();
        assert!(run.outputs.application > 2_900);
    }
}

#[test]
fn sixty_seconds_of_conversation_with_barge_in_and_digits_allocate_and_free_nothing() {
    let rates = [8_000, 16_000, 22_050, 24_000];
    let mut run = Run::new(MediaSettings { speech_rates: rates.to_vec(), ..conversation() });
    run.says = sample("barge-in-rms");
    let chunks = rates.map(|sample_rate| AudioChunk { sample_rate, samples: Arc::from(vec![500; 2_000]) });
    let mut keys = [0; 32];
    keys[0] = b'7';

    for second in 0..60u32 {
        let utterance = UtteranceId(second);
        let policy = UtterancePolicy {
            barge_in: BargeIn { speech: OnSpeech::Stop, digits: true },
            ..UtterancePolicy::default()
        };
        run.handle(Input::Command(MediaCommand::Announce { utterance, policy }));
        for _ in 0..8 {
            let chunk = chunks[second as usize % chunks.len()].clone();
            run.handle(Input::Speech { utterance, chunk });
        }
        run.handle(Input::Command(MediaCommand::EndOfUtterance { utterance }));
        if second % 7 == 3 {
            run.digits.press(Digit::from_char('5').unwrap(), Duration::from_millis(100)).unwrap();
            run.handle(Input::Command(MediaCommand::SendDigits {
                leg: LegId::CALLER,
                digits: keys,
                count: 1,
            }));
        }
        run.for_seconds(1);
    }

    run.assert_nothing_was_allocated();
    let seen = &run.outputs;
    println!("{} barge-ins, {} digits, {} utterances", seen.stopped, seen.digits, seen.finished);
    assert!(seen.stopped >= 5 && seen.digits >= 8 && seen.finished >= 40);
}

#[test]
fn recording_the_steps_allocates_nothing_either() {
    let mut run = Run::new(echo());
    run.says = noise(5);
    run.sink.recording = true;

    run.for_seconds(20);

    run.assert_nothing_was_allocated();
    assert!(run.sink.octets > 20 * 50 * 180, "{}", run.sink.octets);
}

#[test]
fn a_call_fits_into_its_memory() {
    for (what, settings, limit) in [
        ("echo", echo(), 60),
        ("bridge at 8 kHz", bridge(8_000), 60),
        ("bridge at 16 kHz", bridge(16_000), 60),
        ("conversation", conversation(), 80),
    ] {
        let before = HEAP.get();
        let call = CallMedia::new(settings, Time::ZERO);
        let heap = HEAP.get() - before;
        let whole = heap + size_of_val(&call) as i64;
        println!(
            "{what}: {:.1} KiB ({} of them the struct itself)",
            whole as f64 / 1024.0,
            size_of_val(&call)
        );
        assert!(whole <= limit * 1024, "{what}: {whole}");
    }
}

/// A caller and a half whose `handle` is watched.
struct Run {
    call: CallMedia,
    outputs: Counted,
    sink: Octets,
    now: Time,
    says: Vec<i16>,
    said: usize,
    application: bool,
    sender: StreamSender,
    digits: DigitSender,
}

impl Run {
    fn new(settings: MediaSettings) -> Self {
        let now = offhook_testkit::start();
        Run {
            call: CallMedia::new(settings, now),
            outputs: Counted::default(),
            sink: Octets::default(),
            now,
            says: Vec::new(),
            said: 0,
            application: false,
            sender: StreamSender::new(&mut Randomness::new(Seed::from_number(3))),
            digits: DigitSender::new(DigitSenderConfig::default()),
        }
    }

    fn for_seconds(&mut self, seconds: u64) {
        for _ in 0..seconds * 50 {
            self.send();
            if let Some(frame) = self.outputs.last_application.take() {
                self.handle(Input::Application(&frame));
            }
            let next = self.now + Duration::from_millis(20);
            while let Some(deadline) = self.call.poll_timeout().filter(|deadline| *deadline < next) {
                self.handle_at(Input::Deadline, deadline);
            }
            self.now = next;
        }
    }

    fn send(&mut self) {
        let mut buffer = [0; 200];
        let length = match self.digits.next(self.sender.timestamp(), 160) {
            NextEvent::Packet(event) => {
                self.sender.write_event(PayloadType::new(101).unwrap(), &event, 160, &mut buffer).unwrap()
            }
            NextEvent::Idle | NextEvent::Pause => {
                let pcm: [i16; 160] = std::array::from_fn(|n| self.says[(self.said + n) % self.says.len()]);
                let mut payload = [0; 160];
                G711::MuLaw.encode(&pcm, &mut payload);
                self.sender.write_audio(PayloadType::PCMU, &payload, 160, &mut buffer).unwrap()
            }
        };
        self.said += 160;
        // One packet in fifty is lost.
        if self.said / 160 % 50 != 17 {
            let (source, arrived_at) = (caller_address(), self.now);
            self.handle(Input::Rtp { leg: LegId::CALLER, datagram: &buffer[..length], source, arrived_at });
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.handle_at(input, self.now);
    }

    fn handle_at(&mut self, input: Input<'_>, now: Time) {
        WATCHED.set(true);
        self.call.handle_recorded(input, &mut self.outputs, &mut self.sink, now);
        WATCHED.set(false);
        self.outputs.discarded.clear();
    }

    fn assert_nothing_was_allocated(&self) {
        assert_eq!((ALLOCATIONS.get(), FREES.get()), (0, 0));
    }
}

/// Takes everything without memory of its own.
struct Counted {
    rtp: u64,
    application: u64,
    stopped: u64,
    digits: u64,
    finished: u64,
    last_application: Option<Frame>,
    /// Freed when nobody watches.
    discarded: Vec<AudioChunk>,
}

impl Default for Counted {
    fn default() -> Self {
        Counted {
            rtp: 0,
            application: 0,
            stopped: 0,
            digits: 0,
            finished: 0,
            last_application: None,
            discarded: Vec::with_capacity(1_000),
        }
    }
}

impl Outputs for Counted {
    fn rtp(&mut self, _leg: LegId, _to: SocketAddr, _packet: &[u8]) {
        self.rtp += 1;
    }

    fn rtcp(&mut self, _leg: LegId, _to: SocketAddr, _packet: &[u8]) {}

    fn caller_audio(&mut self, _frame: &Frame, _in_utterance: bool) {}

    fn application_audio(&mut self, frame: &Frame) {
        self.application += 1;
        self.last_application = Some(*frame);
    }

    fn event(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Discard(chunk) => self.discarded.push(chunk),
            MediaEvent::SpeechConfirmed { stopped: Some(_) } => self.stopped += 1,
            MediaEvent::Digit { .. } => self.digits += 1,
            MediaEvent::PlaybackFinished { .. } => self.finished += 1,
            _ => {}
        }
    }
}

#[derive(Default)]
struct Octets {
    recording: bool,
    octets: usize,
}

impl StepSink for Octets {
    fn record(&mut self, step: Step<'_>) {
        assert_eq!(step.half, Half::Media);
        self.octets += step.payload.len();
    }

    fn is_recording(&self) -> bool {
        self.recording
    }
}
