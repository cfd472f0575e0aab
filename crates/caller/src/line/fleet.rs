//! A number of calls that are set up, talk, are measured for a while, and released.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use offhook_time::{Randomness, Seed, Time};

use crate::CallerError;
use crate::call::Stop;
use crate::clock;
use crate::g711::Law;
use crate::impair::{Direction, ImpairCounters, Impaired, Impairer, Impairment};
use crate::line::light::{LightEvent, LightUac};
use crate::line::worker::{Command, Line, Measured, Worker};
use crate::machine::{ServerCost, Usage};
use crate::net::{self, Readiness};
use crate::sdp;
use crate::statistics::Summary;
use crate::target::Target;
use crate::wav::FRAME;

/// What kind of fleet.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    /// Whom all of them call.
    pub target: Target,
    /// How many calls.
    pub calls: usize,
    /// Which G.711.
    pub law: Law,
    /// How long they talk before anything is measured.
    pub settle: Duration,
    /// How long is measured.
    pub hold: Duration,
    /// Most calls that are being set up at once.
    pub in_flight: usize,
    /// Workers.
    pub threads: usize,
    /// Real-time priority for them.
    pub realtime: bool,
    /// Decides signals and accidents.
    pub seed: u64,
    /// Whether everything said and heard is kept.
    pub keep: bool,
    /// What happens to their packets.
    pub impairment: Option<Impairment>,
    /// After this much of the window the line is clean again.
    pub impaired_for: Option<Duration>,
    /// The server's process.
    pub server_pid: Option<u32>,
    /// The process of the application behind the server.
    pub application_pid: Option<u32>,
}

/// What became of it.
#[derive(Debug, Default)]
pub(crate) struct FleetResult {
    /// The lines, with what they measured.
    pub lines: Vec<Line>,
    /// The signal that all lines say, each from a place of its own.
    pub signal: Vec<i16>,
    /// Why calls failed or ended early.
    pub failures: Vec<String>,
    /// The measured window.
    pub window: Duration,
    /// When the line became clean, where it was impaired.
    pub clean_from: Option<Time>,
    /// The server's cost in the window.
    pub cost: Option<ServerCost>,
    /// The application's cost in the window.
    pub application_cost: Option<ServerCost>,
    /// Our own cost in the window.
    pub own_cost: Option<ServerCost>,
    /// Whether all workers ran at real-time priority.
    pub realtime: bool,
    /// What the far side says that it is.
    pub software: Option<String>,
}

impl FleetResult {
    /// What happened to packets on bad lines, from the first of a call to its last.
    pub fn impaired(&self) -> Impaired {
        let sum = |of: fn(&Line) -> Option<&Impairer>| {
            let counters = self.lines.iter().filter_map(of).map(Impairer::counters);
            counters.reduce(ImpairCounters::and)
        };
        Impaired { out: sum(|line| line.impairer.as_ref()), back: sum(|line| line.impairer_in.as_ref()) }
    }

    /// How late our packets left, over all lines.
    pub fn own_lateness_ms(&self) -> Summary {
        Summary::of(self.lines.iter().flat_map(Line::own_lateness_ms).map(f64::from))
    }
}

/// How long calls under way are waited for once the run is to end.
const GIVE_UP_CALLING: Duration = Duration::from_secs(2);

/// How long calls may take to be released before the fleet stops waiting.
const RELEASE: Duration = Duration::from_secs(5);

/// Runs a fleet. A raised `stop` cuts every phase short.
pub(crate) fn run(fleet: &Fleet, stop: &Stop) -> Result<FleetResult, CallerError> {
    let calls = fleet.calls;
    // Twice, because an in-process reflector has a socket per call too.
    let files = net::raise_open_files(2 * calls as u64 + 256)?;
    if (calls as u64) + 64 > files {
        return Err(CallerError::CannotMeasure(format!(
            "{calls} calls need more than the {files} files allowed"
        )));
    }
    let mut running = Running::start(fleet)?;
    running.set_up(fleet, stop)?;
    if !running.up.contains(&true) {
        return running.finish();
    }
    running.stay(fleet.settle, stop)?;

    running.tell(|| Command::BeginWindow);
    let began = clock::now();
    let begin = |pid: Option<u32>| pid.and_then(Usage::of);
    let usage = begin(fleet.server_pid);
    let others = (begin(fleet.application_pid), begin(Some(std::process::id())));
    let impaired_for =
        fleet.impaired_for.filter(|_| fleet.impairment.is_some()).unwrap_or(fleet.hold).min(fleet.hold);
    running.stay(impaired_for, stop)?;
    let mut clean_from = None;
    if impaired_for < fleet.hold {
        running.tell(|| Command::Impair(Impairment::default()));
        clean_from = Some(clock::now());
        running.stay(fleet.hold - impaired_for, stop)?;
    }
    let window = clock::now().since(began);
    let so_far = |usage: Option<Usage>| usage.and_then(|usage| usage.until_now());
    let cost = so_far(usage);
    let (application_cost, own_cost) = (so_far(others.0), so_far(others.1));
    running.tell(|| Command::EndWindow);

    running.release()?;
    let mut result = running.finish()?;
    result.window = window;
    result.clean_from = clean_from;
    result.cost = cost;
    result.application_cost = application_cost;
    result.own_cost = own_cost;
    Ok(result)
}

struct Running {
    uac: LightUac,
    readiness: Readiness,
    workers: Vec<Worker>,
    sockets: Vec<Option<UdpSocket>>,
    up: Vec<bool>,
    failures: Vec<String>,
    signal: Vec<i16>,
    encoded: Arc<Vec<u8>>,
}

impl Running {
    fn start(fleet: &Fleet) -> Result<Running, CallerError> {
        let uac = LightUac::new(fleet.target.clone(), fleet.calls, fleet.seed)?;
        let readiness = Readiness::new()?;
        readiness.add(uac.socket(), 0)?;
        // Long enough that no line repeats itself within the window.
        let seconds = (fleet.hold + fleet.settle).as_secs() as usize + 30;
        let signal = crate::probe::noise(fleet.seed, (seconds * 50).max(500) * FRAME);
        let encoded: Vec<u8> = signal.iter().map(|sample| fleet.law.encode(*sample)).collect();
        let signal = encoded.iter().map(|octet| fleet.law.decode(*octet)).collect();
        let workers =
            (0..fleet.threads.max(1)).map(|_| Worker::start(fleet.realtime)).collect::<Result<_, _>>()?;
        Ok(Running {
            uac,
            readiness,
            workers,
            sockets: (0..fleet.calls).map(|_| None).collect(),
            up: vec![false; fleet.calls],
            failures: Vec::new(),
            signal,
            encoded: Arc::new(encoded),
        })
    }

    /// Sets up every call, at most `in_flight` at once.
    fn set_up(&mut self, fleet: &Fleet, stop: &Stop) -> Result<(), CallerError> {
        let ip = fleet.target.local_ip(None)?;
        let (mut begun, mut ended) = (0, 0);
        let mut stopped_at: Option<Time> = None;
        while ended < fleet.calls {
            // Where the first calls all failed, the others would too, and each may take half a minute to do it.
            let hopeless = self.failures.len() >= fleet.in_flight.max(1) && !self.up.contains(&true);
            let stopping = stop.is_raised() || hopeless;
            if stopping {
                let since = *stopped_at.get_or_insert_with(clock::now);
                if ended == begun || clock::now().since(since) > GIVE_UP_CALLING {
                    self.failures.extend(
                        hopeless.then(|| format!("{} further calls were not tried", fleet.calls - begun)),
                    );
                    break;
                }
            }
            while begun < fleet.calls && begun - ended < fleet.in_flight.max(1) && !stopping {
                let socket = net::udp(ip, 0)?;
                let local = socket.local_addr().map_err(CallerError::io("opening an RTP socket"))?;
                self.sockets[begun] = Some(socket);
                self.uac.invite(begun, &sdp::describe(local, &[fleet.law], 1, "sendrecv"), clock::now());
                begun += 1;
            }
            for event in self.turn(Duration::from_millis(20))? {
                match event {
                    LightEvent::Answered { slot, remote: Some(remote), .. } => {
                        ended += 1;
                        self.connect(fleet, slot, remote);
                    }
                    LightEvent::Answered { slot, remote: None, .. } => {
                        ended += 1;
                        self.up[slot] = true;
                        self.failures.push("answered without G.711 audio".to_owned());
                    }
                    LightEvent::Failed { cause, .. } => {
                        ended += 1;
                        self.failures.push(cause);
                    }
                    LightEvent::HungUp { slot } => self.hung_up(slot),
                    LightEvent::Released { .. } => {}
                }
            }
        }
        Ok(())
    }

    /// The call talks from here on.
    fn connect(&mut self, fleet: &Fleet, slot: usize, remote: sdp::Remote) {
        self.up[slot] = true;
        let Some(socket) = self.sockets[slot].take() else { return };
        let mut randomness = Randomness::new(Seed::from_number(fleet.seed ^ ((slot as u64 + 1) << 20)));
        let at = randomness.below((self.encoded.len() / FRAME) as u64) as usize * FRAME;
        let mut line = Line::new(socket, remote.address, slot, remote.law, Arc::clone(&self.encoded), at);
        line.keep = fleet.keep;
        // Always both draws: the accidents of one way do not depend on whether the other is impaired.
        let (out, back) = (randomness.next_u64(), randomness.next_u64());
        let bad = |is_bad: fn(Direction) -> bool| fleet.impairment.filter(|bad| is_bad(bad.direction));
        line.impairer = bad(Direction::is_out).map(|impairment| Impairer::new(impairment, out));
        line.impairer_in = bad(Direction::is_in).map(|impairment| Impairer::new(impairment, back));
        self.workers[slot % self.workers.len()].tell(Command::Add(Box::new(line)));
    }

    /// Only answers what comes, for this long.
    fn stay(&mut self, how_long: Duration, stop: &Stop) -> Result<(), CallerError> {
        let until = clock::now() + how_long;
        while !stop.is_raised() {
            let left = until.since(clock::now());
            if left.is_zero() {
                break;
            }
            for event in self.turn(left.min(Duration::from_millis(100)))? {
                if let LightEvent::HungUp { slot } = event {
                    self.hung_up(slot);
                }
            }
        }
        Ok(())
    }

    /// Hangs up every call that is up and waits until that is answered.
    fn release(&mut self) -> Result<(), CallerError> {
        let until = clock::now() + RELEASE;
        let mut left: Vec<usize> = (0..self.up.len()).filter(|slot| self.up[*slot]).collect();
        let mut in_flight = 0usize;
        while (!left.is_empty() || in_flight > 0) && clock::now() < until {
            while in_flight < 16
                && let Some(slot) = left.pop()
            {
                self.uac.bye(slot, clock::now());
                in_flight += 1;
            }
            for event in self.turn(Duration::from_millis(20))? {
                match event {
                    LightEvent::Released { .. } | LightEvent::HungUp { .. } => {
                        in_flight = in_flight.saturating_sub(1);
                    }
                    LightEvent::Failed { cause, .. } => {
                        in_flight = in_flight.saturating_sub(1);
                        self.failures.push(cause);
                    }
                    LightEvent::Answered { .. } => {}
                }
            }
        }
        if in_flight > 0 {
            self.failures.push(format!("{in_flight} BYEs were not answered"));
        }
        Ok(())
    }

    fn turn(&mut self, longest: Duration) -> Result<Vec<LightEvent>, CallerError> {
        let now = clock::now();
        let wait = self.uac.poll_timeout().map_or(longest, |at| at.since(now).min(longest));
        self.readiness.wait(wait, &mut Vec::new());
        let mut events = Vec::new();
        self.uac.handle_arrivals(&mut events);
        self.uac.handle_timeout(clock::now(), &mut events);
        Ok(events)
    }

    fn hung_up(&mut self, slot: usize) {
        self.up[slot] = false;
        self.failures.push("the far side hung up".to_owned());
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            worker.tell(command());
        }
    }

    fn finish(self) -> Result<FleetResult, CallerError> {
        let software = self.uac.software().map(str::to_owned);
        let mut result =
            FleetResult { realtime: true, signal: self.signal, software, ..FleetResult::default() };
        for worker in self.workers {
            let Measured { lines, realtime } = worker.finish()?;
            result.lines.extend(lines);
            result.realtime &= realtime;
        }
        result.failures = self.failures;
        Ok(result)
    }
}
