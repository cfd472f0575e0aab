//! Two sides of the same calls, compared.
//!
//! [`Comparison`] is what is found, as data with a version: the JSON of `offhook compare` and what a report is made of.
//! A [`SideOfCall`] is a call as it was recorded, or as it was played again; [`compare()`] puts two together;
//! [`Comparison::of`] counts them all and asks the [`Rule`]s.

mod align;
mod metric;
mod model;
mod pair;
mod rule;
mod side;
mod sound;
mod totals;

pub use model::*;
pub use pair::{TICK, TurnsBy, compare};
pub use rule::{Rule, RuleError, metrics};
pub use side::SideOfCall;
pub(crate) use side::Tally;
pub(crate) use sound::Levels;

impl Comparison {
    /// All calls, counted and judged. `build` is the one that compared.
    pub fn of(
        build: &str,
        sides: [SideLabel; 2],
        calls: Vec<CallComparison>,
        not_compared: Vec<NotCompared>,
        rules: &[Rule],
    ) -> Comparison {
        let [a, b] = sides;
        let totals = Totals::of(&calls, not_compared.len() as u64);
        let (version, build) = (COMPARISON_VERSION, build.to_owned());
        let mut comparison =
            Comparison { version, build, a, b, totals, rules: Vec::new(), calls, not_compared };
        comparison.rules = rules.iter().map(|rule| rule.judge(&comparison)).collect();
        comparison
    }

    /// Whether a rule fired.
    pub fn has_failed(&self) -> bool {
        self.rules.iter().any(|rule| rule.fired)
    }
}
