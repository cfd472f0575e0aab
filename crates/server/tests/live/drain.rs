//! SIGTERM: no new calls, running ones finish, then an orderly end.

use std::time::{Duration, Instant};

use offhook_caller::call::{EndedBy, Outcome};
use rustix::process::Signal;

use crate::common::{Calling, Phone, RtpLine, Server, Setup, together, until};

#[test]
fn a_draining_server_refuses_new_calls_lets_running_ones_finish_and_exits_with_zero() {
    let _turn = together();
    let mut server = Setup::new().start();
    let running = Calling::to(&server, "echo").from("running").start();
    running.wait_for("answered");

    server.signal(Signal::TERM);

    until("readiness to be gone", || {
        (server.api.send("GET", "/readyz", None, None).status == 503).then_some(())
    });
    assert_eq!(server.api.send("GET", "/healthz", None, None).status, 200);
    let refused = Phone::udp(&server).invite("echo", "");
    assert_eq!((refused.status(), refused.header("retry-after").is_some()), (503, true), "{refused:?}");
    assert_eq!(Phone::tcp(&server).ask("OPTIONS", "echo", "", "").status(), 503);
    assert_eq!(Phone::udp(&server).ask("OPTIONS", "", "", "").status(), 503);
    let dialled = server.api.post("/v1/calls", r#"{"to":"sip:a@127.0.0.1:9","bot":"echo"}"#);
    assert_eq!(dialled.status, 503, "{dialled:?}");
    let call = running.hang_up();
    assert_eq!(call.report.outcome, Outcome::Completed { ended_by: EndedBy::Caller }, "{}", call.said);
    assert_eq!(server.wait(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn when_the_drain_time_is_over_the_rest_gets_a_bye() {
    let _turn = together();
    let mut server = Setup::new().config("[limits]\ndrain_timeout = 1.5\n").start();
    let calls: Vec<_> =
        (0..5).map(|number| Calling::to(&server, "echo").from(&format!("left-{number}")).start()).collect();
    calls.iter().for_each(|call| call.wait_for("answered"));
    let began = Instant::now();

    server.signal(Signal::TERM);
    let status = server.wait(Duration::from_secs(10));

    assert_eq!(status.code(), Some(0));
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1500) && took < Duration::from_secs(5), "{took:?}");
    for call in calls {
        let ended = call.finish();
        assert_eq!(ended.report.outcome, Outcome::Completed { ended_by: EndedBy::FarEnd }, "{}", ended.said);
    }
}

#[test]
fn a_second_signal_ends_at_once_with_a_bye() {
    let _turn = together();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let call = Calling::to(&server, "echo").from("cut").start();
    call.wait_for("answered");

    server.signal(Signal::TERM);
    until("draining", || server.log().contains("draining: no new calls").then_some(()));
    let began = Instant::now();
    server.signal(Signal::TERM);
    let status = server.wait(Duration::from_secs(10));

    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(status.code(), Some(0));
    let ended = call.finish();
    assert_eq!(ended.report.outcome, Outcome::Completed { ended_by: EndedBy::FarEnd }, "{}", ended.said);
    let next = Setup::new().data(&data).start();
    assert_eq!(next.api.ended_call_from("cut")["cause"], "shutdown");
}

#[test]
fn a_second_signal_does_not_wait_for_a_caller_that_is_gone() {
    let _turn = together();
    let mut server = Server::start();
    let (mut phone, line) = (Phone::udp(&server), RtpLine::open(server.sip.ip()));
    phone.call("echo", line.local());

    server.signal(Signal::TERM);
    until("draining", || server.log().contains("draining: no new calls").then_some(()));
    let began = Instant::now();
    server.signal(Signal::TERM);
    server.wait(Duration::from_secs(10));

    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    // It got its BYE, and never answered it.
    let bye = phone.expect_request("BYE");
    assert!(bye.header("reason").is_some_and(|reason| reason.starts_with("Q.850;cause=41")), "{bye:?}");
}

#[test]
fn a_call_that_rings_holds_up_no_drain() {
    let _turn = together();
    let route = "[[route]]\nuser = \"later\"\nbot = \"echo\"\nanswer = \"api\"\n";
    let mut server = Setup::new().config(route).start();
    let mut phone = Phone::udp(&server);
    let events = server.api.events("");

    let refused = std::thread::scope(|scope| {
        let invited = scope.spawn(|| phone.invite("later", ""));
        events.wait_for("call_ringing");
        server.signal(Signal::TERM);
        invited.join().unwrap()
    });

    assert_eq!(refused.status(), 503, "{refused:?}");
    assert_eq!(server.wait(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn signals_after_the_first_wait_for_no_disk() {
    let _turn = together();
    let mut server = Setup::new().config("[bundle]\nrecord = \"on\"\n").arg("--allow-planted-panics").start();
    let call = Calling::to(&server, "echo").header("X-Offhook-Test", "stall-recorder 9000").start();
    call.wait_for("answered");

    server.signal(Signal::TERM);
    until("draining", || server.log().contains("draining: no new calls").then_some(()));
    let began = Instant::now();
    server.signal(Signal::TERM);
    let status = server.wait(Duration::from_secs(10));

    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    assert_eq!(status.code(), Some(1), "it says that something was left undone");
    assert_eq!(call.finish().report.outcome, Outcome::Completed { ended_by: EndedBy::FarEnd });
}

#[test]
fn an_idle_server_ends_at_once() {
    let _turn = together();
    let mut server = Setup::new().start();

    server.signal(Signal::INT);

    assert_eq!(server.wait(Duration::from_secs(3)).code(), Some(0));
}
