//! When calls are well served.

use serde::Serialize;

use crate::mos::MosEstimate;
use crate::statistics::Summary;

/// What all calls together must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LoadLimits {
    /// Which percentile of the lateness of their packets is judged.
    pub percentile: Percentile,
    /// What it must not exceed.
    pub lateness_ms: f64,
    /// Packets that did not come.
    pub loss_percent: f64,
    /// Calls that may fail.
    pub failed_percent: f64,
    /// The MOS estimate of what came back must be at least this.
    pub mos: Option<f64>,
}

impl Default for LoadLimits {
    fn default() -> Self {
        LoadLimits {
            percentile: Percentile::P99,
            lateness_ms: 5.0,
            loss_percent: 0.1,
            failed_percent: 0.0,
            mos: None,
        }
    }
}

/// A percentile that a limit can be set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Percentile {
    /// The median.
    #[serde(rename = "p50")]
    P50,
    /// The 95th.
    #[serde(rename = "p95")]
    P95,
    /// The 99th.
    #[serde(rename = "p99")]
    P99,
    /// The 99.9th.
    #[serde(rename = "p99.9")]
    P99_9,
}

impl Percentile {
    /// That percentile of a summary.
    pub fn of(self, summary: &Summary) -> f64 {
        match self {
            Percentile::P50 => summary.p50,
            Percentile::P95 => summary.p95,
            Percentile::P99 => summary.p99,
            Percentile::P99_9 => summary.p99_9,
        }
    }

    /// `p99.9`.
    pub fn name(self) -> &'static str {
        match self {
            Percentile::P50 => "p50",
            Percentile::P95 => "p95",
            Percentile::P99 => "p99",
            Percentile::P99_9 => "p99.9",
        }
    }
}

/// Which of the limits does not hold, for people.
pub(in crate::bench) fn broken_limit(
    limits: &LoadLimits,
    calls: u64,
    (failed, cause): (u64, Option<&str>),
    lateness: &Summary,
    loss_percent: f64,
    quality: Option<MosEstimate>,
) -> Option<String> {
    let late = limits.percentile.of(lateness);
    let failed_percent = 100.0 * failed as f64 / calls.max(1) as f64;
    if let Some(cause) = cause.filter(|_| failed_percent > limits.failed_percent) {
        Some(format!("{failed} of {calls} calls failed, such as: {cause}"))
    } else if lateness.count == 0 {
        Some("no packet came back".to_owned())
    } else if late > limits.lateness_ms {
        Some(format!("{} lateness {late} ms", limits.percentile.name()))
    } else if loss_percent > limits.loss_percent {
        Some(format!("{loss_percent} % of the packets did not come"))
    } else {
        let mos = limits.mos.zip(quality).filter(|(least, quality)| quality.mos < *least);
        mos.map(|(_, quality)| format!("MOS estimate {}", quality.mos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::Playout;

    fn broken(limits: LoadLimits, failures: u64, lateness: &[f64], loss_percent: f64) -> Option<String> {
        let failed = (failures, (failures > 0).then_some("503 Service Unavailable"));
        let quality = Playout { expected: 1000, missing: 50, bursts: 50 }.estimate(0.0);
        broken_limit(&limits, 100, failed, &Summary::of(lateness.iter().copied()), loss_percent, quality)
    }

    #[test]
    fn each_limit_is_judged_and_the_first_that_breaks_is_named() {
        let limits = LoadLimits::default();
        let late: Vec<f64> = (0..100).map(|n| if n < 98 { 1.0 } else { 9.0 }).collect();

        assert_eq!(broken(limits, 0, &[1.0], 0.1), None);
        assert_eq!(broken(limits, 0, &[1.0], 0.2).unwrap(), "0.2 % of the packets did not come");
        assert_eq!(broken(limits, 0, &late, 0.0).unwrap(), "p99 lateness 9 ms");
        assert_eq!(broken(LoadLimits { percentile: Percentile::P95, ..limits }, 0, &late, 0.0), None);
        let refused = "2 of 100 calls failed, such as: 503 Service Unavailable";
        assert_eq!(broken(limits, 2, &late, 0.0).unwrap(), refused);
        assert_eq!(broken(LoadLimits { failed_percent: 2.0, ..limits }, 2, &[1.0], 0.0), None);
        assert_eq!(broken(limits, 0, &[], 0.0).unwrap(), "no packet came back");
        // 5 % of single losses with concealment and 80 ms of delay.
        let picky = LoadLimits { mos: Some(4.0), ..limits };
        assert!(broken(picky, 0, &[1.0], 0.0).unwrap().starts_with("MOS estimate 3.8"));
    }
}
