//! One thread that owns many lines: it wakes once a millisecond, sends what is due, reads what is there.
//!
//! Each line sends on an exact 20 ms grid of its own; the lines' grids are spread over the 20 ticks. What arrives is
//! stamped by the kernel, so reading late does not make it late.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use offhook_time::Time;

use crate::CallerError;
use crate::clock;
use crate::g711::Law;
use crate::impair::{Impairer, Impairment};
use crate::line::pace::{Pace, TICK};
use crate::listen::{ContinuityMeter, RtpSeen};
use crate::net::{self, Inbox, Readiness};
use crate::rtp::Packet;
use crate::wav::FRAME;

/// Ticks between two packets of a line.
pub(crate) const TICKS_PER_PACKET: u64 = 20;

/// One line: an RTP socket, what it says, what it hears.
#[derive(Debug)]
pub(crate) struct Line {
    /// Where it sends from; connected to the far side.
    pub socket: Arc<UdpSocket>,
    /// Which tick of 20 it sends on.
    pub phase: u64,
    /// How it encodes.
    pub law: Law,
    /// What it says, encoded, from [`at`](Line::at) on, over and over.
    pub signal: Arc<Vec<u8>>,
    /// The next octet of the signal.
    pub at: usize,
    /// What happens to its packets on their way.
    pub impairer: Option<Impairer>,
    /// Whether departures and everything heard are kept.
    pub keep: bool,
    /// When each packet left (before the impairment), where kept.
    pub left: Vec<Time>,
    /// What each of them said, as a place in the signal.
    pub said: Vec<usize>,
    /// What was heard and when, where kept.
    pub heard: Vec<(Time, Vec<u8>)>,
    /// The stream that came back, in the measured window.
    pub meter: ContinuityMeter,
    /// How far behind its tick each packet of the measured window left, in milliseconds.
    pub behind_ms: Vec<f32>,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

impl Line {
    /// A line over `socket`, to `remote`, that says `signal` from `at` on.
    pub fn new(
        socket: UdpSocket,
        remote: SocketAddr,
        number: usize,
        law: Law,
        signal: Arc<Vec<u8>>,
        at: usize,
    ) -> Result<Line, CallerError> {
        socket.connect(remote).map_err(CallerError::io("connecting an RTP socket"))?;
        Ok(Line {
            socket: Arc::new(socket),
            phase: number as u64 % TICKS_PER_PACKET,
            law,
            signal,
            at,
            impairer: None,
            keep: false,
            left: Vec::new(),
            said: Vec::new(),
            heard: Vec::new(),
            meter: ContinuityMeter::new(),
            behind_ms: Vec::new(),
            sequence: number as u16,
            timestamp: number as u32 * 7919,
            ssrc: 0x0ff_0000 + number as u32,
        })
    }

    fn begin_window(&mut self) {
        self.meter = ContinuityMeter::new();
        self.behind_ms.clear();
        self.left.clear();
        self.said.clear();
        self.heard.clear();
    }

    /// How late each packet left: the line's own grid is where its best packet lay, since those before it in the same
    /// tick always take their time.
    pub fn own_lateness_ms(&self) -> impl Iterator<Item = f32> {
        let best = self.behind_ms.iter().copied().fold(f32::INFINITY, f32::min);
        self.behind_ms.iter().map(move |behind| behind - best)
    }

    /// The packet that is due at `due` leaves.
    fn send(&mut self, packet: &mut Vec<u8>, due: Time) {
        if self.at + FRAME > self.signal.len() {
            self.at = 0;
        }
        let payload = self.signal.get(self.at..self.at + FRAME).unwrap_or_default();
        Packet {
            payload_type: self.law.payload_type(),
            marker: false,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            payload,
        }
        .write(packet);
        let now = clock::now();
        if self.keep {
            self.left.push(now);
            self.said.push(self.at);
        }
        self.at += FRAME;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        match &mut self.impairer {
            Some(line) => line.push(packet, now),
            None => transmit(&self.socket, packet),
        }
        self.behind_ms.push(now.since(due).as_secs_f32() * 1000.0);
    }

    fn flush(&mut self, now: Time) {
        if let Some(line) = &mut self.impairer {
            while let Some(packet) = line.pop(now) {
                transmit(&self.socket, &packet);
            }
        }
    }

    /// What arrived on the line's socket.
    fn handle_packet(&mut self, bytes: &[u8], arrived: Time) {
        let Some(packet) = Packet::parse(bytes) else { return };
        if packet.payload_type != self.law.payload_type() {
            return;
        }
        let new = self.meter.push(RtpSeen {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            arrived,
        });
        if self.keep && new {
            self.heard.push((arrived, packet.payload.to_vec()));
        }
    }
}

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Another line, at once.
    Add(Box<Line>),
    /// Forget what was measured and begin.
    BeginWindow,
    /// From here on nothing is measured any more: the lines go still, but keep their sockets.
    EndWindow,
    /// From here on the lines are as bad as this.
    Impair(Impairment),
    /// End; the thread's result is what it measured.
    Finish,
}

/// What a worker measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Its lines, in the order they were added.
    pub lines: Vec<Line>,
    /// Whether it ran at real-time priority.
    pub realtime: bool,
}

/// A running worker.
#[derive(Debug)]
pub(crate) struct Worker {
    commands: Sender<Command>,
    thread: JoinHandle<Result<Measured, CallerError>>,
}

impl Worker {
    /// Starts the thread.
    pub fn start(realtime: bool) -> Result<Worker, CallerError> {
        let (commands, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("caller-line".to_owned())
            .spawn(move || run(&receiver, realtime))
            .map_err(CallerError::io("starting a worker"))?;
        Ok(Worker { commands, thread })
    }

    /// Tells it something.
    pub fn tell(&self, command: Command) {
        // A worker that has ended says why when it is joined.
        let _ = self.commands.send(command);
    }

    /// Ends it and fetches what it measured.
    pub fn finish(self) -> Result<Measured, CallerError> {
        self.tell(Command::Finish);
        self.thread.join().unwrap_or_else(|_| Err(CallerError::CannotMeasure("a worker panicked".to_owned())))
    }
}

fn run(commands: &Receiver<Command>, realtime: bool) -> Result<Measured, CallerError> {
    let mut measured = Measured { realtime: realtime && net::become_realtime(), ..Measured::default() };
    let readiness = Readiness::new()?;
    let (mut ready, mut inbox, mut packet) = (Vec::new(), Inbox::new(4, 2048), Vec::with_capacity(256));
    let mut sending = true;
    let mut pace = Pace::start(clock::now(), TICK);
    loop {
        let due = pace.next();
        clock::sleep_until(due);
        while let Ok(command) = commands.try_recv() {
            match command {
                Command::Add(line) => {
                    readiness.add(&line.socket, measured.lines.len())?;
                    measured.lines.push(*line);
                }
                Command::BeginWindow => measured.lines.iter_mut().for_each(Line::begin_window),
                Command::EndWindow => sending = false,
                Command::Impair(impairment) => {
                    for impairer in measured.lines.iter_mut().filter_map(|line| line.impairer.as_mut()) {
                        impairer.set(impairment);
                    }
                }
                Command::Finish => return Ok(measured),
            }
        }
        if !sending {
            continue;
        }
        let phase = pace.index() % TICKS_PER_PACKET;
        for line in measured.lines.iter_mut().filter(|line| line.phase == phase) {
            line.send(&mut packet, due);
        }
        for line in measured.lines.iter_mut().filter(|line| line.impairer.is_some()) {
            line.flush(clock::now());
        }
        ready.clear();
        readiness.wait(Duration::ZERO, &mut ready);
        for line in &ready {
            if let Some(line) = measured.lines.get_mut(*line) {
                // One batch: where more waits, the socket is ready again at the next tick.
                let socket = Arc::clone(&line.socket);
                inbox.receive(&socket, |bytes, _, arrived| line.handle_packet(bytes, arrived));
            }
        }
    }
}

fn transmit(socket: &UdpSocket, packet: &[u8]) {
    // A datagram that the kernel does not take is lost, as on any network; the far side's count shows it.
    let _ = socket.send(packet);
}
