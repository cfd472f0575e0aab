//! The bridge: an application over a WebSocket is the far end of the call.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use offhook_caller::call::{EndedBy, Outcome};
use offhook_caller::listen::rms;
use offhook_engines::websocket::{EchoApplication, echo_application};

use crate::common::{Calling, Server, Setup, alone, program, together};

#[test]
fn what_the_application_returns_is_heard_by_the_caller() {
    let _turn = alone();
    let (_application, server) = bridged();

    for bot in ["bridge", "bridge-16k-raw", "bridge-8k-raw"] {
        let ended = Calling::to(&server, bot)
            .from(bot)
            .noise("said.wav")
            .script("say said.wav\nwait 500ms\nhangup")
            .record()
            .place();

        assert!(ended.report.is_success(), "{bot}: {}", ended.said);
        let loud = ended.heard().chunks(1600).map(rms).fold(0.0, f64::max);
        assert!(loud > 500.0, "{bot} comes back with {loud}");
        let received = &ended.report.received;
        assert_eq!((received.lost, received.timestamp_breaks), (0, 0), "{bot}: {received:?}");
    }
}

#[test]
fn an_application_that_is_killed_is_unavailable_and_the_caller_gets_a_bye() {
    let _turn = together();
    let mut application = Command::new(program())
        .arg("echo-application")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(application.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let server = Setup::new().arg("--bridge").arg(url.trim()).start();
    let call = Calling::to(&server, "bridge").from("left-alone").start();
    call.wait_for("answered");

    application.kill().unwrap();
    application.wait().unwrap();

    let ended = call.finish();
    assert_eq!(ended.report.outcome, Outcome::Completed { ended_by: EndedBy::FarEnd }, "{}", ended.said);
    let record = server.api.ended_call_from("left-alone");
    assert_eq!(record["cause"], "application_unavailable");
    let id = record["call_id"].as_str().unwrap();
    let log = server.log();
    assert!(log.lines().any(|line| line.contains("application is gone") && line.contains(id)), "{log}");
}

#[test]
fn an_application_that_closes_its_connection_hangs_up() {
    let _turn = together();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = Setup::new().arg("--bridge").arg(&url).start();
    let call = Calling::to(&server, "bridge").from("closed").start();
    let mut application = tokio_tungstenite::tungstenite::accept(listener.accept().unwrap().0).unwrap();
    call.wait_for("answered");

    application.close(None).unwrap();
    while application.read().is_ok() {}

    let ended = call.finish();
    assert_eq!(ended.report.outcome, Outcome::Completed { ended_by: EndedBy::FarEnd }, "{}", ended.said);
    assert_eq!(server.api.ended_call_from("closed")["cause"], "application_hung_up");
}

fn bridged() -> (EchoApplication, Server) {
    let application = echo_application(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let server = Setup::new().arg("--bridge").arg(&format!("ws://{}/", application.address())).start();
    (application, server)
}
