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
    /// Where it sends from. Not connected: a far side with several addresses may answer from another one than it named.
    pub socket: Arc<UdpSocket>,
    /// Where it sends to.
    remote: SocketAddr,
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
    /// What happens to theirs on their way to us.
    pub impairer_in: Option<Impairer>,
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
    /// Before this nothing of it is measured: a call that has just begun may settle.
    pub measured_from: Time,
    number: usize,
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
    ) -> Line {
        Line {
            socket: Arc::new(socket),
            remote,
            phase: number as u64 % TICKS_PER_PACKET,
            law,
            signal,
            at,
            impairer: None,
            impairer_in: None,
            keep: false,
            left: Vec::new(),
            said: Vec::new(),
            heard: Vec::new(),
            meter: ContinuityMeter::new(),
            behind_ms: Vec::new(),
            measured_from: Time::ZERO,
            number,
            sequence: number as u16,
            timestamp: number as u32 * 7919,
            ssrc: 0x0ff_0000 + number as u32,
        }
    }

    fn begin_window(&mut self) {
        self.meter = ContinuityMeter::new();
        self.behind_ms.clear();
        self.left.clear();
        self.said.clear();
        self.heard.clear();
    }

    /// Takes out what the line measured since the last time, up to `now`.
    fn take_window(&mut self, now: Time) -> LineWindow {
        let from = self.measured_from;
        self.measured_from = from.max(now);
        LineWindow {
            meter: std::mem::take(&mut self.meter),
            behind_ms: std::mem::take(&mut self.behind_ms),
            measured: now.since(from),
        }
    }

    /// How late each packet left: the line's own grid is where its best packet lay, since those before it in the same
    /// tick always take their time.
    pub fn own_lateness_ms(&self) -> impl Iterator<Item = f32> {
        less_the_best(&self.behind_ms)
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
            None => transmit(&self.socket, self.remote, packet),
        }
        if due >= self.measured_from {
            self.behind_ms.push(now.since(due).as_secs_f32() * 1000.0);
        }
    }

    fn flush(&mut self, now: Time) {
        if let Some(line) = &mut self.impairer {
            while let Some(packet) = line.pop(now) {
                transmit(&self.socket, self.remote, &packet);
            }
        }
        while let Some((arrived, bytes)) = self.impairer_in.as_mut().and_then(|line| line.pop_arrival(now)) {
            self.handle_packet(&bytes, arrived);
        }
    }

    /// What the kernel received at `arrived`: it has reached us, or enters the bad line on its way.
    fn handle_datagram(&mut self, bytes: &[u8], arrived: Time) {
        match &mut self.impairer_in {
            Some(line) => line.push(bytes, arrived),
            None => self.handle_packet(bytes, arrived),
        }
    }

    fn is_impaired(&self) -> bool {
        self.impairer.is_some() || self.impairer_in.is_some()
    }

    /// What reached us.
    fn handle_packet(&mut self, bytes: &[u8], arrived: Time) {
        let Some(packet) = Packet::parse(bytes) else { return };
        if packet.payload_type != self.law.payload_type() || arrived < self.measured_from {
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

/// What a line measured in a stretch of time.
#[derive(Debug, Default)]
pub(crate) struct LineWindow {
    /// The stream that came back.
    pub meter: ContinuityMeter,
    /// How far behind its tick each packet left.
    pub behind_ms: Vec<f32>,
    /// How long it was measured.
    pub measured: Duration,
}

impl LineWindow {
    /// How late each packet left, against the line's own best.
    pub fn own_lateness_ms(&self) -> impl Iterator<Item = f32> {
        less_the_best(&self.behind_ms)
    }
}

fn less_the_best(behind_ms: &[f32]) -> impl Iterator<Item = f32> {
    let best = behind_ms.iter().copied().fold(f32::INFINITY, f32::min);
    behind_ms.iter().map(move |behind| behind - best)
}

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Another line, at once.
    Add(Box<Line>),
    /// The line of this number ends; what it measured comes with the next window.
    Remove(usize),
    /// What all lines measured since the last time, those that ended included, goes there.
    TakeWindow(Sender<Vec<LineWindow>>),
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
    // A place is free again after its line ended; the place is the key of its socket.
    let mut lines: Vec<Option<Line>> = Vec::new();
    let mut ended: Vec<LineWindow> = Vec::new();
    let mut pace = Pace::start(clock::now(), TICK);
    loop {
        let due = pace.next();
        clock::sleep_until(due);
        while let Ok(command) = commands.try_recv() {
            match command {
                Command::Add(line) => {
                    let free = lines.iter().position(Option::is_none).unwrap_or(lines.len());
                    readiness.add(&line.socket, free)?;
                    lines.resize_with(lines.len().max(free + 1), || None);
                    lines[free] = Some(*line);
                }
                Command::Remove(number) => {
                    let is_it = |line: &Option<Line>| line.as_ref().is_some_and(|line| line.number == number);
                    if let Some(mut line) = lines.iter_mut().find(|line| is_it(line)).and_then(Option::take) {
                        readiness.remove(&line.socket);
                        ended.push(line.take_window(clock::now()));
                    }
                }
                Command::TakeWindow(to) => {
                    let now = clock::now();
                    let running = lines.iter_mut().flatten().map(|line| line.take_window(now));
                    let window = ended.drain(..).chain(running).collect();
                    // Nobody listens any more where the bench has been given up.
                    let _ = to.send(window);
                }
                Command::BeginWindow => lines.iter_mut().flatten().for_each(Line::begin_window),
                Command::EndWindow => sending = false,
                Command::Impair(impairment) => {
                    for line in lines.iter_mut().flatten() {
                        let both = [&mut line.impairer, &mut line.impairer_in];
                        both.into_iter().flatten().for_each(|impairer| impairer.set(impairment));
                    }
                }
                Command::Finish => {
                    measured.lines = lines.into_iter().flatten().collect();
                    return Ok(measured);
                }
            }
        }
        if !sending {
            continue;
        }
        let phase = pace.index() % TICKS_PER_PACKET;
        for line in lines.iter_mut().flatten().filter(|line| line.phase == phase) {
            line.send(&mut packet, due);
        }
        for line in lines.iter_mut().flatten().filter(|line| line.is_impaired()) {
            line.flush(clock::now());
        }
        ready.clear();
        readiness.wait(Duration::ZERO, &mut ready);
        for line in &ready {
            if let Some(line) = lines.get_mut(*line).and_then(Option::as_mut) {
                // One batch: where more waits, the socket is ready again at the next tick.
                let socket = Arc::clone(&line.socket);
                inbox.receive(&socket, |bytes, _, arrived| line.handle_datagram(bytes, arrived));
            }
        }
    }
}

fn transmit(socket: &UdpSocket, remote: SocketAddr, packet: &[u8]) {
    // A datagram that the kernel does not take is lost, as on any network; the far side's count shows it.
    let _ = socket.send_to(packet, remote);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// baresip and other servers of many addresses name one of them and answer from another.
    #[test]
    fn a_far_side_that_answers_from_another_address_than_it_named_is_heard() {
        let far = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
        let named = SocketAddr::from(([127, 0, 0, 2], far.local_addr().unwrap().port()));
        let socket = net::udp([127, 0, 0, 1].into(), 0).unwrap();
        let line = Line::new(socket, named, 0, Law::Mu, Arc::new(vec![0; FRAME]), 0);
        let worker = Worker::start(false).unwrap();
        worker.tell(Command::Add(Box::new(line)));

        let answer = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        for _ in 0..5 {
            let mut packet = [0; 2048];
            let (length, from) = far.recv_from(&mut packet).unwrap();
            answer.send_to(&packet[..length], from).unwrap();
        }
        clock::sleep_until(clock::now() + Duration::from_millis(20));
        let measured = worker.finish().unwrap();

        assert!(measured.lines[0].meter.finish().packets >= 4);
    }
}
