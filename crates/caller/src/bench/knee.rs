//! The search for the knee: the most calls that are served well.

use serde::Serialize;

/// How to search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Search {
    /// The first number tried.
    pub from: usize,
    /// No more than these.
    pub most: usize,
    /// How near the knee is searched for, in percent of it.
    pub precision_percent: f64,
    /// How often a number must fail before it counts as too many: a machine may stumble once.
    pub attempts: usize,
}

impl Search {
    /// From 100 up to `most`, within 5 %, and a number must fail twice.
    pub fn up_to(most: usize) -> Self {
        Search { from: 100, most, precision_percent: 5.0, attempts: 2 }
    }
}

/// What came of a number of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    /// All were served well.
    Passed,
    /// They were not.
    Failed,
    /// They were not, but the caller itself was late: it may be to blame.
    Spoiled,
    /// The search is to end here.
    Stopped,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Knee {
    /// The largest number that passed; 0 where none did.
    pub calls: usize,
    /// Whether more were tried and failed; otherwise `calls` is only a lower bound.
    pub is_knee: bool,
    /// Whether the caller was late each time the next larger number failed: the server may take more.
    pub limited_by_caller: bool,
}

/// Doubles until a number fails, then halves the interval until it is within the precision.
pub fn search<E>(search: Search, try_out: &mut impl FnMut(usize) -> Result<Try, E>) -> Result<Knee, E> {
    let mut knee = Knee::default();
    let mut calls = search.from.clamp(1, search.most.max(1));
    let mut bad = loop {
        match attempt(search, calls, try_out)? {
            Try::Passed => knee.calls = calls,
            Try::Stopped => return Ok(knee),
            failed @ (Try::Failed | Try::Spoiled) => {
                knee.limited_by_caller = failed == Try::Spoiled;
                break calls;
            }
        }
        if calls >= search.most {
            return Ok(knee);
        }
        calls = (calls * 2).min(search.most);
    };
    while (bad - knee.calls) as f64 > (bad as f64 * search.precision_percent / 100.0).max(1.0) {
        let middle = knee.calls + (bad - knee.calls) / 2;
        match attempt(search, middle, try_out)? {
            Try::Passed => knee.calls = middle,
            Try::Stopped => return Ok(knee),
            failed @ (Try::Failed | Try::Spoiled) => {
                knee.limited_by_caller = failed == Try::Spoiled;
                bad = middle;
            }
        }
    }
    knee.is_knee = true;
    Ok(knee)
}

/// Passes where one attempt does; it is spoiled only where every failure was.
fn attempt<E>(
    search: Search,
    calls: usize,
    try_out: &mut impl FnMut(usize) -> Result<Try, E>,
) -> Result<Try, E> {
    let mut result = Try::Spoiled;
    for _ in 0..search.attempts.max(1) {
        match try_out(calls)? {
            Try::Failed => result = Try::Failed,
            Try::Spoiled => {}
            done @ (Try::Passed | Try::Stopped) => return Ok(done),
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_time::{Randomness, Seed};

    /// Searches on a server that serves `real` calls well; answers also how many numbers were tried.
    fn found(options: Search, mut server: impl FnMut(usize) -> Try) -> (Knee, usize) {
        let mut tried = 0;
        let knee = search(options, &mut |calls| {
            tried += 1;
            Ok::<Try, ()>(server(calls))
        });
        (knee.unwrap(), tried)
    }

    fn serves(real: usize) -> impl FnMut(usize) -> Try {
        move |calls| if calls <= real { Try::Passed } else { Try::Failed }
    }

    #[test]
    fn the_knee_is_found_within_the_precision() {
        for precision_percent in [5.0, 1.0] {
            let options = Search { from: 50, precision_percent, ..Search::up_to(4000) };
            for real in [1, 7, 100, 317, 812, 1999] {
                let (knee, tried) = found(options, serves(real));
                let lowest = real as f64 * (1.0 - precision_percent / 100.0) - 1.0;
                assert!(
                    knee.is_knee && knee.calls <= real && knee.calls as f64 >= lowest,
                    "{real}: {knee:?}"
                );
                assert!(!knee.limited_by_caller && tried < 32, "{tried}");
            }
        }
    }

    #[test]
    fn what_never_fails_has_no_knee_and_what_never_passes_has_0() {
        let options = Search { from: 50, ..Search::up_to(400) };

        assert_eq!(found(options, serves(10_000)).0, Knee { calls: 400, ..Knee::default() });
        assert_eq!(found(options, serves(0)).0, Knee { calls: 0, is_knee: true, limited_by_caller: false });
    }

    #[test]
    fn a_machine_that_stumbles_one_time_in_ten_does_not_move_the_knee() {
        let options = Search { attempts: 3, ..Search::up_to(4000) };
        for seed in 0..20 {
            let mut randomness = Randomness::new(Seed::from_number(seed));
            let mut real = serves(900);
            let (knee, _) =
                found(options, |calls| if randomness.unit() < 0.1 { Try::Failed } else { real(calls) });

            assert!((850..=900).contains(&knee.calls), "seed {seed}: {knee:?}");
        }
    }

    #[test]
    fn a_caller_that_is_late_itself_is_named_as_the_limit() {
        let both = |real: usize, own: usize| {
            move |calls: usize| match calls {
                calls if calls <= real && calls <= own => Try::Passed,
                calls if calls > own => Try::Spoiled,
                _ => Try::Failed,
            }
        };

        assert!(found(Search::up_to(4000), both(2000, 900)).0.limited_by_caller);
        assert!(!found(Search::up_to(4000), both(900, 2000)).0.limited_by_caller);
    }

    #[test]
    fn a_search_that_is_stopped_says_only_what_it_saw() {
        let mut tried = 0;
        let (knee, _) = found(Search::up_to(4000), |_| {
            tried += 1;
            if tried > 2 { Try::Stopped } else { Try::Passed }
        });

        assert_eq!(knee, Knee { calls: 200, ..Knee::default() });
    }
}
