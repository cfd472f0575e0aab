//! One call at a time: ladders, barge-in, keys, confirmation and guards, in virtual time.

mod common;

use std::time::Duration;

use common::Talk;
use offhook_conversation::{
    BargeIn, CallFacts, DtmfExpect, Event, HangUpReason, Input, NoMatchReason, OnSpeech, Output, PromptId,
    SlotKind,
};
use offhook_time::{Seed, Time};

const MENU: &str = r#"
bot: menu
start: menu
turn: { no_input_after: 5s }
intents:
  status: [check my order]
  goodbye: [goodbye]
  repeat: [say that again]
anywhere: { intents: { goodbye: bye, repeat: { repeat: true } } }
no_input:
  - { say: Hello?, repeat: true }
  - { say: Are you there? }
  - { say: I give up., hang_up: true }
no_match:
  - { say: "Pardon {{ turn.count }}?" }
  - { say: Sorry?, repeat: true }
  - { say: I give up., goto: bye }
states:
  menu:
    say: What would you like?
    listen: { intents: { status: status }, keys: { "1": status } }
  status: { say: It is on its way., goto: menu_again }
  menu_again:
    say: Anything else?
    listen: { intents: { status: status }, yes: menu, no: bye }
  bye: { say: Bye., outcome: done, hang_up: true }
"#;

#[test]
fn silence_is_counted_from_the_end_of_the_last_prompt() {
    let mut talk = Talk::start(MENU);
    let limit = talk.conversation.poll_timeout();

    assert!(limit.is_some_and(|at| at > Time::from_millis(60_000)), "while it speaks only the watchdog runs");
    talk.now = Time::from_millis(2_000);
    talk.handle(Input::PromptFinished { prompt: PromptId(1), completed: true });

    assert_eq!(talk.conversation.poll_timeout(), Some(Time::from_millis(7_000)));
}

#[test]
fn the_no_input_ladder_climbs_rung_by_rung_and_ends() {
    let mut talk = Talk::start(MENU);
    talk.finish_prompts();
    talk.take();

    talk.jump();
    assert_eq!(talk.said(), ["Hello?", "What would you like?"]);
    assert!(talk.events().contains(&Event::NoInput { count: 1 }));
    talk.finish_prompts();
    talk.take();

    talk.jump();
    assert_eq!(talk.said(), ["Are you there?"]);
    talk.finish_prompts();
    talk.take();

    talk.jump();
    assert_eq!(talk.said(), ["I give up."]);
    assert_eq!(talk.hung_up(), None, "the last words are heard first");
    talk.finish_prompts();
    assert_eq!(talk.hung_up(), Some(HangUpReason::NotUnderstood));
    assert!(talk.conversation.is_over());
}

#[test]
fn the_driver_may_report_silence_itself() {
    let mut talk = Talk::start(MENU);
    talk.finish_prompts();
    talk.take();

    talk.handle(Input::NoInput);

    assert_eq!(talk.said(), ["Hello?", "What would you like?"]);
}

#[test]
fn the_no_match_ladder_counts_and_starts_anew_after_understanding() {
    let mut talk = Talk::start(MENU);
    talk.hear("pizza");
    assert_eq!(talk.said().last().unwrap(), "Pardon 1?");
    talk.hear("more pizza");
    assert_eq!(talk.said()[2..], ["Sorry?", "What would you like?"]);
    talk.hear("check my order");
    talk.take();

    talk.hear("pizza");

    assert_eq!(talk.said(), ["Pardon 1?"]);
    let reason = NoMatchReason::NothingAwaited;
    assert!(talk.events().contains(&Event::NotUnderstood { reason, count: 1 }));
}

#[test]
fn silence_and_misunderstanding_are_counted_apart() {
    let mut talk = Talk::start(MENU);
    talk.hear("pizza");
    talk.finish_prompts();
    talk.take();

    talk.jump();

    assert_eq!(talk.said()[0], "Hello?");
}

#[test]
fn speech_suspends_the_timer_and_a_lost_result_is_a_no_match() {
    let mut talk = Talk::start(MENU);
    talk.finish_prompts();
    talk.take();
    let started = talk.now;
    talk.handle(Input::SpeechStarted);

    assert_eq!(talk.conversation.poll_timeout(), Some(started + Duration::from_secs(20)));
    talk.jump();

    assert_eq!(talk.said(), ["Pardon 1?"]);
}

#[test]
fn understanding_during_a_prompt_stops_it() {
    let mut talk = Talk::start(MENU);
    talk.take();

    talk.handle(Input::SpeechStarted);
    talk.hear("check my order");

    assert_eq!(talk.outputs[0], Output::StopPrompts);
    assert_eq!(talk.said(), ["It is on its way.", "Anything else?"]);
}

#[test]
fn a_cough_during_a_prompt_lets_it_go_on() {
    let mut talk = Talk::start(MENU);
    talk.take();

    talk.handle(Input::NoMatch);

    assert_eq!(talk.outputs, [Output::ResumePrompts]);
    talk.finish_prompts();
    assert_eq!(talk.conversation.poll_timeout(), Some(talk.now + Duration::from_secs(5)));
}

#[test]
fn hesitation_is_no_answer_and_no_interruption() {
    let mut talk = Talk::start(MENU);
    talk.take();

    talk.sound("Uh, um...");

    assert_eq!(talk.outputs, [Output::ResumePrompts]);
}

#[test]
fn a_key_of_the_menu_acts_at_once_and_another_is_not_understood() {
    let mut talk = Talk::start(MENU);
    talk.press("7");
    assert_eq!(talk.said().last().unwrap(), "Pardon 1?");

    talk.press("1");

    assert_eq!(talk.conversation.state(), "menu_again");
}

#[test]
fn a_recording_late_in_the_call_has_as_much_time_as_any_prompt() {
    let mut talk = Talk::start(
        "bot: late\nlanguage: en\nstart: ask\nintents: { go: [go] }\nstates:\n  ask:\n    say: Well?\n    \
         listen: { intents: { go: bye } }\n  bye:\n    say: [{ recording: goodbye }]\n    hang_up: true\n",
    );
    talk.finish_prompts();
    talk.now += Duration::from_secs(600);

    talk.hear("go");

    assert_eq!(talk.said().last().unwrap(), "[goodbye]");
    assert!(talk.conversation.poll_timeout().is_some_and(|at| at > talk.now));
}

#[test]
fn one_and_two_answer_yes_and_no() {
    let mut talk = Talk::start(MENU);
    talk.hear("check my order");
    assert_eq!(talk.expected().dtmf, Some(DtmfExpect { min: 1, max: 1, terminator: None }));

    talk.press("2");

    assert_eq!(talk.conversation.state(), "bye");
    assert!(talk.events().contains(&Event::Outcome { name: "done".to_owned() }));
}

#[test]
fn global_intents_are_awaited_in_every_state() {
    let mut talk = Talk::start(MENU);
    let names: Vec<String> = talk.expected().intents.into_iter().map(|intent| intent.intent).collect();
    assert_eq!(names, ["goodbye", "repeat", "status"]);
    talk.take();

    talk.hear("say that again");
    assert_eq!(talk.said(), ["What would you like?"]);
    talk.hear("goodbye");

    assert_eq!(talk.conversation.state(), "bye");
    assert!(talk.has(&Output::ExpectNothing));
}

#[test]
fn nothing_is_said_after_the_caller_is_gone() {
    let mut talk = Talk::start(MENU);
    talk.take();

    talk.handle(Input::CallerHungUp);
    talk.hear("check my order");
    talk.press("1");
    talk.handle(Input::Deadline);

    assert_eq!(talk.outputs, []);
    assert!(talk.conversation.is_over());
    assert_eq!(talk.conversation.poll_timeout(), None);
}

#[test]
fn a_prompt_that_never_finishes_does_not_hang_the_call() {
    let mut talk = Talk::start(MENU);

    talk.jump();
    assert!(talk.conversation.poll_timeout().is_some());
    talk.take();
    talk.jump();

    assert_eq!(talk.said()[0], "Hello?");
}

#[test]
fn barge_in_follows_the_prompt_and_ends_before_the_end() {
    let mut talk = Talk::start(
        r#"
bot: notice
start: notice
turn: { barge_in: digits }
states:
  notice:
    say:
      - { text: This call is recorded., barge_in: none }
      - Shall we go on?
      - { text: Say yes or no., barge_in: speech }
    listen: { yes: bye, no: bye }
  bye: { say: Bye., hang_up: true }
"#,
    );

    let flags: Vec<BargeIn> = talk.prompts().into_iter().map(|prompt| prompt.barge_in).collect();
    let keys_only = BargeIn { speech: OnSpeech::Ignore, digits: true };
    assert_eq!(flags, [BargeIn::NONE, keys_only, BargeIn::ANY]);

    talk.take();
    talk.hear("yes");
    talk.press("1");
    assert_eq!(talk.conversation.state(), "notice", "the notice cannot be interrupted");
    talk.handle(Input::PromptFinished { prompt: PromptId(1), completed: true });
    talk.hear("yes");
    assert_eq!(talk.conversation.state(), "notice", "keys only");
    talk.press("1");
    assert_eq!(talk.conversation.state(), "bye");
    assert_eq!(talk.prompts()[0].barge_in, BargeIn::NONE, "nobody listens after the last word");
}

const NUMBER: &str = r#"
bot: number
start: ask
slots:
  order:
    digits: { min: 4, max: 8 }
    confirm: "{{ order | digits }}?"
    rejected: Again please.
    wrong_length: "{{ turn.digits | length }} digits."
    attempts: 1
    sensitive: true
states:
  ask:
    say: Number?
    listen: { slot: order, filled: bye, given_up: given_up, hints: [order] }
  given_up: { say: Too bad., hang_up: true }
  bye: { say: Thanks., hang_up: true }
"#;

#[test]
fn a_number_is_typed_with_a_terminator_a_pause_or_to_its_full_length() {
    for (keys, waits, digits) in
        [("1234#", false, "1234"), ("12345", true, "12345"), ("12345678", false, "12345678")]
    {
        let mut talk = Talk::start(NUMBER);
        talk.press(keys);
        if waits {
            assert_eq!(talk.conversation.poll_timeout(), Some(talk.now + Duration::from_secs(3)));
            talk.jump();
        }

        assert_eq!(talk.conversation.variable("order"), Some(&digits.into()), "{keys}");
    }
}

#[test]
fn speech_does_not_disturb_a_number_that_is_being_typed() {
    let mut talk = Talk::start(NUMBER);

    talk.press("12");
    talk.handle(Input::SpeechStarted);
    talk.handle(Input::NoMatch);
    talk.press("34#");

    assert_eq!(talk.conversation.variable("order"), Some(&"1234".into()));
}

#[test]
fn a_number_of_the_wrong_length_is_answered_with_its_length() {
    let mut talk = Talk::start(NUMBER);
    talk.press("123#");
    assert_eq!(talk.said().last().unwrap(), "3 digits.");

    talk.hear("one two three four five six seven eight nine");

    assert_eq!(talk.said().last().unwrap(), "9 digits.");
    let reason = NoMatchReason::WrongLength;
    assert!(talk.events().contains(&Event::NotUnderstood { reason, count: 2 }));
}

#[test]
fn what_is_awaited_names_the_slot_its_keys_and_hints() {
    let mut talk = Talk::start(NUMBER);
    let expected = talk.expected();
    assert_eq!(expected.slots, [SlotKind::Digits { min: 4, max: 8 }]);
    assert_eq!(expected.dtmf, Some(DtmfExpect { min: 4, max: 8, terminator: Some('#') }));
    assert_eq!(expected.hints, ["order"]);
    assert_eq!(expected.end_of_speech, Duration::from_millis(1000), "people pause between groups of digits");

    talk.hear("1234");

    assert_eq!(talk.expected().slots, [SlotKind::YesNo, SlotKind::Digits { min: 4, max: 8 }]);
}

#[test]
fn a_slot_is_rejected_as_often_as_it_allows() {
    let mut talk = Talk::start(NUMBER);
    talk.hear("1234");
    talk.hear("no");
    assert_eq!(talk.said().last().unwrap(), "Again please.");
    assert_eq!(talk.conversation.variable("order"), Some(&serde_json::Value::Null));
    talk.hear("1234");

    talk.hear("no");

    assert_eq!(talk.conversation.state(), "given_up");
}

#[test]
fn the_value_of_a_sensitive_slot_stays_out_of_events() {
    let mut talk = Talk::start(NUMBER);

    talk.hear("1234");

    assert!(talk.said().last().unwrap().contains("one two"));
    let events = serde_json::to_string(&talk.events()).unwrap();
    assert!(!events.contains("1234") && events.contains("****"), "{events}");
}

#[test]
fn an_unsure_result_is_no_match() {
    let mut talk = Talk::start(&NUMBER.replace("start: ask", "start: ask\nturn: { min_confidence: 0.5 }"));

    talk.handle(Input::SpeechStarted);
    talk.handle(Input::Heard { text: "1234".to_owned(), confidence: Some(0.4) });
    let reason = NoMatchReason::LowConfidence;
    assert!(talk.events().contains(&Event::NotUnderstood { reason, count: 1 }));
    talk.handle(Input::Heard { text: "1234".to_owned(), confidence: Some(0.6) });

    assert_eq!(talk.conversation.variable("order"), Some(&"1234".into()));
}

#[test]
fn a_choice_fills_its_slot() {
    let mut talk = Talk::start(
        r#"
bot: size
start: ask
slots: { size: { choice: { s: [small], l: [large, big] } } }
states:
  ask: { say: Which size?, listen: { slot: size, filled: bye } }
  bye: { say: "Size {{ size }}.", hang_up: true }
"#,
    );

    talk.hear("the big one");

    assert_eq!(talk.said().last().unwrap(), "Size l.");
}

#[test]
fn one_of_several_prompts_is_chosen_by_the_seed() {
    let yaml = r#"
bot: greetings
start: greet
states:
  greet: { say: [{ one_of: [Hello., Hi., Good day., Welcome.] }], hang_up: true }
"#;
    let said = |seed| Talk::start_with(yaml, CallFacts::default(), Seed::from_number(seed)).said();

    assert_eq!(said(1), said(1));
    assert!((0..20).any(|seed| said(seed) != said(1)));
}

#[test]
fn a_template_without_end_ends_with_an_apology() {
    let mut talk = Talk::start(
        r#"
bot: endless
start: greet
states:
  greet:
    say: "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}"
    hang_up: true
"#,
    );

    let failed = |event: &Event| matches!(event, Event::BotFailed { what, .. } if what.contains("fuel"));
    assert!(talk.events().iter().any(failed), "{:?}", talk.events());
    assert!(talk.said()[0].contains("something went wrong"));
    talk.finish_prompts();
    assert_eq!(talk.hung_up(), Some(HangUpReason::BotFailed));
}

#[test]
fn a_loop_without_the_caller_goes_to_the_way_out() {
    let mut talk = Talk::start(
        r#"
bot: loop
start: count
on_failure: help
variables: { n: 0 }
states:
  count:
    set: { n: n + 1 }
    when: [{ if: n > 1000, goto: help }]
    goto: count
  help: { say: Let me get help., hang_up: true }
"#,
    );

    assert_eq!(talk.said(), ["Let me get help."]);
    let failed = |event: &Event| matches!(event, Event::BotFailed { what, .. } if what.contains("50 states"));
    assert!(talk.events().iter().any(failed));
    talk.finish_prompts();
    assert_eq!(talk.hung_up(), Some(HangUpReason::Finished));
}

#[test]
fn a_call_has_a_last_turn() {
    let mut talk = Talk::start(&MENU.replace("no_input_after: 5s", "no_input_after: 5s, max_turns: 3"));
    for _ in 0..3 {
        talk.hear("say that again");
    }
    assert!(!talk.has(&Output::ExpectNothing));

    talk.hear("say that again");
    talk.finish_prompts();

    assert_eq!(talk.hung_up(), Some(HangUpReason::TooManyTurns));
}

#[test]
fn without_a_recognizer_the_keypad_is_enough() {
    let mut talk = Talk::start(MENU);

    talk.handle(Input::RecognizerFailed);
    assert_eq!(talk.conversation.state(), "menu");
    talk.press("1");

    assert_eq!(talk.conversation.state(), "menu_again");
}

#[test]
fn without_a_recognizer_and_without_keys_the_bot_takes_its_way_out() {
    let voice_only = r#"
bot: voice
start: ask
intents: { more: [more] }
states:
  ask: { say: Say more., listen: { intents: { more: bye } } }
  bye: { say: Bye., hang_up: true }
"#;
    let mut talk = Talk::start(voice_only);
    talk.handle(Input::RecognizerFailed);
    talk.finish_prompts();
    assert_eq!(talk.hung_up(), Some(HangUpReason::EngineFailed));

    let mut talk = Talk::start(&voice_only.replace("start: ask", "start: ask\non_failure: bye"));
    talk.handle(Input::RecognizerFailed);
    assert_eq!(talk.conversation.state(), "bye");
}

#[test]
fn one_lost_prompt_is_no_disaster_and_two_mean_a_broken_synthesizer() {
    let mut talk = Talk::start(MENU);
    talk.handle(Input::SynthesizerFailed { prompt: PromptId(1) });
    assert_eq!(talk.hung_up(), None);
    talk.jump();

    talk.handle(Input::SynthesizerFailed { prompt: PromptId(2) });
    talk.handle(Input::SynthesizerFailed { prompt: PromptId(3) });
    talk.handle(Input::SynthesizerFailed { prompt: PromptId(4) });

    assert_eq!(talk.hung_up(), Some(HangUpReason::EngineFailed));
}

#[test]
fn what_every_call_knows_can_be_said() {
    let yaml = r#"
bot: facts
start: greet
config: { shop: the shop }
states:
  greet:
    say: "{{ call.caller | digits }}, {{ call.headers['X-Queue'] }}, {{ config.shop }}, {{ time.weekday }}."
    when: [{ if: time.hour < 8, goto: closed }]
    hang_up: true
  closed: { say: We are closed., hang_up: true }
"#;
    let mut facts = CallFacts { caller: "12".to_owned(), ..CallFacts::default() };
    facts.headers.insert("X-Queue".to_owned(), "gold".to_owned());

    let talk = Talk::start_with(yaml, facts, Seed::default());

    assert_eq!(talk.said(), ["one two, gold, the shop, thursday.", "We are closed."]);
}

#[test]
fn inputs_and_outputs_survive_being_recorded() {
    let mut talk = Talk::start(NUMBER);
    talk.press("1234#");
    for output in talk.take() {
        let text = serde_json::to_string(&output).unwrap();
        assert_eq!(serde_json::from_str::<Output>(&text).unwrap(), output);
    }
    let input = Input::Heard { text: "你好".to_owned(), confidence: Some(0.5) };
    let text = serde_json::to_string(&input).unwrap();
    assert_eq!(serde_json::from_str::<Input>(&text).unwrap(), input);
}
