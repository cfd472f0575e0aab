//! Commands of the API: each has exactly one outcome.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod common;

use std::time::Duration;

use common::{Bench, OFFER, bot};
use offhook_call_control::{AnswerPolicy, Command, CommandOutcome, EndCause, Output, SpeechContent};
use offhook_call_media::{Gain, LegId, MediaCommand, MediaEvent, Port};
use offhook_engine_api::UtteranceId;
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
