//! The spans of one call, made of its facts: each when it is complete, none while it runs.

use std::collections::BTreeMap;

use offhook_call_control::{CallEvent, EndCause, Fact, TraceContext, TurnLedger};
use offhook_conversation::{ToolAnswer, ToolCall, ToolFailure};
use offhook_time::{Time, WallClock};

use super::span::{Attributes, Span, SpanEvent, SpanKind};
use super::tool::{self, RunningTool};

/// Events of a call's span: those beyond it are counted (the default of OpenTelemetry's SDKs).
const MOST_EVENTS: usize = 128;

/// Tools' spans that wait for their turn. A bot asks a few in a turn; beyond it they are the call's own.
const MOST_WAITING: usize = 64;

/// What is known of a call's spans.
#[derive(Debug)]
pub struct CallTrace {
    context: TraceContext,
    wall: WallClock,
    /// The call's own span.
    root: [u8; 8],
    ids: SpanIds,
    name: String,
    kind: SpanKind,
    began: Time,
    answered: Option<Time>,
    attributes: Attributes,
    events: Vec<SpanEvent>,
    dropped_events: u32,
    failure: Option<String>,
    turns: u64,
    /// A transfer that runs.
    transfer: Option<Time>,
    tools: BTreeMap<u64, RunningTool>,
    /// Spans of tools whose turn is not complete yet, with when they began.
    waiting: Vec<(Time, Span)>,
}

impl CallTrace {
    /// The spans of the call `call_id` in its trace.
    pub fn new(context: TraceContext, call_id: &str, wall: WallClock, now: Time) -> Self {
        let mut ids = SpanIds::of(call_id);
        CallTrace {
            context,
            wall,
            root: ids.next(),
            ids,
            name: "call".to_owned(),
            kind: SpanKind::Server,
            began: now,
            answered: None,
            attributes: vec![("offhook.call.id", call_id.into()), ("network.protocol.name", "sip".into())],
            events: Vec::new(),
            dropped_events: 0,
            failure: None,
            turns: 0,
            transfer: None,
            tools: BTreeMap::new(),
            waiting: Vec::new(),
        }
    }

    /// Takes the next fact of the call, which happened at `now`; spans that it completes go to `send`.
    pub fn fact(&mut self, fact: &Fact, now: Time, send: &mut dyn FnMut(Span)) {
        match &fact.event {
            CallEvent::CallStarted { sip_call_id, bot, bot_version, direction, trunk, .. } => {
                self.began = now;
                self.name = format!("call {bot}");
                if direction == "outbound" {
                    self.kind = SpanKind::Client;
                }
                self.put("sip.call_id", sip_call_id.as_str());
                self.put("offhook.bot", bot.as_str());
                self.put("offhook.direction", direction.as_str());
                if !bot_version.is_empty() {
                    self.put("offhook.bot.version", bot_version.as_str());
                }
                if let Some(trunk) = trunk {
                    self.put("offhook.trunk", trunk.as_str());
                }
            }
            CallEvent::CallAnswered { codec } => {
                self.answered = Some(now);
                self.put("offhook.codec", codec.as_str());
                let span = self.child("setup", SpanKind::Internal, self.root, self.began, now);
                send(span);
            }
            CallEvent::TurnCompleted { ledger } => self.turn(ledger, send),
            CallEvent::TransferStarted { .. } => self.transfer = Some(now),
            CallEvent::TransferFinished { failure, status, .. } => {
                let began = self.transfer.take().unwrap_or(now);
                let mut span = self.child("transfer", SpanKind::Client, self.root, began, now);
                if let Some(status) = status {
                    span.attributes.push(("sip.response.status_code", (*status).into()));
                }
                if let Some(failure) = failure {
                    span.attributes.push(("error.type", failure.as_str().into()));
                    span.failure = Some(failure.clone());
                }
                send(span);
            }
            CallEvent::StateEntered { state } => {
                self.event("state_entered", vec![("offhook.state", state.as_str().into())], now);
            }
            CallEvent::BargeIn { played_ms } => {
                self.event("barge_in", vec![("offhook.played_ms", (*played_ms).into())], now);
            }
            CallEvent::NotUnderstood { count } => {
                self.event("not_understood", vec![("offhook.count", (*count).into())], now);
            }
            CallEvent::NoInput { count } => {
                self.event("no_input", vec![("offhook.count", (*count).into())], now);
            }
            CallEvent::Understood { intent, .. } => {
                self.event("understood", vec![("offhook.intent", intent.as_str().into())], now);
            }
            CallEvent::Outcome { name } => self.put("offhook.outcome", name.as_str()),
            CallEvent::EngineFailed { error } => {
                self.event("exception", vec![("exception.message", error.as_str().into())], now);
            }
            CallEvent::CallRinging => self.event("ringing", Vec::new(), now),
            CallEvent::RtpTimeout => self.event("rtp_timeout", Vec::new(), now),
            CallEvent::RtpResumed => self.event("rtp_resumed", Vec::new(), now),
            CallEvent::NextHopRefused { .. } => self.event("next_hop_refused", Vec::new(), now),
            CallEvent::CallEnded { cause, media } => {
                if let Some(media) = media {
                    self.put("offhook.rtp.lost", media.caller.lost);
                    self.put("offhook.rtp.late", media.caller.late);
                }
                self.end(*cause, now, send);
            }
            // What was said and keyed is not for those who watch servers; tools have spans of their own.
            CallEvent::Said { .. }
            | CallEvent::Dtmf { .. }
            | CallEvent::ToolFinished { .. }
            | CallEvent::Mark { .. }
            | CallEvent::CommandFinished { .. } => {}
        }
    }

    /// A tool is asked; answers the `traceparent` of its request.
    pub fn tool_asked(&mut self, call: &ToolCall, now: Time) -> String {
        let span_id = self.ids.next();
        self.tools.insert(call.id.0, RunningTool::new(call, span_id, now));
        self.context.traceparent(span_id, true)
    }

    /// A tool came back.
    pub fn tool_answered(
        &mut self,
        tool: u64,
        outcome: &Result<ToolAnswer, ToolFailure>,
        now: Time,
        send: &mut dyn FnMut(Span),
    ) {
        let Some(asked) = self.tools.remove(&tool) else { return };
        let failure = tool::failure(outcome);
        let status = outcome.as_ref().ok().map(|answer| answer.status);
        self.tool_over(asked, status, failure, now, send);
    }

    /// The answer of a tool is not wanted any more.
    pub fn tool_cancelled(&mut self, tool: u64, now: Time, send: &mut dyn FnMut(Span)) {
        if let Some(asked) = self.tools.remove(&tool) {
            self.tool_over(asked, None, Some("cancelled".to_owned()), now, send);
        }
    }

    fn tool_over(
        &mut self,
        asked: RunningTool,
        status: Option<u16>,
        failure: Option<String>,
        now: Time,
        send: &mut dyn FnMut(Span),
    ) {
        let began = asked.began;
        let mut span = self.child("", SpanKind::Client, self.root, began, now);
        asked.describe(&mut span, status, failure);
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push((began, span));
        } else {
            send(span);
        }
    }

    /// The turn, its parts, and the tools that were asked within.
    fn turn(&mut self, ledger: &TurnLedger, send: &mut dyn FnMut(Span)) {
        self.turns += 1;
        let mut turn = self.child("turn", SpanKind::Internal, self.root, ledger.began_at, ledger.ended_at);
        turn.attributes.push(("offhook.turn.number", self.turns.into()));
        if let Some(micros) = ledger.barge_in_micros {
            turn.attributes.push(("offhook.barge_in_ms", (micros / 1000).into()));
        }
        let id = turn.span_id;
        send(turn);
        let mut first_tool = None;
        for (began, mut span) in std::mem::take(&mut self.waiting) {
            // One that was asked for the greeting, or while nobody had spoken yet, is no part of this turn.
            if began >= ledger.began_at {
                span.parent = Some(id);
                first_tool = first_tool.min(Some(began)).or(Some(began));
            }
            send(span);
        }
        for (name, start, end) in parts(ledger, first_tool) {
            send(self.child(name, SpanKind::Internal, id, start, end));
        }
    }

    fn end(&mut self, cause: EndCause, now: Time, send: &mut dyn FnMut(Span)) {
        let unanswered: Vec<u64> = self.tools.keys().copied().collect();
        for tool in unanswered {
            self.tool_cancelled(tool, now, send);
        }
        // Their turns never came to an end: the call hears of them all the same.
        for (_, span) in std::mem::take(&mut self.waiting) {
            send(span);
        }
        self.put("offhook.cause", cause.word());
        if is_failure(cause) {
            self.put("error.type", cause.word());
            self.failure = Some(cause.row().text.to_owned());
        }
        send(Span {
            trace_id: self.context.trace_id,
            span_id: self.root,
            parent: self.context.parent.map(|parent| parent.span_id),
            parent_is_remote: self.context.parent.is_some(),
            name: std::mem::take(&mut self.name),
            kind: self.kind,
            start: self.unix_nanos(self.began),
            end: self.unix_nanos(now),
            attributes: std::mem::take(&mut self.attributes),
            events: std::mem::take(&mut self.events),
            dropped_events: self.dropped_events,
            failure: self.failure.take(),
        });
    }

    fn child(&mut self, name: &str, kind: SpanKind, parent: [u8; 8], start: Time, end: Time) -> Span {
        Span {
            trace_id: self.context.trace_id,
            span_id: self.ids.next(),
            parent: Some(parent),
            parent_is_remote: false,
            name: name.to_owned(),
            kind,
            start: self.unix_nanos(start),
            end: self.unix_nanos(end.max(start)),
            attributes: Vec::new(),
            events: Vec::new(),
            dropped_events: 0,
            failure: None,
        }
    }

    fn put(&mut self, key: &'static str, value: impl Into<super::span::Value>) {
        self.attributes.push((key, value.into()));
    }

    fn event(&mut self, name: &'static str, attributes: Attributes, now: Time) {
        if self.events.len() < MOST_EVENTS {
            self.events.push(SpanEvent { at: self.unix_nanos(now), name, attributes });
        } else {
            self.dropped_events += 1;
        }
    }

    fn unix_nanos(&self, at: Time) -> u64 {
        let zero = i128::from(self.wall.unix_ms_at_zero) * 1_000_000;
        u64::try_from(zero + i128::from(at.as_nanos())).unwrap_or(0)
    }
}

/// The segments of a ledger as what began and ended when. They are contiguous; that of the tools is left to the tools'
/// own spans, and what the conversation did before and after them is told apart again.
fn parts(ledger: &TurnLedger, first_tool: Option<Time>) -> Vec<(&'static str, Time, Time)> {
    const KNOWN: [&str; 8] = [
        "jitter_buffer",
        "voice_activity",
        "recognizer",
        "conversation",
        "tools",
        "synthesizer",
        "queue",
        "lead_in",
    ];
    let micros = |name: &str| {
        let found = ledger.segments.iter().find(|segment| segment.name == name);
        std::time::Duration::from_micros(found.map_or(0, |segment| segment.micros))
    };
    let mut parts = Vec::new();
    let mut reached = ledger.began_at;
    for segment in &ledger.segments {
        let Some(name) = KNOWN.into_iter().find(|known| *known == segment.name) else { continue };
        let end = reached + std::time::Duration::from_micros(segment.micros);
        match (name, first_tool) {
            ("tools", Some(_)) => {}
            ("conversation", Some(asked)) => {
                let after = end + micros("tools");
                let asked = asked.clamp(reached, end);
                parts.push((name, reached, asked));
                parts.push((name, (asked + micros("tools")).min(after), after));
            }
            (_, Some(_) | None) => parts.push((name, reached, end)),
        }
        reached = end;
    }
    // What took no time is in the ledger's sum and would only be clutter here.
    parts.retain(|(_, start, end)| end > start);
    parts
}

/// Whether a call that ended so is for somebody to look at.
fn is_failure(cause: EndCause) -> bool {
    match cause {
        EndCause::RtpTimeout
        | EndCause::EngineFailed
        | EndCause::EngineUnavailable
        | EndCause::InternalError
        | EndCause::TransportFailed
        | EndCause::Crash
        | EndCause::NoAck
        | EndCause::ApplicationUnavailable
        | EndCause::TrunkFull
        | EndCause::RouteFull
        | EndCause::BadOffer
        | EndCause::NoCommonCodec => true,
        EndCause::CallerHungUp
        | EndCause::BotHungUp
        | EndCause::Transferred
        | EndCause::ApiHungUp
        | EndCause::ApplicationHungUp
        | EndCause::Cancelled
        | EndCause::NoAnswer
        | EndCause::Busy
        | EndCause::Unreachable
        | EndCause::Rejected
        | EndCause::TimeLimit
        | EndCause::SilenceLimit
        | EndCause::Shutdown => false,
    }
}

/// Ids of spans: they need be unique within a trace only, which may be somebody else's too. They follow from the call's
/// id, of which 74 bits are random.
#[derive(Debug)]
struct SpanIds(u64);

impl SpanIds {
    fn of(call_id: &str) -> Self {
        let own = TraceContext::of_call(call_id).trace_id;
        let halves = own.chunks(8).map(|half| half.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
        SpanIds(halves.fold(0, |sum, half| mixed(sum ^ half)))
    }

    fn next(&mut self) -> [u8; 8] {
        // SplitMix64: a counter, mixed.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        // All zeroes mean "no span".
        mixed(self.0).max(1).to_be_bytes()
    }
}

fn mixed(mut value: u64) -> u64 {
    value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}
