//! Why a call ended, and what that is called on each side: one table for SIP, Q.850 and the record.

use serde::{Deserialize, Serialize};

/// Why a call ended. The first cause stands; what the clean-up brings does not change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The caller hung up.
    CallerHungUp,
    /// The bot hung up: its file says so.
    BotHungUp,
    /// The caller was handed to somebody else.
    Transferred,
    /// The API hung up.
    ApiHungUp,
    /// The application behind the bridge hung up, or closed the connection.
    ApplicationHungUp,
    /// The application behind the bridge could not be reached, or was lost in the call.
    ApplicationUnavailable,
    /// The caller gave up before the answer (CANCEL).
    Cancelled,
    /// Nobody answered within the ring time.
    NoAnswer,
    /// The far end of an outgoing call is busy.
    Busy,
    /// The far end of an outgoing call cannot be reached.
    Unreachable,
    /// The offer has no codec that we speak.
    NoCommonCodec,
    /// The offer cannot be understood.
    BadOffer,
    /// The API rejected the call.
    Rejected,
    /// The trunk has as many calls as it may.
    TrunkFull,
    /// The route has as many calls as it may.
    RouteFull,
    /// The bot needs an engine that the configuration demands and that is not there.
    EngineUnavailable,
    /// The answer was never acknowledged (no ACK for 64·T1).
    NoAck,
    /// No RTP for the limit.
    RtpTimeout,
    /// The longest call time was reached.
    TimeLimit,
    /// The caller was silent for the limit.
    SilenceLimit,
    /// The engines failed and the bot had no other way.
    EngineFailed,
    /// The server shuts down and the drain time is over.
    Shutdown,
    /// The call's own code failed; its neighbours did not notice.
    InternalError,
    /// The SIP transport failed.
    TransportFailed,
    /// The server died; written when the journal is read at the next start.
    Crash,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CauseRow {
    /// Our cause.
    pub cause: EndCause,
    /// Its word in records, events and the API.
    pub word: &'static str,
    /// The SIP status that rejects a call for it before the answer.
    pub status: u16,
    /// The Q.850 cause that a BYE carries in Reason (RFC 3326).
    pub q850: u8,
    /// The text of that Reason.
    pub text: &'static str,
}

const fn row(cause: EndCause, word: &'static str, status: u16, q850: u8, text: &'static str) -> CauseRow {
    CauseRow { cause, word, status, q850, text }
}

/// The table: SIP status (before the answer), Q.850 cause (after it), word (in the record). RFC 3398 §8 where it has a row.
pub const fn cause_table() -> &'static [CauseRow] {
    const TABLE: &[CauseRow] = &[
        row(EndCause::CallerHungUp, "caller_hung_up", 487, 16, "Normal call clearing"),
        row(EndCause::BotHungUp, "bot_hung_up", 480, 16, "Normal call clearing"),
        row(EndCause::Transferred, "transferred", 480, 16, "Normal call clearing"),
        row(EndCause::ApiHungUp, "api_hung_up", 480, 16, "Normal call clearing"),
        row(EndCause::ApplicationHungUp, "application_hung_up", 480, 16, "Normal call clearing"),
        row(EndCause::ApplicationUnavailable, "application_unavailable", 480, 27, "Destination out of order"),
        row(EndCause::Cancelled, "cancelled", 487, 16, "Normal call clearing"),
        row(EndCause::NoAnswer, "no_answer", 480, 19, "No answer from user"),
        row(EndCause::Busy, "busy", 486, 17, "User busy"),
        row(EndCause::Unreachable, "unreachable", 480, 3, "No route to destination"),
        row(EndCause::NoCommonCodec, "no_common_codec", 488, 65, "Bearer capability not implemented"),
        row(EndCause::BadOffer, "bad_offer", 400, 95, "Invalid message"),
        row(EndCause::Rejected, "rejected", 603, 21, "Call rejected"),
        // RFC 3398 §7.2.4.1: no circuit is a 503, so that the trunk may take another way.
        row(EndCause::TrunkFull, "trunk_full", 503, 34, "No circuit available"),
        row(EndCause::RouteFull, "route_full", 486, 17, "User busy"),
        row(EndCause::EngineUnavailable, "engine_unavailable", 480, 27, "Destination out of order"),
        row(EndCause::NoAck, "no_ack", 480, 102, "Recovery on timer expiry"),
        row(EndCause::RtpTimeout, "rtp_timeout", 480, 41, "Temporary failure"),
        row(EndCause::TimeLimit, "time_limit", 480, 16, "Normal call clearing"),
        row(EndCause::SilenceLimit, "silence_limit", 480, 16, "Normal call clearing"),
        row(EndCause::EngineFailed, "engine_failed", 500, 41, "Temporary failure"),
        row(EndCause::Shutdown, "shutdown", 503, 41, "Temporary failure"),
        row(EndCause::InternalError, "internal_error", 500, 41, "Temporary failure"),
        row(EndCause::TransportFailed, "transport_failed", 500, 38, "Network out of order"),
        row(EndCause::Crash, "crash", 500, 41, "Temporary failure"),
    ];
    TABLE
}

impl EndCause {
    /// Its row of the table.
    pub fn row(self) -> CauseRow {
        let found = cause_table().iter().find(|row| row.cause == self);
        found.copied().unwrap_or(row(EndCause::InternalError, "internal_error", 500, 41, "Temporary failure"))
    }

    /// The cause of an outgoing call that was refused with a SIP status.
    pub fn of_refusal(status: u16) -> Self {
        match status {
            486 | 600 => EndCause::Busy,
            408 | 480 | 487 => EndCause::NoAnswer,
            488 | 606 => EndCause::NoCommonCodec,
            404 | 410 | 484 | 604 | 500..=599 => EndCause::Unreachable,
            _ => EndCause::Rejected,
        }
    }

    /// Its word in records, events and the API.
    pub fn word(self) -> &'static str {
        self.row().word
    }
}

/// The word for a SIP final status that ended somebody else's attempt (a transfer, an outgoing call).
pub fn cause_of_status(status: u16) -> &'static str {
    match status {
        486 | 600 => "busy",
        408 | 480 | 487 => "no_answer",
        403 | 603 => "rejected",
        404 | 410 | 484 | 604 => "unknown_number",
        500..=599 => "unreachable",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_has_its_own_word() {
        let words: BTreeSet<_> = cause_table().iter().map(|row| row.word).collect();

        assert_eq!(words.len(), cause_table().len());
    }

    #[test]
    fn the_word_of_the_record_is_the_word_of_the_table() {
        for row in cause_table() {
            let json = serde_json::to_string(&row.cause).unwrap();

            assert_eq!(json, format!("\"{}\"", row.word));
        }
    }
}
