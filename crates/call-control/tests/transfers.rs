//! Handing the caller over: every way it can end.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod common;

use std::time::Duration;

use common::{Bench, bot};
use offhook_call_control::{CallEvent, Command, CommandOutcome, EndCause};
use offhook_call_media::{LegId, MediaEvent, TurnTimes};
use offhook_engine_api::UtteranceId;
use offhook_sip_proto::message::Method;

/// A call in which the API asked for a transfer.
fn referring(target: &str) -> Bench {
    let mut bench = Bench::up(|_| {});
    bench.command("t", Command::Transfer { target: target.to_owned(), trunk: None });
    bench
}

#[test]
fn a_transfer_that_succeeds_ends_the_call_with_a_bye() {
    let mut bench = referring("agents");
    assert_eq!(
        bench.sent(&Method::Refer).unwrap().headers.get_str("Refer-To"),
        Some("<sip:agents@127.0.0.3>")
    );
    bench.respond(&Method::Refer, 202, "", "");
    let trying = bench.notify(100, "active;expires=60");
    let ringing = bench.notify(180, "active;expires=60");
    assert_eq!(bench.ended(), None);

    let done = bench.notify(200, "terminated;reason=noresource");

    assert_eq!([trying, ringing, done].map(|notify| bench.statuses(notify)), [[200], [200], [200]]);
    assert_eq!(bench.outcome("t"), Some(CommandOutcome::Succeeded));
    assert_eq!(bench.ended(), Some(EndCause::Transferred));
    assert!(bench.sent(&Method::Bye).is_some());
}

#[test]
fn a_notify_before_the_202_counts_too() {
    let mut bench = referring("agents");

    bench.notify(200, "terminated;reason=noresource");

    assert_eq!(bench.ended(), Some(EndCause::Transferred));
}

#[test]
fn a_peer_that_hangs_up_while_it_transfers_has_the_target_on_the_line() {
    let mut bench = referring("agents");
    bench.respond(&Method::Refer, 202, "", "");

    let bye = bench.request("BYE", "", "");

    assert_eq!(bench.statuses(bye), [200]);
    assert_eq!(bench.transferred(), Some(None));
    assert_eq!(bench.outcome("t"), Some(CommandOutcome::Succeeded));
    assert_eq!(bench.ended(), Some(EndCause::Transferred));
    assert!(bench.is_over());
}

#[test]
fn a_transfer_that_fails_says_why_and_the_call_goes_on() {
    for (status, cause) in
        [(486, "busy"), (408, "no_answer"), (603, "rejected"), (404, "unknown_number"), (503, "unreachable")]
    {
        let mut bench = referring("agents");
        bench.respond(&Method::Refer, 202, "", "");

        bench.notify(status, "terminated;reason=noresource");

        assert_eq!(bench.transferred(), Some(Some(cause.to_owned())));
        assert_eq!(bench.refusal("t"), "failed");
        assert_eq!(bench.ended(), None);
    }
}

#[test]
fn a_refer_that_is_refused_fails_with_its_status() {
    let mut bench = referring("agents");

    bench.respond(&Method::Refer, 603, "", "");

    assert_eq!(bench.transferred(), Some(Some("rejected".to_owned())));
    assert_eq!(bench.ended(), None);
}

#[test]
fn a_transfer_without_news_is_given_up() {
    let mut bench = referring("agents");
    bench.respond(&Method::Refer, 202, "", "");
    bench.pass(34_000);
    assert_eq!(bench.transferred(), None);

    bench.pass(1_001);

    assert_eq!(bench.transferred(), Some(Some("no_answer".to_owned())));
    assert_eq!(bench.refusal("t"), "failed");
}

#[test]
fn a_target_that_nobody_vouches_for_is_not_referred_to() {
    for target in ["sip:thief@203.0.113.5", "sip:thief@evil.example"] {
        let bench = referring(target);

        assert_eq!(bench.sent(&Method::Refer), None);
        assert_eq!(bench.transferred(), Some(Some("not_allowed".to_owned())));
        assert!(bench.outcome("t").is_some_and(|outcome| outcome != CommandOutcome::Succeeded));
    }
}

#[test]
fn a_target_that_is_none_and_a_second_transfer_are_refused() {
    let mut bench = referring("nonsense");
    assert_eq!(bench.transferred(), Some(Some("unknown_target".to_owned())));

    bench.command("first", Command::Transfer { target: "agents".to_owned(), trunk: None });
    bench.command("second", Command::Transfer { target: "agents".to_owned(), trunk: None });

    assert_eq!(bench.transferred(), Some(Some("transfer_in_progress".to_owned())));
    assert_eq!(bench.outcome("first"), None);
    assert!(bench.outcome("second").is_some());
    let refers = bench.requests().iter().filter(|(_, request)| request.method == Method::Refer).count();
    assert_eq!(refers, 1);
}

#[test]
fn a_transfer_that_is_open_when_the_call_ends_has_failed() {
    let mut bench = referring("agents");
    bench.command("end", Command::HangUp { status: None, reason: None });

    assert_eq!(bench.transferred(), Some(Some("call_ended".to_owned())));
    assert_eq!(bench.refusal("t"), "failed");
    assert_eq!(bench.ended(), Some(EndCause::ApiHungUp));
}

#[test]
fn a_bot_hands_over_and_gets_its_caller_back() {
    let mut bench = Bench::up(|settings| settings.role = bot());
    bench.media(MediaEvent::Digit {
        leg: LegId::CALLER,
        digit: '0',
        duration: Duration::from_millis(100),
        stopped: None,
        times: TurnTimes::default(),
        masked: false,
    });
    for utterance in 1..=2 {
        let utterance = UtteranceId(utterance);
        bench.media(MediaEvent::PlaybackStarted { utterance, audio_at: bench.now });
        bench.media(MediaEvent::PlaybackFinished { utterance, played: Duration::ZERO, completed: true });
    }
    assert!(bench.sent(&Method::Refer).is_some());
    bench.respond(&Method::Refer, 202, "", "");

    bench.notify(486, "terminated;reason=noresource");

    let states: Vec<String> = bench
        .events()
        .into_iter()
        .filter_map(|event| match event {
            CallEvent::StateEntered { state } => Some(state),
            _ => None,
        })
        .collect();
    assert_eq!(states, ["ask", "person", "ask"]);
    assert_eq!(bench.ended(), None);
}
