//! Who interrupts whom: what stops a prompt, what lets it go on, and what counts.

mod common;

use common::Talk;
use offhook_conversation::{Event, Input, NoMatchReason, Output, PromptId};

fn menu(barge_in: &str) -> Talk {
    let mut talk = Talk::start(&format!(
        r#"
bot: menu
start: ask
turn: {{ barge_in: {barge_in} }}
intents: {{ tea: [tea] }}
no_match: [{{ say: "Pardon?", repeat: true }}, {{ say: Goodbye., hang_up: true }}]
states:
  ask: {{ say: "Tea?", listen: {{ intents: {{ tea: bye }}, keys: {{ "1": bye }} }} }}
  bye: {{ say: Bye., hang_up: true }}
"#
    ));
    talk.take();
    talk
}

/// A greeting that gives way, then a notice that does not.
fn greeting_and_notice(barge_in: &str) -> Talk {
    let mut talk = Talk::start(&format!(
        r#"
bot: notice
start: ask
intents: {{ tea: [tea] }}
no_match: [{{ say: "Pardon?" }}, {{ say: Goodbye., hang_up: true }}]
states:
  ask:
    say: [{{ text: "Tea?", barge_in: {barge_in} }}, {{ text: Calls are recorded., barge_in: none }}]
    listen: {{ intents: {{ tea: bye }}, keys: {{ "1": bye }} }}
  bye: {{ say: Bye., hang_up: true }}
"#
    ));
    talk.take();
    talk
}

fn unclear(count: u32) -> Event {
    Event::NotUnderstood { reason: NoMatchReason::NothingAwaited, count }
}

#[test]
fn speech_that_stops_the_bot_and_is_not_understood_is_asked_again_at_once() {
    for nonsense in [Input::NoMatch, Input::Heard { text: "pizza".to_owned(), confidence: None }] {
        let mut talk = menu("speech");

        talk.handle(Input::SpeechStarted);
        assert!(talk.has(&Output::StopPrompts));
        talk.handle(nonsense);

        assert!(talk.events().contains(&unclear(1)));
        assert_eq!(talk.said(), ["Pardon?", "Tea?"]);
    }
}

#[test]
fn where_only_an_answer_stops_the_bot_nonsense_lets_it_go_on_and_does_not_count() {
    for nonsense in [Input::NoMatch, Input::Heard { text: "pizza".to_owned(), confidence: None }] {
        let mut talk = menu("recognized");

        talk.handle(Input::SpeechStarted);
        assert!(!talk.has(&Output::StopPrompts), "the bot only pauses");
        talk.handle(nonsense);
        assert_eq!(talk.take(), [Output::ResumePrompts]);
        talk.finish_prompts();
        talk.handle(Input::SpeechStarted);
        talk.handle(Input::NoMatch);

        assert!(talk.events().contains(&unclear(1)), "once the bot has finished it counts");
    }
}

#[test]
fn where_only_an_answer_stops_the_bot_an_answer_does() {
    let mut talk = menu("recognized");

    talk.hear("tea please");

    assert!(talk.has(&Output::StopPrompts));
    assert_eq!(talk.said(), ["Bye."]);
}

#[test]
fn a_sound_that_nobody_took_for_speech_stops_the_bot_only_with_an_answer() {
    let mut talk = menu("speech");

    talk.sound("hm what");
    assert_eq!(talk.take(), [Output::ResumePrompts]);
    talk.sound("tea");

    assert_eq!(talk.conversation.state(), "bye");
}

#[test]
fn where_keys_only_or_nothing_interrupts_speech_is_nothing() {
    for (word, after_key) in [("digits", "bye"), ("none", "ask")] {
        let mut talk = menu(word);

        talk.hear("tea");
        assert_eq!((talk.conversation.state(), talk.has(&Output::StopPrompts)), ("ask", false), "{word}");
        talk.press("1");

        assert_eq!(talk.conversation.state(), after_key, "{word}");
    }
}

#[test]
fn a_notice_behind_the_interrupted_prompt_is_still_heard_and_the_answer_counts() {
    for (word, answer) in [
        ("speech", Input::Heard { text: "tea".to_owned(), confidence: None }),
        ("recognized", Input::Heard { text: "tea".to_owned(), confidence: None }),
        ("speech", Input::Digit('1')),
    ] {
        let mut talk = greeting_and_notice(word);

        if answer != Input::Digit('1') {
            talk.handle(Input::SpeechStarted);
        }
        talk.handle(answer.clone());

        assert_eq!(talk.conversation.state(), "bye", "{word}, {answer:?}");
        assert!(talk.has(&Output::StopPrompt(PromptId(1))) && !talk.has(&Output::StopPrompts), "{word}");
        talk.finish_prompts();
        assert!(talk.hung_up().is_some(), "the notice and the goodbye were heard");
    }
}

#[test]
fn a_key_that_the_media_half_reports_after_it_has_cut_the_prompt_counts_over_the_notice() {
    let mut talk = greeting_and_notice("speech");

    talk.handle(Input::PromptFinished { prompt: PromptId(1), completed: false });
    talk.press("1");

    assert_eq!(talk.conversation.state(), "bye");
}

#[test]
fn speech_that_stopped_the_greeting_and_is_not_understood_counts_while_the_notice_plays() {
    let mut talk = greeting_and_notice("speech");

    talk.handle(Input::SpeechStarted);
    talk.handle(Input::NoMatch);

    assert!(talk.events().contains(&unclear(1)));
    assert_eq!(talk.said(), ["Pardon?"]);
}

#[test]
fn a_recognizer_that_dies_over_a_paused_prompt_lets_it_go_on() {
    let mut talk = menu("recognized");
    talk.handle(Input::SpeechStarted);

    talk.handle(Input::RecognizerFailed);

    assert_eq!(talk.take(), [Output::ResumePrompts]);
    talk.finish_prompts();
    let asked_again = talk.conversation.poll_timeout().expect("a deadline");
    assert_eq!(asked_again.since(talk.now).as_secs(), 6, "keys are awaited as ever");
}

#[test]
fn barge_in_can_be_written_with_speech_and_digits_apart() {
    let mut talk = menu("{ speech: recognized, digits: false }");
    talk.press("1");
    assert_eq!(talk.conversation.state(), "ask");
    talk.handle(Input::SpeechStarted);
    assert!(!talk.has(&Output::StopPrompts));
    talk.sound("tea");
    assert_eq!(talk.conversation.state(), "bye");

    let mut talk = menu("{ digits: false }");
    talk.handle(Input::SpeechStarted);
    assert!(talk.has(&Output::StopPrompts), "what is not said is as ever");
}
