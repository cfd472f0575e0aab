//! The loop of a worker. It wakes on its tick, not on each packet: waking is what a naive media server spends its CPU on.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use offhook_call_media::{Input, LegId};
use offhook_engines::websocket::BridgeHub;
use offhook_linux_ffi::{
    DatagramReceiver, StampClock, ThreadAllocations, register_thread, set_realtime_priority,
};
use offhook_time::Time;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

use super::{FromWorker, Slot, SpeechUplink, ToWorker, WayBack, WorkerCall, WorkerHandle};
use crate::clock::Clock;
use crate::recorder::MediaTap;

/// Below this many calls a tick is 1 ms, above it 2 ms: a wake costs the same for few calls as for many.
const CALLS_OF_A_SHORT_TICK: usize = 300;

/// Datagrams taken from one socket per tick: a flood on one call must not starve the others.
const DATAGRAMS_PER_TICK: usize = 8;

/// Longer datagrams are no RTP of ours.
const LONGEST_DATAGRAM: usize = 2048;

/// Messages taken per tick: senders that keep sending do not hold up the frames.
const MESSAGES_PER_TICK: usize = 4096;

/// Frames taken from one application per tick; what the call cannot take yet waits in the ring, then in the socket.
const APPLICATION_FRAMES_PER_TICK: usize = 32;

/// Sockets that one look at epoll can report.
const READY_PER_LOOK: usize = 4096;

/// What a worker needs.
#[derive(Debug)]
pub struct WorkerConfig {
    /// Its number, for thread name and metrics.
    pub number: usize,
    /// Its inbox.
    pub handle: WorkerHandle,
    /// The way to control.
    pub control: WayBack,
    /// The way to the recognizers.
    pub speech: Arc<SpeechUplink>,
    /// The way to the applications.
    pub bridge: Option<BridgeHub>,
    /// Whether to ask for real-time priority.
    pub realtime: bool,
    /// The way to the recorder, where calls may be recorded.
    pub tap: Option<MediaTap>,
    /// The most calls it is given; room for them is taken at the start.
    pub calls: usize,
}

/// Starts a worker thread.
///
/// # Errors
/// What the system said about threads or epoll.
pub fn spawn(config: WorkerConfig) -> io::Result<JoinHandle<()>> {
    let name = format!("media-{}", config.number);
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    std::thread::Builder::new()
        .name(name)
        .spawn(move || crate::threads::vital("media", || Worker::new(config, epoll).run()))
}

struct Place {
    generation: u32,
    call: Option<Box<WorkerCall>>,
}

struct Worker {
    config: WorkerConfig,
    clock: Clock,
    epoll: OwnedFd,
    places: Vec<Place>,
    live: usize,
    receiver: DatagramReceiver,
    ready: Vec<epoll::Event>,
    allocations: Option<ThreadAllocations>,
    stopping: bool,
}

impl Worker {
    fn new(config: WorkerConfig, epoll: OwnedFd) -> Self {
        Worker {
            clock: Clock,
            epoll,
            places: Vec::with_capacity(config.calls),
            live: 0,
            receiver: DatagramReceiver::new(DATAGRAMS_PER_TICK, LONGEST_DATAGRAM),
            ready: Vec::with_capacity(READY_PER_LOOK),
            allocations: None,
            stopping: false,
            config,
        }
    }

    fn run(&mut self) {
        self.ask_for_realtime();
        crate::panics::warm_up_unwinder();
        self.allocations = register_thread();
        let mut tick = self.clock.now();
        while !(self.stopping && self.live == 0) {
            tick = self.wait(tick);
            let now = self.clock.now();
            if self.live > 0 {
                self.config.handle.health.note(now.since(tick));
            }
            if let Some(tap) = &self.config.tap {
                tap.begin_tick(now);
            }
            self.config.control.catch_up();
            let mut told = self.take_messages(now);
            told |= self.read_sockets(now);
            told |= self.run_due(now);
            if let Some(bridge) = &self.config.bridge {
                bridge.flush();
            }
            self.config.speech.flush();
            if told {
                self.config.control.wake();
            }
            if let Some(allocations) = self.allocations {
                self.config.handle.health.note_allocations(allocations.allocations());
            }
        }
    }

    fn ask_for_realtime(&self) {
        if !self.config.realtime {
            return;
        }
        match set_realtime_priority(10) {
            Ok(()) => {
                self.config.handle.health.set_realtime();
                tracing::info!(worker = self.config.number, "real-time priority on");
            }
            Err(error) => tracing::info!(worker = self.config.number, %error, "real-time priority off"),
        }
    }

    /// Sleeps until the next tick or until something urgent comes. Without calls it sleeps until it is told something.
    /// Answers the moment at which it should have woken.
    fn wait(&mut self, last: Time) -> Time {
        let handle = &self.config.handle;
        let length = Duration::from_millis(if self.live > CALLS_OF_A_SHORT_TICK { 2 } else { 1 });
        let now = self.clock.now();
        if !handle.is_empty() {
            handle.accept_wakes(false);
            return now;
        }
        // Ticks that were slept through are not made up for.
        let target = if now > last + length * 2 { now + length } else { last + length };
        // With a record in its chunk it wakes to hand that over.
        let records = self.config.tap.as_ref().is_some_and(MediaTap::holds_any);
        let has_work = self.live > 0 || records || self.config.control.is_held_up();
        let timeout = has_work.then(|| timespec(target.since(now)));
        let mut fds = [PollFd::new(handle.wake_fd(), PollFlags::IN)];
        let woken = poll(&mut fds, timeout.as_ref()).unwrap_or(0) > 0;
        handle.accept_wakes(woken);
        if woken {
            return self.clock.now();
        }
        target
    }

    fn take_messages(&mut self, now: Time) -> bool {
        let mut told = false;
        for _ in 0..MESSAGES_PER_TICK {
            let Some(message) = self.config.handle.receive() else { break };
            match message {
                ToWorker::Open(slot, call) => self.open(slot, call),
                ToWorker::Command(slot, command) => told |= self.handle(slot, Input::Command(command), now),
                ToWorker::Speech(slot, utterance, chunk) => {
                    if self.call(slot).is_some() {
                        told |= self.handle(slot, Input::Speech { utterance, chunk }, now);
                    } else {
                        told |= self.give_back(ToWorker::Speech(slot, utterance, chunk));
                    }
                }
                ToWorker::Bridge(slot, bridge) => {
                    let unused = match self.call(slot) {
                        Some(call) => call.half.bridge.replace(bridge),
                        None => Some(bridge),
                    };
                    if let Some(unused) = unused {
                        told |= self.give_back(ToWorker::Bridge(slot, unused));
                    }
                }
                ToWorker::PlantPanic(slot, input) => {
                    if let Some(call) = self.call(slot) {
                        call.half.plant_panic(input);
                    }
                }
                ToWorker::Stop => self.stopping = true,
            }
        }
        told
    }

    /// The call in a place, unless it is another one by now, or over.
    fn call(&mut self, slot: Slot) -> Option<&mut WorkerCall> {
        let place = self.places.get_mut(slot.index as usize)?;
        let call = if place.generation == slot.generation { place.call.as_deref_mut() } else { None };
        call.filter(|call| !call.half.is_over())
    }

    /// What came too late for its call is freed by control, not here.
    fn give_back(&self, message: ToWorker) -> bool {
        self.config.control.push(FromWorker::Unused(message));
        true
    }

    fn open(&mut self, slot: Slot, call: Box<WorkerCall>) {
        let index = slot.index as usize;
        while self.places.len() <= index {
            self.places.push(Place { generation: 0, call: None });
        }
        let watch = |socket, is_rtcp| {
            epoll::add(&self.epoll, socket, event_data(index, is_rtcp), epoll::EventFlags::IN)
        };
        let watched = watch(&call.sockets.rtp, false).and(watch(&call.sockets.rtcp, true));
        if let Err(error) = watched {
            // Control knows the call's id, and has the time to log.
            self.config.control.push(FromWorker::Deaf(call.half.key, error.kind()));
        }
        self.places[index] = Place { generation: slot.generation, call: Some(call) };
        self.live += 1;
        self.config.handle.calls.store(self.live, Ordering::Relaxed);
    }

    fn read_sockets(&mut self, now: Time) -> bool {
        if self.live == 0 || self.config.control.is_held_up() {
            return false;
        }
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        let mut told = false;
        if epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), Some(&at_once)).is_ok() {
            let stamps = StampClock::sample();
            for event in &ready {
                let (index, is_rtcp) = read_event_data(event.data);
                told |= self.read_socket(index, is_rtcp, stamps, now);
            }
        }
        self.ready = ready;
        told
    }

    fn read_socket(&mut self, index: usize, is_rtcp: bool, stamps: StampClock, now: Time) -> bool {
        let Worker { places, receiver, config, .. } = self;
        let Some(Place { call: Some(call), .. }) = places.get_mut(index) else { return false };
        let WorkerCall { sockets, half } = &mut **call;
        let socket = if is_rtcp { &sockets.rtcp } else { &sockets.rtp };
        let mut told = false;
        let leg = LegId::CALLER;
        // An error of the socket is an ICMP answer to what we sent: not a reason to stop listening.
        let _ = receiver.receive(socket.as_fd(), stamps, |datagram| {
            let arrived_at = datagram.arrived_at.map_or(now, Time::from_nanos).min(now);
            let (source, datagram) = (datagram.from, datagram.bytes);
            let input = if is_rtcp {
                Input::Rtcp { leg, datagram, source, arrived_at }
            } else {
                Input::Rtp { leg, datagram, source, arrived_at }
            };
            told |= half.step(sockets, config, input, now);
        });
        told
    }

    /// Every deadline that has come, in order, each with its own nominal time.
    fn run_due(&mut self, now: Time) -> bool {
        let mut told = false;
        for index in 0..self.places.len() {
            let Worker { places, config, .. } = self;
            let Place { generation, call: Some(call) } = &mut places[index] else { continue };
            let slot = Slot { index: index as u32, generation: *generation };
            let WorkerCall { sockets, half } = &mut **call;
            if half.bridge.as_ref().is_some_and(|bridge| !bridge.downlink.is_empty()) {
                told |= take_from_application(half, sockets, config, now);
            }
            while half.due() <= now && !half.is_over() {
                let due = half.due();
                told |= half.step(sockets, config, Input::Deadline, due);
            }
            if half.is_over() {
                self.finish(slot);
                told = true;
            }
        }
        told
    }

    fn handle(&mut self, slot: Slot, input: Input<'_>, now: Time) -> bool {
        let Worker { places, config, .. } = self;
        let Some(place) = places.get_mut(slot.index as usize) else { return false };
        if place.generation != slot.generation {
            return false;
        }
        let Some(call) = &mut place.call else { return false };
        let WorkerCall { sockets, half } = &mut **call;
        half.step(sockets, config, input, now)
    }

    /// Hands the call's memory back to control.
    fn finish(&mut self, slot: Slot) {
        let Some(call) = self.places[slot.index as usize].call.take() else { return };
        // They leave epoll with their last descriptor anyway; until then they must not report.
        let _ = epoll::delete(&self.epoll, &call.sockets.rtp);
        let _ = epoll::delete(&self.epoll, &call.sockets.rtcp);
        self.live -= 1;
        self.config.handle.calls.store(self.live, Ordering::Relaxed);
        let key = call.half.key;
        if let (Some(tap), true) = (&self.config.tap, call.half.recorded) {
            tap.closed(key);
        }
        let message = if call.half.panicked() {
            FromWorker::Panicked(key, slot, call)
        } else {
            FromWorker::Closed(key, slot, call)
        };
        self.config.control.push(message);
    }
}

fn take_from_application(
    half: &mut super::call::MediaHalf,
    sockets: &super::MediaSockets,
    config: &WorkerConfig,
    now: Time,
) -> bool {
    let mut told = false;
    let mut played = 0;
    for _ in 0..APPLICATION_FRAMES_PER_TICK {
        if half.media.application_room() == 0 {
            break;
        }
        let Some(mut frame) = half.bridge.as_ref().and_then(|bridge| bridge.downlink.pop()) else { break };
        // The stamp in it is of the caller's packet that it answers, if of any: it is there since now.
        frame.arrived_at = Time::ZERO;
        told |= half.step(sockets, config, Input::Application(&frame), now);
        played += 1;
    }
    if let (Some(bridge), 1..) = (&mut half.bridge, played) {
        bridge.uplink.played(played);
    }
    told
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) }
}

fn event_data(index: usize, is_rtcp: bool) -> epoll::EventData {
    epoll::EventData::new_u64((index as u64) << 1 | u64::from(is_rtcp))
}

fn read_event_data(data: epoll::EventData) -> (usize, bool) {
    let value = data.u64();
    ((value >> 1) as usize, value & 1 == 1)
}
