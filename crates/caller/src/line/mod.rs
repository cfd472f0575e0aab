//! Many calls from few threads: a light SIP client and workers that own RTP lines.
//!
//! Start with [`fleet::run`](fleet): it sets calls up, lets them talk, measures a window, and releases them.

pub(crate) mod fleet;
pub(crate) mod light;
pub(crate) mod pace;
pub(crate) mod text;
pub(crate) mod worker;
