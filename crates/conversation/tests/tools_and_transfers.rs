//! What others do for the bot: HTTP tools and transfers, with everything that goes wrong with them.

mod common;

use std::time::Duration;

use common::Talk;
use offhook_conversation::{
    BargeIn, CallFacts, Event, HangUpReason, Input, Output, PromptId, ToolAnswer, ToolCall, ToolError,
    ToolFailure, ToolId, TransferCall, TransferOutcome,
};
use offhook_time::Seed;

const LOOK_UP: &str = r#"
bot: look-up
start: look_up
config: { service: ~ }
variables: { name: a b&c, found: ~ }
tools:
  find:
    method: POST
    url: "{{ config.service }}/people/{{ name }}"
    headers: { X-Caller: "{{ call.caller }}" }
    body: { person: "{{ name }}", tags: ["{{ call.caller }}", 7] }
    timeout: 2s
states:
  look_up:
    say: One moment.
    call:
      tool: find
      set: { found: "answer.body.items[0].title" }
      answered: found
      on_status: { "404": missing }
      on_error: broken
      on_timeout: slow
  found: { say: "Found {{ found | default('nothing', true) }}.", hang_up: true }
  missing: { say: Not there., hang_up: true }
  broken: { say: "Broken {{ answer.status }}.", hang_up: true }
  slow: { say: Too slow., hang_up: true }
"#;

#[test]
fn a_request_is_filled_in_and_encoded() {
    let talk = look_up();

    let call = tool_call(&talk);

    assert_eq!(call.url, "http://service:1/x/people/a%20b%26c");
    assert_eq!((call.method.as_str(), call.name.as_str()), ("POST", "find"));
    assert_eq!(call.headers, [("X-Caller".to_owned(), "1001 Evil: yes".to_owned())]);
    assert_eq!(call.body.as_deref(), Some(r#"{"person":"a b&c","tags":["1001\nEvil: yes",7]}"#));
    assert_eq!(talk.conversation.poll_timeout(), Some(talk.now + Duration::from_secs(2)));
}

#[test]
fn an_answer_fills_variables() {
    let mut talk = look_up();

    answer(&mut talk, Ok((200, r#"{"items": [{"title": "a book"}]}"#)));

    assert_eq!(talk.said().last().unwrap(), "Found a book.");
    assert!(talk.events().contains(&Event::ToolFinished { tool: "find".to_owned(), outcome: Ok(200) }));
}

#[test]
fn an_answer_of_another_shape_is_no_disaster() {
    for body in ["", "plain text", "[]", r#"{"items": "none"}"#] {
        let mut talk = look_up();

        answer(&mut talk, Ok((200, body)));

        assert_eq!(talk.said().last().unwrap(), "Found nothing.", "{body}");
    }
}

#[test]
fn statuses_and_failures_lead_where_the_bot_says() {
    for (outcome, said) in [
        (Ok((404, "")), "Not there."),
        (Ok((500, "oops")), "Broken 500."),
        (Err(ToolFailure::Unreachable("no route".to_owned())), "Broken ."),
        (Err(ToolFailure::Refused("too large".to_owned())), "Broken ."),
        (Err(ToolFailure::TimedOut), "Too slow."),
    ] {
        let mut talk = look_up();

        answer(&mut talk, outcome);

        assert_eq!(talk.said().last().unwrap(), said);
    }
}

#[test]
fn a_tool_that_hangs_is_given_up_in_time_and_its_late_answer_ignored() {
    let mut talk = look_up();

    talk.jump();

    assert!(talk.has(&Output::CancelTool(ToolId(1))));
    assert_eq!(talk.said().last().unwrap(), "Too slow.");
    let outcome = Err(ToolError::TimedOut);
    assert!(talk.events().contains(&Event::ToolFinished { tool: "find".to_owned(), outcome }));
    answer(&mut talk, Ok((200, "{}")));
    assert_eq!(talk.said().last().unwrap(), "Too slow.");
}

#[test]
fn a_service_without_configuration_is_an_error_and_not_a_request() {
    let talk = Talk::start(LOOK_UP);

    assert!(!talk.outputs.iter().any(|output| matches!(output, Output::CallTool(_))));
    assert_eq!(talk.said().last().unwrap(), "Broken .");
}

#[test]
fn what_the_caller_says_during_a_request_is_ignored() {
    let mut talk = look_up();
    talk.take();

    talk.hear("hurry up");
    talk.press("1");
    talk.handle(Input::SpeechStarted);
    talk.handle(Input::NoMatch);

    assert!(talk.outputs.iter().all(|output| *output == Output::ResumePrompts), "{:?}", talk.outputs);
}

#[test]
fn a_caller_who_hangs_up_cancels_the_request() {
    let mut talk = look_up();

    talk.handle(Input::CallerHungUp);

    assert!(talk.has(&Output::CancelTool(ToolId(1))));
}

const TRANSFER: &str = r#"
bot: transfer
start: connect
targets:
  agents: { ring_time: 20s }
  night_desk: { uri: "sip:night@pbx.example.com" }
states:
  connect:
    say: I will connect you.
    transfer: { to: [agents, night_desk], on_failed: sorry }
  sorry: { say: "Sorry, {{ transfer.target }} {{ transfer.cause }} {{ transfer.status }}.", hang_up: true }
"#;

#[test]
fn a_transfer_waits_for_the_last_word() {
    let mut talk = Talk::start(TRANSFER);
    assert!(transfers(&talk).is_empty());

    talk.finish_prompts();

    let transfers = transfers(&talk);
    assert_eq!(transfers.len(), 1);
    assert_eq!((transfers[0].target.as_str(), transfers[0].uri.as_deref()), ("agents", None));
    assert_eq!(transfers[0].ring_time, Duration::from_secs(20));
}

#[test]
fn a_transfer_that_succeeds_ends_the_conversation_without_a_hang_up() {
    let mut talk = Talk::start(TRANSFER);
    talk.finish_prompts();

    finish_transfer(&mut talk, TransferOutcome::Succeeded);

    assert!(talk.conversation.is_over());
    assert_eq!(talk.hung_up(), None);
}

#[test]
fn a_transfer_that_fails_tries_the_next_target_and_then_comes_back() {
    let mut talk = Talk::start(TRANSFER);
    talk.finish_prompts();

    finish_transfer(&mut talk, failed("busy", Some(486)));
    assert_eq!(transfers(&talk)[1].uri.as_deref(), Some("sip:night@pbx.example.com"));
    finish_transfer(&mut talk, failed("rejected", Some(603)));

    assert_eq!(talk.said().last().unwrap(), "Sorry, night_desk rejected 603.");
    talk.finish_prompts();
    assert_eq!(talk.hung_up(), Some(HangUpReason::Finished));
}

#[test]
fn a_target_that_rings_for_ever_is_no_answer() {
    let mut talk = Talk::start(TRANSFER);
    talk.finish_prompts();
    let sent = talk.now;

    assert_eq!(talk.conversation.poll_timeout(), Some(sent + Duration::from_secs(30)));
    talk.jump();
    talk.jump();

    assert_eq!(talk.said().last().unwrap(), "Sorry, night_desk no_answer .");
}

#[test]
fn the_outcome_of_an_earlier_transfer_is_ignored() {
    let mut talk = Talk::start(TRANSFER);
    talk.finish_prompts();
    let first = transfers(&talk)[0].id;
    finish_transfer(&mut talk, failed("busy", None));

    talk.handle(Input::TransferOutcome { transfer: first, outcome: TransferOutcome::Succeeded });

    assert!(!talk.conversation.is_over());
}

#[test]
fn the_announcement_of_a_transfer_cannot_be_interrupted() {
    let talk = Talk::start(TRANSFER);

    let announcement = &talk.prompts()[0];

    assert_eq!(announcement.id, PromptId(1));
    assert_eq!(announcement.barge_in, BargeIn::NONE);
}

fn look_up() -> Talk {
    let mut facts = CallFacts { caller: "1001\nEvil: yes".to_owned(), ..CallFacts::default() };
    facts.config.insert("service".to_owned(), "http://service:1/x".to_owned());
    Talk::start_with(LOOK_UP, facts, Seed::default())
}

fn tool_call(talk: &Talk) -> ToolCall {
    let call = |output: &Output| if let Output::CallTool(call) = output { Some(call.clone()) } else { None };
    talk.outputs.iter().find_map(call).expect("a tool is called")
}

fn answer(talk: &mut Talk, outcome: Result<(u16, &str), ToolFailure>) {
    let outcome = outcome.map(|(status, body)| ToolAnswer { status, body: body.to_owned() });
    talk.handle(Input::ToolResult { tool: ToolId(1), outcome });
}

fn transfers(talk: &Talk) -> Vec<TransferCall> {
    let transfer =
        |output: &Output| if let Output::Transfer(transfer) = output { Some(transfer.clone()) } else { None };
    talk.outputs.iter().filter_map(transfer).collect()
}

fn finish_transfer(talk: &mut Talk, outcome: TransferOutcome) {
    let transfer = transfers(talk).last().expect("a transfer").id;
    talk.handle(Input::TransferOutcome { transfer, outcome });
}

fn failed(cause: &str, status: Option<u16>) -> TransferOutcome {
    TransferOutcome::Failed { cause: cause.to_owned(), status }
}
