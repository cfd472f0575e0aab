//! A steady number of calls for as long as wanted: each talks for a while, is hung up, and another takes its place. What
//! all of them measured is handed over window by window, so that hours need no more memory than minutes.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use offhook_time::{Randomness, Seed, Time};

use crate::CallerError;
use crate::call::Stop;
use crate::clock;
use crate::g711::Law;
use crate::histogram::Histogram;
use crate::impair::{Direction, Impairer, Impairment};
use crate::line::light::{LightEvent, LightUac};
use crate::line::worker::{Command, Line, LineWindow, Worker};
use crate::machine::{ServerCost, Usage};
use crate::net::{self, Readiness};
use crate::sdp;
use crate::target::Target;
use crate::wav::FRAME;

/// What kind of churn.
#[derive(Clone, Debug)]
pub(crate) struct Churn {
    /// Whom all of them call.
    pub target: Target,
    /// Calls at once.
    pub calls: usize,
    /// Which G.711.
    pub law: Law,
    /// How long a call lasts on average: half to one and a half times this, evenly.
    pub mean_call: Duration,
    /// How long a window is.
    pub window: Duration,
    /// How long all windows together are.
    pub measure: Duration,
    /// Most calls that are being set up at once.
    pub in_flight: usize,
    /// Workers.
    pub threads: usize,
    /// Real-time priority for them.
    pub realtime: bool,
    /// Decides signals, accidents and how long each call lasts.
    pub seed: u64,
    /// What happens to packets.
    pub impairment: Option<Impairment>,
    /// The server's process.
    pub server_pid: Option<u32>,
}

/// What happened in a window.
#[derive(Debug, Default)]
pub(crate) struct ChurnWindow {
    /// When it began, after the first window.
    pub from: Duration,
    /// How long it was.
    pub length: Duration,
    /// What each line measured, those that ended in it included.
    pub lines: Vec<LineWindow>,
    /// INVITE to 200 of each set-up, in milliseconds.
    pub set_up: Histogram,
    /// BYE to 200 of each release.
    pub release: Histogram,
    /// Calls that were refused, lost, or hung up by the far side, by cause.
    pub failures: BTreeMap<String, u64>,
    /// Requests that had to be sent again.
    pub retransmissions: u64,
    /// The server's cost.
    pub cost: Option<ServerCost>,
}

/// What is known of all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChurnResult {
    /// Whether all workers ran at real-time priority.
    pub realtime: bool,
    /// What the far side says that it is.
    pub software: Option<String>,
}

/// A call may settle this long before it is measured.
const SETTLE: Duration = Duration::from_secs(1);
/// A slot whose call failed waits this long: a server that refuses is not stormed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// The longest that the first calls may take to be set up.
const RAMP: Duration = Duration::from_secs(120);
/// How long calls may take to be released at the end.
const RELEASE: Duration = Duration::from_secs(5);
/// How long a worker may take to hand its window over: many ticks.
const HAND_OVER: Duration = Duration::from_secs(2);

/// Runs it; every window goes to `take` as it ends. A raised `stop` ends it with the window under way, which is shorter.
pub(crate) fn run(
    churn: &Churn,
    stop: &Stop,
    take: &mut dyn FnMut(ChurnWindow),
) -> Result<ChurnResult, CallerError> {
    let files = net::raise_open_files(2 * churn.calls as u64 + 256)?;
    if (churn.calls as u64) + 64 > files {
        return Err(CallerError::CannotMeasure(format!(
            "{} calls need more than the {files} files allowed",
            churn.calls
        )));
    }
    let mut running = Running::start(churn)?;
    running.ramp(stop)?;
    if running.up() == 0 && !stop.is_raised() {
        let causes: Vec<&str> = running.window.failures.keys().map(String::as_str).collect();
        return Err(CallerError::CannotMeasure(format!("{}: {}", churn.target.uri, causes.join(", "))));
    }
    running.measure(stop, take)?;
    running.release()?;
    running.finish()
}

/// What a slot does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Slot {
    /// Calls again from then on.
    Idle { from: Time },
    /// INVITE sent.
    Calling,
    /// Talks until then.
    Up { until: Time },
    /// BYE sent.
    Releasing,
}

struct Running<'a> {
    churn: &'a Churn,
    uac: LightUac,
    readiness: Readiness,
    workers: Vec<Worker>,
    sockets: Vec<Option<UdpSocket>>,
    slots: Vec<Slot>,
    randomness: Randomness,
    encoded: Arc<Vec<u8>>,
    window: ChurnWindow,
    retransmitted_before: u64,
}

impl<'a> Running<'a> {
    fn start(churn: &'a Churn) -> Result<Self, CallerError> {
        let uac = LightUac::new(churn.target.clone(), churn.calls, churn.seed)?;
        let readiness = Readiness::new()?;
        readiness.add(uac.socket(), 0)?;
        // A minute that is said over and over: nobody looks for its frames here.
        let signal = crate::probe::noise(churn.seed, 60 * 50 * FRAME);
        let encoded = signal.iter().map(|sample| churn.law.encode(*sample)).collect();
        let workers =
            (0..churn.threads.max(1)).map(|_| Worker::start(churn.realtime)).collect::<Result<_, _>>()?;
        Ok(Running {
            churn,
            uac,
            readiness,
            workers,
            sockets: (0..churn.calls).map(|_| None).collect(),
            slots: vec![Slot::Idle { from: Time::ZERO }; churn.calls],
            randomness: Randomness::new(Seed::from_number(churn.seed ^ 0x50a4)),
            encoded: Arc::new(encoded),
            window: ChurnWindow::default(),
            retransmitted_before: 0,
        })
    }

    fn up(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot, Slot::Up { .. })).count()
    }

    /// Until every slot has called once.
    fn ramp(&mut self, stop: &Stop) -> Result<(), CallerError> {
        let until = clock::now() + RAMP;
        let is_new = |slot: &Slot| matches!(slot, Slot::Calling | Slot::Idle { from: Time::ZERO });
        while self.slots.iter().any(is_new) && !stop.is_raised() && clock::now() < until {
            self.turn(true)?;
        }
        let settled = clock::now() + SETTLE;
        while clock::now() < settled && !stop.is_raised() {
            self.turn(true)?;
        }
        Ok(())
    }

    fn measure(&mut self, stop: &Stop, take: &mut dyn FnMut(ChurnWindow)) -> Result<(), CallerError> {
        let began = clock::now();
        self.hand_over();
        // The first set-ups came all at once and say nothing about the steady state; one that failed counts.
        let failures = std::mem::take(&mut self.window.failures);
        self.window = ChurnWindow { failures, ..ChurnWindow::default() };
        self.retransmitted_before = self.uac.retransmissions();
        let end = began + self.churn.measure;
        let mut from = began;
        while from < end && !stop.is_raised() {
            let usage = self.churn.server_pid.and_then(Usage::of);
            let until = (from + self.churn.window).min(end);
            while clock::now() < until && !stop.is_raised() {
                self.turn(true)?;
            }
            let lines = self.hand_over();
            let now = clock::now();
            let mut window = std::mem::take(&mut self.window);
            window.lines = lines;
            (window.from, window.length) = (from.since(began), now.since(from));
            window.cost = usage.and_then(|usage| usage.until_now());
            window.retransmissions = self.uac.retransmissions() - self.retransmitted_before;
            self.retransmitted_before = self.uac.retransmissions();
            take(window);
            from = now;
        }
        Ok(())
    }

    /// What the workers measured since the last time.
    fn hand_over(&self) -> Vec<LineWindow> {
        let mut lines = Vec::new();
        for worker in &self.workers {
            let (sender, receiver) = channel();
            worker.tell(Command::TakeWindow(sender));
            // A worker that is gone is told of when it is joined.
            lines.extend(receiver.recv_timeout(HAND_OVER).unwrap_or_default());
        }
        lines
    }

    /// Hangs up what is up and waits for the answers.
    fn release(&mut self) -> Result<(), CallerError> {
        let until = clock::now() + RELEASE;
        let is_busy = |slot: &Slot| !matches!(slot, Slot::Idle { .. });
        while self.slots.iter().any(is_busy) && clock::now() < until {
            let in_flight = self.slots.iter().filter(|slot| **slot == Slot::Releasing).count();
            let room = self.churn.in_flight.max(1).saturating_sub(in_flight);
            let up: Vec<usize> = (0..self.slots.len())
                .filter(|slot| matches!(self.slots[*slot], Slot::Up { .. }))
                .take(room)
                .collect();
            up.into_iter().for_each(|slot| self.hang_up(slot));
            self.turn(false)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<ChurnResult, CallerError> {
        let software = self.uac.software().map(str::to_owned);
        let mut realtime = true;
        for worker in self.workers {
            realtime &= worker.finish()?.realtime;
        }
        Ok(ChurnResult { realtime, software })
    }

    /// One look at what arrived and what is due.
    fn turn(&mut self, calling: bool) -> Result<(), CallerError> {
        let longest = Duration::from_millis(10);
        let now = clock::now();
        let wait = self.uac.poll_timeout().map_or(longest, |at| at.since(now).min(longest));
        self.readiness.wait(wait, &mut Vec::new());
        let mut events = Vec::new();
        self.uac.handle_arrivals(&mut events);
        self.uac.handle_timeout(clock::now(), &mut events);
        for event in events {
            self.handle(event)?;
        }
        if calling { self.handle_due() } else { Ok(()) }
    }

    fn handle(&mut self, event: LightEvent) -> Result<(), CallerError> {
        let now = clock::now();
        let ms = |took: Duration| took.as_secs_f64() * 1000.0;
        match event {
            LightEvent::Answered { slot, took, remote } => {
                self.window.set_up.record(ms(took));
                self.slots[slot] = Slot::Up { until: now + self.lasts() };
                match remote {
                    Some(remote) => self.connect(slot, remote)?,
                    None => {
                        self.count_failure("answered without G.711 audio".to_owned());
                        self.hang_up(slot);
                    }
                }
            }
            LightEvent::Released { slot, took } => {
                self.window.release.record(ms(took));
                self.slots[slot] = Slot::Idle { from: now };
            }
            LightEvent::Failed { slot, cause } => {
                self.count_failure(cause);
                self.slots[slot] = Slot::Idle { from: now + AFTER_FAILURE };
            }
            LightEvent::HungUp { slot } => {
                // Where our BYE and theirs cross, both want the same.
                if matches!(self.slots[slot], Slot::Up { .. }) {
                    self.count_failure("the far side hung up".to_owned());
                    self.worker(slot).tell(Command::Remove(slot));
                }
                self.slots[slot] = Slot::Idle { from: now + AFTER_FAILURE };
            }
        }
        Ok(())
    }

    fn handle_due(&mut self) -> Result<(), CallerError> {
        let now = clock::now();
        let mut in_flight = self.slots.iter().filter(|slot| **slot == Slot::Calling).count();
        for slot in 0..self.slots.len() {
            match self.slots[slot] {
                Slot::Idle { from } if from <= now && in_flight < self.churn.in_flight.max(1) => {
                    self.call(slot, now)?;
                    in_flight += 1;
                }
                Slot::Up { until } if until <= now => self.hang_up(slot),
                Slot::Idle { .. } | Slot::Calling | Slot::Up { .. } | Slot::Releasing => {}
            }
        }
        Ok(())
    }

    fn call(&mut self, slot: usize, now: Time) -> Result<(), CallerError> {
        let socket = net::udp(self.churn.target.local_ip(None)?, 0)?;
        let local = socket.local_addr().map_err(CallerError::io("opening an RTP socket"))?;
        self.sockets[slot] = Some(socket);
        self.uac.invite(slot, &sdp::describe(local, &[self.churn.law], 1, "sendrecv"), now);
        self.slots[slot] = Slot::Calling;
        Ok(())
    }

    fn connect(&mut self, slot: usize, remote: sdp::Remote) -> Result<(), CallerError> {
        let Some(socket) = self.sockets[slot].take() else { return Ok(()) };
        let at = self.randomness.below((self.encoded.len() / FRAME) as u64) as usize * FRAME;
        let seeds = [(); 2].map(|()| self.randomness.next_u64());
        let bad = |is_bad: fn(Direction) -> bool| self.churn.impairment.filter(|bad| is_bad(bad.direction));
        let mut line = Line::new(socket, remote.address, slot, remote.law, Arc::clone(&self.encoded), at);
        line.impairer = bad(Direction::is_out).map(|impairment| Impairer::new(impairment, seeds[0]));
        line.impairer_in = bad(Direction::is_in).map(|impairment| Impairer::new(impairment, seeds[1]));
        line.measured_from = clock::now() + SETTLE;
        self.worker(slot).tell(Command::Add(Box::new(line)));
        Ok(())
    }

    fn hang_up(&mut self, slot: usize) {
        self.worker(slot).tell(Command::Remove(slot));
        self.uac.bye(slot, clock::now());
        self.slots[slot] = Slot::Releasing;
    }

    fn count_failure(&mut self, cause: String) {
        *self.window.failures.entry(cause).or_default() += 1;
    }

    fn worker(&self, slot: usize) -> &Worker {
        &self.workers[slot % self.workers.len()]
    }

    fn lasts(&mut self) -> Duration {
        self.churn.mean_call.mul_f64(0.5 + self.randomness.unit())
    }
}
