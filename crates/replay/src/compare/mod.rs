//! Two sides of the same calls, compared.
//!
//! [`Comparison`] is what is found, as data with a version: the JSON of `offhook compare` and what a report is made of.

mod model;

pub use model::*;
