//! Callers whom others recorded meet bots, in virtual time.

mod around;
mod leaving;
mod recorded;
mod talking;
