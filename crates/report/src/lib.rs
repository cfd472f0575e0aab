//! Reports for people: one HTML file that opens from disk and needs no network.
//!
//! Owns how a comparison of calls looks ([`compare_html`]), how a bench looks ([`BenchPage`]), and the page around it: a data block, a script
//! and a style sheet of our own, and a policy that lets a browser load nothing else. It must not know files, sockets or
//! clocks: data goes in, the text of a page comes out.
//!
//! What comes from calls is untrusted. It travels as JSON in which no `<` stands, and the script puts it on the page as
//! text nodes only. A policy with hashes keeps a browser from running any other script, whatever gets past that.

mod base64;
mod bench;
mod compare;
mod page;

pub use bench::{
    Axis, BenchPage, Better, Cell, Column, Distribution, Figure, Histogram, LinePlot, Mark, Plot, Role,
    Scale, Series, Standing, Table, Verdict,
};
pub use compare::{CompareOptions, compare_html};
