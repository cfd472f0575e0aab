//! What `/metrics` shows beside the counters of the `metrics` crate: histograms that the workers fill themselves.

use std::fmt::Write;

use crate::api::EventHub;
use crate::control::{ControlHandle, Snapshot};
use crate::hep::HepStats;
use crate::recorder::RecorderStats;
use crate::speech::RecognizerHandle;
use crate::storage::Storage;
use crate::trace::TraceStats;
use crate::worker::{BOUNDS_US, SpeechUplink, WorkerHandle};

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The media workers.
    pub workers: &'a [WorkerHandle],
    /// The way to control.
    pub control: &'a ControlHandle,
    /// What control says of itself, where it answered.
    pub snapshot: Option<&'a Snapshot>,
    /// The way to the recognizers, audio.
    pub heard: &'a SpeechUplink,
    /// The way to the recognizers, orders.
    pub recognizers: &'a RecognizerHandle,
    /// Call records.
    pub storage: &'a Storage,
    /// Those who listen to events.
    pub events: &'a EventHub,
    /// The recorder.
    pub recording: &'a RecorderStats,
    /// The export of traces.
    pub traces: &'a TraceStats,
    /// The copies of SIP messages.
    pub hep: &'a HepStats,
}

/// All of it, in the text format of Prometheus.
pub fn render(parts: &Parts<'_>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, parts)
        .and_then(|()| write_queues(&mut text, parts))
        .and_then(|()| write_counters(&mut text, &parts.recording.all()))
        .and_then(|()| write_counters(&mut text, &parts.traces.all()))
        .and_then(|()| write_counters(&mut text, &parts.hep.all()));
    text
}

/// Name, type, help and value of each.
fn write_counters(
    text: &mut String,
    counters: &[(&'static str, &'static str, &'static str, u64)],
) -> std::fmt::Result {
    for (name, kind, help, value) in counters {
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}")?;
    }
    Ok(())
}

/// Every bounded queue between threads. What happens where one is full stands where the queue is made.
fn write_queues(text: &mut String, parts: &Parts<'_>) -> std::fmt::Result {
    let (facts, full_facts) = parts.storage.waiting();
    let (orders, full_orders) = parts.recognizers.waiting();
    let mut waiting = vec![
        ("control".to_owned(), parts.control.waiting() as u64),
        ("facts".to_owned(), facts as u64),
        ("records".to_owned(), parts.storage.unstored() as u64),
        ("recognizer_orders".to_owned(), orders as u64),
        ("recognizer_audio".to_owned(), parts.heard.waiting() as u64),
    ];
    let mut full = vec![("facts".to_owned(), full_facts), ("recognizer_orders".to_owned(), full_orders)];
    if let Some(control) = parts.snapshot {
        waiting.push(("workers_to_control".to_owned(), control.from_workers as u64));
    }
    for (number, worker) in parts.workers.iter().enumerate() {
        let (messages, full_inbox) = worker.waiting();
        let (kept, full_outbox) = worker.health.kept();
        waiting.push((format!("to_worker_{number}"), messages as u64));
        waiting.push((format!("kept_by_worker_{number}"), kept));
        full.push((format!("to_worker_{number}"), full_inbox));
        full.push((format!("kept_by_worker_{number}"), full_outbox));
    }
    writeln!(text, "# HELP offhook_event_subscribers Open connections to /v1/events.")?;
    writeln!(text, "# TYPE offhook_event_subscribers gauge")?;
    writeln!(text, "offhook_event_subscribers {}", parts.events.subscribers())?;
    writeln!(text, "# HELP offhook_queue_waiting Messages that wait between two threads.")?;
    writeln!(text, "# TYPE offhook_queue_waiting gauge")?;
    for (queue, count) in waiting {
        writeln!(text, "offhook_queue_waiting{{queue=\"{queue}\"}} {count}")?;
    }
    writeln!(
        text,
        "# HELP offhook_queue_full_total Messages that found no room and waited for it; none is lost."
    )?;
    writeln!(text, "# TYPE offhook_queue_full_total counter")?;
    for (queue, count) in full {
        writeln!(text, "offhook_queue_full_total{{queue=\"{queue}\"}} {count}")?;
    }
    Ok(())
}

fn write(text: &mut String, parts: &Parts<'_>) -> std::fmt::Result {
    let Parts { workers, snapshot, heard, .. } = *parts;
    writeln!(text, "# HELP offhook_tick_lateness_seconds How late a media worker woke.")?;
    writeln!(text, "# TYPE offhook_tick_lateness_seconds histogram")?;
    for (number, worker) in workers.iter().enumerate() {
        let report = worker.health.report();
        let mut sum = 0;
        for (bucket, count) in report.buckets.iter().enumerate() {
            sum += count;
            let bound = BOUNDS_US.get(bucket).map_or("+Inf".to_owned(), |us| (*us as f64 / 1e6).to_string());
            writeln!(
                text,
                "offhook_tick_lateness_seconds_bucket{{worker=\"{number}\",le=\"{bound}\"}} {sum}"
            )?;
        }
        let total = report.sum_us as f64 / 1e6;
        writeln!(text, "offhook_tick_lateness_seconds_sum{{worker=\"{number}\"}} {total}")?;
        writeln!(text, "offhook_tick_lateness_seconds_count{{worker=\"{number}\"}} {sum}")?;
    }
    let calls = Family { name: "offhook_worker_calls", kind: "gauge", help: "Calls of a media worker." };
    calls.write(text, workers, |worker| worker.calls.load(std::sync::atomic::Ordering::Relaxed) as u64)?;
    let allocations = Family {
        name: "offhook_worker_allocations_total",
        kind: "counter",
        help: "Allocations of a media worker's thread.",
    };
    allocations.write(text, workers, |worker| worker.health.report().allocations)?;
    let realtime = Family {
        name: "offhook_worker_realtime",
        kind: "gauge",
        help: "Whether a media worker has real-time priority.",
    };
    realtime.write(text, workers, |worker| u64::from(worker.health.is_realtime()))?;
    writeln!(
        text,
        "# HELP offhook_recognizer_frames_dropped_total Frames of callers that recognizers were too slow for."
    )?;
    writeln!(text, "# TYPE offhook_recognizer_frames_dropped_total counter")?;
    writeln!(text, "offhook_recognizer_frames_dropped_total {}", heard.dropped())?;
    if let Some(control) = snapshot {
        writeln!(text, "# HELP offhook_calls Calls that have not ended.")?;
        writeln!(text, "# TYPE offhook_calls gauge\noffhook_calls {}", control.calls)?;
        writeln!(text, "# HELP offhook_rtp_ports_free Pairs of RTP ports that no call has.")?;
        writeln!(text, "# TYPE offhook_rtp_ports_free gauge\noffhook_rtp_ports_free {}", control.free_ports)?;
        if !control.trunks.is_empty() {
            writeln!(text, "# HELP offhook_trunk_calls Running calls of a trunk, both directions.")?;
            writeln!(text, "# TYPE offhook_trunk_calls gauge")?;
            for (name, calls, _) in &control.trunks {
                writeln!(text, "offhook_trunk_calls{{trunk=\"{name}\"}} {calls}")?;
            }
            writeln!(text, "# HELP offhook_trunk_calls_limit Most calls that a trunk may have at once.")?;
            writeln!(text, "# TYPE offhook_trunk_calls_limit gauge")?;
            for (name, _, limit) in &control.trunks {
                if let Some(limit) = limit {
                    writeln!(text, "offhook_trunk_calls_limit{{trunk=\"{name}\"}} {limit}")?;
                }
            }
        }
        writeln!(text, "# HELP offhook_sip_messages_total SIP messages that came, by what became of them.")?;
        writeln!(text, "# TYPE offhook_sip_messages_total counter")?;
        for (kind, count) in &control.sip {
            writeln!(text, "offhook_sip_messages_total{{kind=\"{kind}\"}} {count}")?;
        }
    }
    Ok(())
}

/// A metric with one value of each worker.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

impl Family {
    fn write(
        &self,
        text: &mut String,
        workers: &[WorkerHandle],
        value: impl Fn(&WorkerHandle) -> u64,
    ) -> std::fmt::Result {
        let Family { name, kind, help } = self;
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
        for (number, worker) in workers.iter().enumerate() {
            writeln!(text, "{name}{{worker=\"{number}\"}} {}", value(worker))?;
        }
        Ok(())
    }
}
