//! Facts in, spans out.

use std::time::Duration;

use offhook_call_control::{CallEvent, EndCause, Fact, Segment, TraceContext, TurnLedger};
use offhook_conversation::{ToolAnswer, ToolCall, ToolFailure, ToolId};
use offhook_time::{Time, WallClock};

use super::{CallTrace, Span, SpanKind, Value};

const CALL: &str = "01a1fdea-2d9f-7532-9b1c-3446137ea67e";
const UNIX_MS: i64 = 1_700_000_000_000;

/// A call whose facts are told at milliseconds.
struct Told {
    trace: CallTrace,
    sequence: u64,
    spans: Vec<Span>,
}

impl Told {
    fn new(context: TraceContext) -> Told {
        let wall = WallClock { unix_ms_at_zero: UNIX_MS, utc_offset_seconds: 0 };
        let trace = CallTrace::new(context, CALL, wall, Time::ZERO);
        let mut told = Told { trace, sequence: 0, spans: Vec::new() };
        told.tell(
            0,
            CallEvent::CallStarted {
                caller: "4930123456".into(),
                called: "after-sales".into(),
                sip_call_id: "a@b".into(),
                bot: "after-sales".into(),
                bot_version: "v".into(),
                direction: "inbound".into(),
                trunk: Some("carrier".into()),
                trace_id: context.trace_id(),
            },
        );
        told
    }

    fn tell(&mut self, millis: u64, event: CallEvent) {
        let at_unix_ms = UNIX_MS + millis as i64;
        let fact = Fact { call_id: CALL.into(), sequence: self.sequence, at_unix_ms, leg: None, event };
        self.sequence += 1;
        self.trace.fact(&fact, Time::from_millis(millis), &mut |span| self.spans.push(span));
    }

    fn ask(&mut self, millis: u64, id: u64) -> String {
        self.trace.tool_asked(&tool(id), Time::from_millis(millis))
    }

    fn answer(&mut self, millis: u64, id: u64, outcome: Result<u16, ToolFailure>) {
        let outcome = outcome.map(|status| ToolAnswer { status, body: "secret".into() });
        let now = Time::from_millis(millis);
        self.trace.tool_answered(id, &outcome, now, &mut |span| self.spans.push(span));
    }

    fn named(&self, name: &str) -> Vec<&Span> {
        self.spans.iter().filter(|span| span.name == name).collect()
    }
}

fn tool(id: u64) -> ToolCall {
    ToolCall {
        id: ToolId(id),
        name: "order".into(),
        method: "GET".into(),
        url: "http://orders.example:8090/orders/12345678?caller=4930123456".into(),
        headers: Vec::new(),
        body: None,
        timeout: Duration::from_secs(3),
        secret: Default::default(),
    }
}

fn ledger(began: u64, segments: &[(&str, u64)]) -> TurnLedger {
    let total: u64 = segments.iter().map(|(_, millis)| millis).sum();
    TurnLedger {
        began_at: Time::from_millis(began),
        ended_at: Time::from_millis(began + total),
        segments: segments
            .iter()
            .map(|(name, millis)| Segment { name: (*name).into(), micros: millis * 1000 })
            .collect(),
        barge_in_micros: None,
    }
}

/// Milliseconds since the call's zero.
fn times(span: &Span) -> (u64, u64) {
    let millis = |nanos: u64| nanos / 1_000_000 - UNIX_MS as u64;
    (millis(span.start), millis(span.end))
}

fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    span.attributes.iter().find(|(known, _)| *known == key).and_then(|(_, value)| match value {
        Value::Text(text) => Some(text.as_str()),
        Value::Number(_) | Value::Fraction(_) => None,
    })
}

#[test]
fn a_turn_has_its_parts_and_its_tools_at_their_times() {
    let mut told = Told::new(TraceContext::of_call(CALL));
    told.tell(100, CallEvent::CallAnswered { codec: "PCMU".into() });
    let traceparent = told.ask(5_760, 1);
    told.answer(5_860, 1, Ok(200));
    let parts = [("jitter_buffer", 10), ("voice_activity", 700), ("recognizer", 40), ("conversation", 15)];
    let rest = [("tools", 100), ("synthesizer", 20), ("queue", 5), ("lead_in", 0)];
    told.tell(5_900, CallEvent::TurnCompleted { ledger: ledger(5_000, &[&parts[..], &rest[..]].concat()) });
    told.tell(9_000, CallEvent::CallEnded { cause: EndCause::CallerHungUp, media: None });

    let root = told.named("call after-sales")[0];
    let turn = told.named("turn")[0];
    assert_eq!((times(root), times(turn)), ((0, 9_000), (5_000, 5_890)));
    assert_eq!((root.kind, root.parent, turn.parent), (SpanKind::Server, None, Some(root.span_id)));
    assert_eq!(times(told.named("setup")[0]), (0, 100));
    let table = [
        ("jitter_buffer", vec![(5_000, 5_010)]),
        ("voice_activity", vec![(5_010, 5_710)]),
        ("recognizer", vec![(5_710, 5_750)]),
        ("conversation", vec![(5_750, 5_760), (5_860, 5_865)]),
        ("synthesizer", vec![(5_865, 5_885)]),
        ("queue", vec![(5_885, 5_890)]),
        ("tools", vec![]),
        ("lead_in", vec![]),
    ];
    for (name, expected) in table {
        let found = told.named(name);
        assert_eq!(found.iter().map(|span| times(span)).collect::<Vec<_>>(), expected, "{name}");
        assert!(found.iter().all(|span| span.parent == Some(turn.span_id)), "{name}");
    }
    let asked = told.named("GET order")[0];
    assert_eq!(
        (times(asked), asked.kind, asked.parent),
        ((5_760, 5_860), SpanKind::Client, Some(turn.span_id))
    );
    let id: String = asked.span_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(traceparent, format!("00-01a1fdea2d9f75329b1c3446137ea67e-{id}-01"));
    assert_eq!(text(asked, "server.address"), Some("orders.example"));
    let ids: std::collections::BTreeSet<_> = told.spans.iter().map(|span| span.span_id).collect();
    assert_eq!(ids.len(), told.spans.len(), "every span has an id of its own");
}

#[test]
fn neither_numbers_nor_what_was_said_nor_answers_of_tools_are_told() {
    let mut told = Told::new(TraceContext::of_call(CALL));
    told.tell(
        1,
        CallEvent::Said {
            speaker: offhook_call_control::Speaker::Caller,
            text: "my number is 4930123456".into(),
            confidence: None,
        },
    );
    told.tell(2, CallEvent::Dtmf { digit: '7' });
    told.ask(3, 1);
    told.answer(4, 1, Ok(200));
    told.tell(5, CallEvent::TransferStarted { target: "sip:4930123456@carrier".into(), trunk: None });
    told.tell(
        6,
        CallEvent::TransferFinished {
            target: "sip:4930123456@carrier".into(),
            failure: Some("busy".into()),
            status: Some(486),
        },
    );
    told.tell(7, CallEvent::CallEnded { cause: EndCause::BotHungUp, media: None });

    let all = format!("{:?}", told.spans);
    for secret in ["4930123456", "12345678", "secret", "my number"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    let transfer = told.named("transfer")[0];
    assert_eq!((times(transfer), transfer.failure.as_deref()), ((5, 6), Some("busy")));
}

#[test]
fn tools_outside_a_turn_and_unanswered_ones_are_the_calls_own() {
    let mut told = Told::new(TraceContext::of_call(CALL));
    told.ask(10, 1);
    told.answer(20, 1, Err(ToolFailure::TimedOut));
    told.tell(5_000, CallEvent::TurnCompleted { ledger: ledger(4_000, &[("voice_activity", 700)]) });
    told.ask(5_500, 2);
    told.answer(5_600, 2, Ok(503));
    told.ask(5_700, 3);
    told.tell(6_000, CallEvent::CallEnded { cause: EndCause::EngineFailed, media: None });

    let root = told.named("call after-sales")[0];
    let asked = told.named("GET order");
    let failures: Vec<_> = asked.iter().map(|span| span.failure.as_deref().unwrap()).collect();
    assert_eq!(failures, ["timeout", "503", "cancelled"]);
    assert!(asked.iter().all(|span| span.parent == Some(root.span_id)));
    assert_eq!(times(asked[2]), (5_700, 6_000));
    assert_eq!(text(root, "error.type"), Some("engine_failed"));
    assert!(root.failure.is_some());
}

#[test]
fn the_span_of_a_cti_is_the_parent_of_the_call() {
    let came = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut told = Told::new(TraceContext::parse(came).unwrap());
    let traceparent = told.ask(1, 1);
    told.tell(2, CallEvent::CallEnded { cause: EndCause::CallerHungUp, media: None });

    let root = told.named("call after-sales")[0];
    assert_eq!(root.parent, Some([0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]));
    assert!(root.parent_is_remote && told.spans.iter().all(|span| span.trace_id == root.trace_id));
    assert!(traceparent.starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
}

#[test]
fn events_of_a_long_call_are_bounded_and_counted() {
    let mut told = Told::new(TraceContext::of_call(CALL));
    for millis in 0..1_000 {
        told.tell(millis, CallEvent::StateEntered { state: "ask".into() });
    }
    told.tell(1_000, CallEvent::CallEnded { cause: EndCause::BotHungUp, media: None });

    let root = told.named("call after-sales")[0];
    assert_eq!((root.events.len(), root.dropped_events), (128, 872));
}
