//! Callers whom others recorded meet bots, in virtual time.

mod around;
mod recorded;
mod talking;
