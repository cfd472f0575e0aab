//! What others recorded: a capture of SIP and RTP, taken apart into calls.
//!
//! [`take_apart`] reads a whole [`Capture`] and answers every call in it with its packets, and an [`Account`] that says
//! what became of each datagram. RTP that no SIP announced is found by its own signs and told as such. The packets of
//! all calls are held in memory. It must not know sockets or files. From here, [`Track`] is the audio of a side by its
//! RTP timestamps, and [`Schedule`] is what a caller must send to say it all again.

mod account;
mod assign;
mod call;
mod collect;
mod described;
mod loose;
mod schedule;
mod signalling;
mod statistics;
mod stream;
mod track;

use std::io::Read;

use offhook_journal::capture::Capture;

pub use account::{Account, Unused};
pub use call::{Call, End, Party, Side, Signalling};
pub use schedule::{Schedule, Sound, Timed};
pub use statistics::StreamStatistics;
pub use stream::{Arrived, Codec, Stream};
pub use track::{RATE, Track};

/// A capture, taken apart.
#[derive(Clone, Debug)]
pub struct TakenApart {
    /// Calls in the order of their INVITEs, then what has no SIP in the order of its first packets.
    pub calls: Vec<Call>,
    /// What became of everything.
    pub account: Account,
}

/// Reads the capture to its end.
pub fn take_apart<R: Read>(mut capture: Capture<R>) -> TakenApart {
    let mut collected = collect::Collected::default();
    for found in capture.by_ref() {
        collected.handle(found);
    }
    let mut account = Account { capture: capture.account().clone(), ..Account::default() };
    account.ending = account::ending_text(capture.ending());
    let (messages, flows) = collected.finish(&mut account);

    let told = signalling::calls_of(messages, &mut account);
    let (mut calls, rest) = assign::assign(told, flows, &mut account);
    calls.extend(loose::calls_of(rest, &mut account));
    for (index, call) in calls.iter_mut().enumerate() {
        call.number = index + 1;
    }
    TakenApart { calls, account }
}
