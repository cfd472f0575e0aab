//! Kinds of calls.

/// What a call is about. Its number decides everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The `echo` bot.
    Echo,
    /// An application behind the bridge.
    Bridge,
    /// After-sales by voice.
    Voice,
    /// After-sales by keypad.
    Keys,
    /// The caller interrupts the bot by voice, key and cough.
    BargeIn,
    /// The caller is handed to a person.
    TransferSucceeds,
    /// The caller shall be handed to a person and comes back.
    TransferFails,
    /// The caller hangs up, or cancels, at any moment.
    HangUp,
    /// CANCEL, lost ACKs, odd offers, a line that loses every fourth SIP message.
    Signalling,
    /// The caller holds, resumes, changes codec.
    Hold,
    /// Recognizer and synthesizer fail, are late, or say nothing.
    EngineFailures,
    /// The API steers the call.
    Commands,
    /// We call somebody.
    Outbound,
    /// Ring time, call time, silence and missing RTP run into their limits.
    Limits,
    /// Our machine stands still for a while, again and again: time jumps, and everything that waited comes at once.
    ClockJumps,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 15] = [
        Kind::Echo,
        Kind::Bridge,
        Kind::Voice,
        Kind::Keys,
        Kind::BargeIn,
        Kind::TransferSucceeds,
        Kind::TransferFails,
        Kind::HangUp,
        Kind::Signalling,
        Kind::Hold,
        Kind::EngineFailures,
        Kind::Commands,
        Kind::Outbound,
        Kind::Limits,
        Kind::ClockJumps,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Echo => "echo",
            Kind::Bridge => "bridge",
            Kind::Voice => "voice",
            Kind::Keys => "keys",
            Kind::BargeIn => "barge-in",
            Kind::TransferSucceeds => "transfer-succeeds",
            Kind::TransferFails => "transfer-fails",
            Kind::HangUp => "hang-up",
            Kind::Signalling => "signalling",
            Kind::Hold => "hold",
            Kind::EngineFailures => "engine-failures",
            Kind::Commands => "commands",
            Kind::Outbound => "outbound",
            Kind::Limits => "limits",
            Kind::ClockJumps => "clock-jumps",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
