//! Captures of others, taken apart.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod calls;
mod damage;
mod made;
mod media;
mod schedule;
