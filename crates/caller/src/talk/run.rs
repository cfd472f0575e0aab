//! Places calls that talk: so many in all, so many at once.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::Duration;

use offhook_time::{Randomness, Seed, Time};

use crate::CallerError;
use crate::call::Stop;
use crate::clock;
use crate::g711::Law;
use crate::impair::{Direction, Impairer, Impairment};
use crate::line::light::{LightEvent, LightUac};
use crate::machine::{ServerCost, Usage};
use crate::net::{self, Readiness};
use crate::sdp;
use crate::statistics::{Summary, rounded};
use crate::talk::plan::Plan;
use crate::talk::talker::{Talked, Talker};
use crate::talk::worker::{Heard, TalkLine, TalkWorker, Ways};
use crate::target::Target;

/// Which calls.
#[derive(Clone, Debug)]
pub(crate) struct Talks {
    /// Whom all of them call.
    pub target: Target,
    /// How many in all.
    pub calls: usize,
    /// How many at once.
    pub at_once: usize,
    /// Which G.711.
    pub law: Law,
    /// When a call is ended whatever it does, from its answer on.
    pub longest: Duration,
    /// Workers.
    pub threads: usize,
    /// Real-time priority for them.
    pub realtime: bool,
    /// Decides Call-IDs and accidents.
    pub seed: u64,
    /// What happens to our packets on their way.
    pub impairment: Option<Impairment>,
    /// The server's process.
    pub server_pid: Option<u32>,
}

/// What became of them.
#[derive(Debug, Default)]
pub(crate) struct TalksResult {
    /// Calls that were answered, by their number, in the order of their ends.
    pub talked: Vec<(usize, Talked)>,
    /// Calls that they ended.
    pub hung_up: u64,
    /// Why calls failed, with counts.
    pub failures: BTreeMap<String, u64>,
    /// INVITE sent to 200 received.
    pub set_up_ms: Summary,
    /// How late our own packets left.
    pub own_lateness_ms: Summary,
    /// The server's cost from the first INVITE to the end.
    pub cost: Option<ServerCost>,
    /// Whether all workers ran at real-time priority.
    pub realtime: bool,
}

/// Calls begin this far apart: no two of a crowd end their sentences in the same tick, and the phase against a far
/// side's own 20 ms differs from call to call.
const APART: Duration = Duration::from_micros(53_300);

/// How long a BYE may stay unanswered at the end.
const RELEASE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Slot {
    Free,
    Calling {
        call: usize,
    },
    Talking {
        call: usize,
        until: Time,
    },
    /// Told to end; its worker has not answered yet. `gone` where they hung up.
    Ending {
        call: usize,
        gone: bool,
    },
    Releasing,
}

/// Places them; `plan` says what call number n does. A raised `stop` ends all of them properly.
pub(crate) fn run(
    talks: &Talks,
    plan: &mut dyn FnMut(usize) -> Plan,
    stop: &Stop,
) -> Result<TalksResult, CallerError> {
    let slots = talks.at_once.clamp(1, talks.calls.max(1));
    // Twice, because an in-process reflector has a socket per call too.
    let files = net::raise_open_files(2 * slots as u64 + 256)?;
    if slots as u64 + 64 > files {
        return Err(CallerError::CannotMeasure(format!(
            "{slots} calls at once need more than the {files} files allowed"
        )));
    }
    let mut running = Running::start(talks, slots)?;
    let usage = talks.server_pid.and_then(Usage::of);
    let result = running.place_all(plan, stop);
    let cost = usage.and_then(|usage| usage.until_now());
    let mut realtime = true;
    for worker in running.workers {
        realtime &= worker.finish()?;
    }
    result?;
    Ok(TalksResult {
        set_up_ms: Summary::of(running.set_up_ms),
        own_lateness_ms: Summary::of(running.own_lateness_ms),
        cost,
        realtime,
        ..running.result
    })
}

struct Running<'a> {
    talks: &'a Talks,
    uac: LightUac,
    readiness: Readiness,
    workers: Vec<TalkWorker>,
    slots: Vec<Slot>,
    sockets: Vec<Option<UdpSocket>>,
    begun: usize,
    ended: usize,
    set_up_ms: Vec<f64>,
    own_lateness_ms: Vec<f64>,
    result: TalksResult,
}

impl<'a> Running<'a> {
    fn start(talks: &'a Talks, slots: usize) -> Result<Self, CallerError> {
        let uac = LightUac::new(talks.target.clone(), slots, talks.seed)?;
        let readiness = Readiness::new()?;
        readiness.add(uac.socket(), 0)?;
        let workers =
            (0..talks.threads.max(1)).map(|_| TalkWorker::start(talks.realtime)).collect::<Result<_, _>>()?;
        Ok(Running {
            talks,
            uac,
            readiness,
            workers,
            slots: vec![Slot::Free; slots],
            sockets: (0..slots).map(|_| None).collect(),
            begun: 0,
            ended: 0,
            set_up_ms: Vec::new(),
            own_lateness_ms: Vec::new(),
            result: TalksResult::default(),
        })
    }

    fn place_all(&mut self, plan: &mut dyn FnMut(usize) -> Plan, stop: &Stop) -> Result<(), CallerError> {
        let mut next_at = clock::now();
        let mut stopping_since: Option<Time> = None;
        loop {
            let now = clock::now();
            if stop.is_raised() && stopping_since.is_none() {
                stopping_since = Some(now);
                self.end_where(|_| true);
            }
            let is_last = self.begun == self.talks.calls || stopping_since.is_some();
            if is_last && self.ended == self.begun {
                break;
            }
            if stopping_since.is_some_and(|since| now.since(since) > RELEASE) {
                break;
            }
            if !is_last && now >= next_at && self.invite(now)? {
                next_at = now + APART;
            }
            self.end_where(|until| until <= now);
            for event in self.turn(now) {
                self.handle(event, plan, stopping_since.is_some())?;
            }
            self.collect();
        }
        self.release()
    }

    /// Calls from a free slot, if there is one.
    fn invite(&mut self, now: Time) -> Result<bool, CallerError> {
        let Some(slot) = self.slots.iter().position(|slot| *slot == Slot::Free) else { return Ok(false) };
        let socket = net::udp(self.talks.target.local_ip(None)?, 0)?;
        let local = socket.local_addr().map_err(CallerError::io("opening an RTP socket"))?;
        self.sockets[slot] = Some(socket);
        self.uac.invite(slot, &sdp::describe(local, &[self.talks.law], 1, "sendrecv"), now);
        self.slots[slot] = Slot::Calling { call: self.begun };
        self.begun += 1;
        Ok(true)
    }

    fn handle(
        &mut self,
        event: LightEvent,
        plan: &mut dyn FnMut(usize) -> Plan,
        stopping: bool,
    ) -> Result<(), CallerError> {
        match event {
            LightEvent::Answered { slot, took, remote } => {
                let Some(&Slot::Calling { call }) = self.slots.get(slot) else { return Ok(()) };
                self.set_up_ms.push(rounded(took.as_secs_f64() * 1000.0));
                let now = clock::now();
                match (remote, self.sockets[slot].take()) {
                    (Some(remote), Some(socket)) if !stopping => {
                        let talker = Talker::new(plan(call), remote, call, now);
                        let line = TalkLine::new(socket, remote.address, talker, self.ways(call), call);
                        self.worker(slot).add(slot, line);
                        self.slots[slot] = Slot::Talking { call, until: now + self.talks.longest };
                    }
                    (remote, _) => {
                        if remote.is_none() {
                            self.fail("answered without G.711 audio".to_owned());
                        }
                        self.ended += 1;
                        self.slots[slot] = Slot::Releasing;
                        self.uac.bye(slot, now);
                    }
                }
            }
            LightEvent::Failed { slot, cause } => {
                self.fail(cause);
                self.ended += usize::from(matches!(self.slots.get(slot), Some(Slot::Calling { .. })));
                self.slots[slot] = Slot::Free;
            }
            LightEvent::Released { slot, .. } => self.slots[slot] = Slot::Free,
            LightEvent::HungUp { slot } => match self.slots.get(slot) {
                Some(&(Slot::Talking { call, .. } | Slot::Ending { call, .. })) => {
                    self.result.hung_up += 1;
                    self.worker(slot).end(slot);
                    self.slots[slot] = Slot::Ending { call, gone: true };
                }
                Some(Slot::Free | Slot::Calling { .. } | Slot::Releasing) => self.slots[slot] = Slot::Free,
                None => {}
            },
        }
        Ok(())
    }

    /// Takes what ended calls came to, and hangs up those that are still there.
    fn collect(&mut self) {
        let ended: Vec<(usize, Heard)> =
            self.workers.iter().flat_map(|worker| std::iter::from_fn(|| worker.poll_ended())).collect();
        for (slot, heard) in ended {
            let (Slot::Talking { call, .. } | Slot::Ending { call, .. }) = self.slots[slot] else { continue };
            self.own_lateness_ms.extend(heard.own_lateness_ms.iter().map(|late| f64::from(*late)));
            self.result.talked.push((call, heard.talked));
            self.ended += 1;
            if matches!(self.slots[slot], Slot::Ending { gone: true, .. }) {
                self.slots[slot] = Slot::Free;
            } else {
                self.slots[slot] = Slot::Releasing;
                self.uac.bye(slot, clock::now());
            }
        }
    }

    /// Ends the calls whose limit is as `is_due` says.
    fn end_where(&mut self, is_due: impl Fn(Time) -> bool) {
        for slot in 0..self.slots.len() {
            if let Slot::Talking { call, until } = self.slots[slot]
                && is_due(until)
            {
                self.worker(slot).end(slot);
                self.slots[slot] = Slot::Ending { call, gone: false };
            }
        }
    }

    /// Waits until the last BYEs are answered.
    fn release(&mut self) -> Result<(), CallerError> {
        let until = clock::now() + RELEASE;
        while self.slots.contains(&Slot::Releasing) && clock::now() < until {
            for event in self.turn(clock::now()) {
                match event {
                    LightEvent::Failed { slot, cause } => {
                        self.fail(cause);
                        self.slots[slot] = Slot::Free;
                    }
                    LightEvent::Released { slot, .. } | LightEvent::HungUp { slot } => {
                        self.slots[slot] = Slot::Free;
                    }
                    LightEvent::Answered { slot, .. } => self.uac.bye(slot, clock::now()),
                }
            }
        }
        let left = self.slots.iter().filter(|slot| **slot == Slot::Releasing).count();
        for _ in 0..left {
            self.fail("a BYE was not answered".to_owned());
        }
        Ok(())
    }

    fn turn(&mut self, now: Time) -> Vec<LightEvent> {
        let longest = Duration::from_millis(10);
        let wait = self.uac.poll_timeout().map_or(longest, |at| at.since(now).min(longest));
        self.readiness.wait(wait, &mut Vec::new());
        let mut events = Vec::new();
        self.uac.handle_arrivals(&mut events);
        self.uac.handle_timeout(clock::now(), &mut events);
        events
    }

    fn ways(&self, call: usize) -> Ways {
        let mut randomness = Randomness::new(Seed::from_number(self.talks.seed ^ ((call as u64 + 1) << 20)));
        // Always both draws: the accidents of one way do not depend on whether the other is impaired.
        let (out, back) = (randomness.next_u64(), randomness.next_u64());
        let impairment = self.talks.impairment.filter(|impairment| !impairment.is_none());
        let bad = |is_bad: fn(Direction) -> bool| impairment.filter(|bad| is_bad(bad.direction));
        Ways {
            out: bad(Direction::is_out).map(|impairment| Impairer::new(impairment, out)),
            back: bad(Direction::is_in).map(|impairment| Impairer::new(impairment, back)),
        }
    }

    fn worker(&self, slot: usize) -> &TalkWorker {
        &self.workers[slot % self.workers.len()]
    }

    fn fail(&mut self, cause: String) {
        *self.result.failures.entry(cause).or_default() += 1;
    }
}
