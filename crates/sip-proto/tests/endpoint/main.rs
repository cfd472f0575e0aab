//! Whole flows against one endpoint: a scripted peer on one side, a small transaction user on the other.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail like the test")]

mod calling;
mod cancelling;
mod limits;
mod receiving;
mod recording;
mod routing;
mod storm;
mod streams;
mod support;
mod torture;
