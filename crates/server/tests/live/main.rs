//! The real `offhook` binary, from outside: SIP, RTP, HTTP, signals.
//!
//! One program, so that it is linked once and one lock can keep what judges timing apart from the rest. Start with
//! [`common`], then read any file: each is one promise.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]
#![allow(clippy::print_stderr, reason = "figures, skipped tests, and the server's log of a failed one")]

mod api;
mod application;
mod bench_lab;
mod bench_others;
mod bench_speech;
mod bundles;
mod captures;
mod common;
mod crash;
mod drain;
mod events;
mod faults;
mod fifty_calls;
mod health;
mod hep;
mod hold;
mod ipv6;
mod isolation;
mod keys;
mod ledger;
mod limits;
mod made_capture;
mod masking;
mod next_hops;
mod outgoing;
mod routing;
mod samples;
mod slow_subscribers;
mod softphone;
mod speech;
mod storage;
mod storm;
mod torture;
mod traces;
mod trunks;
mod wireshark;
mod workers;
