//! What the control half wants done.

use std::time::Duration;

use offhook_call_media::MediaCommand;
use offhook_conversation::{Secret, ToolCall};
use offhook_engine_api::{Grammar, UtteranceId, Voice};
use offhook_sip_proto::endpoint::SipAction;
use serde::{Deserialize, Serialize};

use crate::{BridgeSettings, Fact};

/// What the driver does, in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// To the endpoint.
    Sip(SipAction),
    /// To the call's media half.
    Media(MediaCommand),
    /// Opens the call's speech engines.
    OpenSpeech {
        /// The voice to speak with.
        voice: Voice,
        /// Whether a recognizer is wanted.
        recognizer: bool,
    },
    /// To the recognizer.
    Recognizer(RecognizerCommand),
    /// To the synthesizer, whose audio goes straight to media.
    Speak(SpeakRequest),
    /// Stops an utterance at the synthesizer.
    CancelSpeech(UtteranceId),
    /// Connects the application behind the bridge.
    OpenBridge {
        /// How.
        settings: BridgeSettings,
        /// What the application is told: JSON object.
        metadata: String,
    },
    /// A digit for the application behind the bridge.
    BridgeDtmf {
        /// Which.
        digit: char,
        /// How long it was held.
        duration: Duration,
    },
    /// Ends the bridge.
    CloseBridge {
        /// What the application is told.
        reason: String,
    },
    /// An HTTP request of the conversation.
    CallTool(ToolCall),
    /// The result is not wanted any more.
    CancelTool {
        /// Which.
        tool: u64,
    },
    /// For the journal and the API.
    Fact(Fact),
    /// The call is over: engines, ports and the routing entry may go.
    Ended,
}

/// What a recognizer shall do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecognizerCommand {
    /// What is awaited now.
    SetGrammar(Grammar),
    /// The caller began to speak.
    StartUtterance,
    /// The caller's turn is over.
    FinishUtterance,
}

/// What to speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeakRequest {
    /// The id its audio carries.
    pub utterance: UtteranceId,
    /// Text or recording.
    pub content: SpeechContent,
    /// With which voice.
    pub voice: Voice,
    /// The text with its masked values: what is to be spoken in place of `content`, and recorded nowhere.
    #[serde(skip)]
    pub secret: Secret<String>,
}

/// Text for the synthesizer or a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpeechContent {
    /// To be synthesized.
    Text(String),
    /// A WAV by its name in the prompt folder.
    Recording(String),
}
