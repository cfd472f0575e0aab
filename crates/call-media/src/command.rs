//! What control tells media.

use offhook_engine_api::UtteranceId;
use serde::{Deserialize, Serialize};

use crate::{BargeIn, LegId, Port, Route, StreamSettings, TurnPolicy};

/// How one utterance is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UtterancePolicy {
    /// What may interrupt it.
    pub barge_in: BargeIn,
    /// How it sounds must be recorded nowhere.
    pub masked: bool,
}

/// A command from `call-control`. Never dropped: the queue that carries it is sized for the longest burst.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaCommand {
    /// Opens the stream of a leg, or changes it after a new offer/answer.
    SetStream {
        /// Whose stream.
        leg: LegId,
        /// What was settled.
        settings: StreamSettings,
    },
    /// Sets one route of the matrix, or its gain.
    SetRoute(Route),
    /// Takes a route out of the matrix.
    RemoveRoute {
        /// Who was heard.
        from: Port,
        /// Who heard.
        to: Port,
    },
    /// Replaces the turn policy.
    SetPolicy(TurnPolicy),
    /// Announces an utterance: its audio will come with this id; audio of ids never announced is dropped.
    Announce {
        /// The id that its audio carries.
        utterance: UtteranceId,
        /// How to play it.
        policy: UtterancePolicy,
    },
    /// No more audio will come for the utterance: when its queue is empty it is finished.
    EndOfUtterance {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Stops an utterance: fades what plays, drops what waits.
    Cancel {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Stops everything the bot says.
    CancelAll,
    /// Pauses (true) or resumes what the bot says, whatever the reflexes think.
    Hold {
        /// Whether to pause.
        paused: bool,
    },
    /// What the caller said was nothing: what speech [paused](crate::OnSpeech::Pause) goes on, a little before the
    /// place where it stopped. While a new sound is being judged, that decides.
    Resume,
    /// Ends the caller's turn for the recognizer now.
    EndTurn,
    /// Sends digits as telephone events (RFC 4733) to the far end of a leg.
    SendDigits {
        /// To whom.
        leg: LegId,
        /// 0-9, A-D, * and #; at most 32, as plain memory.
        digits: [u8; 32],
        /// How many of them count.
        count: u8,
    },
    /// Throws away what the application sent and nobody has heard yet.
    ClearApplication,
    /// Asks for [`MarkReached`](crate::MediaEvent::MarkReached) when everything that the application sent so far was
    /// heard. The driver hands it over in the order of the application's frames.
    MarkApplication {
        /// Any number.
        mark: u32,
    },
    /// Ends the half; a [`CloseReport`](crate::CloseReport) follows.
    Close,
    /// From here on nothing that the callers say or key may be recorded, or it may again
    /// ([`CallMedia::recordable`](crate::CallMedia::recordable)).
    Mask {
        /// Which.
        masked: bool,
    },
}
