//! Everything has its time, and its own cause.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod common;

use std::time::Duration;

use common::{Bench, OFFER, bot, offer};
use offhook_call_control::{AnswerPolicy, EndCause, StartedBy};
use offhook_call_media::{LegId, MediaEvent};
use offhook_engine_api::UtteranceId;
use offhook_sip_proto::endpoint::SipAction;
use offhook_sip_proto::message::Method;
use offhook_time::Time;

#[test]
fn a_call_that_nobody_answers_rings_for_its_time() {
    let mut bench = Bench::with(|settings| {
        settings.answer = AnswerPolicy::WaitForApi;
        settings.limits.ring_time = Duration::from_secs(20);
    });
    let invite = bench.invite(OFFER);

    bench.pass(19_999);
    assert_eq!(bench.ended(), None);
    bench.pass(1);

    assert_eq!(bench.ended(), Some(EndCause::NoAnswer));
    assert_eq!(bench.statuses(invite), [180, 480]);
}

#[test]
fn a_call_ends_at_its_longest_time() {
    let mut bench = Bench::up(|settings| settings.limits.call_time = Duration::from_secs(60));

    bench.pass(60_001);

    assert_eq!(bench.ended(), Some(EndCause::TimeLimit));
    assert!(bench.sent(&Method::Bye).is_some());
}

#[test]
fn missing_rtp_is_told_first_and_ends_the_call_later() {
    let mut bench = Bench::up(|_| {});
    bench.media(MediaEvent::RtpTimeout { leg: LegId::CALLER });

    // Five seconds of the thirty have passed when media tells.
    bench.pass(24_900);
    assert_eq!(bench.ended(), None);
    bench.pass(200);

    assert_eq!(bench.ended(), Some(EndCause::RtpTimeout));
}

#[test]
fn rtp_that_comes_back_saves_the_call() {
    let mut bench = Bench::up(|_| {});
    bench.media(MediaEvent::RtpTimeout { leg: LegId::CALLER });
    bench.pass(20_000);

    bench.media(MediaEvent::RtpResumed { leg: LegId::CALLER });
    bench.pass(60_000);

    assert_eq!(bench.ended(), None);
}

#[test]
fn silence_ends_a_call_with_a_bot_and_every_sign_of_life_puts_it_off() {
    let mut bench = Bench::up(|settings| {
        settings.role = bot();
        settings.limits.silence = Duration::from_millis(2_500);
    });
    let utterance = UtteranceId(1);
    bench.media(MediaEvent::PlaybackStarted { utterance, audio_at: bench.now });
    bench.pass(3_000);
    let played = Duration::from_secs(3);
    bench.media(MediaEvent::PlaybackFinished { utterance, played, completed: true });
    bench.pass(1_500);
    bench.media(MediaEvent::SpeechStarted { onset: bench.now, paused: None });
    bench.pass(2_400);
    assert_eq!(bench.ended(), None);

    bench.pass(200);

    assert_eq!(bench.ended(), Some(EndCause::SilenceLimit));
}

#[test]
fn a_caller_who_puts_the_bot_on_hold_is_neither_asked_nor_hung_up_on() {
    let mut bench = Bench::up(|settings| {
        settings.role = bot();
        settings.limits.silence = Duration::from_secs(4);
    });
    bench.invite(&offer("inactive", 2));
    bench.ack("");
    let asked = bench.requests_to_speak();

    bench.pass(600_000);

    assert_eq!(bench.ended(), None);
    assert_eq!(bench.requests_to_speak(), asked, "nobody hears a bot on hold");
}

#[test]
fn an_echo_may_be_silent_for_ever() {
    let mut bench = Bench::up(|settings| settings.limits.silence = Duration::from_secs(4));

    bench.pass(600_000);

    assert_eq!(bench.ended(), None);
}

#[test]
fn the_first_cause_stands() {
    let mut bench = Bench::up(|settings| settings.limits.call_time = Duration::from_secs(60));
    bench.media_answers = false;
    bench.pass(60_000);

    bench.request("BYE", "", "");
    bench.pass(2_000);

    assert_eq!(bench.ended(), Some(EndCause::TimeLimit));
}

fn outbound(status: Option<u16>) -> Bench {
    let mut bench = Bench::with(|settings| {
        let target = "sip:alice@127.0.0.2:5080".to_owned();
        settings.started_by = StartedBy::Api { target, caller: "desk".to_owned() };
        settings.limits.ring_time = Duration::from_secs(20);
    });
    bench.feed(offhook_call_control::Input::Dial);
    bench.respond(&Method::Invite, 180, "", "");
    if let Some(status) = status {
        let (extra, body) =
            if status == 200 { ("Content-Type: application/sdp\r\n", OFFER) } else { ("", "") };
        bench.respond(&Method::Invite, status, extra, body);
    }
    bench
}

#[test]
fn an_outgoing_call_ends_with_the_cause_of_its_refusal() {
    for (status, cause) in [
        (486, EndCause::Busy),
        (404, EndCause::Unreachable),
        (480, EndCause::NoAnswer),
        (603, EndCause::Rejected),
        (488, EndCause::NoCommonCodec),
    ] {
        let bench = outbound(Some(status));

        assert_eq!(bench.ended(), Some(cause), "{status}");
        assert!(bench.is_over());
    }
}

#[test]
fn an_outgoing_call_that_nobody_answers_is_cancelled() {
    let mut bench = outbound(None);

    bench.pass(20_001);

    assert_eq!(bench.ended(), Some(EndCause::NoAnswer));
    assert_eq!(
        bench
            .moments(|output| matches!(output, offhook_call_control::Output::Sip(SipAction::Cancel { .. })))
            .len(),
        1
    );
}

#[test]
fn an_outgoing_call_is_acknowledged_and_up_at_once() {
    let mut bench = outbound(Some(200));

    bench.pass(30_000);

    assert_eq!(bench.ended(), None);
    assert_eq!(bench.stream().unwrap().remote_rtp.unwrap().port(), 30_000);
    let ack = |output: &offhook_call_control::Output| {
        matches!(output, offhook_call_control::Output::Sip(SipAction::AckFor2xx { .. }))
    };
    assert_eq!(bench.moments(ack), [Time::from_millis(1_000)]);
}
