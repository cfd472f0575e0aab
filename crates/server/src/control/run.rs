//! The loop of the control thread.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use mio::net::{TcpListener, UdpSocket};
use mio::{Events, Interest, Poll, Token};
use offhook_call_control::{CommandOutcome, EndCause, Input};
use offhook_call_media::MediaEvent;
use offhook_engine_api::SynthesizerEvent;
use offhook_engines::websocket::{BridgeClosed, BridgeEvent, BridgeHub};
use offhook_sip_proto::endpoint::{
    CallKey, Endpoint, EndpointConfig, EndpointEvent, Listener, Peer, Transmit, Transport,
};
use offhook_sip_proto::message::{Method, StatusCode, header};
use offhook_sip_proto::policy::Acceptance;
use offhook_time::{Randomness, Time, WallClock};
use tokio::sync::oneshot;

use super::call::ControlCall;
use super::command_memory::CommandMemory;
use super::handle::{ControlHandle, Snapshot, ToControl};
use super::inbox::{Inbox, Waiting};
use super::slots::Slots;
use super::taps::Taps;
use super::tcp::{FIRST_CONNECTION, TcpConnections};
use crate::api::EventHub;
use crate::bots::Bots;
use crate::clock::Clock;
use crate::config::Config;
use crate::hep::HepTap;
use crate::recorder::{ControlTap, Sip};
use crate::speech::{Engines, RecognizerHandle};
use crate::storage::Storage;
use crate::tools::Tools;
use crate::trace::Tracer;
use crate::worker::{FromWorker, HealthReport, PortPool, WorkerHandle};

const UDP: Token = Token(0);
const TCP: Token = Token(1);
const WAKE: Token = Token(2);

/// Longest SIP datagram.
const LONGEST_DATAGRAM: usize = 65_536;

/// How often media health is judged.
const HEALTH_EVERY: Duration = Duration::from_secs(1);

/// Datagrams taken before the calls get their turn.
const DATAGRAMS_PER_TURN: usize = 64;

/// What the control thread needs.
pub struct ControlConfig {
    /// The configuration.
    pub config: Arc<Config>,
    /// Bots by name.
    pub bots: Bots,
    /// Speech engines.
    pub engines: Engines,
    /// Recognizers.
    pub recognizers: RecognizerHandle,
    /// HTTP tools.
    pub tools: Tools,
    /// Applications.
    pub bridge: Option<BridgeHub>,
    /// Records.
    pub storage: Storage,
    /// Events.
    pub events: EventHub,
    /// Recorder, where calls may be recorded.
    pub tap: Option<ControlTap>,
    /// Copies of SIP messages, where they are wanted.
    pub hep: Option<HepTap>,
    /// Traces, where they are wanted.
    pub tracer: Option<Tracer>,
    /// Whether `X-Offhook-Test` may plant panics.
    pub allow_planted_panics: bool,
    /// The most calls of one worker.
    pub calls_per_worker: usize,
}

/// The sockets of SIP, bound before anything else is started: a busy port is the most common mistake.
pub struct SipSockets {
    udp: UdpSocket,
    tcp: TcpListener,
    /// Where they listen.
    pub local: SocketAddr,
}

impl SipSockets {
    /// Binds UDP and TCP on one port; with port 0 the kernel chooses one that is free for both.
    ///
    /// # Errors
    /// What the system said.
    pub fn bind(address: SocketAddr, dscp: u8) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..16 {
            let udp = std::net::UdpSocket::bind(address)?;
            let local = udp.local_addr()?;
            let tcp = match TcpListener::bind(local) {
                Ok(tcp) => tcp,
                Err(error) if address.port() == 0 => {
                    last = error;
                    continue;
                }
                Err(error) => return Err(error),
            };
            udp.set_nonblocking(true)?;
            // A mark that cannot be set costs priority on the way, not the call.
            let _ = offhook_linux_ffi::set_dscp(&udp, dscp);
            return Ok(SipSockets { udp: UdpSocket::from_std(udp), tcp, local });
        }
        Err(last)
    }
}

/// What the worker threads need to reach control, made before either runs.
pub struct ControlDoor {
    poll: Poll,
    inbox: Arc<Inbox>,
    /// The way in for everybody.
    pub handle: ControlHandle,
    /// The way in for workers.
    pub from_workers: Arc<ArrayQueue<FromWorker>>,
    /// Wakes control.
    pub waker: Arc<mio::Waker>,
}

impl ControlDoor {
    /// A door with room for `events` events of all workers together.
    ///
    /// # Errors
    /// What the system said.
    pub fn new(events: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKE)?);
        let (handle, inbox) = ControlHandle::new(Arc::clone(&waker));
        Ok(ControlDoor { poll, inbox, handle, from_workers: Arc::new(ArrayQueue::new(events)), waker })
    }
}

/// Starts the control thread.
///
/// # Errors
/// What the system said.
pub fn spawn(
    config: ControlConfig,
    sockets: SipSockets,
    door: ControlDoor,
    workers: Vec<WorkerHandle>,
) -> io::Result<JoinHandle<()>> {
    let mut control = Control::new(config, sockets, door, workers)?;
    std::thread::Builder::new()
        .name("control".into())
        .spawn(move || crate::threads::vital("control", || control.run()))
}

pub(super) struct Control {
    pub config: Arc<Config>,
    pub bots: Bots,
    pub engines: Engines,
    pub recognizers: RecognizerHandle,
    pub tools: Tools,
    pub bridge: Option<BridgeHub>,
    pub storage: Storage,
    pub events: EventHub,
    pub tap: Option<ControlTap>,
    pub tracer: Option<Tracer>,
    pub allow_planted_panics: bool,
    pub endpoint: Endpoint,
    // Boxed: half of a tree grown in order is empty places.
    pub calls: BTreeMap<u64, Box<ControlCall>>,
    pub keys: BTreeMap<String, u64>,
    pub timers: BTreeSet<(Time, u64)>,
    pub next_key: u64,
    pub workers: Vec<WorkerHandle>,
    pub slots: Vec<Slots>,
    pub ports: PortPool,
    pub handle: ControlHandle,
    pub wall: WallClock,
    pub randomness: Randomness,
    pub sip_port: u16,
    pub media_is_healthy: bool,
    pub draining: Option<Vec<oneshot::Sender<()>>>,
    pub watched_command: Option<String>,
    pub command_outcome: Option<CommandOutcome>,
    pub command_memory: CommandMemory,
    /// What could not be said while a command was run: its call and what it is told.
    pub unsaid: Vec<(u64, SynthesizerEvent)>,
    clock: Clock,
    poll: Poll,
    inbox: Arc<Inbox>,
    batch: VecDeque<Waiting>,
    from_workers: Arc<ArrayQueue<FromWorker>>,
    udp: UdpSocket,
    tcp: TcpListener,
    connections: TcpConnections,
    taps: Taps,
    local: SocketAddr,
    health: Vec<HealthReport>,
    health_at: Time,
    stopping: bool,
}

impl Control {
    fn new(
        config: ControlConfig,
        sockets: SipSockets,
        door: ControlDoor,
        workers: Vec<WorkerHandle>,
    ) -> io::Result<Self> {
        let SipSockets { mut udp, mut tcp, local } = sockets;
        let registry = door.poll.registry();
        registry.register(&mut udp, UDP, Interest::READABLE)?;
        registry.register(&mut tcp, TCP, Interest::READABLE)?;
        let clock = Clock;
        let now = clock.now();
        let endpoint = EndpointConfig {
            acceptance: Acceptance::default(),
            listeners: [Transport::Udp, Transport::Tcp]
                .map(|protocol| Listener::new(protocol, local))
                .to_vec(),
            user_agent: config.config.user_agent.clone(),
            ..EndpointConfig::default()
        };
        let settings = &config.config;
        let wall = clock.wall(0);
        let taps = Taps { recorder: config.tap.clone(), hep: config.hep, wall };
        Ok(Control {
            endpoint: Endpoint::new(endpoint, crate::entropy::seed()?),
            ports: PortPool::new(settings.sip.ip(), settings.rtp, settings.rtp_dscp),
            calls: BTreeMap::new(),
            keys: BTreeMap::new(),
            timers: BTreeSet::new(),
            next_key: 1,
            slots: workers.iter().map(|_| Slots::new(config.calls_per_worker)).collect(),
            health: workers.iter().map(|worker| worker.health.report()).collect(),
            workers,
            handle: door.handle,
            wall,
            randomness: Randomness::new(crate::entropy::seed()?),
            sip_port: local.port(),
            media_is_healthy: true,
            draining: None,
            watched_command: None,
            command_outcome: None,
            command_memory: CommandMemory::default(),
            unsaid: Vec::new(),
            connections: TcpConnections::new(local, taps.clone()),
            taps,
            clock,
            poll: door.poll,
            inbox: door.inbox,
            batch: VecDeque::new(),
            from_workers: door.from_workers,
            udp,
            tcp,
            local,
            health_at: now + HEALTH_EVERY,
            stopping: false,
            config: config.config,
            bots: config.bots,
            engines: config.engines,
            recognizers: config.recognizers,
            tools: config.tools,
            bridge: config.bridge,
            storage: config.storage,
            events: config.events,
            tap: config.tap,
            tracer: config.tracer,
            allow_planted_panics: config.allow_planted_panics,
        })
    }

    fn run(&mut self) {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; LONGEST_DATAGRAM];
        let mut udp_is_ready = false;
        while !self.stopping {
            let timeout = if udp_is_ready { Duration::ZERO } else { self.sleep_time() };
            if let Err(error) = self.poll.poll(&mut events, Some(timeout))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the control thread cannot wait for its sockets");
            }
            let now = self.clock.now();
            if let Some(tap) = &self.tap {
                tap.begin_tick(now);
            }
            for event in &events {
                match event.token() {
                    UDP => udp_is_ready = true,
                    TCP => {
                        let registry = self.poll.registry();
                        self.connections.accept(&self.tcp, registry, &mut self.endpoint, now);
                    }
                    WAKE => {}
                    Token(number) if number >= FIRST_CONNECTION => {
                        let registry = self.poll.registry();
                        self.connections.ready(number as u64, event, registry, &mut self.endpoint, now);
                    }
                    Token(_) => {}
                }
                self.pump(now);
            }
            if udp_is_ready {
                udp_is_ready = self.read_datagrams(&mut buffer, now);
            }
            self.take_from_workers(now);
            self.take_messages(now);
            self.run_timers(now);
            self.judge_health(now);
            self.tell_drained();
        }
    }

    fn sleep_time(&self) -> Duration {
        let now = self.clock.now();
        let call = self.timers.first().map(|(at, _)| *at);
        let next = [call, self.endpoint.poll_timeout(), Some(self.health_at)].into_iter().flatten().min();
        // A millisecond is what poll can wait for; rounding down would spin.
        let wait = next.unwrap_or(self.health_at).since(now);
        if wait.is_zero() { wait } else { wait + Duration::from_millis(1) }
    }

    /// Whether more may wait.
    fn read_datagrams(&mut self, buffer: &mut [u8], now: Time) -> bool {
        for _ in 0..DATAGRAMS_PER_TURN {
            match self.udp.recv_from(buffer) {
                Ok((length, remote)) => {
                    let peer = Peer { protocol: Transport::Udp, local: self.local, remote, connection: None };
                    self.tell_taps(true, &peer, &buffer[..length], now);
                    self.endpoint.handle_datagram(&buffer[..length], peer, now);
                    self.pump(now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // An ICMP answer to something we sent; the socket goes on.
                Err(_) => {}
            }
        }
        true
    }

    /// Everything that the endpoint has to say and to send.
    fn pump(&mut self, now: Time) {
        loop {
            while let Some(event) = self.endpoint.poll_event() {
                self.handle_event(event, now);
            }
            let Some(transmit) = self.endpoint.poll_transmit() else { return };
            self.send(&transmit, now);
        }
    }

    fn tell_taps(&self, inbound: bool, peer: &Peer, bytes: &[u8], now: Time) {
        let connection = match peer.protocol {
            Transport::Udp => None,
            Transport::Tcp => Some(peer.connection.map_or(0, |connection| connection.0)),
        };
        self.taps.sip(&Sip { inbound, connection, local: peer.local, remote: peer.remote, bytes }, now);
    }

    fn send(&mut self, transmit: &Transmit, now: Time) {
        self.tell_taps(false, &transmit.peer, &transmit.bytes, now);
        match transmit.peer.protocol {
            Transport::Udp => {
                if let Err(error) = self.udp.send_to(&transmit.bytes, transmit.peer.remote)
                    && error.kind() != io::ErrorKind::WouldBlock
                {
                    self.endpoint.transport_failed(&transmit.peer, now);
                }
            }
            Transport::Tcp => {
                self.connections.send(transmit, self.poll.registry(), &mut self.endpoint, now);
            }
        }
    }

    fn handle_event(&mut self, event: EndpointEvent, now: Time) {
        match event {
            EndpointEvent::NewCall { transaction, request, peer } => {
                self.new_call(transaction, request, peer, now)
            }
            EndpointEvent::OutOfDialog { transaction, request, .. } => {
                let status = if request.method == Method::Options {
                    self.answer_options(&request)
                } else {
                    StatusCode::CALL_DOES_NOT_EXIST
                };
                if status != StatusCode::OK {
                    return self.refuse(transaction, &request, status, None, now);
                }
                let tag = self.randomness.hex(16);
                let mut response = request.response(status, Some(&tag));
                let acceptance = Acceptance::default();
                response.headers.push(header::ALLOW, acceptance.allow());
                response.headers.push(header::ACCEPT, acceptance.accept());
                response.headers.push(header::SERVER, self.config.user_agent.as_str());
                self.endpoint.respond(transaction, response, now);
            }
            EndpointEvent::Call { call: CallKey(key), event } => self.run_call(key, Input::Sip(event), now),
        }
    }

    fn take_from_workers(&mut self, now: Time) {
        while let Some(message) = self.from_workers.pop() {
            match message {
                // Its audio was shared so that the worker frees nothing; it ends here and is no news for the call.
                FromWorker::Event(_, MediaEvent::Discard(_)) | FromWorker::Unused(_) => {}
                FromWorker::Event(key, event) => {
                    if let MediaEvent::PlaybackFinished { utterance, .. } = &event
                        && let Some(call) = self.calls.get_mut(&key)
                    {
                        call.speaking.remove(&utterance.0);
                    }
                    self.run_call(key, Input::Media(event), now);
                }
                FromWorker::Deaf(key, why) => {
                    let call_id = self.calls.get(&key).map(|call| call.id.as_str());
                    tracing::error!(call_id, %why, "a media socket cannot be watched; the call will hear nothing");
                }
                FromWorker::Closed(key, slot, half) => {
                    self.ports.give_back(half.sockets.port);
                    drop(half);
                    self.media_is_gone(key, slot, now);
                }
                FromWorker::Panicked(key, slot, half) => {
                    metrics::counter!("offhook_call_panics_total").increment(1);
                    if let Some(call) = self.calls.get(&key) {
                        crate::panics::log_caught(call.worker, call.id.clone());
                    }
                    self.ports.give_back(half.sockets.port);
                    // What a panic left behind is not to be trusted with its own clean-up.
                    let crate::worker::WorkerCall { sockets, half } = *half;
                    drop(sockets);
                    std::mem::forget(half);
                    self.media_is_gone(key, slot, now);
                    self.run_call(key, Input::End { cause: EndCause::InternalError }, now);
                }
            }
            self.pump(now);
        }
    }

    fn media_is_gone(&mut self, key: u64, slot: crate::worker::Slot, now: Time) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.media_open = false;
        self.slots[call.worker].give_back(slot);
        self.remove_if_over(key, now);
    }

    fn take_messages(&mut self, now: Time) {
        // What comes from here on has its turn after the workers and the sockets had theirs.
        let mut batch = std::mem::take(&mut self.batch);
        self.inbox.exchange(&mut batch);
        for waiting in batch.drain(..) {
            match waiting.message {
                ToControl::Recognizer(key, event) => self.run_call(key, Input::Recognizer(event), now),
                ToControl::Synthesizer(key, event) => self.run_call(key, Input::Synthesizer(event), now),
                ToControl::Bridge(key, event) => self.handle_bridge(key, event, now),
                ToControl::Tool(key, tool, outcome) => {
                    self.trace_answer(key, tool, &outcome, now);
                    self.run_call(key, Input::Tool { tool, outcome }, now);
                }
                ToControl::Command(call, id, command, reply) => {
                    // Nobody waits for it any more: the command was done all the same.
                    let _ = reply.send(self.run_command(&call, id, command, now));
                }
                ToControl::Dial(dial, reply) => {
                    let _ = reply.send(self.dial(dial, now));
                }
                ToControl::Snapshot(reply) => {
                    let _ = reply.send(self.snapshot());
                }
                ToControl::Drain(done) => {
                    self.draining.get_or_insert_default().push(done);
                    self.refuse_ringing(now);
                }
                ToControl::EndAll(done) => {
                    self.draining.get_or_insert_default().push(done);
                    self.end_all(now);
                }
                ToControl::Stop => self.stopping = true,
            }
            self.pump(now);
        }
        self.batch = batch;
    }

    fn handle_bridge(&mut self, key: u64, event: BridgeEvent, now: Time) {
        let input = match event {
            BridgeEvent::Connected => Input::BridgeConnected,
            BridgeEvent::Mark { name } => Input::BridgeMark { name },
            BridgeEvent::Clear => Input::BridgeClear,
            BridgeEvent::HangUp { reason } => Input::BridgeHangUp { reason },
            BridgeEvent::Transfer { target } => Input::BridgeTransfer { target },
            BridgeEvent::Dtmf { digits } => Input::BridgeDtmf { digits },
            BridgeEvent::CreditInUse => return,
            BridgeEvent::FramesDropped { frames } => {
                metrics::counter!("offhook_bridge_frames_dropped_total").increment(u64::from(frames));
                return;
            }
            BridgeEvent::Closed { why } => {
                let call_id = self.calls.get(&key).map(|call| call.id.as_str());
                match why {
                    BridgeClosed::Stopped => return,
                    BridgeClosed::ByApplication => {
                        tracing::info!(call_id, "the application closed the connection");
                        Input::BridgeHangUp { reason: "the application closed the connection".to_owned() }
                    }
                    BridgeClosed::CannotConnect(why) | BridgeClosed::Broken(why) => {
                        tracing::warn!(call_id, why, "the application is gone");
                        Input::BridgeClosed { why }
                    }
                }
            }
        };
        self.run_call(key, input, now);
    }

    /// Every deadline that has come, in order, each with its own nominal time.
    fn run_timers(&mut self, now: Time) {
        self.endpoint.handle_timeout(now);
        self.pump(now);
        while let Some((at, key)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, key));
            if let Some(call) = self.calls.get_mut(&key) {
                call.due = None;
            }
            self.run_call(key, Input::Deadline, at);
            self.pump(now);
        }
    }

    /// Shed new calls before a live one suffers.
    fn judge_health(&mut self, now: Time) {
        if now < self.health_at {
            return;
        }
        self.health_at = now + HEALTH_EVERY;
        let mut healthy = true;
        for (worker, before) in self.workers.iter().zip(&mut self.health) {
            let report = worker.health.report();
            healthy &= report.since(before).p99() <= self.config.tick_lateness;
            *before = report;
        }
        if healthy != self.media_is_healthy {
            tracing::warn!(healthy, "media health changed: new calls are refused while ticks come late");
            self.media_is_healthy = healthy;
        }
    }

    fn tell_drained(&mut self) {
        if self.calls.is_empty() {
            for done in self.draining.iter_mut().flat_map(|waiting| waiting.drain(..)) {
                let _ = done.send(());
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        let counters = self.endpoint.counters();
        Snapshot {
            calls: self.calls.len(),
            free_ports: self.ports.available(),
            refuses: self.refuses(),
            from_workers: self.from_workers.len(),
            trunks: self
                .config
                .trunks
                .iter()
                .enumerate()
                .map(|(index, trunk)| (trunk.name.clone(), self.calls_of_trunk(Some(index)), trunk.calls))
                .collect(),
            sip: vec![
                ("requests", counters.requests),
                ("responses", counters.responses),
                ("retransmissions", counters.retransmissions),
                ("refused_malformed", counters.refused_malformed),
                ("dropped_malformed", counters.dropped_malformed),
                ("stray_responses", counters.stray_responses),
                ("overload", counters.overload),
                ("outside_dialog", counters.outside_dialog),
            ],
        }
    }
}
