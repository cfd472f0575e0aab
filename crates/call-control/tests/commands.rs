//! Commands of the API: each has exactly one outcome.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod common;

use std::time::Duration;

use common::{Bench, OFFER, bot};
use offhook_call_control::{
    AnswerPolicy, Command, CommandOutcome, EndCause, Input, Output, Refusal, SpeakRequest, SpeechContent,
};
use offhook_call_media::{Gain, LegId, MediaCommand, MediaEvent, Port};
use offhook_engine_api::{EngineError, SynthesizerEvent, UtteranceId, Voice};
use offhook_sip_proto::message::Method;

const LEG: LegId = LegId::CALLER;

fn say(text: &str) -> Command {
    Command::Say { text: text.to_owned(), interruptible: true }
}

#[test]
fn a_command_with_an_id_that_was_used_does_nothing_twice() {
    let mut bench = Bench::up(|_| {});

    for _ in 0..3 {
        bench.command("same", Command::Mute { leg: LEG });
    }

    let routes =
        bench.media_commands().into_iter().filter(|c| matches!(c, MediaCommand::SetRoute(_))).count();
    assert_eq!(routes, 1);
    assert_eq!(bench.outcome("same"), Some(CommandOutcome::Succeeded));
}

#[test]
fn mute_is_a_gain_of_what_the_leg_says() {
    let mut bench = Bench::up(|settings| settings.role = bot());

    bench.command("off", Command::Mute { leg: LEG });
    bench.command("on", Command::Unmute { leg: LEG });

    let gains: Vec<Gain> = bench
        .media_commands()
        .into_iter()
        .filter_map(|command| match command {
            MediaCommand::SetRoute(route) if route.from == Port::Leg(LEG) && route.to == Port::Recognizer => {
                Some(route.gain)
            }
            _ => None,
        })
        .collect();
    assert_eq!(gains, [Gain::MUTE, Gain::UNITY]);
}

#[test]
fn what_is_wrong_is_refused_with_its_code() {
    let mut bench = Bench::up(|_| {});

    bench.command("leg", Command::Mute { leg: LegId(4) });
    bench.command("digits", Command::Dtmf { leg: LEG, digits: "hello".to_owned() });
    bench.command("no bot", say("hello"));
    bench.command("answer", Command::Answer);

    assert_eq!(bench.refusal("leg"), "bad_argument");
    assert_eq!(bench.refusal("digits"), "bad_argument");
    assert_eq!(bench.refusal("no bot"), "wrong_state");
    assert_eq!(bench.refusal("answer"), "wrong_state");
    assert_eq!(bench.ended(), None);
}

#[test]
fn digits_need_a_far_end_that_takes_them() {
    let without_events = OFFER.replace(" 101\r\na=rtpmap:101 telephone-event/8000", "");
    let mut bench = Bench::new();
    bench.invite(&without_events);
    bench.ack("");
    bench.command("deaf", Command::Dtmf { leg: LEG, digits: "1".to_owned() });
    assert_eq!(bench.refusal("deaf"), "failed");

    let mut bench = Bench::up(|_| {});
    bench.command("keys", Command::Dtmf { leg: LEG, digits: "12#".to_owned() });

    assert_eq!(bench.outcome("keys"), Some(CommandOutcome::Succeeded));
    assert!(bench.media_commands().iter().any(|c| matches!(c, MediaCommand::SendDigits { count: 3, .. })));
}

#[test]
fn what_is_said_succeeds_when_it_was_heard_to_its_end() {
    for (completed, succeeded) in [(true, true), (false, false)] {
        let mut bench = Bench::up(|settings| settings.role = bot());
        bench.command("say", say("A word."));
        let utterance = bench
            .outputs
            .iter()
            .rev()
            .find_map(|(_, output)| match output {
                Output::Speak(request) if request.content == SpeechContent::Text("A word.".to_owned()) => {
                    Some(request.utterance)
                }
                _ => None,
            })
            .unwrap();
        assert_eq!(bench.outcome("say"), None);

        bench.media(MediaEvent::PlaybackFinished { utterance, played: Duration::ZERO, completed });

        assert_eq!(bench.outcome("say") == Some(CommandOutcome::Succeeded), succeeded);
        assert!(bench.outcome("say").is_some());
    }
}

#[test]
fn what_was_being_said_when_the_call_ends_has_failed() {
    let mut bench = Bench::up(|settings| settings.role = bot());
    bench.command("say", say("A word."));
    bench.media_answers = false;
    bench.request("BYE", "", "");
    for utterance in 1..=2 {
        let utterance = UtteranceId(utterance);
        bench.media(MediaEvent::PlaybackFinished { utterance, played: Duration::ZERO, completed: false });
    }

    bench.pass(1_500);

    assert_eq!(bench.refusal("say"), "failed");
    assert_eq!(bench.ended(), Some(EndCause::CallerHungUp));
}

#[test]
fn what_was_being_said_has_failed_also_when_media_is_lost() {
    let mut bench = Bench::up(|settings| settings.role = bot());
    bench.command("say", say("A word."));
    bench.media_answers = false;

    bench.request("BYE", "", "");
    bench.pass(1_500);

    assert_eq!(bench.refusal("say"), "failed");
    assert!(bench.is_over());
}

#[test]
fn a_command_before_the_ack_is_done_or_refused_but_never_forgotten() {
    let mut acknowledged = Bench::new();
    acknowledged.invite(OFFER);
    acknowledged.command("mute", Command::Mute { leg: LEG });
    acknowledged.ack("");
    assert!(acknowledged.outcome("mute").is_some());

    let mut lost = Bench::new();
    lost.invite(OFFER);
    lost.command("mute", Command::Mute { leg: LEG });
    lost.pass(33_000);

    assert_eq!(lost.ended(), Some(EndCause::NoAck));
    assert!(lost.outcome("mute").is_some());
}

#[test]
fn hanging_up_says_why_in_the_bye() {
    let mut bench = Bench::up(|_| {});

    bench.command("end", Command::HangUp { status: None, reason: None });

    let bye = bench.sent(&Method::Bye).unwrap();
    assert_eq!(bye.headers.get_str("Reason"), Some("Q.850;cause=16;text=\"Normal call clearing\""));
    assert_eq!(bench.outcome("end"), Some(CommandOutcome::Succeeded));
    bench.respond(&Method::Bye, 200, "", "");
    assert!(bench.is_over());
}

#[test]
fn commands_while_it_rings_are_refused_and_the_call_rings_on() {
    let mut bench = Bench::with(|settings| settings.answer = AnswerPolicy::WaitForApi);
    let invite = bench.invite(OFFER);

    bench.command("mute", Command::Mute { leg: LEG });
    bench.command("transfer", Command::Transfer { target: "agents".to_owned(), trunk: None });

    assert_eq!(bench.refusal("mute"), "wrong_state");
    assert_eq!(bench.refusal("transfer"), "wrong_state");
    assert_eq!(bench.statuses(invite), [180]);
}

/// The request of the last thing to be said.
fn spoken(bench: &Bench) -> SpeakRequest {
    let of = |output: &Output| match output {
        Output::Speak(request) => Some(request.clone()),
        _ => None,
    };
    bench.outputs.iter().rev().find_map(|(_, output)| of(output)).unwrap()
}

#[test]
fn a_text_in_a_script_that_the_bots_voice_does_not_know_gets_a_voice_that_does() {
    let mut bench = Bench::up(|settings| settings.role = bot());
    let own = spoken(&bench).voice;

    bench.command("greet", say("您好"));

    assert_eq!(spoken(&bench).voice, Voice { language: "zh".to_owned(), name: String::new() });
    bench.command("back", say("Hello"));
    assert_eq!(spoken(&bench).voice, own);
}

#[test]
fn what_the_engine_cannot_say_has_failed_with_its_reason() {
    let mut bench = Bench::up(|settings| settings.role = bot());
    bench.command("greet", say("您好"));
    let utterance = spoken(&bench).utterance;

    let error = EngineError::Missing {
        engine: "synthesizer".to_owned(),
        what: "a voice for this language (zh)".to_owned(),
        remedy: "apt-get install espeak-ng".to_owned(),
    };
    bench.feed(Input::Synthesizer(SynthesizerEvent::Failed { utterance, error }));

    assert_eq!(bench.refusal("greet"), "failed");
    let message = format!("{:?}", bench.outcome("greet"));
    assert!(message.contains("(zh)") && message.contains("espeak-ng"), "{message}");
    assert_eq!(bench.ended(), None, "the call goes on");
}

#[test]
fn after_the_end_was_told_every_command_is_refused() {
    let mut bench = Bench::up(|settings| settings.role = bot());
    bench.command("end", Command::HangUp { status: None, reason: None });
    assert_eq!(bench.ended(), Some(EndCause::ApiHungUp));

    bench.command("again", Command::HangUp { status: None, reason: None });
    bench.command("word", say("Hello"));

    assert_eq!([bench.refusal("again"), bench.refusal("word")], ["wrong_state", "wrong_state"]);
}

#[test]
fn an_outcome_is_told_in_the_words_of_the_api() {
    let json = |outcome: CommandOutcome| serde_json::to_value(&outcome).unwrap();
    let failed = CommandOutcome::Failed(Refusal::wrong_state("not up"));

    let told = json(failed.clone());

    assert_eq!(told, serde_json::json!({"result": "failed", "code": "wrong_state", "message": "not up"}));
    assert_eq!(serde_json::from_value::<CommandOutcome>(told).unwrap(), failed);
    assert_eq!(json(CommandOutcome::Succeeded), serde_json::json!({"result": "succeeded"}));
}
