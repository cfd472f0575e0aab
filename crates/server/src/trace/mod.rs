//! OpenTelemetry: what a call did and how long each part took, for whoever collects traces.
//!
//! Spans are made of a call's facts when these are told (`call`), so the audio path knows nothing of it, and each has
//! the times of the ledger. Finished spans wait in a bounded queue; the task `export` sends them as OTLP over HTTP
//! (protobuf). Where nobody takes them they are dropped and counted. Never a span per frame: a call has one, a turn has
//! one with up to eight parts, a tool and a transfer have one.
//!
//! The encoding is ours: OTLP's messages promise never to change a field, we need six of them (`otlp`), and our spans are
//! complete when they are made. The `opentelemetry` crates would bring a second batcher, a second runtime glue and
//! `prost` for that.
//!
//! Start with [`Tracer`].

mod call;
#[cfg(test)]
mod call_tests;
mod export;
mod otlp;
mod protobuf;
mod span;
mod stats;
mod tool;

pub use call::CallTrace;
pub use export::{Exporter, TraceProbe, probe};
pub use span::{Attributes, Span, SpanEvent, SpanKind, Value};
pub use stats::TraceStats;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use offhook_call_control::TraceContext;
use offhook_time::{Time, WallClock};
use tokio::sync::mpsc::Sender;

/// The W3C flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// What control needs to have its calls traced. Cheap to clone; never waits.
#[derive(Clone, Debug)]
pub struct Tracer {
    queue: Sender<Span>,
    stats: Arc<TraceStats>,
    /// Traces whose last 56 bits are below it are not recorded.
    threshold: u64,
}

impl Tracer {
    /// One that records the share `sample` (0 to 1) of the traces that begin here.
    fn new(queue: Sender<Span>, stats: Arc<TraceStats>, sample: f64) -> Self {
        let threshold = ((1.0 - sample.clamp(0.0, 1.0)) * (1_u64 << 56) as f64) as u64;
        Tracer { queue, stats, threshold }
    }

    /// The spans of a call that begins; `None` where its trace is not recorded. A trace that somebody else began is
    /// recorded where they say so, as the parent-based sampler of OpenTelemetry does.
    pub fn begin(
        &self,
        context: TraceContext,
        call_id: &str,
        wall: WallClock,
        now: Time,
    ) -> Option<CallTrace> {
        let is_recorded = match context.parent {
            Some(parent) => parent.flags & SAMPLED != 0,
            None => randomness(&context.trace_id) >= self.threshold,
        };
        is_recorded.then(|| CallTrace::new(context, call_id, wall, now))
    }

    /// Hands a span over. Where there is no room it is dropped and counted.
    pub fn send(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.stats.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The last seven octets of a trace id, which are random (W3C Trace Context level 2 §3.2.2.3; so they are in a UUID v7).
fn randomness(trace_id: &[u8; 16]) -> u64 {
    trace_id[9..].iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet))
}
