//! Many calls from few threads: a light SIP client and workers that own RTP lines.
//!
//! Start with [`fleet::run`](fleet): it sets calls up, lets them talk, measures a window, and releases them. [`churn`] keeps
//! a number of calls up for hours, each hung up and set up again, and measures window after window.

pub(crate) mod churn;
pub(crate) mod fleet;
pub(crate) mod light;
pub(crate) mod pace;
pub(crate) mod text;
pub(crate) mod worker;
