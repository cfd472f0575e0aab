//! How a call begins: sockets, media half, control half.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use offhook_call_control::{
    AnswerPolicy, CallControl, CallSettings, EndCause, Input, Refusal, Role, StartedBy, TraceContext,
    media_settings,
};
use offhook_call_media::{CallMedia, JitterPreference, MediaSource, TurnPolicy};
use offhook_sip_proto::endpoint::{CallKey, Peer, SipEvent, TransactionId};
use offhook_sip_proto::message::Request;
use offhook_time::Time;

use super::admission::Refused;
use super::call::ControlCall;
use super::handle::Dial;
use super::run::Control;
use crate::config::Nat;
use crate::recorder::Opening;
use crate::worker::{MediaHalf, PlantedPanic, ToWorker, WorkerCall};

/// What a call begins with.
struct Beginning {
    bot: String,
    role: Role,
    started_by: StartedBy,
    answer: AnswerPolicy,
    /// The other side's address.
    remote: IpAddr,
    /// Index of the route that let it in.
    route: Option<usize>,
    /// Index of the trunk it comes or goes by.
    trunk: Option<usize>,
    now: Time,
}

impl Control {
    /// Somebody calls.
    pub(super) fn new_call(&mut self, transaction: TransactionId, request: Request, peer: Peer, now: Time) {
        let admitted = match self.admit(&request, &peer) {
            Ok(admitted) => admitted,
            Err(refused) => return self.refuse_call(transaction, &request, &refused, now),
        };
        let trunk = admitted.trunk;
        let begun = self.begin(Beginning {
            bot: admitted.bot,
            role: admitted.role,
            started_by: StartedBy::Invite,
            answer: admitted.answer,
            remote: peer.remote.ip(),
            route: admitted.route,
            trunk,
            now,
        });
        let Some(key) = begun else {
            let refused = Refused::unavailable(trunk);
            return self.refuse_call(transaction, &request, &refused, now);
        };
        self.plant_panic(key, &request);
        self.begin_trace(key, Some(&request), now);
        self.endpoint.accept(transaction, CallKey(key));
        self.run_call(key, Input::Sip(SipEvent::Request { transaction, request, peer }), now);
    }

    /// The API calls somebody.
    pub(super) fn dial(&mut self, dial: Dial, now: Time) -> Result<String, Refusal> {
        let (remote, trunk) = self.check_dial(&dial)?;
        let Some(role) = self.bots.role(&dial.bot) else {
            return Err(Refusal::bad_argument(format!("there is no bot '{}'", dial.bot)));
        };
        if matches!(role, Role::Bridge(_)) {
            return Err(Refusal::bad_argument(
                "outgoing calls need a bot that speaks: the bridge waits for callers",
            ));
        }
        if self.can_take_calls().is_err() {
            return Err(Refusal::unavailable("no more calls are taken now"));
        }
        self.check_trunk(trunk).map_err(|_| Refusal::unavailable("the trunk has as many calls as it may"))?;
        if self.lacks_engines(&role) {
            return Err(Refusal::unavailable(format!(
                "bot '{}' needs a speech engine that the configuration names and that is not there: see /readyz",
                dial.bot
            )));
        }
        let begun = self.begin(Beginning {
            bot: dial.bot,
            role,
            started_by: StartedBy::Api { target: dial.to, caller: dial.from },
            answer: AnswerPolicy::Immediately,
            remote,
            route: None,
            trunk,
            now,
        });
        let Some(key) = begun else { return Err(Refusal::unavailable("no RTP port is free")) };
        let id = self.calls.get(&key).map(|call| call.id.clone()).unwrap_or_default();
        self.begin_trace(key, None, now);
        self.run_call(key, Input::Dial, now);
        Ok(id)
    }

    /// Takes what a call needs. `None` where something is used up.
    fn begin(&mut self, beginning: Beginning) -> Option<u64> {
        let Beginning { bot: bot_name, role, started_by, answer, remote, route, trunk, now } = beginning;
        let line = self.config.line(trunk);
        let seed = crate::entropy::seed().ok()?;
        let worker = self.quietest_worker();
        if self.slots[worker].is_full() {
            return None;
        }
        let sockets = match self.ports.take() {
            Ok(sockets) => sockets,
            Err(error) => {
                // It has no id yet, and gets none.
                tracing::warn!(%error, %remote, "a call is refused: no RTP port");
                return None;
            }
        };
        let ip = self.advertised_for(Some(remote));
        let language = match &role {
            Role::Bot(bot) => bot.language().to_owned(),
            Role::Echo | Role::Bridge(_) => String::new(),
        };
        let has_recognizer = self.engines.recognizer(&language).is_some();
        let settings = CallSettings {
            call_id: uuid::Uuid::now_v7().to_string(),
            seed,
            wall: self.wall,
            role,
            bot_name,
            started_by,
            answer,
            local_rtp: SocketAddr::new(ip, sockets.port),
            local_contact: SocketAddr::new(ip, self.sip_port),
            codecs: line.codecs,
            ptime_ms: line.ptime_ms,
            turn_policy: TurnPolicy {
                // Media tell of silence on the line at the latest when it ends the call.
                rtp_timeout: TurnPolicy::default().rtp_timeout.min(line.limits.rtp_timeout),
                ..TurnPolicy::default()
            },
            limits: line.limits,
            outbound: Arc::clone(&self.config.outbound),
            trunk: line.trunk,
            transfer_targets: self.config.targets.clone(),
            bot_config: self.config.bot_config.clone(),
            has_recognizer,
            user_agent: self.config.user_agent.clone(),
        };
        let nat = line.nat_of_trunk.unwrap_or_else(|| {
            // A telephone on this machine names its network address in the SDP and sends from loopback all the same.
            if remote.is_loopback() { Nat::Learn } else { self.config.nat }
        });
        let source = match nat {
            Nat::Learn => MediaSource::Learn { signalling: remote },
            Nat::Sdp => MediaSource::Sdp,
        };
        let jitter =
            if self.config.prefer_loss_free { JitterPreference::Loss } else { JitterPreference::Delay };
        let media = media_settings(&settings, source, jitter);
        let key = self.next_key;
        self.next_key += 1;
        let tap = self.tap.as_ref().filter(|_| self.config.records(route));
        let recorded = tap.is_some();
        if let Some(tap) = tap {
            let (settings, media, egress) = (settings.clone(), media.clone(), self.config.bundle.egress);
            tap.open(Opening { call: key, settings, media, opened_at: now, egress });
        }
        let media = CallMedia::new(media, now);
        let recognized = has_recognizer && matches!(settings.role, Role::Bot(_));
        let slot = self.slots[worker].take();
        let half = MediaHalf::new(key, media, recognized, recorded);
        self.workers[worker].send(ToWorker::Open(slot, Box::new(WorkerCall { sockets, half })));
        let id = settings.call_id.clone();
        self.keys.insert(id.clone(), key);
        let call = Box::new(ControlCall {
            id,
            control: CallControl::new(settings),
            worker,
            slot,
            media_open: true,
            due: None,
            route,
            trunk,
            synthesizers: Default::default(),
            speaking: Default::default(),
            bridge: None,
            trace: None,
            traceparent: None,
            obituary: None,
            facts: 0,
            recorded,
            step: 0,
            lost_output: false,
            ended: false,
            panic_planted: PlantedPanic::default(),
        });
        self.calls.insert(key, call);
        Some(key)
    }

    /// Decides whether the spans of a call are collected. The call itself comes to the same trace by the same rule.
    fn begin_trace(&mut self, key: u64, invite: Option<&Request>, now: Time) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let context = match invite {
            Some(invite) => TraceContext::of_invite(invite, &call.id),
            None => TraceContext::of_call(&call.id),
        };
        let begun = self.tracer.as_ref().and_then(|tracer| tracer.begin(context, &call.id, self.wall, now));
        call.traceparent = context.forwarded().filter(|_| begun.is_none());
        call.trace = begun.map(Box::new);
    }

    fn quietest_worker(&self) -> usize {
        let busy = self.slots.iter().enumerate().min_by_key(|(_, slots)| slots.in_use());
        busy.map_or(0, |(worker, _)| worker)
    }

    /// The address that a peer shall use for us.
    fn advertised_for(&self, remote: Option<IpAddr>) -> IpAddr {
        let listen = self.config.sip.ip();
        let wants_v6 = remote.map_or(listen.is_ipv6(), |remote| remote.to_canonical().is_ipv6());
        let configured = if wants_v6 { self.config.advertise_v6 } else { self.config.advertise };
        if let Some(configured) = configured {
            return configured;
        }
        if !listen.is_unspecified() {
            return listen;
        }
        remote.and_then(interface_towards).unwrap_or(listen)
    }

    /// Tests plant a panic by a header, where the command line allows that: `panic-media 200` fails the media half at
    /// its 200th input, `panic-control 2` the control half at its second; without a number it is the first.
    /// `stall-recorder 5000` lets the recorder stop for so many milliseconds, as a slow disk would.
    fn plant_panic(&mut self, key: u64, request: &Request) {
        if !self.allow_planted_panics {
            return;
        }
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(planted) = request.headers.get_str("X-Offhook-Test") else { return };
        let (half, input) = planted.split_once(' ').unwrap_or((planted, "1"));
        let Ok(input) = input.trim().parse() else { return };
        match half {
            "panic-media" => self.workers[call.worker].send(ToWorker::PlantPanic(call.slot, input)),
            "panic-control" => call.panic_planted = PlantedPanic::at(input),
            "stall-recorder" => self.tap.iter().for_each(|tap| tap.stall(u64::from(input))),
            _ => {}
        }
    }

    /// Nobody has answered them yet, and nobody will.
    pub(super) fn refuse_ringing(&mut self, now: Time) {
        let ringing = self.calls.iter().filter(|(_, call)| call.control.is_ringing());
        let keys: Vec<u64> = ringing.map(|(key, _)| *key).collect();
        for key in keys {
            self.run_call(key, Input::End { cause: EndCause::Shutdown }, now);
        }
    }

    pub(super) fn end_all(&mut self, now: Time) {
        let keys: Vec<u64> = self.calls.keys().copied().collect();
        for key in keys {
            self.run_call(key, Input::End { cause: EndCause::Shutdown }, now);
        }
    }
}

/// The address of the interface that leads to `remote`. Connecting a datagram socket sends nothing.
fn interface_towards(remote: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((remote, 9)).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}
