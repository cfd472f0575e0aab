//! The page of a comparison.
//!
//! What is in a [`Comparison`] goes into the page as it is, but for what a thousand calls have too much of: turns are
//! written as rows of numbers, sound as far as a screen shows it, and beyond a number of calls and turns those that did not
//! change are left out. The page says so.

mod sound;
mod wire;

use offhook_replay::compare::{CallComparison, Comparison};

use crate::page::{Kind, page};
use wire::WirePage;

const KIND: Kind = Kind {
    name: "compare",
    css: concat!(include_str!("../../assets/bench.css"), include_str!("../../assets/compare.css")),
    js: &[
        include_str!("../../assets/plot.js"),
        include_str!("../../assets/distribution.js"),
        include_str!("../../assets/list.js"),
        include_str!("../../assets/wave.js"),
        include_str!("../../assets/call.js"),
        include_str!("../../assets/compare.js"),
    ],
};

/// What a page of a comparison says besides, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompareOptions {
    /// When it was made, Unix time in milliseconds; this crate has no clock.
    pub made_unix_ms: Option<u64>,
    /// Calls that are shown one by one. Those that changed come first; totals count all.
    pub most_calls: usize,
    /// Turns of these calls: a browser opens 50,000 in a second or two.
    pub most_turns: usize,
}

impl Default for CompareOptions {
    fn default() -> Self {
        CompareOptions { made_unix_ms: None, most_calls: 5_000, most_turns: 50_000 }
    }
}

/// The whole file.
pub fn compare_html(comparison: &Comparison, options: &CompareOptions) -> String {
    let shown = shown(comparison, options);
    let wire = WirePage::of(comparison, &shown, options.made_unix_ms);
    page(&KIND, &format!("{} against {}", comparison.b.label, comparison.a.label), &wire)
}

/// The calls that are shown one by one, in the order of the comparison.
fn shown<'a>(comparison: &'a Comparison, options: &CompareOptions) -> Vec<&'a CallComparison> {
    let mut order: Vec<usize> = (0..comparison.calls.len()).collect();
    let interest = |at: usize| {
        let call = &comparison.calls[at];
        (call.changed.is_empty() && call.b.unfinished.is_none(), at)
    };
    order.sort_by_key(|at| interest(*at));
    let mut turns = 0;
    order.truncate(options.most_calls);
    order.retain(|at| {
        let with = turns + comparison.calls[*at].turns.len();
        // A single call is shown however long it is.
        let fits = turns == 0 || with <= options.most_turns;
        turns = if fits { with } else { turns };
        fits
    });
    order.sort_unstable();
    order.into_iter().map(|at| &comparison.calls[at]).collect()
}
