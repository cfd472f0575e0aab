//! From the conversation's words to the engines' and media's.

use offhook_call_media::{BargeIn, OnSpeech, UtterancePolicy};
use offhook_conversation as conversation;
use offhook_engine_api::{Grammar, IntentPhrases, SlotKind};

use crate::SpeechContent;

/// What the conversation awaits, as a recognizer's grammar.
pub(crate) fn grammar(expected: &conversation::Expected) -> Grammar {
    Grammar {
        language: expected.language.clone(),
        intents: expected.intents.iter().map(intent).collect(),
        slots: expected.slots.iter().map(slot).collect(),
    }
}

fn intent(intent: &conversation::IntentPhrases) -> IntentPhrases {
    IntentPhrases { intent: intent.intent.clone(), phrases: intent.phrases.clone() }
}

fn slot(slot: &conversation::SlotKind) -> SlotKind {
    match slot {
        conversation::SlotKind::Digits { min, max } => SlotKind::Digits { min: *min, max: *max },
        conversation::SlotKind::YesNo => SlotKind::YesNo,
        conversation::SlotKind::Choice(values) => {
            SlotKind::Choice(values.iter().flat_map(|value| value.phrases.iter().cloned()).collect())
        }
    }
}

/// How a prompt is played.
pub(crate) fn utterance_policy(prompt: &conversation::Prompt) -> UtterancePolicy {
    let speech = match prompt.barge_in.speech {
        conversation::OnSpeech::Ignore => OnSpeech::Ignore,
        conversation::OnSpeech::WaitForMatch => OnSpeech::Pause,
        conversation::OnSpeech::Stop => OnSpeech::Stop,
    };
    UtterancePolicy { barge_in: BargeIn { speech, digits: prompt.barge_in.digits }, masked: prompt.masked }
}

/// What a prompt says, for the synthesizer.
pub(crate) fn content(prompt: &conversation::Prompt) -> SpeechContent {
    match &prompt.content {
        conversation::PromptContent::Text(text) => SpeechContent::Text(text.clone()),
        conversation::PromptContent::Recording(name) => SpeechContent::Recording(name.clone()),
    }
}
