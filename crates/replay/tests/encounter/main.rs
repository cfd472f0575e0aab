//! Callers whom others recorded meet bots, in virtual time.
#![allow(clippy::unwrap_used)]

mod around;
mod leaving;
mod recorded;
mod talking;
