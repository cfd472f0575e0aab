//! Which of the twenty planted faults is chosen.
//!
//! The list, with what each breaks, is `crates/replay/FAULTS.md`. The faults stand in the pure crates behind their
//! feature `planted-faults`; that feature alone links this crate, so no normal build has either. A test program chooses
//! one for its thread, runs a call on that thread, and looks whether replay notices.

use std::cell::Cell;

/// A fault of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the list describes them")]
pub enum Fault {
    Second2xxMissing = 1,
    IntervalBeyondT2,
    CseqReused,
    DirectionNotReversed,
    WrapNotUnfolded,
    ConcealedOneFrameLess,
    EndPacketsTwo,
    JitterNotRounded,
    MarkerMissing,
    OldestTapMissing,
    PercentileRoundedDown,
    EndOfSpeechOneFrameLate,
    LadderOneRungAhead,
    BetweenKeysFromTheFirst,
    ExpectNothingDropped,
    ConcealedFramesWithheld,
    SlackOfTheWorst,
    RtpTimeOutTooLong,
    RepeatedCommandRuns,
    ByeBeforeAck,
}

impl Fault {
    /// The list, in its order.
    pub const ALL: [Fault; 20] = [
        Fault::Second2xxMissing,
        Fault::IntervalBeyondT2,
        Fault::CseqReused,
        Fault::DirectionNotReversed,
        Fault::WrapNotUnfolded,
        Fault::ConcealedOneFrameLess,
        Fault::EndPacketsTwo,
        Fault::JitterNotRounded,
        Fault::MarkerMissing,
        Fault::OldestTapMissing,
        Fault::PercentileRoundedDown,
        Fault::EndOfSpeechOneFrameLate,
        Fault::LadderOneRungAhead,
        Fault::BetweenKeysFromTheFirst,
        Fault::ExpectNothingDropped,
        Fault::ConcealedFramesWithheld,
        Fault::SlackOfTheWorst,
        Fault::RtpTimeOutTooLong,
        Fault::RepeatedCommandRuns,
        Fault::ByeBeforeAck,
    ];

    /// Its number in the list.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its name in the list.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Second2xxMissing => "second-2xx-missing",
            Fault::IntervalBeyondT2 => "interval-beyond-t2",
            Fault::CseqReused => "cseq-reused",
            Fault::DirectionNotReversed => "direction-not-reversed",
            Fault::WrapNotUnfolded => "wrap-not-unfolded",
            Fault::ConcealedOneFrameLess => "concealed-one-frame-less",
            Fault::EndPacketsTwo => "end-packets-two",
            Fault::JitterNotRounded => "jitter-not-rounded",
            Fault::MarkerMissing => "marker-missing",
            Fault::OldestTapMissing => "oldest-tap-missing",
            Fault::PercentileRoundedDown => "percentile-rounded-down",
            Fault::EndOfSpeechOneFrameLate => "end-of-speech-one-frame-late",
            Fault::LadderOneRungAhead => "ladder-one-rung-ahead",
            Fault::BetweenKeysFromTheFirst => "between-keys-from-the-first",
            Fault::ExpectNothingDropped => "expect-nothing-dropped",
            Fault::ConcealedFramesWithheld => "concealed-frames-withheld",
            Fault::SlackOfTheWorst => "slack-of-the-worst",
            Fault::RtpTimeOutTooLong => "rtp-time-out-too-long",
            Fault::RepeatedCommandRuns => "repeated-command-runs",
            Fault::ByeBeforeAck => "bye-before-ack",
        }
    }
}

thread_local! {
    static CHOSEN: Cell<u8> = const { Cell::new(0) };
}

/// Plants the fault with this number in what this thread runs from now on; zero plants none.
pub fn choose(number: u8) {
    CHOSEN.set(number);
}

/// Whether this fault is chosen.
pub fn is_planted(fault: Fault) -> bool {
    CHOSEN.get() == fault.number()
}
