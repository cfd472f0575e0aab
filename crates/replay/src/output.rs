//! Outputs of the control half as they stand in a bundle.

use std::io::Write;

use offhook_call_control::{Fact, Output};
use offhook_journal::bundle::{StepHead, WriteError, Writer};

/// Begins an output that is neither a fact nor kept as a hash.
const OTHER: u8 = 1;

/// An output of the control half, encoded for its bundle.
///
/// - A fact is the JSON of the API's events, which begins with `{`.
/// - A SIP action is kept as a hash: the message itself stands in the bundle as a packet.
/// - What goes to recognizer, synthesizer, application and business systems is kept whole: the octet 1, then the
///   output's `postcard` encoding.
/// - A command for the media half is left out: it stands there as that half's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodedOutput {
    /// These bytes, whole.
    Whole(Vec<u8>),
    /// The hash of these bytes.
    Hash(Vec<u8>),
}

impl EncodedOutput {
    /// `None` where it is left out.
    pub fn of(output: &Output) -> Option<EncodedOutput> {
        // Outputs are plain data: encoding them cannot fail.
        match output {
            Output::Media(_) => None,
            Output::Fact(fact) => Some(EncodedOutput::Whole(encode_fact(fact))),
            Output::Sip(_) => Some(EncodedOutput::Hash(postcard::to_allocvec(output).unwrap_or_default())),
            Output::OpenSpeech { .. }
            | Output::Recognizer(_)
            | Output::Speak(_)
            | Output::CancelSpeech(_)
            | Output::OpenBridge { .. }
            | Output::BridgeDtmf { .. }
            | Output::CloseBridge { .. }
            | Output::CallTool(_)
            | Output::CancelTool { .. }
            | Output::Ended => {
                Some(EncodedOutput::Whole(postcard::to_extend(output, vec![OTHER]).unwrap_or_default()))
            }
        }
    }

    /// Writes it as an output of the step that `head` names.
    ///
    /// # Errors
    /// The file refuses, or it is longer than the format holds.
    pub fn write<W: Write>(&self, head: StepHead, writer: &mut Writer<W>) -> Result<(), WriteError> {
        match self {
            EncodedOutput::Whole(bytes) => writer.output(head, bytes),
            EncodedOutput::Hash(bytes) => writer.output_hash(head, bytes),
        }
    }

    /// The bytes that are kept or hashed.
    pub fn bytes(&self) -> &[u8] {
        match self {
            EncodedOutput::Whole(bytes) | EncodedOutput::Hash(bytes) => bytes,
        }
    }
}

/// An output of the control half out of the bytes that a bundle keeps whole; `None` where they are none of this version.
pub fn decode_output(bytes: &[u8]) -> Option<Output> {
    match bytes {
        [b'{', ..] => decode_fact(bytes).map(Output::Fact),
        [OTHER, rest @ ..] => postcard::from_bytes(rest).ok(),
        _ => None,
    }
}

/// A fact as an output of the control half: what [`EncodedOutput::of`] makes of it.
pub fn encode_fact(fact: &Fact) -> Vec<u8> {
    // A fact is plain data with names as keys: it always has a JSON form.
    serde_json::to_vec(fact).unwrap_or_default()
}

/// A fact out of an output of the control half; `None` where it is none.
pub fn decode_fact(bytes: &[u8]) -> Option<Fact> {
    serde_json::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use offhook_call_control::{CallEvent, EndCause, RecognizerCommand, SpeakRequest, SpeechContent};
    use offhook_call_media::MediaCommand;
    use offhook_conversation::{ToolCall, ToolId};
    use offhook_engine_api::{Grammar, UtteranceId, Voice};

    use super::*;

    fn voice() -> Voice {
        Voice { language: "en-US".to_owned(), name: "slt".to_owned() }
    }

    #[test]
    fn every_output_that_is_kept_whole_comes_back() {
        let fact = Fact {
            call_id: "one".to_owned(),
            sequence: 3,
            at_unix_ms: 1_795_000_000_123,
            leg: None,
            event: CallEvent::CallEnded { cause: EndCause::BotHungUp, media: None },
        };
        let content = SpeechContent::Text("One moment, please.".to_owned());
        let tool = ToolCall {
            id: ToolId(1),
            name: "order".to_owned(),
            method: "GET".to_owned(),
            url: "http://127.0.0.1:8090/orders/1".to_owned(),
            headers: vec![("Accept".to_owned(), "application/json".to_owned())],
            body: None,
            timeout: Duration::from_secs(3),
            secret: Default::default(),
        };
        let outputs = [
            Output::Fact(fact),
            Output::OpenSpeech { voice: voice(), recognizer: true },
            Output::Recognizer(RecognizerCommand::SetGrammar(Grammar::default())),
            Output::Speak(SpeakRequest {
                utterance: UtteranceId(7),
                content,
                voice: voice(),
                secret: Default::default(),
            }),
            Output::CallTool(tool.clone()),
            Output::Ended,
        ];
        for output in outputs {
            let encoded = EncodedOutput::of(&output).unwrap();

            assert_eq!(decode_output(encoded.bytes()), Some(output));
        }
    }

    #[test]
    fn commands_for_media_stand_in_the_other_half() {
        assert_eq!(EncodedOutput::of(&Output::Media(MediaCommand::Close)), None);
    }
}
