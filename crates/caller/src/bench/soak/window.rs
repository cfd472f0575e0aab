//! One window of a soak: what all calls measured in it, as figures.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::bench::OWN_LIMIT_MS;
use crate::bench::page::number;
use crate::histogram::Histogram;
use crate::line::churn::ChurnWindow;
use crate::listen::Playout;
use crate::machine::ServerCost;
use crate::mos::MosEstimate;
use crate::statistics::{Summary, rounded};

/// A packet later than this against its call's own best counts as late: the tick that sent it was.
pub const LATE_MS: f64 = 5.0;

/// One window.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SoakWindow {
    /// Seconds after the first window began.
    pub from_s: f64,
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Calls being measured at once, on average: the first second of each is not.
    pub calls: f64,
    /// Calls that were answered in it.
    pub set_ups: u64,
    /// Calls that were refused, lost, or hung up by the far side.
    pub failed: u64,
    /// Requests that had to be sent again.
    pub retransmissions: u64,
    /// INVITE to 200.
    pub set_up_ms: Summary,
    /// BYE to 200.
    pub release_ms: Summary,
    /// Packets received.
    pub packets: u64,
    /// Packets that did not come.
    pub loss_percent: f64,
    /// Packets that came twice, after their successor, or with a broken timestamp.
    pub out_of_order: u64,
    /// Lateness of all packets, each call against its own best in this window.
    pub lateness_ms: Summary,
    /// Packets later than [`LATE_MS`].
    pub late_percent: f64,
    /// The longest time between two packets of a call.
    pub max_gap_ms: f64,
    /// Calls of which nothing came back in this window.
    pub silent_calls: u64,
    /// What listeners at our end would say.
    pub mos: Option<f64>,
    /// How late our own packets left.
    pub own_lateness_ms: Summary,
    /// The server's cost.
    pub server: Option<ServerCost>,
    /// CPU-milliseconds of the server per second of one call.
    pub cpu_ms_per_call_second: Option<f64>,
    /// Our own packets were too late to say anything about the server's.
    pub spoiled: bool,
}

/// A window in one line, for whoever watches.
impl Display for SoakWindow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>7.0} s  {:>6.1} calls  {:>5} set up  {:>3} failed  lateness p99 {:>7} ms  own {:>6} ms  {:>6} % lost",
            self.from_s + self.seconds,
            self.calls,
            self.set_ups,
            self.failed,
            number(self.lateness_ms.p99),
            number(self.own_lateness_ms.p99),
            number(self.loss_percent),
        )?;
        if let Some(cost) = self.server {
            write!(f, "  {:>7.1} MiB", cost.rss_kib as f64 / 1024.0)?;
        }
        if self.spoiled { write!(f, "  caller late") } else { Ok(()) }
    }
}

/// What the windows add up to.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub lateness: Histogram,
    pub own: Histogram,
    pub set_up: Histogram,
    pub release: Histogram,
    pub played: Playout,
    pub expected: f64,
    pub missing: f64,
    pub packets: u64,
}

impl Totals {
    /// What happened in `window`, as figures; all of it is in the totals, too.
    pub fn take(&mut self, window: &ChurnWindow) -> SoakWindow {
        let mut here = Totals::default();
        let mut figures = SoakWindow::default();
        let mut call_seconds = 0.0;
        for line in &window.lines {
            let seconds = line.measured.as_secs_f64();
            // One packet may fall on either edge.
            let expected = (seconds * 50.0).floor() - 1.0;
            call_seconds += seconds;
            for ms in line.own_lateness_ms() {
                here.own.record(f64::from(ms));
            }
            if expected < 1.0 {
                continue;
            }
            let stream = line.meter.finish();
            for ms in line.meter.lateness() {
                here.lateness.record(f64::from(ms));
            }
            here.played = here.played.and(line.meter.playout().at_least(expected as u64));
            here.expected += expected;
            here.missing += (expected - (stream.packets - stream.duplicates) as f64).max(0.0);
            here.packets += stream.packets;
            figures.out_of_order += stream.duplicates + stream.reordered + stream.timestamp_breaks;
            figures.max_gap_ms = figures.max_gap_ms.max(stream.max_gap_ms);
            figures.silent_calls += u64::from(stream.packets == 0);
        }
        here.set_up.merge(&window.set_up);
        here.release.merge(&window.release);
        let seconds = window.length.as_secs_f64();
        figures.from_s = rounded(window.from.as_secs_f64());
        figures.seconds = rounded(seconds);
        figures.calls = rounded(call_seconds / seconds.max(0.001));
        figures.set_ups = window.set_up.count();
        figures.failed = window.failures.values().sum();
        figures.retransmissions = window.retransmissions;
        figures.set_up_ms = here.set_up.summary();
        figures.release_ms = here.release.summary();
        figures.packets = here.packets;
        figures.loss_percent = here.loss_percent();
        figures.lateness_ms = here.lateness.summary();
        figures.late_percent =
            rounded(100.0 * here.lateness.above(LATE_MS) as f64 / here.lateness.count().max(1) as f64);
        figures.mos = here.quality().map(|quality| quality.mos);
        figures.own_lateness_ms = here.own.summary();
        figures.spoiled = figures.own_lateness_ms.p99 > OWN_LIMIT_MS;
        figures.server = window.cost;
        figures.cpu_ms_per_call_second =
            window.cost.filter(|_| call_seconds > 0.0).map(|cost| rounded(cost.cpu_ms / call_seconds));
        self.add(&here);
        figures
    }

    /// Packets that did not come, in percent.
    pub fn loss_percent(&self) -> f64 {
        rounded(100.0 * self.missing / self.expected.max(1.0))
    }

    /// What listeners at our end would say.
    pub fn quality(&self) -> Option<MosEstimate> {
        self.played.estimate(0.0)
    }

    fn add(&mut self, other: &Totals) {
        self.lateness.merge(&other.lateness);
        self.own.merge(&other.own);
        self.set_up.merge(&other.set_up);
        self.release.merge(&other.release);
        self.played = self.played.and(other.played);
        self.expected += other.expected;
        self.missing += other.missing;
        self.packets += other.packets;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::worker::LineWindow;
    use crate::listen::{ContinuityMeter, RtpSeen};
    use offhook_time::Time;
    use std::time::Duration;

    /// A call that was measured for `seconds` and got the packets that `keep` keeps, every tenth 8 ms late.
    fn line(seconds: u64, keep: impl Fn(u64) -> bool) -> LineWindow {
        let mut meter = ContinuityMeter::new();
        for n in (0..seconds * 50).filter(|n| keep(*n)) {
            let late = if n % 10 == 5 { 8 } else { 0 };
            meter.push(RtpSeen {
                ssrc: 1,
                sequence: n as u16,
                timestamp: n as u32 * 160,
                arrived: Time::from_millis(1000 + 20 * n + late),
            });
        }
        LineWindow { meter, behind_ms: vec![0.1, 0.2], measured: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_window_counts_calls_losses_and_late_packets() {
        let lines = vec![line(10, |_| true), line(10, |n| n < 250), line(5, |_| false)];
        let length = Duration::from_secs(10);
        let window = ChurnWindow { lines, length, ..ChurnWindow::default() };
        let mut totals = Totals::default();

        let figures = totals.take(&window);

        // 10 + 10 + 5 call-seconds in 10 seconds; 500 + 250 packets of 499 + 499 + 249 expected.
        assert_eq!((figures.calls, figures.packets, figures.silent_calls), (2.5, 750, 1));
        assert_eq!(figures.loss_percent, rounded(100.0 * (249.0 + 249.0) / 1247.0));
        assert_eq!(figures.late_percent, 10.0);
        assert_eq!((figures.own_lateness_ms.count, figures.spoiled), (6, false));
        assert!(figures.mos.is_some_and(|mos| mos < 2.0), "{figures:?}");
    }

    #[test]
    fn the_totals_are_those_of_all_windows() {
        let mut totals = Totals::default();
        for _ in 0..3 {
            let lines = vec![line(10, |n| n % 50 != 7)];
            let length = Duration::from_secs(10);
            totals.take(&ChurnWindow { lines, length, ..ChurnWindow::default() });
        }

        assert_eq!((totals.packets, totals.lateness.count()), (1470, 1470));
        // 10 of 500 in each, one of them forgiven at the edge.
        assert_eq!(totals.loss_percent(), rounded(100.0 * 9.0 / 499.0));
        assert_eq!(totals.quality().unwrap().loss_percent, 2.0);
    }
}
