//! Options of the command line as the caller's own types.

use std::fmt::{self, Display, Formatter};

use offhook_caller::bench::load::{LoadLimits, Percentile};
use offhook_caller::impair::{Direction, GilbertElliott, Impairment};

use crate::cli::bench::{DirectionArg, LimitArgs, LineArgs, PercentileArg};

/// An option that cannot be, in a sentence.
#[derive(Debug)]
pub(super) struct WrongOption(String);

impl WrongOption {
    /// An error with this sentence where `right` does not hold.
    pub fn unless(right: bool, sentence: impl FnOnce() -> String) -> Result<(), Self> {
        if right { Ok(()) } else { Err(WrongOption(sentence())) }
    }
}

impl Display for WrongOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongOption {}

/// How bad the line is; `None` for a clean one.
pub(super) fn impairment(line: &LineArgs) -> Result<Option<Impairment>, WrongOption> {
    let shares = [("--loss", line.loss), ("--reorder", line.reorder), ("--duplicate", line.duplicate)];
    for (option, percent) in shares {
        let is_share = (0.0..=100.0).contains(&percent);
        WrongOption::unless(is_share, || format!("{option}: {percent} is no percentage"))?;
    }
    for (option, ms) in [("--delay", line.delay), ("--jitter", line.jitter)] {
        if !(0.0..=60_000.0).contains(&ms) {
            return Err(WrongOption(format!("{option}: {ms} is no number of milliseconds up to a minute")));
        }
    }
    let (loss_percent, burst_loss) = match (&line.gilbert_elliott, line.loss_run) {
        (Some(model), _) => (0.0, Some(gilbert_elliott(model)?)),
        (None, Some(run)) => {
            let wrong =
                || WrongOption(format!("--loss-run: no chain loses {} % in runs of {run}", line.loss));
            (0.0, Some(GilbertElliott::runs(line.loss, run).ok_or_else(wrong)?))
        }
        (None, None) => (line.loss, None),
    };
    let impairment = Impairment {
        loss_percent,
        burst_loss,
        delay_ms: line.delay,
        jitter_ms: line.jitter,
        reorder_percent: line.reorder,
        duplicate_percent: line.duplicate,
        direction: match line.impair {
            DirectionArg::Out => Direction::Out,
            DirectionArg::In => Direction::In,
            DirectionArg::Both => Direction::Both,
        },
    };
    Ok((!impairment.is_none()).then_some(impairment))
}

fn gilbert_elliott(text: &str) -> Result<GilbertElliott, WrongOption> {
    let numbers: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    let valid = numbers.filter(|numbers| numbers.iter().all(|percent| (0.0..=100.0).contains(percent)));
    let (p, r, bad, good) = match valid.as_deref() {
        Some(&[p, r]) => (p, r, 100.0, 0.0),
        Some(&[p, r, bad]) => (p, r, bad, 0.0),
        Some(&[p, r, bad, good]) => (p, r, bad, good),
        Some(_) | None => {
            let expected = "is not P,R[,BAD[,GOOD]], each 0 to 100";
            return Err(WrongOption(format!("--gilbert-elliott: '{text}' {expected}")));
        }
    };
    Ok(GilbertElliott {
        to_bad_percent: p,
        to_good_percent: r,
        lost_in_bad_percent: bad,
        lost_in_good_percent: good,
    })
}

/// When calls are well served.
pub(super) fn limits(limits: &LimitArgs) -> LoadLimits {
    LoadLimits {
        percentile: match limits.percentile {
            PercentileArg::P50 => Percentile::P50,
            PercentileArg::P95 => Percentile::P95,
            PercentileArg::P99 => Percentile::P99,
            PercentileArg::P99_9 => Percentile::P99_9,
        },
        lateness_ms: limits.max_lateness,
        loss_percent: limits.max_loss,
        failed_percent: limits.max_failed,
        mos: limits.min_mos,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::BenchCommand;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn line(options: &str) -> anyhow::Result<Option<Impairment>> {
        let words = ["offhook", "bench", "latency"].into_iter().chain(options.split_whitespace());
        let command = Cli::try_parse_from(words)?.command;
        let Command::Bench { command: BenchCommand::Latency { line, .. } } = command else {
            panic!("{command:?}")
        };
        Ok(impairment(&line)?)
    }

    #[test]
    fn a_line_is_as_bad_as_its_options_say() {
        assert_eq!(line("").unwrap(), None);
        assert_eq!(line("--impair both").unwrap(), None);
        let lossy = line("--loss 5 --jitter 20 --impair in").unwrap().unwrap();
        assert_eq!((lossy.loss_percent, lossy.jitter_ms, lossy.direction), (5.0, 20.0, Direction::In));
        let in_runs = line("--loss 5 --loss-run 4").unwrap().unwrap();
        assert_eq!((in_runs.loss_percent, in_runs.burst_loss), (0.0, GilbertElliott::runs(5.0, 4.0)));
        let chain = line("--gilbert-elliott 2,18,50,1").unwrap().unwrap().burst_loss.unwrap();
        assert_eq!((chain.to_bad_percent, chain.lost_in_good_percent), (2.0, 1.0));
        let simple = line("--gilbert-elliott 2,18").unwrap().unwrap().burst_loss.unwrap();
        assert_eq!((simple.lost_in_bad_percent, simple.lost_in_good_percent), (100.0, 0.0));
    }

    #[test]
    fn what_no_line_can_be_is_refused() {
        for wrong in [
            "--loss 101",
            "--jitter -1",
            "--loss 90 --loss-run 2",
            "--loss-run 2",
            "--gilbert-elliott 2",
            "--gilbert-elliott 2,x",
            "--gilbert-elliott 1,2,3,4,5",
            "--gilbert-elliott 1,200",
            "--gilbert-elliott 1,2 --loss 5",
        ] {
            assert!(line(wrong).is_err(), "{wrong}");
        }
    }
}
