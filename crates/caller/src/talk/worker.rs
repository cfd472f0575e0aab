//! One thread that carries many talkers: it wakes once a millisecond, sends what is due, reads what is there.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use offhook_time::Time;

use crate::CallerError;
use crate::clock;
use crate::impair::Impairer;
use crate::line::pace::{Pace, TICK};
use crate::line::worker::TICKS_PER_PACKET;
use crate::net::{self, Inbox, Readiness};
use crate::talk::talker::{Talked, Talker};

/// The two ways of a bad line; `None` where one is clean.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    /// What we send.
    pub out: Option<Impairer>,
    /// What they send.
    pub back: Option<Impairer>,
}

impl Ways {
    fn are_clean(&self) -> bool {
        self.out.is_none() && self.back.is_none()
    }
}

/// A talker on its line.
#[derive(Debug)]
pub(crate) struct TalkLine {
    socket: Arc<UdpSocket>,
    remote: SocketAddr,
    talker: Talker,
    ways: Ways,
    phase: u64,
    /// How far behind its tick each packet left, in milliseconds.
    behind_ms: Vec<f32>,
}

impl TalkLine {
    /// `talker` over `socket` to `remote`; `number` decides on which tick of 20 it sends. The socket stays unconnected:
    /// a far side with several addresses may answer from another one than it named.
    pub fn new(socket: UdpSocket, remote: SocketAddr, talker: Talker, ways: Ways, number: usize) -> TalkLine {
        let phase = number as u64 % TICKS_PER_PACKET;
        TalkLine { socket: Arc::new(socket), remote, talker, ways, phase, behind_ms: Vec::new() }
    }

    fn send(&mut self, packet: &mut Vec<u8>, due: Time) {
        let now = clock::now();
        self.talker.next_packet(packet, now);
        match &mut self.ways.out {
            Some(line) => line.push(packet, now),
            None => self.transmit(packet),
        }
        self.behind_ms.push(clock::now().since(due).as_secs_f32() * 1000.0);
    }

    fn flush(&mut self, now: Time) {
        while let Some(packet) = self.ways.out.as_mut().and_then(|line| line.pop(now)) {
            self.transmit(&packet);
        }
        while let Some((arrived, packet)) = self.ways.back.as_mut().and_then(|line| line.pop_arrival(now)) {
            self.talker.handle_packet(&packet, arrived);
        }
    }

    /// What the kernel received at `arrived`: it has reached us, or enters the bad line on its way.
    fn handle_datagram(&mut self, packet: &[u8], arrived: Time) {
        match &mut self.ways.back {
            Some(line) => line.push(packet, arrived),
            None => self.talker.handle_packet(packet, arrived),
        }
    }

    fn transmit(&mut self, packet: &[u8]) {
        // A datagram that the kernel does not take is lost, as on any network.
        if self.socket.send_to(packet, self.remote).is_ok() {
            self.talker.reached_the_wire(packet, clock::now());
        }
    }

    fn finish(self) -> Heard {
        // The line's own grid is where its best packet lay: those before it in the same tick always take their time.
        let best = self.behind_ms.iter().copied().fold(f32::INFINITY, f32::min);
        let own_lateness_ms = self.behind_ms.iter().map(|behind| behind - best).collect();
        Heard { talked: self.talker.finish(clock::now()), own_lateness_ms }
    }
}

/// What a line came to.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Its call.
    pub talked: Talked,
    /// How late each packet of ours left.
    pub own_lateness_ms: Vec<f32>,
}

#[derive(Debug)]
enum Command {
    Add { slot: usize, line: Box<TalkLine> },
    End { slot: usize },
    Finish,
}

/// A running worker.
#[derive(Debug)]
pub(crate) struct TalkWorker {
    commands: Sender<Command>,
    ended: Receiver<(usize, Heard)>,
    thread: JoinHandle<Result<bool, CallerError>>,
}

impl TalkWorker {
    /// Starts the thread.
    pub fn start(realtime: bool) -> Result<TalkWorker, CallerError> {
        let (commands, receiver) = channel();
        let (ended_sender, ended) = channel();
        let thread = std::thread::Builder::new()
            .name("caller-talk".to_owned())
            .spawn(move || run(&receiver, &ended_sender, realtime))
            .map_err(CallerError::io("starting a worker"))?;
        Ok(TalkWorker { commands, ended, thread })
    }

    /// A call that was answered.
    pub fn add(&self, slot: usize, line: TalkLine) {
        self.tell(Command::Add { slot, line: Box::new(line) });
    }

    /// Ends a call, if it has not ended by itself.
    pub fn end(&self, slot: usize) {
        self.tell(Command::End { slot });
    }

    /// A call that ended, by itself or because it was told to.
    pub fn poll_ended(&self) -> Option<(usize, Heard)> {
        self.ended.try_recv().ok()
    }

    /// Ends the thread. Answers whether it ran at real-time priority.
    pub fn finish(self) -> Result<bool, CallerError> {
        self.tell(Command::Finish);
        self.thread.join().unwrap_or_else(|_| Err(CallerError::CannotMeasure("a worker panicked".to_owned())))
    }

    fn tell(&self, command: Command) {
        // A worker that has ended says why when it is joined.
        let _ = self.commands.send(command);
    }
}

fn run(
    commands: &Receiver<Command>,
    ended: &Sender<(usize, Heard)>,
    realtime: bool,
) -> Result<bool, CallerError> {
    let realtime = realtime && net::become_realtime();
    let readiness = Readiness::new()?;
    let (mut ready, mut inbox, mut packet) = (Vec::new(), Inbox::new(4, 2048), Vec::with_capacity(256));
    let mut lines: Vec<Option<TalkLine>> = Vec::new();
    let mut pace = Pace::start(clock::now(), TICK);
    let end = |line: Option<TalkLine>, slot: usize| {
        if let Some(line) = line {
            readiness.remove(&line.socket);
            // Nobody waits for it when the run was given up.
            let _ = ended.send((slot, line.finish()));
        }
    };
    loop {
        let due = pace.next();
        clock::sleep_until(due);
        while let Ok(command) = commands.try_recv() {
            match command {
                Command::Add { slot, line } => {
                    readiness.add(&line.socket, slot)?;
                    if lines.len() <= slot {
                        lines.resize_with(slot + 1, || None);
                    }
                    lines[slot] = Some(*line);
                }
                Command::End { slot } => end(lines.get_mut(slot).and_then(Option::take), slot),
                Command::Finish => return Ok(realtime),
            }
        }
        let phase = pace.index() % TICKS_PER_PACKET;
        for (slot, line) in lines.iter_mut().enumerate() {
            let Some(talking) = line else { continue };
            if talking.phase == phase {
                talking.send(&mut packet, due);
            }
            if !talking.ways.are_clean() {
                talking.flush(clock::now());
            }
            if talking.talker.is_over() {
                end(line.take(), slot);
            }
        }
        ready.clear();
        readiness.wait(Duration::ZERO, &mut ready);
        for slot in &ready {
            if let Some(Some(line)) = lines.get_mut(*slot) {
                // One batch: where more waits, the socket is ready again at the next tick.
                let socket = Arc::clone(&line.socket);
                inbox.receive(&socket, |bytes, _, arrived| line.handle_datagram(bytes, arrived));
            }
        }
    }
}
