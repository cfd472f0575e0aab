//! Losses that come in runs: the chain of Gilbert and Elliott.

use offhook_time::{Randomness, Seed};
use serde::{Deserialize, Serialize};

/// A line that is good or bad for a while, packet by packet: in the good state it seldom loses, in the bad one mostly.
/// The same four numbers as those of `tc netem loss gemodel`, in the same order, all in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GilbertElliott {
    /// From good to bad, per packet.
    pub to_bad_percent: f64,
    /// From bad to good, per packet.
    pub to_good_percent: f64,
    /// Packets lost in the bad state.
    pub lost_in_bad_percent: f64,
    /// Packets lost in the good state.
    pub lost_in_good_percent: f64,
}

impl GilbertElliott {
    /// Gilbert's simple chain (all is lost in the bad state, nothing in the good one) that loses `loss_percent` of the
    /// packets in runs of `mean_run` packets. `None` where there is no such chain: a run shorter than one packet, or so
    /// much loss that the good state would have to be shorter than a packet.
    pub fn runs(loss_percent: f64, mean_run: f64) -> Option<Self> {
        let loss = loss_percent / 100.0;
        let to_good = 1.0 / mean_run;
        // The share of bad packets is p / (p + r).
        let to_bad = to_good * loss / (1.0 - loss);
        let is_chain = mean_run >= 1.0 && (0.0..1.0).contains(&loss) && to_bad <= 1.0;
        is_chain.then_some(GilbertElliott {
            to_bad_percent: 100.0 * to_bad,
            to_good_percent: 100.0 * to_good,
            lost_in_bad_percent: 100.0,
            lost_in_good_percent: 0.0,
        })
    }

    /// Packets lost in the long run, in percent.
    pub fn loss_percent(&self) -> f64 {
        let (p, r) = (self.to_bad_percent, self.to_good_percent);
        if p + r == 0.0 {
            return self.lost_in_good_percent;
        }
        (r * self.lost_in_good_percent + p * self.lost_in_bad_percent) / (p + r)
    }
}

/// The chain as it runs. Its randomness is its own: the other accidents of a seed do not move when it is switched on.
#[derive(Debug)]
pub(super) struct Chain {
    randomness: Randomness,
    is_bad: bool,
}

impl Chain {
    /// In the good state.
    pub fn new(seed: u64) -> Self {
        Chain { randomness: Randomness::new(Seed::from_number(seed.rotate_left(17) ^ 0x6c62)), is_bad: false }
    }

    /// Whether the next packet is lost. The state moves first, as in netem.
    pub fn loses(&mut self, model: &GilbertElliott) -> bool {
        let [moves, loses] = [(); 2].map(|()| self.randomness.unit() * 100.0);
        let leave = if self.is_bad { model.to_good_percent } else { model.to_bad_percent };
        self.is_bad ^= moves < leave;
        loses < if self.is_bad { model.lost_in_bad_percent } else { model.lost_in_good_percent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(model: GilbertElliott, seed: u64) -> Vec<bool> {
        let mut chain = Chain::new(seed);
        (0..200_000).map(|_| chain.loses(&model)).collect()
    }

    /// Share of lost packets and mean length of their runs.
    fn measured(losses: &[bool]) -> (f64, f64) {
        let lost = losses.iter().filter(|lost| **lost).count() as f64;
        let runs = losses.chunk_by(|a, b| a == b).filter(|run| run[0]).count() as f64;
        (100.0 * lost / losses.len() as f64, lost / runs)
    }

    #[test]
    fn share_and_runs_are_those_that_were_asked_for() {
        for (share, run) in [(5.0, 4.0), (1.0, 10.0), (20.0, 2.0)] {
            let model = GilbertElliott::runs(share, run).unwrap();
            let (lost, length) = measured(&losses(model, 1));

            assert!((model.loss_percent() - share).abs() < 1e-9);
            assert!((lost - share).abs() < 0.1 * share, "{lost} for {share}");
            assert!((length - run).abs() < 0.05 * run, "{length} for {run}");
        }
    }

    #[test]
    fn the_long_run_of_all_four_numbers_is_that_of_the_chain() {
        // A tenth of the time bad: 0.1 · 50 + 0.9 · 1 = 5.9 %.
        let model = GilbertElliott {
            to_bad_percent: 2.0,
            to_good_percent: 18.0,
            lost_in_bad_percent: 50.0,
            lost_in_good_percent: 1.0,
        };

        assert!((model.loss_percent() - 5.9).abs() < 1e-9);
        let (lost, _) = measured(&losses(model, 2));
        assert!((lost - 5.9).abs() < 0.3, "{lost}");
    }

    #[test]
    fn what_no_chain_can_do_is_refused() {
        assert_eq!(GilbertElliott::runs(5.0, 0.5), None);
        assert_eq!(GilbertElliott::runs(80.0, 2.0), None);
        assert_eq!(GilbertElliott::runs(100.0, 2.0), None);
        assert!(GilbertElliott::runs(50.0, 1.0).is_some());
    }

    #[test]
    fn a_seed_decides_every_run() {
        let model = GilbertElliott::runs(5.0, 4.0).unwrap();

        assert_eq!(losses(model, 3), losses(model, 3));
        assert_ne!(losses(model, 3), losses(model, 4));
    }
}
