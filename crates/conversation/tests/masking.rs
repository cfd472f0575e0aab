//! Masked states: what is used and what anybody could write down.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod common;

use std::sync::Arc;

use common::Talk;
use offhook_conversation::{Bot, Input, Output, PromptContent, ToolAnswer, run_tests};

const CARD: &str = "4111111111111111";

const PAY: &str = r#"
bot: pay
start: card
config: { bank: "http://127.0.0.1:1" }
slots:
  card:
    digits: { min: 12, max: 16 }
    masked: true
    confirm: "I heard {{ card | digits }}. Is that right?"
variables: { last_four: ~ }
tools:
  charge:
    method: POST
    url: "{{ config.bank }}/charge"
    body: { pan: "{{ card }}" }
states:
  card:
    say: Please say or key your card number.
    listen: { slot: card, filled: { set: { last_four: "card[-4:]" }, goto: charge } }
  charge:
    say: One moment.
    call: { tool: charge, answered: done, on_error: failed }
  done: { say: "The card ending in {{ last_four | digits }} was charged.", hang_up: true }
  failed: { say: "That did not work: {{ answer.body.why }}", hang_up: true }
tests:
  - name: spoken
    tools: { charge: { status: 200, body: { ok: true } } }
    dialogue:
      - bot: card number
      - caller: four one one one one one one one one one one one one one one one
      - bot: I heard four one one one
      - variables: { card: "XXXXXXXXXXXXXXXX" }
      - caller: "yes"
      - bot: ending in one one one one
      - ended: true
"#;

/// Without the tests of the file, which say a number themselves.
fn talk() -> Talk {
    Talk::start(PAY.split("tests:").next().unwrap())
}

fn key(talk: &mut Talk, keys: &str) {
    keys.chars().for_each(|key| talk.handle(Input::Digit(key)));
}

/// All that the conversation gave out, as it is printed and as it is encoded.
fn written(talk: &Talk) -> String {
    let encoded = serde_json::to_string(&talk.outputs).unwrap();
    format!("{:?} {:?} {encoded}", talk.outputs, talk.conversation)
}

fn spoken(talk: &Talk) -> Vec<String> {
    let prompts = talk.outputs.iter().filter_map(|output| match output {
        Output::Prompt(prompt) => Some(prompt),
        _ => None,
    });
    prompts
        .map(|prompt| match (&prompt.content, prompt.secret.reveal()) {
            (_, Some(secret)) => secret.clone(),
            (PromptContent::Text(text) | PromptContent::Recording(text), None) => text.clone(),
        })
        .collect()
}

#[test]
fn a_keyed_card_number_is_said_and_sent_and_stands_in_no_output() {
    let mut talk = talk();
    talk.finish_prompts();
    key(&mut talk, CARD);
    talk.finish_prompts();
    key(&mut talk, "1");
    talk.finish_prompts();

    let body = talk.outputs.iter().find_map(|output| match output {
        Output::CallTool(call) => call.secret.reveal().and_then(|secret| secret.body.clone()),
        _ => None,
    });
    assert_eq!(body.as_deref(), Some("{\"pan\":\"4111111111111111\"}"));
    assert!(spoken(&talk).iter().any(|text| text.contains("four one one one")), "{:?}", spoken(&talk));
    let written = written(&talk);
    assert!(
        !written.contains("four one") && !written.contains("one one") && !written.contains("4111"),
        "{written}"
    );
    assert!(written.contains("XXXXXXXXXXXXXXXX"));
}

#[test]
fn a_recording_of_masked_inputs_gives_the_same_outputs() {
    let said = "four one one one one one one one one one one one one one one one";
    let inputs: [&[&str]; 3] =
        [&[said, "yes"], &["my cat is four years", "uh", said, "no"], &["four one one", said]];
    for inputs in inputs {
        let (mut live, mut again) = (talk(), talk());
        live.finish_prompts();
        again.finish_prompts();
        for text in inputs {
            let masked = live.conversation.masked_text(text);
            assert!(!masked.contains("four"), "{masked}");
            assert_eq!(live.conversation.masked_text(&masked), masked);
            for (talk, text) in [(&mut live, text.to_string()), (&mut again, masked)] {
                talk.handle(Input::SpeechStarted);
                talk.handle(Input::Heard { text, confidence: None });
                talk.finish_prompts();
            }
        }
        assert_eq!(live.outputs, again.outputs);
        assert_eq!(live.conversation.state(), again.conversation.state());
    }
}

#[test]
fn keys_are_masked_but_for_those_that_are_answers() {
    let mut talk = talk();
    talk.finish_prompts();
    assert_eq!(['4', '1', '#', '*'].map(|key| talk.conversation.masked_key(key)), ['X', 'X', '#', '*']);
    key(&mut talk, CARD);
    talk.finish_prompts();

    assert_eq!(['4', '1', '2', '#'].map(|key| talk.conversation.masked_key(key)), ['X', '1', '2', '#']);
}

#[test]
fn the_mask_is_told_when_the_state_is_entered_and_left() {
    let mut talk = talk();
    talk.finish_prompts();
    key(&mut talk, CARD);
    talk.finish_prompts();
    key(&mut talk, "1");

    let told: Vec<bool> = talk
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::Mask(masked) => Some(*masked),
            _ => None,
        })
        .collect();
    assert_eq!(told, [true, false]);
    let masked = talk.outputs.iter().position(|output| *output == Output::Mask(true));
    let prompt = talk.outputs.iter().position(|output| matches!(output, Output::Prompt(_)));
    assert!(masked < prompt);
}

#[test]
fn a_service_that_repeats_the_number_is_not_believed_word_by_word() {
    let mut talk = talk();
    talk.finish_prompts();
    key(&mut talk, CARD);
    talk.finish_prompts();
    key(&mut talk, "1");
    let tool = talk.outputs.iter().find_map(|output| match output {
        Output::CallTool(call) => Some(call.id),
        _ => None,
    });
    let body = "{\"why\":\"4111 1111 1111 1111 is no card\"}".to_owned();
    talk.handle(Input::ToolResult { tool: tool.unwrap(), outcome: Ok(ToolAnswer { status: 402, body }) });

    let last = spoken(&talk).pop().unwrap();
    assert_eq!(last, "That did not work: XXXX XXXX XXXX XXXX is no card");
}

#[test]
fn the_tests_of_a_masked_bot_pass() {
    let bot = Arc::new(Bot::parse(PAY, "pay.yaml").unwrap());

    let report = run_tests(&bot);

    assert!(report.tests.iter().all(|test| test.failure.is_none()), "{report:?}");
}
