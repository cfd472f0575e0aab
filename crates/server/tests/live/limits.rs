//! The limits of the configuration, each with the SIP that the far end sees and the cause in the record.

use std::time::{Duration, Instant};

use crate::common::{Calling, Phone, RtpLine, Server, Setup, g711, together, until};

fn server(limits: &str) -> Server {
    Setup::new().config(&format!("[limits]\n{limits}\n")).start()
}

/// Waits for the server's BYE, answers it, and tells its Reason.
fn farewell(phone: &mut Phone) -> String {
    let bye = phone.expect_request("BYE");
    phone.reply(&bye, "200 OK");
    bye.header("reason").unwrap_or("none").to_owned()
}

#[test]
fn the_call_time_ends_a_call_that_is_alive() {
    let _turn = together();
    let server = server("call_time = 1.5");
    let (mut phone, line) = (Phone::udp(&server), RtpLine::open(server.sip.ip()));
    let began = Instant::now();

    let ok = phone.call("echo", line.local());
    line.talk(ok.audio_address());
    let reason = farewell(&mut phone);

    assert!(began.elapsed() >= Duration::from_millis(1400), "{:?}", began.elapsed());
    assert!(reason.starts_with("Q.850;cause=16"), "{reason}");
    assert_eq!(server.api.ended_call_from("phone")["cause"], "time_limit");
}

#[test]
fn a_caller_whose_rtp_stops_is_hung_up_on() {
    let _turn = together();
    let server = server("rtp_timeout = 1.0");
    let events = server.api.events("");
    let (mut phone, line) = (Phone::udp(&server), RtpLine::open(server.sip.ip()));
    let ok = phone.call("echo", line.local());
    line.talk(ok.audio_address());
    // Longer than the limit: it counts from the last packet, not from the answer.
    line.hear(75);

    line.be_quiet();
    let quiet = Instant::now();
    let reason = farewell(&mut phone);

    let took = quiet.elapsed();
    assert!(took > Duration::from_millis(800) && took < Duration::from_secs(3), "{took:?}");
    assert!(reason.starts_with("Q.850;cause=41"), "{reason}");
    events.wait_for("rtp_timeout");
    assert_eq!(server.api.ended_call_from("phone")["cause"], "rtp_timeout");
}

#[test]
fn a_caller_who_never_sends_rtp_is_hung_up_on() {
    let _turn = together();
    let server = server("rtp_timeout = 1.0");
    let (mut phone, line) = (Phone::udp(&server), RtpLine::open(server.sip.ip()));

    phone.call("echo", line.local());
    let reason = farewell(&mut phone);

    assert!(reason.starts_with("Q.850;cause=41"), "{reason}");
    assert_eq!(server.api.ended_call_from("phone")["cause"], "rtp_timeout");
}

#[test]
fn rtp_that_comes_back_in_time_saves_the_call() {
    let _turn = together();
    let server = server("rtp_timeout = 7.0");
    let events = server.api.events("");
    let (mut phone, line) = (Phone::udp(&server), RtpLine::open(server.sip.ip()));
    let ok = phone.call("echo", line.local());
    line.talk(ok.audio_address());
    line.hear(10);

    line.be_quiet();
    events.wait_for("rtp_timeout");
    line.talk(ok.audio_address());
    events.wait_for("rtp_resumed");

    phone.in_dialog("BYE", "echo", &ok);
    assert_eq!(phone.final_response().status(), 200);
    assert_eq!(server.api.ended_call_from("phone")["cause"], "caller_hung_up");
}

#[test]
fn a_caller_who_says_nothing_to_a_bot_is_hung_up_on() {
    let _turn = together();
    let server = server("silence = 1.0");
    let (mut phone, line) = (Phone::udp(&server), RtpLine::open(server.sip.ip()));

    let ok = phone.offer("after-sales", "", line.local(), "");
    phone.in_dialog("ACK", "after-sales", &ok);
    // Silence counts from the end of what the bot says, and never for the echo.
    let echo = Calling::to(&server, "echo").from("patient").start();
    let reason = farewell(&mut phone);

    assert!(reason.starts_with("Q.850;cause=16"), "{reason}");
    let record = server.api.ended_call_from("phone");
    assert_eq!(record["cause"], "silence_limit", "{record}");
    assert!(echo.hang_up().report.is_success());
}

#[test]
fn a_call_that_nobody_answers_stops_ringing() {
    let _turn = together();
    let route = "[[route]]\nuser = \"later\"\nbot = \"echo\"\nanswer = \"api\"\n";
    let server = Setup::new().config(&format!("[limits]\nring_time = 1.0\n{route}")).start();
    let mut phone = Phone::udp(&server);

    let refused = phone.invite("later", "");

    assert_eq!(refused.status(), 480, "{refused:?}");
    assert_eq!(server.api.ended_call_from("phone")["cause"], "no_answer");
}

#[test]
fn a_call_of_ours_that_nobody_answers_is_cancelled() {
    let _turn = together();
    let server = server("ring_time = 1.0");
    let mut phone = Phone::udp(&server);

    let placed =
        server.api.post("/v1/calls", &format!(r#"{{"to":"{}","bot":"echo","from":"desk"}}"#, phone.uri()));
    assert_eq!(placed.status, 201, "{placed:?}");
    let invite = phone.expect_request("INVITE");
    phone.reply(&invite, "180 Ringing");
    let cancel = phone.expect_request("CANCEL");
    phone.reply(&cancel, "200 OK");
    phone.reply(&invite, "487 Request Terminated");

    assert_eq!(server.api.ended_call_from("desk")["cause"], "no_answer");
}

#[test]
fn a_full_route_is_busy_and_free_again_when_its_call_is_over() {
    let _turn = together();
    let server = Setup::new().config("[[route]]\nuser = \"one\"\nbot = \"echo\"\ncalls = 1\n").start();
    let mut first = Phone::udp(&server);
    let line = RtpLine::open(server.sip.ip());
    let ok = first.call("one", line.local());

    assert_eq!(Phone::udp(&server).invite("one", "").status(), 486);
    assert_eq!(server.metric("offhook_calls_refused_total{status=\"486\"}"), Some(1.0));
    first.in_dialog("BYE", "one", &ok);
    assert_eq!(first.final_response().status(), 200);

    until("the route to be free", || {
        let mut next = Phone::udp(&server);
        let answer = next.invite("one", "");
        if answer.status() == 200 {
            next.in_dialog("ACK", "one", &answer);
        }
        (answer.status() == 200).then_some(())
    });
}

/// A server that takes no more calls says so to a load balancer, and why.
#[test]
fn readiness_names_the_reason_while_calls_are_refused() {
    let _turn = together();
    let server = Setup::new().config("[limits]\ncalls = 1\n").start();
    let ready = || {
        let answer = server.api.send("GET", "/readyz", None, None);
        (answer.status, answer.body["reasons"].as_array().unwrap().clone())
    };
    assert_eq!(ready(), (200, Vec::new()));
    let (mut phone, line) = (Phone::udp(&server), RtpLine::open(server.sip.ip()));
    let ok = phone.call("echo", line.local());

    let (status, reasons) = ready();
    let options = Phone::udp(&server).ask("OPTIONS", "echo", "", "");
    phone.in_dialog("BYE", "echo", &ok);
    phone.final_response();

    assert_eq!((status, reasons.len()), (503, 1), "{reasons:?}");
    assert!(reasons[0].as_str().unwrap().starts_with("full:"), "{reasons:?}");
    assert_eq!(options.status(), 503);
    until("room for a call", || (ready() == (200, Vec::new())).then_some(()));
    server.signal(rustix::process::Signal::TERM);
}

#[test]
fn a_caller_who_holds_us_is_not_silent() {
    let _turn = together();
    let server = server("silence = 1.0");
    let (mut phone, line) = (Phone::udp(&server), RtpLine::open(server.sip.ip()));
    let ok = phone.offer("after-sales", "", line.local(), "");
    phone.in_dialog("ACK", "after-sales", &ok);
    line.talk(ok.audio_address());
    line.hear(10);

    let held = phone.reinvite("after-sales", &ok, &g711(line.local(), "a=inactive\r\n"));
    line.be_quiet();
    std::thread::sleep(Duration::from_millis(2500));

    assert_eq!(held.direction(), "inactive");
    assert_eq!(server.metric("offhook_calls"), Some(1.0), "nobody is hung up on who cannot be heard");
    phone.in_dialog("BYE", "after-sales", &ok);
    assert_eq!(phone.final_response().status(), 200);
}
