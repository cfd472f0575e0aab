//! Our side: endpoint, both halves of the call, and around them what the server does live.

use offhook_call_control::{CallControl, Input, Output, StartedBy, media_settings};
use offhook_call_media::MediaEvent;
use offhook_journal::bundle::Direction;
use offhook_replay::CallHead;
use offhook_sip_proto::endpoint::{
    CallKey, Endpoint, EndpointConfig, EndpointEvent, Listener, Peer, Transport,
};
use offhook_sip_proto::message::StatusCode;
use offhook_time::{Randomness, Seed, Time};

use crate::agenda::Due;
use crate::digest::Hashing;
use crate::engines::Engines;
use crate::media_driver::{MediaDriver, ToMedia, Witnesses};
use crate::network::{Network, our_sip, their_rtp, their_sip};
use crate::recording::SignallingInput;
use crate::watch::Watch;
use crate::{Recording, Scenario};

/// The one call of a simulation.
pub(crate) const CALL: CallKey = CallKey(1);

/// More deadlines at one moment mean a machine that does not move on.
const MOST_DEADLINES: u32 = 1_000;

/// Our endpoint, live and in replay.
pub(crate) fn endpoint(seed: Seed) -> Endpoint {
    let config = EndpointConfig {
        listeners: vec![Listener::new(Transport::Udp, our_sip())],
        ..EndpointConfig::default()
    };
    Endpoint::new(config, seed)
}

/// Where the telephone's SIP comes from.
pub(crate) fn telephone() -> Peer {
    Peer { protocol: Transport::Udp, local: our_sip(), remote: their_sip(), connection: None }
}

/// Puts what the endpoint wants sent into `out`, and its hash with it.
pub(crate) fn drain(endpoint: &mut Endpoint, hashing: &mut Hashing, out: &mut Vec<Vec<u8>>, now: Time) {
    while let Some(transmit) = endpoint.poll_transmit() {
        hashing.sip.value(0, now, &transmit.peer);
        hashing.sip.bytes(0, now, &transmit.bytes);
        out.push(transmit.bytes);
    }
}

struct Call {
    control: CallControl,
    media: MediaDriver,
    /// The machine said that nothing follows.
    ended: bool,
    /// The worker has not given the half back.
    media_open: bool,
    forgotten: bool,
}

/// The server of a simulation.
pub(crate) struct Host {
    scenario: Scenario,
    endpoint: Endpoint,
    call: Option<Call>,
    pub engines: Engines,
    pub hashing: Hashing,
    pub watch: Watch,
    pub recording: Recording,
    sip_out: Vec<Vec<u8>>,
    ports_in_use: i32,
    began: Time,
}

impl Host {
    pub fn new(scenario: &Scenario, randomness: &mut Randomness) -> Self {
        let endpoint_seed = randomness.fork();
        let media = media_settings(&scenario.settings, scenario.source, scenario.jitter);
        Host {
            endpoint: endpoint(endpoint_seed),
            call: None,
            engines: Engines::new(scenario, randomness),
            hashing: Hashing::default(),
            watch: Watch::default(),
            recording: Recording {
                settings: scenario.settings.clone(),
                media,
                endpoint_seed,
                opened_at: None,
                steps: Default::default(),
                signalling: Vec::new(),
            },
            sip_out: Vec::new(),
            ports_in_use: 0,
            began: Time::ZERO,
            scenario: scenario.clone(),
        }
    }

    /// What the API and the far end begin with.
    pub fn start(&mut self, now: Time) {
        self.began = now;
        if !self.scenario.standstills.is_empty() {
            self.watch.stands_still();
        }
        if let StartedBy::Api { .. } = self.scenario.settings.started_by {
            self.open(now);
            self.control(Input::Dial, now);
        }
        for (after, id, command) in std::mem::take(&mut self.scenario.commands) {
            self.engines.agenda.at(now + after, Due::Control(Box::new(Input::Command { id, command })));
        }
        self.pump(now);
    }

    /// The next moment at which something is to be done here.
    pub fn next_moment(&self, network: &Network) -> Option<Time> {
        let control = self.call.as_ref().and_then(|call| call.control.poll_timeout());
        let control = control.map(|at| self.on_tick(at));
        let media = self.call.as_ref().and_then(|call| call.media.next_wake(&network.rtp_up));
        let arrival = network.sip_up.next_arrival();
        let moments = [control, media, arrival, self.engines.agenda.next(), self.endpoint.poll_timeout()];
        moments.into_iter().flatten().min().map(|at| self.awake(at))
    }

    /// Does everything that is due.
    pub fn wake(&mut self, network: &mut Network, now: Time) {
        if self.awake(now) > now {
            return;
        }
        while let Some((_, datagram)) = network.sip_up.receive(now) {
            self.recording.steps.sip(Direction::Inbound, &datagram, now);
            self.watch.sip_in(&datagram, now);
            self.endpoint.handle_datagram(&datagram, telephone(), now);
            self.recording.signalling(SignallingInput::Datagram(datagram), now);
            self.drain(now);
            self.pump(now);
        }
        while let Some(due) = self.engines.agenda.take(now) {
            self.take(due, now);
            self.pump(now);
        }
        self.wake_media(network, now);
        self.pump(now);
        self.run_timers(now);
        for datagram in self.sip_out.drain(..) {
            self.watch.sip_out(&datagram, now);
            self.recording.steps.sip(Direction::Outbound, &datagram, now);
            network.sip_down.send(&datagram, now);
        }
    }

    /// Nothing is left: looks at what must be gone.
    pub fn finish(&mut self, now: Time) {
        let cause = self.call.as_ref().and_then(|call| call.control.cause());
        if let Some(call) = &self.call {
            if !call.ended || !call.control.is_ended() {
                self.watch.violation(now, "the call did not end");
            }
            if call.control.poll_timeout().is_some() {
                self.watch.violation(now, "the control half still has a deadline");
            }
            if !call.media.is_closed() || call.media.poll_timeout().is_some() {
                self.watch.violation(now, "the media half still has a deadline");
            }
            self.watch.finish(call.control.cause(), now);
        }
        if self.ports_in_use != 0 {
            self.watch.violation(now, format!("{} ports are still in use", self.ports_in_use));
        }
        let load = self.endpoint.load();
        if load != Default::default() {
            self.watch.violation(now, format!("the endpoint is not empty: {load:?}"));
        }
        if cause.is_some_and(|cause| !self.scenario.causes.contains(&cause)) {
            self.watch.violation(now, format!("a call of this kind does not end with {cause:?}"));
        }
    }

    /// The first moment from `at` on at which our machine does not stand still.
    pub fn awake(&self, at: Time) -> Time {
        let spans = self.scenario.standstills.iter();
        let mut spans = spans.map(|(from, lasts)| (self.began + *from, self.began + *from + *lasts));
        spans.find(|(from, until)| *from < at && at < *until).map_or(at, |(_, until)| until)
    }

    fn on_tick(&self, at: Time) -> Time {
        let tick = self.scenario.tick.map_or(1, |tick| tick.as_nanos() as u64);
        Time::from_nanos(at.as_nanos().div_ceil(tick) * tick)
    }

    /// Takes what a call needs.
    fn open(&mut self, now: Time) {
        self.ports_in_use += 1;
        self.recording.opened_at = Some(now);
        let head = CallHead::new(&self.scenario.settings, &self.recording.media, now);
        self.recording.steps.open(&head);
        let behind_nat = self.scenario.phone.behind_nat;
        let mut source = their_rtp();
        if behind_nat {
            source.set_port(source.port() + 1_000);
        }
        self.call = Some(Call {
            control: CallControl::new(self.scenario.settings.clone()),
            media: MediaDriver::new(self.recording.media.clone(), self.scenario.tick, source, now),
            ended: false,
            media_open: true,
            forgotten: false,
        });
    }

    /// Everything that the endpoint has to say.
    fn pump(&mut self, now: Time) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                EndpointEvent::NewCall { transaction, request, peer } if self.call.is_none() => {
                    self.open(now);
                    self.endpoint.accept(transaction, CALL);
                    self.recording.signalling(SignallingInput::Accept(transaction), now);
                    let event = offhook_sip_proto::endpoint::SipEvent::Request { transaction, request, peer };
                    self.control(Input::Sip(event), now);
                }
                EndpointEvent::NewCall { transaction, request, .. } => {
                    let response = request.response(StatusCode::BUSY_HERE, Some("busy"));
                    self.respond(transaction, response, now);
                }
                EndpointEvent::OutOfDialog { transaction, request, .. } => {
                    let response = request.response(StatusCode::CALL_DOES_NOT_EXIST, Some("nobody"));
                    self.respond(transaction, response, now);
                }
                EndpointEvent::Call { event, .. } => self.control(Input::Sip(event), now),
            }
        }
    }

    fn respond(
        &mut self,
        transaction: offhook_sip_proto::endpoint::TransactionId,
        response: offhook_sip_proto::message::Response,
        now: Time,
    ) {
        self.endpoint.respond(transaction, response.clone(), now);
        self.recording.signalling(SignallingInput::Respond(transaction, response), now);
        self.drain(now);
    }

    fn take(&mut self, due: Due, now: Time) {
        match due {
            Due::Control(input) => {
                let is_live = self.call.as_ref().is_some_and(|call| !call.ended);
                if let (true, Input::Command { id, .. }) = (is_live, &*input) {
                    self.watch.facts.command(&id.0);
                }
                if is_live {
                    self.control(*input, now);
                }
            }
            Due::Speech(utterance, chunk) => self.tell_media(ToMedia::Speech(utterance, chunk), now),
            Due::EndOfSpeech(utterance) => {
                let command = offhook_call_media::MediaCommand::EndOfUtterance { utterance };
                self.tell_media(ToMedia::Command(command), now);
            }
            Due::Application(frame) => {
                if let Some(call) = self.call.as_mut().filter(|call| call.media_open) {
                    call.media.play(*frame, now);
                }
            }
        }
    }

    fn tell_media(&mut self, message: ToMedia, now: Time) {
        if let Some(call) = self.call.as_mut().filter(|call| call.media_open) {
            call.media.tell(message, now);
        }
    }

    /// Hands one input to the control half and does what it wants.
    fn control(&mut self, input: Input, now: Time) {
        let Some(call) = self.call.as_mut().filter(|call| !call.forgotten) else { return };
        call.control.handle_recorded(input, &mut self.recording.steps, now);
        while let Some(output) = self.call.as_mut().and_then(|call| call.control.poll_output()) {
            self.hashing.control.value(0, now, &output);
            self.recording.steps.output(&output);
            self.perform(output, now);
        }
        self.forget_if_over(now);
    }

    fn perform(&mut self, output: Output, now: Time) {
        match output {
            Output::Sip(action) => {
                self.endpoint.perform(CALL, action, now);
                self.drain(now);
            }
            Output::Media(command) => self.tell_media(ToMedia::Command(command), now),
            Output::OpenSpeech { .. } | Output::BridgeDtmf { .. } | Output::CloseBridge { .. } => {}
            Output::Recognizer(command) => self.engines.recognizer(&command, now),
            Output::Speak(request) => self.engines.speak(&request, now),
            Output::CancelSpeech(utterance) => self.engines.cancel_speech(utterance, now),
            Output::OpenBridge { .. } => self.engines.open_bridge(now),
            Output::CallTool(call) => self.engines.call_tool(&call, now),
            Output::CancelTool { tool } => self.engines.cancel_tool(tool),
            Output::Fact(fact) => {
                self.hashing.facts.value(0, now, &fact);
                self.watch.fact(&fact, now);
            }
            Output::Ended => {
                self.watch.ended(now);
                if let Some(call) = &mut self.call
                    && std::mem::replace(&mut call.ended, true)
                {
                    self.watch.violation(now, "the call ended twice");
                }
            }
        }
    }

    fn drain(&mut self, now: Time) {
        drain(&mut self.endpoint, &mut self.hashing, &mut self.sip_out, now);
    }

    fn wake_media(&mut self, network: &mut Network, now: Time) {
        let Some(call) = &mut self.call else { return };
        if call.media.next_wake(&network.rtp_up).is_none_or(|at| at > now) {
            if call.media.is_closed() {
                while network.rtp_up.receive(now).is_some() {}
            }
            return;
        }
        let mut seen = Witnesses {
            steps: &mut self.recording.steps,
            hashing: &mut self.hashing,
            watch: &mut self.watch,
        };
        let left = call.media.wake(&mut network.rtp_up, &mut seen, now);
        for packet in left.packets {
            network.rtp_down.send(&packet.bytes, now);
        }
        for frame in left.application {
            self.engines.application_hears(&frame, now);
        }
        for event in left.events {
            // Memory that goes back, no news: a log that kept it would hold all that the bot said a second time.
            if matches!(event, MediaEvent::Discard(_)) {
                continue;
            }
            let is_last = matches!(event, MediaEvent::Closed(_));
            self.control(Input::Media(event), now);
            if is_last {
                self.ports_in_use -= 1;
                if let Some(call) = &mut self.call {
                    call.media_open = false;
                }
                self.forget_if_over(now);
            }
        }
    }

    /// Every deadline that has come, in order, each with its own moment.
    fn run_timers(&mut self, now: Time) {
        if self.endpoint.poll_timeout().is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(now);
            self.recording.signalling(SignallingInput::Deadline, now);
            self.drain(now);
            self.pump(now);
        }
        let mut deadlines = 0;
        while let Some(due) = self.due(now) {
            self.control(Input::Deadline, due);
            self.pump(now);
            deadlines += 1;
            if deadlines > MOST_DEADLINES {
                return self
                    .watch
                    .violation(now, format!("control's deadline {due:?} comes again and again"));
            }
        }
    }

    fn due(&self, now: Time) -> Option<Time> {
        let call = self.call.as_ref().filter(|call| !call.forgotten)?;
        call.control.poll_timeout().filter(|at| *at <= now)
    }

    /// Forgets the call once its machine has ended and its media half is back.
    fn forget_if_over(&mut self, now: Time) {
        let Some(call) = self.call.as_mut().filter(|call| call.ended && !call.media_open && !call.forgotten)
        else {
            return;
        };
        call.forgotten = true;
        self.endpoint.forget(CALL, now);
        self.recording.signalling(SignallingInput::Forget, now);
        self.drain(now);
        self.engines.agenda.clear();
    }
}
