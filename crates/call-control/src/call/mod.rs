//! The machine itself: what it holds, its one entry, its deadlines.

mod api;
mod begin;
mod bridge;
mod conversation;
mod end;
mod listen;
mod mask;
mod media;
mod media_plan;
mod next_hop;
mod offer;
mod sip;
mod transfer;

use std::collections::{BTreeMap, VecDeque};

use offhook_call_media::{CloseReport, LegId, StreamSettings};
use offhook_conversation::Conversation;
use offhook_sip_proto::dialog::Obituary;
use offhook_sip_proto::endpoint::Destination;
use offhook_sip_proto::user_agent::TransactionIds;
use offhook_time::{NoSteps, Randomness, StepSink, Time};

use crate::fact::{CallEvent, Speaker};
use crate::ledger::TurnClock;
use crate::leg::Leg;
use crate::speech::{Listening, SpeechBook};
use crate::transfer::Transfer;
use crate::{CallSettings, Command, CommandId, CommandOutcome, EndCause, Fact, Input, Output, steps};

pub use media_plan::media_settings;
use offer::LocalSession;

/// How far the call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has happened.
    New,
    /// An inbound call waits for the API, or for the application to be there.
    Ringing,
    /// An outgoing call waits for the far end.
    Dialing,
    /// The 200 was sent; its ACK is awaited.
    Answered,
    /// Both sides know that the call is up.
    Up,
    /// It is over; the BYE, the media half and the report are being awaited.
    Ending,
    /// Nothing follows.
    Ended,
}

/// Deadlines of the call as a whole. Each is armed by the state it belongs to.
#[derive(Clone, Copy, Debug, Default)]
struct Deadlines {
    ring: Option<Time>,
    call_time: Option<Time>,
    rtp: Option<Time>,
    silence: Option<Time>,
    media_report: Option<Time>,
}

/// The control half of one call.
#[derive(Debug)]
pub struct CallControl {
    settings: CallSettings,
    randomness: Randomness,
    ids: TransactionIds,
    phase: Phase,
    leg: Leg,
    session: LocalSession,
    stream: Option<StreamSettings>,
    conversation: Option<Conversation>,
    speech: SpeechBook,
    listening: Listening,
    transfer: Option<Transfer>,
    turn: TurnClock,
    deadlines: Deadlines,
    cause: Option<EndCause>,
    /// What the API wants the far end to be told; the cause's own words where absent.
    reason_text: Option<String>,
    media_open: bool,
    report: Option<CloseReport>,
    end_is_told: bool,
    commands: BTreeMap<String, Option<CommandOutcome>>,
    /// Commands that came between our 200 and its ACK: they are done when the call is up.
    commands_before_ack: VecDeque<(CommandId, Command)>,
    /// A next hop was refused and that was told.
    detour_is_told: bool,
    facts: u64,
    outputs: VecDeque<Output>,
    step: u64,
}

impl CallControl {
    /// A call that waits for its first input: its INVITE, or [`Input::Dial`].
    pub fn new(settings: CallSettings) -> Self {
        let mut randomness = Randomness::new(settings.seed);
        let session = LocalSession::new(&mut randomness);
        CallControl {
            randomness,
            ids: TransactionIds::new(),
            phase: Phase::New,
            leg: Leg::default(),
            session,
            stream: None,
            conversation: None,
            speech: SpeechBook::default(),
            listening: Listening::default(),
            transfer: None,
            turn: TurnClock::default(),
            deadlines: Deadlines::default(),
            cause: None,
            reason_text: None,
            media_open: false,
            report: None,
            end_is_told: false,
            commands: BTreeMap::new(),
            commands_before_ack: VecDeque::new(),
            detour_is_told: false,
            facts: 0,
            outputs: VecDeque::new(),
            step: 0,
            settings,
        }
    }

    /// Handles one input. Afterwards [`poll_output`](Self::poll_output) until it gives nothing.
    pub fn handle(&mut self, input: Input, now: Time) {
        self.handle_recorded(input, &mut NoSteps, now);
    }

    /// [`handle`](Self::handle), with the input recorded before it is handled, as far as it may be.
    pub fn handle_recorded(&mut self, input: Input, sink: &mut dyn StepSink, now: Time) {
        match self.masked(&input) {
            Some(masked) => steps::record(sink, self.step, &masked, now),
            None => steps::record(sink, self.step, &input, now),
        }
        self.step += 1;
        if self.phase == Phase::Ended {
            return;
        }
        match input {
            Input::Sip(event) => {
                self.handle_sip(event, now);
                self.tell_detour(now);
            }
            Input::Dial => self.dial(now),
            Input::Media(event) => self.handle_media(event, now),
            Input::Recognizer(event) => self.handle_recognizer(event, now),
            Input::Synthesizer(event) => self.handle_synthesizer(event, now),
            Input::BridgeConnected => self.handle_bridge_connected(now),
            Input::BridgeMark { name } => self.fact(CallEvent::Mark { name }, now),
            Input::BridgeClear => self.handle_bridge_clear(),
            Input::BridgeHangUp { reason } => self.handle_bridge_hang_up(&reason, now),
            Input::BridgeTransfer { target } => self.handle_bridge_transfer(&target, now),
            Input::BridgeDtmf { digits } => self.handle_bridge_dtmf(&digits),
            Input::BridgeClosed { why } => self.handle_bridge_closed(&why, now),
            Input::Tool { tool, outcome } => self.handle_tool(tool, outcome, now),
            Input::Command { id, command } => self.handle_command(id, command, now),
            Input::End { cause } => self.end(cause, None, now),
            Input::Deadline => self.handle_deadline(now),
        }
        self.flush_sip();
        self.settle(now);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due; never once nothing follows, whatever was still open then.
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.phase == Phase::Ended {
            return None;
        }
        let Deadlines { ring, call_time, rtp, media_report, .. } = self.deadlines;
        let all = [
            ring,
            call_time,
            rtp,
            media_report,
            self.leg.poll_timeout(),
            self.transfer.as_ref().and_then(|transfer| transfer.refer.poll_timeout()),
            self.listening.deadline(),
            self.awaited_from_caller(),
        ];
        all.into_iter().flatten().min()
    }

    /// What the bot waits for while somebody can hear it. Nobody can on hold: then it waits for the resume.
    fn awaited_from_caller(&self) -> Option<Time> {
        if self.is_held() {
            return None;
        }
        let conversation =
            self.conversation.as_ref().filter(|_| self.is_up()).and_then(Conversation::poll_timeout);
        [self.deadlines.silence, self.speech.synthesizer_deadline, conversation].into_iter().flatten().min()
    }

    /// Whether nothing follows.
    pub fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Whether it is an inbound call that nobody has answered yet.
    pub fn is_ringing(&self) -> bool {
        self.phase == Phase::Ringing
    }

    /// What is needed to end the call's dialog when everything else about it is lost, and where its BYE goes.
    pub fn obituary(&self) -> Option<(Obituary, Destination)> {
        let (dialog, peer) = (self.leg.dialog.as_ref()?, self.leg.peer?);
        Some((dialog.obituary(), self.judged(dialog.destination(&peer))))
    }

    /// Why it ended, once it did.
    pub fn cause(&self) -> Option<EndCause> {
        self.cause
    }

    fn is_up(&self) -> bool {
        self.phase == Phase::Up
    }

    /// Tells what happened. After the end only commands still have something to tell: each gets its outcome.
    fn fact(&mut self, event: CallEvent, now: Time) {
        if self.end_is_told && !matches!(event, CallEvent::CommandFinished { .. }) {
            return;
        }
        let fact = Fact {
            call_id: self.settings.call_id.clone(),
            sequence: self.facts,
            at_unix_ms: self.settings.wall.unix_ms(now),
            leg: leg_of(&event),
            event,
        };
        self.facts += 1;
        self.outputs.push_back(Output::Fact(fact));
    }

    fn flush_sip(&mut self) {
        while let Some(action) = self.leg.poll_action() {
            self.send(action);
        }
        while let Some(action) = self.transfer.as_mut().and_then(|transfer| transfer.refer.poll_action()) {
            self.send(action);
        }
    }

    /// Every deadline that has come, each once: the driver calls again for those that follow.
    fn handle_deadline(&mut self, now: Time) {
        let passed = |deadline: Option<Time>| deadline.is_some_and(|at| at <= now);
        if passed(self.leg.poll_timeout()) {
            if let Some(server) = &mut self.leg.server {
                server.handle_timeout(now);
            }
            self.drain_invite_server(now);
        }
        if self.transfer.as_ref().is_some_and(|transfer| passed(transfer.refer.poll_timeout())) {
            if let Some(transfer) = &mut self.transfer {
                transfer.refer.handle_timeout(now);
            }
            self.drain_transfer(now);
        }
        if passed(self.deadlines.media_report) {
            self.deadlines.media_report = None;
            self.media_open = false;
        }
        if passed(self.deadlines.ring) {
            self.deadlines.ring = None;
            self.end(EndCause::NoAnswer, None, now);
        }
        if passed(self.deadlines.call_time) {
            self.deadlines.call_time = None;
            self.end(EndCause::TimeLimit, None, now);
        }
        if passed(self.deadlines.rtp) {
            self.deadlines.rtp = None;
            self.end(EndCause::RtpTimeout, None, now);
        }
        if passed(self.listening.deadline()) {
            self.recognizer_is_late(now);
        }
        if !passed(self.awaited_from_caller()) {
            return;
        }
        if passed(self.deadlines.silence) {
            self.deadlines.silence = None;
            self.end(EndCause::SilenceLimit, None, now);
        }
        if passed(self.speech.synthesizer_deadline) {
            self.synthesizer_is_late(now);
        }
        let conversation_due = self.conversation.as_ref().and_then(Conversation::poll_timeout);
        if self.is_up() && passed(conversation_due) {
            self.tell_conversation(offhook_conversation::Input::Deadline, now);
        }
    }
}

/// The leg that an event is about, where it is about one.
fn leg_of(event: &CallEvent) -> Option<LegId> {
    match event {
        CallEvent::CallRinging
        | CallEvent::CallAnswered { .. }
        | CallEvent::Understood { .. }
        | CallEvent::NotUnderstood { .. }
        | CallEvent::NoInput { .. }
        | CallEvent::Dtmf { .. }
        | CallEvent::BargeIn { .. }
        | CallEvent::TransferStarted { .. }
        | CallEvent::TransferFinished { .. }
        | CallEvent::RtpTimeout
        | CallEvent::RtpResumed => Some(LegId::CALLER),
        CallEvent::Said { speaker, .. } => match speaker {
            Speaker::Caller => Some(LegId::CALLER),
            Speaker::Bot => None,
        },
        CallEvent::CallStarted { .. }
        | CallEvent::CallEnded { .. }
        | CallEvent::StateEntered { .. }
        | CallEvent::TurnCompleted { .. }
        | CallEvent::ToolFinished { .. }
        | CallEvent::NextHopRefused { .. }
        | CallEvent::Outcome { .. }
        | CallEvent::EngineFailed { .. }
        | CallEvent::Mark { .. }
        | CallEvent::CommandFinished { .. } => None,
    }
}
