//! What `/metrics` shows beside the counters of the `metrics` crate: histograms that the workers fill themselves.

use std::fmt::Write;

use crate::control::Snapshot;
use crate::worker::{BOUNDS_US, WorkerHandle};

/// The workers and control, in the text format of Prometheus.
pub fn render(workers: &[WorkerHandle], control: Option<&Snapshot>, heard_dropped: u64) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, workers, control, heard_dropped);
    text
}

fn write(
    text: &mut String,
    workers: &[WorkerHandle],
    control: Option<&Snapshot>,
    heard_dropped: u64,
) -> std::fmt::Result {
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
    writeln!(text, "offhook_recognizer_frames_dropped_total {heard_dropped}")?;
    if let Some(control) = control {
        writeln!(text, "# TYPE offhook_calls gauge\noffhook_calls {}", control.calls)?;
        writeln!(text, "# TYPE offhook_rtp_ports_free gauge\noffhook_rtp_ports_free {}", control.free_ports)?;
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
