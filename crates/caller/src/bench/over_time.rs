//! How a delay went on while it was measured: a backlog, a drift, how an impairment ended.

use std::time::Duration;

use offhook_time::Time;
use serde::Serialize;

use crate::statistics::Summary;

/// No run has more of these, however long it is.
const MOST: u32 = 600;

/// Shorter ones would hold a frame or two.
const SHORTEST: Duration = Duration::from_millis(100);

/// The delays of all frames that left in one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DelayWindow {
    /// When the stretch began, from the beginning of the measurement.
    pub at_s: f64,
    /// Frames that came back.
    pub frames: u64,
    /// Their median.
    pub p50_ms: f64,
    /// The latest of them.
    pub max_ms: f64,
}

/// Frames by when they left, with their delays in milliseconds, in stretches of equal length. Order does not matter; a
/// stretch in which nothing came back is left out.
pub fn over_time(frames: impl IntoIterator<Item = (Time, f64)>) -> Vec<DelayWindow> {
    let mut frames: Vec<(Time, f64)> = frames.into_iter().collect();
    frames.sort_by_key(|frame| frame.0);
    let (Some((first, _)), Some((last, _))) = (frames.first().copied(), frames.last().copied()) else {
        return Vec::new();
    };
    let length = (last.since(first) / MOST).max(SHORTEST);
    let stretch = |at: Time| (at.since(first).as_nanos() / length.as_nanos()) as u32;
    frames
        .chunk_by(|one, next| stretch(one.0) == stretch(next.0))
        .filter_map(|frames| {
            let delays = Summary::of(frames.iter().map(|(_, delay)| *delay));
            let at = length * stretch(frames.first()?.0);
            let (frames, p50_ms, max_ms) = (delays.count, delays.p50, delays.max);
            Some(DelayWindow { at_s: at.as_secs_f64(), frames, p50_ms, max_ms })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(at_ms: u64, delay: f64) -> (Time, f64) {
        (Time::ZERO + Duration::from_secs(5) + Duration::from_millis(at_ms), delay)
    }

    #[test]
    fn a_backlog_is_seen_where_it_was() {
        let frames = (0..100).map(|at| frame(at * 20, if (50..60).contains(&at) { 300.0 } else { 8.0 }));

        let windows = over_time(frames);

        assert_eq!(windows.len(), 20);
        let late: Vec<f64> = windows.iter().filter(|one| one.p50_ms > 100.0).map(|one| one.at_s).collect();
        assert_eq!(late, [1.0, 1.1]);
        assert_eq!(windows.iter().map(|one| one.frames).sum::<u64>(), 100);
    }

    #[test]
    fn calls_come_together_and_a_hole_is_left_out() {
        let windows = over_time([frame(300, 9.0), frame(0, 8.0), frame(20, 10.0)]);

        let told: Vec<(f64, f64)> = windows.iter().map(|one| (one.at_s, one.max_ms)).collect();
        assert_eq!(told, [(0.0, 10.0), (0.3, 9.0)]);
        assert!(over_time([]).is_empty());
    }

    #[test]
    fn an_hour_has_no_more_than_six_hundred() {
        let windows = over_time((0..3600).map(|second| frame(second * 1000, 8.0)));

        assert!((300..=601).contains(&windows.len()), "{}", windows.len());
    }
}
