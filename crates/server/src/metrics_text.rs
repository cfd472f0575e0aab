//! What `/metrics` shows beside the counters of the `metrics` crate: histograms that the workers fill themselves.

use std::fmt::Write;

use crate::api::EventHub;
use crate::control::{ControlHandle, Snapshot};
use crate::recorder::RecorderStats;
use crate::speech::RecognizerHandle;
use crate::storage::Storage;
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
}

/// All of it, in the text format of Prometheus.
pub fn render(parts: &Parts<'_>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, parts)
        .and_then(|()| write_queues(&mut text, parts))
        .and_then(|()| write_recording(&mut text, parts.recording));
    text
}

fn write_recording(text: &mut String, recording: &RecorderStats) -> std::fmt::Result {
    for (name, kind, help, value) in recording.all() {
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
    gauge(text, workers, "offhook_worker_calls", "Calls of a media worker.", |worker| {
        worker.calls.load(std::sync::atomic::Ordering::Relaxed) as u64
    })?;
    gauge(
        text,
        workers,
        "offhook_worker_allocations",
        "Allocations of a media worker since its start.",
        |worker| worker.health.report().allocations,
    )?;
    gauge(
        text,
        workers,
        "offhook_worker_realtime",
        "Whether a media worker has real-time priority.",
        |worker| u64::from(worker.health.is_realtime()),
    )?;
    writeln!(text, "# TYPE offhook_recognizer_frames_dropped_total counter")?;
    writeln!(text, "offhook_recognizer_frames_dropped_total {}", heard.dropped())?;
    if let Some(control) = snapshot {
        writeln!(text, "# TYPE offhook_calls gauge\noffhook_calls {}", control.calls)?;
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
        writeln!(text, "# TYPE offhook_sip_messages_total counter")?;
        for (kind, count) in &control.sip {
            writeln!(text, "offhook_sip_messages_total{{kind=\"{kind}\"}} {count}")?;
        }
    }
    Ok(())
}

/// One value of each worker.
fn gauge(
    text: &mut String,
    workers: &[WorkerHandle],
    name: &str,
    help: &str,
    value: impl Fn(&WorkerHandle) -> u64,
) -> std::fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge")?;
    for (number, worker) in workers.iter().enumerate() {
        writeln!(text, "{name}{{worker=\"{number}\"}} {}", value(worker))?;
    }
    Ok(())
}
