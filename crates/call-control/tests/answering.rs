//! From the INVITE to the answer, and how an unanswered call ends.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod common;

use common::{Bench, FOREIGN, OFFER, bot, offer};
use offhook_call_control::{AnswerPolicy, BridgeSettings, CallEvent, Command, EndCause, Input, Output, Role};
use offhook_call_media::{Direction, LineCodec, MediaCommand};
use offhook_sip_proto::endpoint::SipAction;
use offhook_sip_proto::message::Method;
use offhook_testkit::millis_since;

#[test]
fn an_invite_is_answered_at_once_and_the_stream_opened() {
    let mut bench = Bench::new();

    let invite = bench.invite(OFFER);

    assert_eq!(bench.statuses(invite), [200]);
    assert!(bench.body(invite).contains("m=audio 20000 RTP/AVP 0 101"), "{}", bench.body(invite));
    let stream = bench.stream().unwrap();
    assert_eq!(stream.remote_rtp.unwrap().to_string(), "127.0.0.2:30000");
    assert_eq!((stream.codec, stream.telephone_event), (LineCodec::Pcmu, Some(101)));
}

#[test]
fn the_bot_waits_for_the_ack_before_it_speaks() {
    let speaks = |bench: &Bench| bench.outputs.iter().any(|(_, output)| matches!(output, Output::Speak(_)));
    let mut bench = Bench::with(|settings| settings.role = bot());
    bench.invite(OFFER);
    assert!(!speaks(&bench));

    bench.ack("");

    assert!(speaks(&bench));
}

#[test]
fn an_offer_without_a_codec_of_ours_is_answered_488() {
    let mut bench = Bench::new();

    let invite = bench.invite(FOREIGN);

    assert_eq!(bench.statuses(invite), [488]);
    assert_eq!(bench.ended(), Some(EndCause::NoCommonCodec));
    assert!(bench.is_over());
}

#[test]
fn a_488_says_what_was_wrong_with_the_offer() {
    for (offered, warning) in [
        (FOREIGN.to_owned(), "305 offhook \"no codec in common\""),
        (OFFER.replace("RTP/AVP", "RTP/SAVP"), "304 offhook \"no audio stream\""),
        (
            OFFER.replace("c=IN IP4 127.0.0.2", "c=IN IP4 host.example"),
            "301 offhook \"no usable media address\"",
        ),
    ] {
        let mut bench = Bench::new();

        let invite = bench.invite(&offered);

        let responses = bench.responses();
        let (_, refusal) = responses.iter().rfind(|(to, _)| *to == invite).unwrap();
        assert_eq!(refusal.status.code(), 488, "{offered}");
        assert_eq!(refusal.headers.get_str("Warning"), Some(warning));
    }
}

#[test]
fn an_offer_that_is_no_sdp_is_answered_400() {
    let mut bench = Bench::new();

    let invite = bench.invite("what is this");

    assert_eq!(bench.statuses(invite), [400]);
    assert_eq!(bench.ended(), Some(EndCause::BadOffer));
}

#[test]
fn an_offer_among_the_parts_of_a_body_is_found() {
    let mut bench = Bench::new();

    let invite = bench.request("INVITE", "Content-Type: multipart/mixed; boundary=b", &in_parts(OFFER));

    assert_eq!(bench.statuses(invite), [200]);
    assert!(bench.body(invite).contains("RTP/AVP 0 101"), "{}", bench.body(invite));
    assert_eq!(bench.stream().unwrap().remote_rtp.unwrap().to_string(), "127.0.0.2:30000");
}

#[test]
fn parts_without_a_session_description_are_an_invite_without_an_offer() {
    let mut bench = Bench::new();
    let parts = in_parts(OFFER).replace("application/sdp", "application/isup");

    let invite = bench.request("INVITE", "Content-Type: multipart/mixed; boundary=b", &parts);

    assert_eq!(bench.statuses(invite), [200]);
    assert_eq!(bench.stream(), None, "ours went with the 200");
}

/// The description wrapped as SBCs do it.
fn in_parts(description: &str) -> String {
    format!(
        "--b\r\nContent-Type: application/pidf+xml\r\n\r\n<presence/>\r\n--b\r\nContent-Type: application/sdp\r\n\r\n\
         {description}\r\n--b--\r\n"
    )
}

#[test]
fn without_an_offer_ours_goes_with_the_200_and_the_answer_comes_with_the_ack() {
    let mut bench = Bench::with(|settings| settings.codecs = vec![LineCodec::Pcmu, LineCodec::Pcma]);
    let invite = bench.invite("");
    assert!(bench.body(invite).contains("RTP/AVP 0 8 101"));
    assert_eq!(bench.stream(), None);

    bench.ack(&OFFER.replace("0 8 101", "8 101"));

    assert_eq!(bench.stream().unwrap().codec, LineCodec::Pcma);
}

#[test]
fn an_answer_in_the_ack_that_fits_nothing_ends_the_call_by_bye() {
    let mut bench = Bench::new();
    bench.invite("");

    bench.ack(FOREIGN);

    assert_eq!(bench.ended(), Some(EndCause::NoCommonCodec));
    assert!(bench.sent(&Method::Bye).unwrap().headers.get_str("Reason").unwrap().contains("cause=65"));
}

#[test]
fn the_200_is_repeated_until_64_t1_and_then_a_bye_follows() {
    let mut bench = Bench::new();
    let start = bench.now;
    bench.invite(OFFER);

    bench.pass(40_000);

    let again = bench.moments(|output| matches!(output, Output::Sip(SipAction::Retransmit2xx { .. })));
    assert_eq!(
        millis_since(start, &again),
        [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]
    );
    let bye = bench.moments(|output| matches!(output, Output::Sip(SipAction::Request { .. })));
    assert_eq!(millis_since(start, &bye), [32_000]);
    assert_eq!(bench.ended(), Some(EndCause::NoAck));
}

#[test]
fn an_ack_stops_the_repetition() {
    let mut bench = Bench::new();
    bench.invite(OFFER);
    bench.pass(1_600);

    bench.ack("");
    bench.pass(60_000);

    let again = bench.moments(|output| matches!(output, Output::Sip(SipAction::Retransmit2xx { .. })));
    assert_eq!(again.len(), 2);
    assert_eq!(bench.ended(), None);
}

#[test]
fn a_bye_before_the_ack_waits_for_the_ack() {
    let mut bench = Bench::new();
    bench.invite(OFFER);
    bench.command("end", Command::HangUp { status: None, reason: None });
    assert_eq!(bench.sent(&Method::Bye), None);
    assert!(!bench.is_over());

    bench.pass(900);
    bench.ack("");

    assert!(bench.sent(&Method::Bye).is_some());
    bench.respond(&Method::Bye, 200, "", "");
    assert!(bench.is_over());
    assert_eq!(bench.ended(), Some(EndCause::ApiHungUp));
}

#[test]
fn a_bye_before_an_ack_that_never_comes_leaves_after_64_t1() {
    let mut bench = Bench::new();
    let start = bench.now;
    bench.invite(OFFER);
    bench.command("end", Command::HangUp { status: None, reason: None });

    bench.pass(33_000);

    let bye = bench.moments(|output| matches!(output, Output::Sip(SipAction::Request { .. })));
    assert_eq!(millis_since(start, &bye), [32_000]);
    assert_eq!(bench.ended(), Some(EndCause::ApiHungUp), "the first cause stands");
}

#[test]
fn an_ended_call_has_no_deadline_although_its_200_was_never_acknowledged() {
    let mut bench = Bench::new();
    bench.invite(OFFER);

    let bye = bench.request("BYE", "", "");

    assert_eq!(bench.statuses(bye), [200]);
    assert!(bench.is_over());
    assert_eq!(bench.call.poll_timeout(), None);
}

#[test]
fn cancel_ends_a_call_that_rings() {
    let mut bench = Bench::with(|settings| settings.answer = AnswerPolicy::WaitForApi);
    let invite = bench.invite(OFFER);
    bench.pass(2_000);

    bench.cancel(invite);

    assert_eq!(bench.statuses(invite), [180, 487]);
    assert_eq!(bench.ended(), Some(EndCause::Cancelled));
    assert!(bench.is_over());
}

#[test]
fn cancel_after_the_answer_changes_nothing() {
    let mut bench = Bench::new();
    let invite = bench.invite(OFFER);

    bench.cancel(invite);
    bench.ack("");
    bench.pass(10_000);

    assert_eq!(bench.statuses(invite), [200]);
    assert_eq!(bench.ended(), None);
}

#[test]
fn a_call_that_rings_when_the_server_ends_is_refused_with_503() {
    let mut bench = Bench::with(|settings| settings.answer = AnswerPolicy::WaitForApi);
    let invite = bench.invite(OFFER);
    assert!(bench.call.is_ringing());

    bench.feed(Input::End { cause: EndCause::Shutdown });

    assert_eq!(bench.statuses(invite), [180, 503]);
    assert_eq!(bench.ended(), Some(EndCause::Shutdown));
    assert!(!bench.call.is_ringing());
}

#[test]
fn the_api_answers_or_rejects_a_call_that_rings() {
    let ring = || Bench::with(|settings| settings.answer = AnswerPolicy::WaitForApi);
    let mut answered = ring();
    let invite = answered.invite(OFFER);
    answered.command("answer", Command::Answer);
    assert_eq!(answered.statuses(invite), [180, 200]);

    let mut rejected = ring();
    let invite = rejected.invite(OFFER);
    rejected.command("no", Command::HangUp { status: Some(486), reason: None });

    assert_eq!(rejected.statuses(invite), [180, 486]);
    assert_eq!(rejected.ended(), Some(EndCause::Rejected));
}

#[test]
fn a_bridge_is_answered_when_the_application_is_there() {
    let bridge = |bench: &mut Bench| bench.invite(OFFER);
    let role = || Role::Bridge(BridgeSettings { sample_rate: 16_000, raw: false });
    let mut bench = Bench::with(|settings| settings.role = role());
    let invite = bridge(&mut bench);
    assert_eq!(bench.statuses(invite), Vec::<u16>::new());
    bench.feed(Input::BridgeConnected);
    assert_eq!(bench.statuses(invite), [200]);

    let mut refused = Bench::with(|settings| settings.role = role());
    let invite = bridge(&mut refused);
    refused.feed(Input::BridgeClosed { why: "connection refused".to_owned() });

    assert_eq!(refused.statuses(invite), [480]);
    assert_eq!(refused.ended(), Some(EndCause::ApplicationUnavailable));
}

#[test]
fn an_application_that_is_lost_in_a_call_did_not_hang_up() {
    let lost = Input::BridgeClosed { why: "connection reset".to_owned() };
    let hung_up = Input::BridgeHangUp { reason: String::new() };
    let causes = [lost, hung_up].map(|input| {
        let mut bench = Bench::with(|settings| {
            settings.role = Role::Bridge(BridgeSettings { sample_rate: 16_000, raw: false });
        });
        bench.invite(OFFER);
        bench.feed(Input::BridgeConnected);
        bench.ack("");
        bench.feed(input);
        let reason = bench.sent(&Method::Bye).unwrap().headers.get_str("Reason").unwrap().to_owned();
        (bench.ended().unwrap(), reason)
    });

    let [(lost, lost_reason), (hung_up, hung_up_reason)] = causes;
    assert_eq!((lost, hung_up), (EndCause::ApplicationUnavailable, EndCause::ApplicationHungUp));
    assert!(lost_reason.contains("cause=27") && hung_up_reason.contains("cause=16"), "{lost_reason}");
}

#[test]
fn hold_stops_our_rtp_and_resume_starts_it() {
    let mut bench = Bench::up(|_| {});

    let hold = bench.invite(&offer("sendonly", 2));
    assert_eq!(bench.stream().unwrap().direction, Direction::ReceiveOnly);
    assert!(bench.body(hold).contains("a=recvonly"));
    bench.ack("");

    bench.invite(&offer("inactive", 3));
    assert_eq!(bench.stream().unwrap().direction, Direction::Inactive);
    bench.ack("");

    bench.invite(&offer("sendrecv", 4));
    assert_eq!(bench.stream().unwrap().direction, Direction::SendReceive);
}

#[test]
fn a_reinvite_that_cannot_be_met_leaves_the_session_as_it_was() {
    let mut bench = Bench::up(|_| {});
    let before = bench.stream();

    let change = bench.invite(FOREIGN);

    assert_eq!(bench.statuses(change), [488]);
    assert_eq!(bench.stream(), before);
    assert_eq!(bench.ended(), None);
}

#[test]
fn a_reinvite_before_the_ack_of_the_last_one_is_answered_491() {
    let mut bench = Bench::up(|_| {});
    bench.invite(&offer("sendonly", 2));

    let second = bench.invite(&offer("sendrecv", 3));

    assert_eq!(bench.statuses(second), [491]);
}

#[test]
fn a_reinvite_without_an_offer_gets_ours() {
    let mut bench = Bench::up(|_| {});

    let change = bench.invite("");
    assert!(bench.body(change).contains("m=audio 20000"));
    bench.ack(&offer("sendonly", 2));

    assert_eq!(bench.stream().unwrap().direction, Direction::ReceiveOnly);
}

#[test]
fn requests_inside_the_dialog_get_the_answers_of_the_rfcs() {
    let mut bench = Bench::up(|_| {});

    let options = bench.request("OPTIONS", "", "");
    let notify = bench.notify(200, "terminated");
    let refer = bench.request("REFER", "Refer-To: <sip:thief@203.0.113.5>", "");

    assert_eq!(bench.statuses(options), [200]);
    assert_eq!(bench.statuses(notify), [481]);
    assert_eq!(bench.statuses(refer), [405]);
    assert_eq!(bench.ended(), None);
}

#[test]
fn a_call_whose_media_half_is_lost_ends_all_the_same() {
    let mut bench = Bench::up(|_| {});
    bench.media_answers = false;
    bench.request("BYE", "", "");
    assert_eq!(bench.ended(), None, "the report may still come");

    bench.pass(1_100);

    assert_eq!(bench.ended(), Some(EndCause::CallerHungUp));
    assert!(bench.is_over());
    assert!(bench.media_commands().contains(&MediaCommand::Close));
}

#[test]
fn nothing_is_told_after_the_end() {
    let mut bench = Bench::up(|settings| settings.role = bot());
    bench.command("end", Command::HangUp { status: None, reason: None });
    let told = bench.events().len();

    bench.feed(Input::BridgeMark { name: "late".to_owned() });
    bench.feed(Input::Tool { tool: 1, outcome: Err(offhook_conversation::ToolFailure::TimedOut) });
    bench.pass(60_000);

    assert_eq!(bench.events().len(), told);
    assert!(matches!(
        bench.events().last(),
        Some(CallEvent::CallEnded { .. } | CallEvent::CommandFinished { .. })
    ));
}
