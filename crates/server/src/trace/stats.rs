//! What became of spans: read by `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the export of traces.
#[derive(Debug, Default)]
pub struct TraceStats {
    /// Taken by the collector.
    pub exported: AtomicU64,
    /// Not made room for: the collector is slower than calls are.
    pub dropped: AtomicU64,
    /// Given up, because the collector did not answer or did not take them.
    pub failed: AtomicU64,
}

impl TraceStats {
    /// All counters: name, type, what it counts, value.
    pub fn all(&self) -> [(&'static str, &'static str, &'static str, u64); 3] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            (
                "offhook_trace_spans_exported_total",
                "counter",
                "Spans that the collector of traces took.",
                read(&self.exported),
            ),
            (
                "offhook_trace_spans_dropped_total",
                "counter",
                "Spans that found no room because the collector of traces is slow or away.",
                read(&self.dropped),
            ),
            (
                "offhook_trace_spans_failed_total",
                "counter",
                "Spans that the collector of traces refused or that were given up after retries.",
                read(&self.failed),
            ),
        ]
    }
}
