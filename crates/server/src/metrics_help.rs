//! What the metrics of the `metrics` crate mean: one table, which `/metrics` shows as HELP.

use metrics::{Unit, describe_counter, describe_histogram};

/// Counters and what they count.
const COUNTERS: &[(&str, &str)] = &[
    ("offhook_barge_ins_total", "How often a caller interrupted a bot."),
    ("offhook_bridge_frames_dropped_total", "Frames for or of an application that found no room."),
    ("offhook_call_panics_total", "Calls whose own code failed; each was ended alone."),
    ("offhook_calls_ended_total", "Calls that ended, by cause."),
    ("offhook_calls_refused_total", "Calls that were not let in, by SIP status."),
    ("offhook_calls_started_total", "Calls that began, by bot, and by trunk where they are one's."),
    (
        "offhook_engine_failures_total",
        "Failures of speech engines, tools' answers and bots that a call got over.",
    ),
    (
        "offhook_event_subscribers_cut_total",
        "Subscribers of events that were cut off because they read too slowly.",
    ),
    ("offhook_journal_failures_total", "Writes to the journal that failed."),
    ("offhook_next_hops_refused_total", "Calls whose peer named a next hop that no trunk allows."),
    ("offhook_queue_dropped_total", "Messages that found no room in a queue and were dropped."),
    ("offhook_transfers_total", "Transfers, by outcome."),
];

/// Histograms in seconds, and what they measure.
const HISTOGRAMS: &[(&str, &str)] = &[
    ("offhook_turn_seconds", "The silence that a caller hears between his last word and the bot's first."),
    ("offhook_turn_segment_seconds", "The parts of that silence."),
];

/// Tells the recorder of metrics what each of them means.
pub fn describe() {
    for (name, help) in COUNTERS {
        describe_counter!(*name, *help);
    }
    for (name, help) in HISTOGRAMS {
        describe_histogram!(*name, Unit::Seconds, *help);
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_metric_that_the_code_makes_has_a_line_of_help_and_no_line_is_left_over() {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        let mut made = std::collections::BTreeSet::new();
        for file in files {
            let text = std::fs::read_to_string(file).unwrap();
            for maker in ["counter!(\"", "gauge!(\"", "histogram!(\""] {
                let names = text.split(maker).skip(1).filter_map(|rest| rest.split_once('"'));
                made.extend(
                    names.map(|(name, _)| name.to_owned()).filter(|name| name.starts_with("offhook")),
                );
            }
        }

        let described = COUNTERS.iter().chain(HISTOGRAMS).map(|(name, _)| (*name).to_owned()).collect();

        assert_eq!(made, described);
    }

    #[test]
    fn help_and_type_are_shown() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            metrics::counter!("offhook_barge_ins_total").increment(1);
        });

        let text = recorder.handle().render();

        assert!(text.contains("# HELP offhook_barge_ins_total How often"), "{text}");
        assert!(text.contains("# TYPE offhook_barge_ins_total counter"), "{text}");
    }
}
