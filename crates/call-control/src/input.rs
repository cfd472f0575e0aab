//! What enters the control half.

use offhook_call_media::MediaEvent;
use offhook_conversation::{ToolAnswer, ToolFailure};
use offhook_engine_api::{RecognizerEvent, SynthesizerEvent};
use offhook_sip_proto::endpoint::SipEvent;
use serde::{Deserialize, Serialize};

use crate::{Command, CommandId, EndCause};

/// One input. Recorded as it is handled, deadlines included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "inputs are handed over one at a time and never stored in numbers"
)]
pub enum Input {
    /// From the endpoint; the first one of an inbound call is its INVITE.
    Sip(SipEvent),
    /// Starts an outgoing call.
    Dial,
    /// From the call's media half.
    Media(MediaEvent),
    /// From the recognizer.
    Recognizer(RecognizerEvent),
    /// From the synthesizer: what is not audio.
    Synthesizer(SynthesizerEvent),
    /// From the bridge.
    BridgeConnected,
    /// The application reached a mark it set.
    BridgeMark {
        /// Its name.
        name: String,
    },
    /// The application cleared its queue.
    BridgeClear,
    /// The application hangs up.
    BridgeHangUp {
        /// What it said.
        reason: String,
    },
    /// The application transfers the call.
    BridgeTransfer {
        /// SIP URI or name of a target.
        target: String,
    },
    /// The application sends digits.
    BridgeDtmf {
        /// 0-9, A-D, * and #.
        digits: String,
    },
    /// The connection never came, or is gone without a close: a close is [`Input::BridgeHangUp`].
    BridgeClosed {
        /// Why.
        why: String,
    },
    /// An HTTP tool came back.
    Tool {
        /// The request's id.
        tool: u64,
        /// The answer, or why there is none.
        outcome: Result<ToolAnswer, ToolFailure>,
    },
    /// From the API.
    Command {
        /// The client's id.
        id: CommandId,
        /// What to do.
        command: Command,
    },
    /// End the call: shutdown, a panic on its other half, no engine.
    End {
        /// Why.
        cause: EndCause,
    },
    /// The moment that [`CallControl::poll_timeout`](crate::CallControl::poll_timeout) named.
    Deadline,
}
