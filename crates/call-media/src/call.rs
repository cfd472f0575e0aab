//! The half itself: one entry, and what it hands to whom.

use std::time::Duration;

use offhook_audio::Frame;
use offhook_rtp_proto::DatagramKind;
use offhook_rtp_proto::rtcp::Cname;
use offhook_time::{Half, Randomness, Step, StepSink, Time};

use crate::application::Application;
use crate::bot::BotVoice;
use crate::digest::Digest;
use crate::ingress::Arrived;
use crate::ingress::Ingress;
use crate::leg::{Common, Leg};
use crate::listener::Listener;
use crate::live::Available;
use crate::mask::Veil;
use crate::steps::StepEncoder;
use crate::{CloseReport, Input, LegId, MediaCommand, MediaEvent, MediaSettings, Outputs, Port, TurnPolicy};

/// Frames of another leg that may wait: a burst after a stall of 300 ms is more than that stall's worth.
const LEG_FRAMES: usize = 16;

/// Frames of the application that may wait: the driver holds back what does not fit
/// ([`CallMedia::application_room`]).
const APPLICATION_FRAMES: usize = 25;

/// A jitter buffer that became so much shorter gives several frames at once.
const HEAP: Duration = Duration::from_millis(10);

/// The longest datagram that is recorded whole where it must be masked.
const LONGEST_RECORDED: usize = 2048;

/// Pieces of the bot's voice on their way to a leg that does not set its pace.
const BOT_FRAMES: usize = 4;

/// The media half of one call.
#[derive(Debug)]
pub struct CallMedia {
    pub(crate) policy: TurnPolicy,
    pub(crate) legs: Vec<Leg>,
    pub(crate) bot: BotVoice,
    pub(crate) application: Option<Application>,
    pub(crate) listener: Option<Listener>,
    pub(crate) digest: Digest,
    pub(crate) veil: Veil,
    steps: StepEncoder,
    closed: bool,
}

impl CallMedia {
    /// Takes all memory the call will need.
    pub fn new(settings: MediaSettings, now: Time) -> CallMedia {
        let mut randomness = Randomness::new(settings.seed);
        let sources = live_sources(&settings);
        let common = Common {
            sources: &sources,
            jitter: settings.jitter,
            cname: Cname::new(&mut randomness),
            wall: settings.wall,
        };
        let legs: Vec<Leg> =
            settings.legs.iter().map(|leg| Leg::new(leg, common, &mut randomness, now)).collect();
        let mut call = CallMedia {
            policy: settings.policy,
            bot: BotVoice::new(settings.speech_queue, &settings.speech_rates, legs.len() > 1),
            legs,
            application: settings.application_rate.map(Application::new),
            listener: settings.listen.then(|| Listener::new(&settings.policy)),
            digest: Digest::default(),
            veil: Veil::default(),
            steps: StepEncoder::new(),
            closed: false,
        };
        for route in &settings.routes {
            call.set_route(*route);
        }
        for leg in &settings.legs {
            if let Some(stream) = leg.stream {
                call.set_stream(leg.leg, stream, now);
            }
        }
        call
    }

    /// Handles one input; what leaves goes to `outputs` at once. After [`Close`](MediaCommand::Close) inputs are
    /// ignored.
    ///
    /// Inputs are handled in the order the driver reads them. A deadline's `now` is its nominal time and may lie
    /// before the `now` of a packet that was read first.
    pub fn handle(&mut self, input: Input<'_>, outputs: &mut impl Outputs, now: Time) {
        if self.closed {
            if let Input::Speech { chunk, .. } = input {
                outputs.event(MediaEvent::Discard(chunk));
            }
            return;
        }
        match input {
            Input::Rtp { leg, datagram, source, arrived_at } => {
                // What reached the host before now is handled as of then: the phase of the line is that of the
                // packets, not that of our wake-ups.
                let arrived_at = arrived_at.min(now);
                self.handle_datagram(leg, datagram, source, arrived_at, outputs, now);
            }
            Input::Rtcp { leg, datagram, source, arrived_at } => {
                if let Some(leg) = self.leg_mut(leg) {
                    leg.handle_rtcp(datagram, source, arrived_at.min(now));
                }
            }
            Input::Deadline => self.handle_deadline(outputs, now),
            Input::Command(command) => self.handle_command(command, outputs, now),
            Input::Speech { utterance, chunk } => self.bot.speech(utterance, chunk, outputs, now),
            Input::Application(frame) => self.handle_application(frame, outputs, now),
        }
    }

    /// [`handle`](Self::handle), with the input recorded before it is handled, as far as it may be.
    pub fn handle_recorded(
        &mut self,
        input: Input<'_>,
        outputs: &mut impl Outputs,
        sink: &mut impl StepSink,
        now: Time,
    ) {
        let sequence = self.steps.next_sequence();
        if sink.is_recording() {
            let payload = match input {
                Input::Rtp { leg, datagram, source, arrived_at } if self.hides(leg, datagram) => {
                    let mut room = [0; LONGEST_RECORDED];
                    let datagram = self.recordable(leg, datagram, &mut room);
                    self.steps.encode(&Input::Rtp { leg, datagram, source, arrived_at }, false)
                }
                Input::Speech { utterance, .. } => {
                    let is_masked = self.is_masked_utterance(utterance);
                    self.steps.encode(&input, is_masked)
                }
                Input::Rtp { .. }
                | Input::Rtcp { .. }
                | Input::Deadline
                | Input::Command(_)
                | Input::Application(_) => self.steps.encode(&input, false),
            };
            sink.record(Step { sequence, half: Half::Media, now, payload });
        }
        self.handle(input, outputs, now);
    }

    /// When [`Input::Deadline`] is due; `None` while no stream is settled and after the half was closed.
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.closed {
            return None;
        }
        self.legs.iter().filter_map(|leg| leg.poll_timeout(self.policy.rtp_timeout)).min()
    }

    /// How many frames of the application can be taken now. A driver that has more holds them back, so that a burst
    /// of speech is neither lost nor late; without a leg that hears the application all are taken and dropped.
    pub fn application_room(&self) -> usize {
        let rooms = self.legs.iter().filter(|leg| leg.egress.hears(Port::Application));
        rooms
            .filter_map(|leg| leg.egress.hearing().room(Port::Application))
            .min()
            .unwrap_or(APPLICATION_FRAMES)
    }

    /// Whether [`Close`](MediaCommand::Close) was handled.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn leg_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.id == id)
    }

    fn handle_datagram(
        &mut self,
        id: LegId,
        datagram: &[u8],
        source: std::net::SocketAddr,
        arrived_at: Time,
        outputs: &mut impl Outputs,
        now: Time,
    ) {
        let Some(leg) = self.leg_mut(id) else { return };
        match DatagramKind::of(datagram) {
            DatagramKind::Rtp => {}
            DatagramKind::Rtcp => return leg.handle_rtcp(datagram, source, arrived_at),
            DatagramKind::Other => return leg.ingress.drop_datagram(),
        }
        match leg.ingress.handle_rtp(datagram, source, arrived_at) {
            Arrived::Dropped => return,
            Arrived::Learned(remote_rtp) => {
                outputs.event(MediaEvent::RemoteLearned { leg: id, remote_rtp });
            }
            Arrived::Late { timestamp, level } => {
                // A masked packet has no level, and a judgement only goes with a frame.
                let level = if self.veil.on { 0.0 } else { level };
                if let (LegId::CALLER, Some(listener)) = (id, &mut self.listener) {
                    listener.note_late(timestamp, level, arrived_at);
                }
            }
            Arrived::Media => {}
        }
        if self.leg_mut(id).is_some_and(|leg| leg.ingress.is_back()) {
            outputs.event(MediaEvent::RtpResumed { leg: id });
        }
        self.handle_received(id, outputs, arrived_at, now);
        self.send_due(outputs, arrived_at);
    }

    /// Everything of a leg whose turn has come by `moment`.
    fn handle_received(&mut self, id: LegId, outputs: &mut impl Outputs, moment: Time, now: Time) {
        self.handle_digits(id, outputs, moment);
        let sooner = self.leg_mut(id).map(|leg| leg.ingress.take_sooner()).unwrap_or_default();
        if !sooner.is_zero() {
            self.expect_sooner(id, sooner);
        }
        // What comes in a heap because the jitter buffer became shorter would have come before.
        let steady = sooner < HEAP;
        while let Some(frame) = self.leg_mut(id).and_then(|leg| leg.ingress.next_frame(moment)) {
            let mut is_pause = Ingress::is_pause(&frame);
            if id == LegId::CALLER {
                is_pause = self.veil.begin_frame(is_pause);
            }
            if let Some(leg) = self.leg_mut(id) {
                leg.ingress.note_pause(is_pause);
            }
            let heard = !frame.flags.concealed && !frame.flags.silence;
            let available = Available { at: moment, steady: steady && heard };
            self.handle_frame(id, &frame, available, outputs, now);
        }
    }

    fn handle_deadline(&mut self, outputs: &mut impl Outputs, now: Time) {
        for at in 0..self.legs.len() {
            self.handle_received(self.legs[at].id, outputs, now, now);
        }
        self.send_due(outputs, now);
        for leg in &mut self.legs {
            let silence = leg.ingress.silence_timeout(self.policy.rtp_timeout);
            if leg.receives() && silence.is_some_and(|at| at <= now) {
                leg.ingress.time_out();
                outputs.event(MediaEvent::RtpTimeout { leg: leg.id });
            }
            leg.report(outputs, now);
        }
    }

    /// Sends what is due at `now`. Packets that wait for live audio leave as soon as it is there.
    pub(crate) fn send_due(&mut self, outputs: &mut impl Outputs, now: Time) {
        let pacer = self.bot_pacer();
        for at in 0..self.legs.len() {
            let leg = &mut self.legs[at];
            let Some(stream) = leg.stream else { continue };
            let to = leg.ingress.remote();
            let bot = (pacer == Some(at)).then_some(&mut self.bot);
            if !leg.egress.handle_timeout(&stream, to, bot, outputs, now) {
                continue;
            }
            self.bot.handed_over(outputs);
            if pacer == Some(at) {
                self.share_bot(at, now);
            }
            self.reach_marks(at, outputs);
        }
    }

    fn handle_application(&mut self, frame: &Frame, outputs: &mut impl Outputs, now: Time) {
        let available = if frame.arrived_at == Time::ZERO { now } else { frame.arrived_at.min(now) };
        let Some(application) = &mut self.application else { return };
        if !self.legs.iter().any(|leg| leg.egress.hears(Port::Application)) {
            return;
        }
        let Some(line) = application.take(frame) else { return };
        for leg in &mut self.legs {
            leg.egress.push(Port::Application, &line, leg.stream.as_ref(), Available::steady(available));
        }
        self.send_due(outputs, available);
    }

    fn handle_command(&mut self, command: MediaCommand, outputs: &mut impl Outputs, now: Time) {
        let fade = self.policy.fade;
        match command {
            MediaCommand::SetStream { leg, settings } => self.set_stream(leg, settings, now),
            MediaCommand::SetRoute(route) => {
                if !self.set_route(route) {
                    outputs.event(MediaEvent::RouteRefused { from: route.from, to: route.to });
                }
            }
            MediaCommand::RemoveRoute { from, to } => self.remove_route(from, to),
            MediaCommand::SetPolicy(policy) => self.set_policy(policy),
            MediaCommand::Announce { utterance, policy } => {
                if policy.masked {
                    self.veil.remember(utterance);
                }
                self.bot.announce(utterance, policy, outputs);
            }
            MediaCommand::EndOfUtterance { utterance } => self.bot.end_of_utterance(utterance),
            MediaCommand::Cancel { utterance } => self.bot.cancel(utterance, fade, outputs),
            MediaCommand::CancelAll => self.bot.cancel_all(fade, outputs),
            MediaCommand::Hold { paused } => self.bot.hold(paused, fade),
            MediaCommand::Resume => self.resume(),
            MediaCommand::EndTurn => self.end_turn(outputs, now),
            MediaCommand::SendDigits { leg, digits, count } => {
                let count = usize::from(count).min(digits.len());
                self.send_digits(leg, &digits[..count], outputs);
            }
            MediaCommand::ClearApplication => self.clear_application(outputs),
            MediaCommand::MarkApplication { mark } => self.mark_application(mark, outputs),
            MediaCommand::Close => self.close(outputs, now),
            MediaCommand::Mask { masked } => self.mask(masked, now),
        }
    }

    fn set_stream(&mut self, leg: LegId, stream: crate::StreamSettings, now: Time) {
        if let Some(leg) = self.leg_mut(leg) {
            leg.set_stream(stream, now);
        }
    }

    fn set_policy(&mut self, policy: TurnPolicy) {
        self.policy = policy;
        if let Some(listener) = &mut self.listener {
            listener.set_policy(&policy);
        }
    }

    fn close(&mut self, outputs: &mut impl Outputs, now: Time) {
        self.bot.cancel_all(self.policy.fade, outputs);
        self.bot.handed_over(outputs);
        self.clear_application(outputs);
        for leg in &mut self.legs {
            leg.say_goodbye(outputs, now);
        }
        self.closed = true;
        self.digest.take().into_iter().for_each(|digest| outputs.event(digest));
        outputs.event(MediaEvent::Closed(self.close_report()));
    }

    fn close_report(&self) -> CloseReport {
        let queued: u64 = self.legs.iter().map(|leg| leg.egress.hearing().dropped()).sum();
        let refused = self.application.as_ref().map_or(0, Application::refused);
        CloseReport {
            caller: self.legs.first().map(Leg::stream_report).unwrap_or_default(),
            underruns: self.bot.underruns(),
            overflow_frames: queued + refused + self.bot.refused_frames(),
        }
    }
}

/// Everything that a leg may hear at its own pace, with the frames that may wait of it.
fn live_sources(settings: &MediaSettings) -> Vec<(Port, usize)> {
    let legs = settings.legs.iter().map(|leg| (Port::Leg(leg.leg), LEG_FRAMES));
    let application = settings.application_rate.map(|_| (Port::Application, APPLICATION_FRAMES));
    let bot = (settings.legs.len() > 1).then_some((Port::Bot, BOT_FRAMES));
    legs.chain(application).chain(bot).collect()
}
